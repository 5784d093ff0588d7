"""A small client of the sandbox's own APIs, standard library only: for the bootstrap, the readiness and `status`.

Runs inside the sandbox's namespace.
"""

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from sandbox.configuration.common import KEYSTONE
from sandbox.configuration.secrets import secrets_of
from sandbox.layout import ADMIN, LOOPBACK, Layout, Port

MANILA_VERSION = {"X-OpenStack-Manila-API-Version": "2.63"}
MAGNUM_VERSION = {"OpenStack-API-Version": "container-infra latest"}
PLACEMENT_VERSION = {"OpenStack-API-Version": "placement 1.39"}
NOVA_VERSION = {"X-OpenStack-Nova-API-Version": "2.90"}
VERSIONS = {
    Port.NOVA: NOVA_VERSION,
    Port.MANILA: MANILA_VERSION,
    Port.MAGNUM: MAGNUM_VERSION,
    Port.PLACEMENT: PLACEMENT_VERSION,
}


class ApiError(RuntimeError):
    """An API refused a request or did not answer; `status` is 0 if it did not."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Requests of one user in its project."""

    def __init__(self, layout: Layout, user: str = ADMIN) -> None:
        self.user = user
        self._password = secrets_of(layout).users[user]
        self._token = ""
        self.project_id = ""
        self.user_id = ""

    def login(self) -> None:
        """Ask Keystone for a token; every other request does it by itself the first time."""
        domain = {"name": "Default"}
        user = {"name": self.user, "domain": domain, "password": self._password}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": self.user, "domain": domain}},
        }
        headers, body = _send("POST", f"{KEYSTONE}/auth/tokens", {"auth": auth}, {})
        self._token = headers["X-Subject-Token"]
        self.project_id = body["token"]["project"]["id"]
        self.user_id = body["token"]["user"]["id"]

    def call(self, method: str, port: Port, path: str, body: Any = None, *, content: bytes | None = None) -> Any:
        """The parsed answer of a request; ApiError if it failed."""
        if not self._token:
            self.login()
        headers = {"X-Auth-Token": self._token, **VERSIONS.get(port, {})}
        path = path.replace("PROJECT", self.project_id)
        data = content if content is not None else body
        return _send(method, f"http://{LOOPBACK}:{int(port)}{path}", data, headers)[1]

    def get(self, port: Port, path: str) -> Any:
        return self.call("GET", port, path)

    def post(self, port: Port, path: str, body: Any) -> Any:
        return self.call("POST", port, path, body)

    def delete(self, port: Port, path: str) -> None:
        self.call("DELETE", port, path)


def _send(method: str, url: str, body: Any, headers: dict[str, str], limit: float = 60) -> tuple[Any, Any]:
    """Send one request; returns the headers and the parsed body of the answer."""
    data: bytes | None
    if isinstance(body, bytes):
        data, kind = body, "application/octet-stream"
    else:
        data, kind = (None if body is None else json.dumps(body).encode()), "application/json"
    request = urllib.request.Request(url, data, {"Content-Type": kind, **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=limit) as answer:
            text = answer.read()
            is_json = "json" in (answer.headers.get("Content-Type") or "")
            return answer.headers, json.loads(text) if text and is_json else text
    except urllib.error.HTTPError as refusal:
        said = refusal.read().decode(errors="replace")[:500]
        raise ApiError(f"{method} {url}: {refusal.code} {said}", refusal.code) from None
    except (OSError, HTTPException) as problem:
        raise ApiError(f"{method} {url}: {problem}") from None

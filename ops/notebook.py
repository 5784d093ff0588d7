"""The notebook server over its REST API: log in, run a paragraph."""

from __future__ import annotations

import http.cookiejar
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from ops.cloud import OpsError

START_LIMIT = 300  # seconds: the first paragraph starts an interpreter and a YARN application


@dataclass(frozen=True)
class Paragraph:
    """What a paragraph came to: SUCCESS or ERROR, and what it printed."""

    status: str
    text: str


@dataclass
class Notebook:
    """A session with a Zeppelin server. `tls`: by which certificates its URL is trusted, and asked."""

    url: str
    tls: ssl.SSLContext | None = None
    _opener: urllib.request.OpenerDirector = field(init=False)

    def __post_init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=self.tls))

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the `body` of the answer. Raises OpsError with the server's status."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        return self._send(request)

    def login(self, user: str, password: str, patience: float = 0) -> None:
        """Log in; the session keeps the cookie. A server that is just starting has `patience` seconds to answer."""
        form = urllib.parse.urlencode({"userName": user, "password": password}).encode()
        deadline = time.monotonic() + patience
        while True:
            try:
                self._send(urllib.request.Request(f"{self.url}/api/login", data=form, method="POST"))
                return
            except OpsError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def run(self, text: str) -> Paragraph:
        """Run one paragraph in a note of its own, which is removed again."""
        name = f"/check-{time.time_ns()}"
        note = self.call(
            "POST", "/notebook", {"name": name, "notePath": name, "paragraphs": [{"title": "", "text": text}]}
        )
        try:
            paragraph = self.call("GET", f"/notebook/{note}")["paragraphs"][0]["id"]
            result = self.call("POST", f"/notebook/run/{note}/{paragraph}")
        finally:
            self.call("DELETE", f"/notebook/{note}")
        return Paragraph(result["code"], "\n".join(message["data"] for message in result.get("msg", [])))

    def _send(self, request: urllib.request.Request) -> Any:
        try:
            with self._opener.open(request, timeout=START_LIMIT) as answer:
                return json.load(answer).get("body")
        except urllib.error.HTTPError as problem:
            where = urllib.parse.urlsplit(request.full_url).path
            raise OpsError(f"the notebook server answers {problem.code} to {request.method} {where}") from None
        except (urllib.error.URLError, OSError) as problem:
            raise OpsError(f"no notebook server answers at {self.url}: {problem}") from None

"""Asks Nova's metadata API in a server's name, which Nova believes because of a shared secret."""

import hashlib
import hmac
from dataclasses import dataclass
from http.client import HTTPConnection

from sandbox.layout import LOOPBACK, Port

TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class Server:
    id: str
    project_id: str


@dataclass(frozen=True)
class Answer:
    status: int
    kind: str
    body: bytes


def headers(server: Server, address: str, secret: str) -> dict[str, str]:
    """What Neutron's agent tells Nova of who asks; nothing that the client has said is among it."""
    return {
        "X-Forwarded-For": address,
        "X-Instance-ID": server.id,
        "X-Tenant-ID": server.project_id,
        "X-Instance-ID-Signature": hmac.new(secret.encode(), server.id.encode(), hashlib.sha256).hexdigest(),
    }


def ask(method: str, path: str, body: bytes, told: dict[str, str]) -> Answer:
    """Nova's answer. Raises OSError or HTTPException while it does not answer."""
    connection = HTTPConnection(LOOPBACK, int(Port.METADATA), timeout=TIMEOUT)
    try:
        connection.request(method, path, body or None, told)
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("Content-Type", "text/plain"), response.read())
    finally:
        connection.close()

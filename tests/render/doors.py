"""Sign-on's own programs on this machine's loopback: dex as an identity provider, the proxy with the file that the
chart makes, a service behind it, and a browser that comes as through an ingress controller."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from toolchain import nodes

LOOPBACK = "127.0.0.1"
LIMIT = 20  # seconds until a program listens
MOST = 12  # redirects
REDIRECTS = (302, 303, 307)


def free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def running(program: str, port: int, log: Path, *words: str) -> Iterator[None]:
    """A program of `make tools-kubernetes`, from when it listens on this port."""
    path = nodes.PROGRAMS / program
    if not path.exists():
        pytest.fail(f"{program} is not built: make tools-kubernetes")
    with log.open("ab") as out, subprocess.Popen([path, *words], stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            end = time.monotonic() + LIMIT
            while not listens(port):
                assert process.poll() is None, f"{program} ended:\n{log.read_text()}"
                assert time.monotonic() < end, f"{program} does not listen on {port}:\n{log.read_text()}"
                time.sleep(0.05)
            yield
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((LOOPBACK, port)) == 0


class Service(BaseHTTPRequestHandler):
    """Answers with what it was asked; over a WebSocket's connection, says a line again."""

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
            self.end_headers()
            self.wfile.write(self.rfile.readline())
            return
        text = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing: the test reads answers."""


@contextmanager
def service(port: int) -> Iterator[None]:
    with ThreadingHTTPServer((LOOPBACK, port), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@dataclass(frozen=True)
class Answer:
    """The last one, and where it came from."""

    status: int
    url: str
    text: str
    location: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Browser:
    """Has cookies. `doors`: the port of the proxy of each host; to it TLS is ended, as an ingress controller does."""

    doors: Mapping[str, int]
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def ask(self, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request, written as it is: no path is put in order before it is sent."""
        scheme, host, rest = url.split("/", 3)[0], url.split("/", 3)[2], url.split("/", 3)[3]
        port = self.doors[host] if scheme == "https:" else int(host.partition(":")[2])
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=LIMIT)
        jar = self.cookies.setdefault(host, {})
        sent = {"Host": host, "Cookie": "; ".join(f"{name}={value}" for name, value in jar.items()), **(headers or {})}
        if form:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("POST" if form else "GET", f"/{rest}", urlencode(form) if form else None, sent)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                jar[name] = morsel.value
                if not morsel.value:
                    del jar[name]
        text = answer.read().decode()
        connection.close()
        return Answer(answer.status, url, text, urljoin(url, answer.headers.get("Location", "")))

    def talk(self, url: str, line: str) -> str:
        """What comes back over a connection that becomes a WebSocket's; else the status."""
        name = host(url)
        cookies = "; ".join(f"{key}={value}" for key, value in self.cookies.get(name, {}).items())
        head = {"Host": name, "Cookie": cookies, "Connection": "Upgrade", "Upgrade": "websocket"}
        head |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        with socket.create_connection((LOOPBACK, self.doors[name]), timeout=LIMIT) as one, one.makefile("rw") as stream:
            lines = [f"GET {urlsplit(url).path} HTTP/1.1", *(f"{key}: {value}" for key, value in head.items()), "", ""]
            stream.write("\r\n".join(lines))
            stream.flush()
            status = stream.readline().split()[1]
            if status != "101":
                return status
            while stream.readline().strip():
                continue
            stream.write(line + "\n")
            stream.flush()
            return stream.readline().strip()

    def follow(self, url: str, form: Mapping[str, str] | None = None) -> Answer:
        """Through all redirects."""
        answer = self.ask(url, form)
        for _ in range(MOST):
            if answer.status not in REDIRECTS:
                return answer
            answer = self.ask(answer.location)
        raise AssertionError(f"it goes round in circles: {answer.url}")

    def log_in(self, url: str, email: str, password: str) -> Answer:
        """Go to a page, and fill in the form that comes instead."""
        page = self.follow(url)
        assert "password" in page.text, page
        return self.follow(page.url, {"login": email, "password": password})


def host(url: str) -> str:
    return urlsplit(url).netloc

"""The mirror's web server: read only, one thread for each request."""

from __future__ import annotations

import http.server
import os
import sys
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from sandbox.web import WebServer

LISTING = "<!DOCTYPE html><title>{title}</title><ul>{entries}</ul>"


class Handler(http.server.BaseHTTPRequestHandler):
    """GET and HEAD of files below `root`, and plain listings of its directories."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mirror", ""
    timeout = 60
    root: Path

    def do_GET(self) -> None:
        """Send a file or a listing."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send the headers of a file or a listing."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = self._path()
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND, explain="The mirror has no such file.")
        elif path.is_dir():
            self._listing(path, body=body)
        else:
            with path.open("rb") as content:
                self._headers(os.fstat(content.fileno()).st_size, "application/octet-stream")
                if body:
                    self._send(content)

    def _path(self) -> Path | None:
        """The file or directory that is asked for, if it is one of ours: nothing hidden, nothing outside the root."""
        asked = unquote(urlsplit(self.path).path)
        parts = [part for part in asked.split("/") if part]
        if "\0" in asked or any(part.startswith(".") for part in parts):
            return None
        path = self.root.joinpath(*parts)
        inside = path.resolve().is_relative_to(self.root.resolve())
        return path if inside and (path.is_file() or path.is_dir()) else None

    def _listing(self, path: Path, *, body: bool) -> None:
        names = sorted(f"{p.name}/" if p.is_dir() else p.name for p in path.iterdir() if not p.name.startswith("."))
        entries = "".join(f'<li><a href="{name}">{name}</a>' for name in names)
        page = LISTING.format(title="mirror", entries=entries).encode()
        self._headers(len(page), "text/html; charset=utf-8")
        if body:
            self.wfile.write(page)

    def _headers(self, length: int, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", kind)
        self.end_headers()

    def _send(self, content: BinaryIO) -> None:
        """The kernel copies the file to the socket."""
        try:
            self.connection.sendfile(content)
        except OSError as problem:
            self.log_error("%s: the client went away: %s", self.path, problem)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """One line for each request."""
        print(f"{self.log_date_time_string()} {self.address_string()} {format % args}", file=sys.stderr, flush=True)


def serve(root: Path, address: str, port: int) -> None:
    """Serve `root` until the process is ended. Raises OSError when the address cannot be bound."""
    Handler.root = root
    with WebServer((address, port), Handler) as server:
        print(f"the mirror serves {root} on http://{address}:{port}/", flush=True)
        server.serve_forever()

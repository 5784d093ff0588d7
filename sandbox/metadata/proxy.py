"""Answers hosts: finds out which server asks, and asks Nova in its name."""

from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from socket import SOL_IP

import pymysql

from sandbox.configuration.secrets import secrets_of
from sandbox.layout import Layout
from sandbox.metadata.nova import ask, headers
from sandbox.metadata.tables import server_at
from sandbox.web import WebServer

TIMEOUT = 60.0  # seconds that a client may say nothing
IP_FREEBIND = 15  # of Linux; Python has no name for it before 3.12
LARGEST = 64 * 1024  # bytes of a request's body: a password that a guest has made, at most


def handler(layout: Layout, router: str) -> type[BaseHTTPRequestHandler]:
    """Answers requests that arrive at the router whose id begins so."""

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT

        def do_GET(self) -> None:
            address = self.client_address[0]
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LARGEST))
            try:
                server = server_at(layout, router, address)
                if server is None:
                    self.send_error(404, f"no server of this router's networks has the address {address}")
                    return
                told = headers(server, address, secrets_of(layout).metadata)
                answer = ask(self.command, self.path, body, told)
            except (OSError, HTTPException, pymysql.MySQLError) as problem:
                self.send_error(503, f"the cloud does not answer: {problem}")
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET  # a guest's password; Nova itself says what it accepts

        def log_message(self, form: str, *words: object) -> None:
            print(f"{router} {self.client_address[0]} {form % words}", flush=True)

    return Handler


class Listener(WebServer):
    """Listens in the network namespace in which it is made, also for an address that is still to come."""

    def server_bind(self) -> None:
        self.socket.setsockopt(SOL_IP, IP_FREEBIND, 1)
        super().server_bind()

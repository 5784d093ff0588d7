"""Faults on demand, for tests: what an API answers instead of doing what it was asked for.

Each request that is to fail is a file in `Layout.faults`; who answers it removes the file. So it happens as often as
was asked for, whichever thread answers and whoever is restarted, and what is left has not happened yet.
"""

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sandbox.layout import Layout

RETRY_AFTER = "1"  # seconds


@dataclass(frozen=True)
class Fault:
    """The next request of this service that fits is answered with `status`, after `seconds`.

    With status 0 it is done at once as ever, and only its answer comes late: who asked does not know yet.
    """

    service: str
    status: int
    seconds: float
    method: str  # empty: any
    path: str  # a regular expression, found anywhere in the path

    def fits(self, method: str, path: str) -> bool:
        return self.method in ("", method) and re.search(self.path, path) is not None

    def __str__(self) -> str:
        what = f"answers {self.status}" if self.status else "answers"
        late = f" after {self.seconds:g} s" if self.seconds else ""
        return f"{self.service} {what}{late}: {self.method or 'any method'} {self.path or 'any path'}"


def add(layout: Layout, fault: Fault, count: int) -> None:
    """Let so many requests fail."""
    layout.faults.mkdir(exist_ok=True)
    for number in range(count):
        new = layout.faults / f".{number}"
        new.write_text(json.dumps(asdict(fault)))
        new.rename(layout.faults / f"{fault.service}-{time.time_ns()}-{number:04}")


def left(layout: Layout, service: str = "") -> list[tuple[Path, Fault]]:
    """What has not happened yet, oldest first."""
    found = []
    for file in sorted(layout.faults.glob(f"{service or '[!.]*'}-*")):
        try:
            found.append((file, Fault(**json.loads(file.read_text()))))
        except FileNotFoundError:  # it has just happened
            continue
    return found


def clear(layout: Layout) -> None:
    for file, _ in left(layout):
        file.unlink(missing_ok=True)


class Faulty:
    """A WSGI application that answers as the faults of its service say."""

    def __init__(self, layout: Layout, service: str, application: Any) -> None:
        self._layout, self._service, self._application = layout, service, application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        fault = self._next(environ["REQUEST_METHOD"], path) if self._layout.faults.exists() else None
        if not fault or not fault.status:
            answer: Iterable[bytes] = self._application(environ, start_response)
            if fault:
                time.sleep(fault.seconds)
            return answer
        time.sleep(fault.seconds)
        status = HTTPStatus(fault.status)
        error = {"error": {"code": status.value, "title": status.phrase, "message": "a fault that a test asked for"}}
        body = json.dumps(error).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            headers.append(("Retry-After", RETRY_AFTER))
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _next(self, method: str, path: str) -> Fault | None:
        for file, fault in left(self._layout, self._service):
            if fault.fits(method, path):
                try:
                    file.unlink()
                except FileNotFoundError:  # another thread answers it
                    continue
                return fault
        return None

"""Commands on the host, with time limits; one run at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

from . import places

# Seconds for one command, for commands that install over a network, and for a whole run.
COMMAND_LIMIT, INSTALL_LIMIT, RUN_LIMIT = 300, 1200, 2700


class Failed(Exception):
    """The configuration cannot be applied; its text tells the operator what failed and what to look at."""


def output(*argv: str, limit: float = COMMAND_LIMIT) -> tuple[int, str]:
    """Run a command: its status and all that it printed. Raises Failed when it does not end within `limit` seconds."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        raise Failed(f"{' '.join(argv[:4])} did not end within {limit:.0f} s:\n{tail(said)}") from None
    return done.returncode, done.stdout


def run(*argv: str, limit: float = COMMAND_LIMIT) -> str:
    """Run a command and return its output. Raises Failed with the end of what it printed."""
    status, said = output(*argv, limit=limit)
    if status:
        raise Failed(f"{' '.join(argv[:4])} ended with status {status}:\n{tail(said)}")
    return said


def succeeds(*argv: str) -> bool:
    """Whether a command ends with status 0."""
    return output(*argv)[0] == 0


def tail(text: str, lines: int = 15) -> str:
    """The last lines of a text, indented."""
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])


def say(text: str) -> None:
    """A line of progress, for the engine's log."""
    print(f"{socket.gethostname()}: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def exclusive(wait: bool = True) -> Iterator[None]:
    """One run at a time: a run whose engine was killed may still be at work. Raises BlockingIOError or waits."""
    with places.LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def within(limit: int) -> Iterator[None]:
    """Raises Failed wherever the program is when `limit` seconds are over: an engine waits for ever otherwise."""

    def late(*_: object) -> None:
        raise Failed(f"not done within {limit} s: another run may hold {places.LOCK}, or the host is too slow")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

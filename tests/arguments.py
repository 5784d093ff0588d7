"""The machine's process arguments, watched while something runs: anybody on the machine could read them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE = 0.2  # seconds between two looks: what ends sooner may be missed, what holds a secret for a command does not


@contextmanager
def watched() -> Iterator[set[str]]:
    """The arguments of every process that is seen while the context is open."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(PAUSE):
            seen.update(now())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def now() -> set[str]:
    """The arguments of every process at this moment."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:  # it ended meanwhile
            continue
    return found

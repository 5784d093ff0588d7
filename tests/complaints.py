"""What the sandbox's services complained of while a test ran: CI keeps no other trace of them."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.layout import Layout

COMPLAINT = re.compile(r"\b(ERROR|CRITICAL|Traceback)\b")
LAST = 12  # lines of each service
WIDTH = 400  # characters of a line


def sizes(layout: Layout) -> dict[Path, int]:
    """How long each service's log is."""
    return {file: file.stat().st_size for file in layout.log.glob("*.log")}


def since(layout: Layout, before: dict[Path, int]) -> str:
    """The last complaints of each log beyond those lengths; a log that is shorter was begun anew."""
    found = []
    for file, size in sorted(sizes(layout).items()):
        start = before.get(file, 0)
        with file.open("rb") as log:
            log.seek(start if start <= size else 0)
            lines = log.read().decode(errors="replace").splitlines()
        complaints = [line[:WIDTH] for line in lines if COMPLAINT.search(line)]
        found += [f"{file.stem}: {line}" for line in complaints[-LAST:]]
    return "\n".join(found)

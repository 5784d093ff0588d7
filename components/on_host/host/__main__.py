"""The verbs: apply (what comes on standard input), volumes and shares (at boot), hold (by a timer), status."""

from __future__ import annotations

import json
import sys

from .apply import apply
from .boot import booted
from .hold import hold, status


def main(argv: list[str]) -> int:
    """Carry one out; the exit status."""
    verb = argv[1] if len(argv) > 1 else ""
    if verb == "apply":
        return apply(json.load(sys.stdin))
    if verb in ("volumes", "shares"):
        return booted(verb)
    if verb == "hold":
        return hold()
    if verb == "status":
        return status()
    print(__doc__, file=sys.stderr)
    return 2

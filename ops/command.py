"""The plain `pulumi` command."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

from ops.cloud import OpsError

# What it says when it reads a file:// state at the moment at which an engine writes it; and how often to read again.
HALF_WRITTEN, READS = "failed to load checkpoint", 10


def pulumi(*argv: str, stack: str = "", stdin: str | None = None) -> str:
    """Run `pulumi`, on a stack if one is named; what it printed. Raises OpsError with what it says when it fails."""
    words = ["pulumi", *argv, *(["--stack", stack] if stack else []), "--non-interactive"]
    for _ in range(READS):
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
        if not done.returncode:
            return done.stdout
        said = done.stderr.strip() or done.stdout.strip()
        if HALF_WRITTEN not in said:
            break
        time.sleep(1)
    raise OpsError(f"{' '.join(words[:3])} failed: {said[-1500:]}")


def config_of(stack: str) -> dict[str, Any]:
    """What a stack's file says: full keys, each with its `value`, and an object's with its `objectValue`."""
    found: dict[str, Any] = json.loads(pulumi("config", "--json", stack=stack))
    return found

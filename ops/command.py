"""The plain `pulumi` command."""

from __future__ import annotations

import subprocess

from ops.cloud import OpsError


def pulumi(*argv: str, stack: str = "", stdin: str | None = None) -> str:
    """Run `pulumi`, on a stack if one is named; what it printed. Raises OpsError with what it says when it fails."""
    words = ["pulumi", *argv, *(["--stack", stack] if stack else []), "--non-interactive"]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise OpsError(f"{' '.join(words[:3])} failed: {said[-1500:]}")
    return done.stdout

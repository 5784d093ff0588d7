"""The tests of our Go programs, run from the tests of what they do."""

from __future__ import annotations

import subprocess

from toolchain import golang


def go_test(module: golang.Module, package: str) -> subprocess.CompletedProcess[str]:
    """`go test` of a package in the folder of a module."""
    return subprocess.run(
        [golang.go_command(), "test", package],
        cwd=module.folder,
        env=golang.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

"""The programs of `.tools/kubernetes` that nodes and the images of pods are made from."""

from collections.abc import Iterable
from pathlib import Path

from sandbox.layout import Layout
from sandbox.processes import CommandError


def find(layout: Layout, names: Iterable[str]) -> dict[str, Path]:
    """Where they are, by name. Raises CommandError that says how to build those that are not there."""
    directory = layout.tools / "kubernetes"
    found = {name: directory / name for name in names}
    if missing := [name for name, path in found.items() if not path.exists()]:
        raise CommandError(f"{directory} has no {', '.join(missing)}: run `make tools-kubernetes`")
    return found


def state(programs: dict[str, Path]) -> bytes:
    """What changes with them; a program counts as the same while its file does."""
    status = {name: path.stat() for name, path in programs.items()}
    return repr([(name, found.st_size, found.st_mtime_ns) for name, found in status.items()]).encode()

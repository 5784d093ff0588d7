"""What a run changed, and how a file is changed: at once, or not at all."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import Any

Bundle = dict[str, Any]  # what is pushed: components/hosts/bundle.py


class Changes:
    """What this run changed: paths, for the units that watch them, and lines for the report.

    The paths are kept in a file until the run has ended well: after a run that was killed between writing a file and
    restarting its unit, the next one still knows that the unit has to be restarted.
    """

    def __init__(self, pending: Path) -> None:
        self.pending = pending
        self.paths: set[str] = set(json.loads(pending.read_text())) if pending.exists() else set()
        self.lines: list[str] = []

    def add(self, path: str, line: str) -> None:
        """Note that `path` is not what it was."""
        self.lines.append(line)
        if path not in self.paths:
            self.paths.add(path)
            write(self.pending, json.dumps(sorted(self.paths)), 0o600, 0, 0)

    def done(self) -> None:
        """Every unit works with what was changed."""
        self.pending.unlink(missing_ok=True)

    def touch(self, watches: list[str]) -> bool:
        """Whether a changed path is one of `watches`, or lies below one."""
        return any(
            path == watch or path.startswith(watch.rstrip("/") + "/") for path in self.paths for watch in watches
        )


def owner(entry: Bundle) -> tuple[int, int]:
    """The numeric owner and group of a file or directory of the bundle."""
    return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid


def write(path: Path, content: str, mode: int, uid: int, gid: int) -> bool:
    """Make a file have this content, mode and owner, atomically. Returns whether anything changed."""
    with contextlib.suppress(FileNotFoundError):
        now = path.stat()
        same = not path.is_symlink() and path.read_text(encoding="utf-8") == content
        if same and (now.st_mode & 0o7777, now.st_uid, now.st_gid) == (mode, uid, gid):
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(content)
        os.fchmod(out.fileno(), mode)
        os.fchown(out.fileno(), uid, gid)
    Path(name).replace(path)
    return True


def switch(link: Path, target: Path) -> bool:
    """Let a path lead to `target` from one moment to the next. Whether it did not before."""
    if link.is_symlink() and link.readlink() == target:
        return False
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    if link.is_dir() and not link.is_symlink():  # made by an older version of this program
        link.rename(link.with_name(f".{link.name}.old"))
        shutil.rmtree(link.with_name(f".{link.name}.old"), ignore_errors=True)
    fresh.replace(link)
    return True

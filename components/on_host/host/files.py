"""Directories, links and configuration files."""

from __future__ import annotations

import os
from pathlib import Path

from .changes import Bundle, Changes, owner, switch, write


def directories(bundle: Bundle, changes: Changes) -> None:
    """Directories with their owners; parents that are missing belong to root."""
    for entry in bundle["directories"]:
        path, mode, (uid, gid) = Path(entry["path"]), int(entry["mode"], 8), owner(entry)
        if not path.is_dir():
            path.mkdir(parents=True)
            changes.lines.append(f"made {path}")
        now = path.stat()
        if (now.st_mode & 0o7777, now.st_uid, now.st_gid) != (mode, uid, gid):
            os.chown(path, uid, gid)
            path.chmod(mode)


def links(bundle: Bundle, changes: Changes) -> None:
    """Symbolic links, replaced atomically."""
    for link in bundle["links"]:
        if switch(Path(link["path"]), Path(link["target"])):
            changes.add(link["path"], f"{link['path']} -> {link['target']}")


def files(bundle: Bundle, changes: Changes) -> None:
    """Configuration files."""
    for entry in bundle["files"]:
        if write(Path(entry["path"]), entry["content"], int(entry["mode"], 8), *owner(entry)):
            changes.add(entry["path"], f"wrote {entry['path']}")

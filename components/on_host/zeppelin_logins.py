"""Lets a running notebook server learn its logins: WANTED REALM GROUP SECONDS.

WANTED is what the platform rendered, REALM the file of Shiro's PropertiesRealm, in which it has seen a change after
SECONDS. That realm never forgets: it adds what is new, overwrites passwords and keeps whatever else it had. Therefore
a login that is gone stays in the file with a text that no password fits and without roles, and one that has fewer
roles than before is written without any first, which clears them, and completely when the server has read that.
Standard library only (Python 3.9 or newer).
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

LOCKED = "*"  # the hash of no password
CLEARING = "# roles are being cleared"

Logins = dict[str, list[str]]  # `user.NAME` -> hash, roles; `role.NAME` -> permissions


def read(path: Path) -> Logins:
    """The entries of a realm's file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    pairs = (line.partition(" = ") for line in lines if not line.startswith("#"))
    return {name: rest.split(", ") for name, _, rest in pairs}


def write(path: Path, logins: Logins, group: str, heading: str = "") -> None:
    """Write a realm's file, at once and with a later time than it had: the realm compares no more than that."""
    modified = max(time.time(), path.stat().st_mtime + 1 if path.exists() else 0)
    lines = [heading] * bool(heading) + [f"{name} = {', '.join(entry)}" for name, entry in logins.items()]
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    shutil.chown(part, group=group)
    part.chmod(0o640)
    os.utime(part, (modified, modified))
    part.replace(path)


def main(wanted: Path, realm: Path, group: str, seconds: float) -> None:
    """Bring the realm's file to what is wanted."""
    now, goal = read(realm), read(wanted)
    goal |= {name: [LOCKED] for name in now if name not in goal and name.startswith("user.")}
    first = {name: entry[:1] if set(now.get(name, [])[1:]) - set(entry[1:]) else entry for name, entry in goal.items()}
    if first != goal:
        write(realm, first, group, CLEARING)
    if realm.exists() and realm.read_text(encoding="utf-8").startswith(CLEARING):  # by this run, or one that was killed
        time.sleep(seconds)
    if read(realm) != goal or realm.read_text(encoding="utf-8").startswith(CLEARING):
        write(realm, goal, group)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))

"""Apply a bundle: at the end all of it is in force, or the host is as the last good one left it.

Idempotent: it changes what differs, restarts exactly the units whose text or watched files changed, removes what an
earlier bundle had and this one has not. The engine keeps the inputs of the last good push: so does the host.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from . import places
from .accounts import accounts
from .archives import archives
from .boot import boot
from .changes import Bundle, Changes, write
from .commands import RUN_LIMIT, Failed, exclusive, say, within
from .disks import disks
from .files import directories, files, links
from .guard import metadata_guard
from .last import joined, last_bundle, last_manifest, manifest, remove_stale, sweep
from .libraries import python_environment
from .names import first_boot, hosts_file, packages
from .shares import ceph_mounts
from .units import units

STEPS = (
    first_boot, remove_stale, hosts_file, packages, metadata_guard, accounts, disks, ceph_mounts, directories,
    archives, python_environment, links, files, boot, units,
)  # fmt: skip


def apply(bundle: Bundle) -> int:
    """Apply what was pushed; the exit status, with one message that names the host and what failed."""
    os.umask(0o022)
    begun = time.monotonic()
    places.STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        with within(RUN_LIMIT), exclusive():
            put_in_force(bundle, changes := Changes(places.PENDING))
    except Failed as problem:
        print(f"{bundle['host']}: {problem}\n{go_back()}", file=sys.stderr)
        return 1
    for line in changes.lines or ["nothing to change"]:
        print(line)
    say(f"configured in {time.monotonic() - begun:.0f} s, {len(changes.lines)} changes")
    return 0


def put_in_force(bundle: Bundle, changes: Changes) -> None:
    """Every step, and what is noted when all of them have been taken. Raises Failed."""
    before = last_manifest()
    note({**before, **joined(before, manifest(bundle))})  # whatever happens now, the next run knows what came with this
    for step in STEPS:
        step(bundle, changes)
    kept = sweep(bundle, before)
    write(places.BUNDLE, json.dumps(bundle), 0o600, 0, 0)
    note({**manifest(bundle), "trees": kept})
    changes.done()


def note(listed: dict[str, Any]) -> None:
    """Keep a manifest for the next run."""
    write(places.MANIFEST, json.dumps(listed, indent=1), 0o644, 0, 0)


def go_back() -> str:
    """Put the last good bundle in force again; what came of it."""
    last = last_bundle()
    if not last:
        return "    the host had no configuration before: it has a part of this one"
    say("going back to what was in force before")
    try:
        with within(RUN_LIMIT), exclusive():
            put_in_force(last, Changes(places.PENDING))
    except Failed as problem:
        return f"    and the host could not go back to what was in force before: {problem}"
    return "    the host is again as it was before"

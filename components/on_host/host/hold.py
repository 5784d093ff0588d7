"""Hold what was configured: put right what is not as it was, and tell what that was and what cannot be put right.

It never restarts what works, and leaves stopped what somebody has stopped. What an operator has to know is the report.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from . import places
from .boot import HOLD
from .changes import Bundle, Changes, write
from .commands import Failed, exclusive, output, run, within
from .disks import disks
from .files import directories, files, links
from .guard import metadata_guard
from .last import last_bundle
from .names import hosts_file
from .shares import ceph_mounts
from .units import shown

STEP_LIMIT = 90  # seconds for one kind of thing
REMEMBERED = 50  # repairs
FULL = 0.95  # of a volume, from which on it is told
OFTEN = 3  # times that systemd has started a daemon again, from which on it is told
Report = dict[str, Any]


def hold() -> int:
    """Look at everything once; the exit status. A push that is at work does the same."""
    bundle = last_bundle()
    if not bundle:
        print("nothing was configured yet")
        return 0
    changes = Changes(places.RUN / "gaia-hold.json")
    try:
        with exclusive(wait=False):
            wrong = [problem for step in STEPS for problem in attempt(step, bundle, changes)]
    except BlockingIOError:
        print("a bundle is being applied, which does the same")
        return 0
    changes.done()
    report = noted(last_report(), changes.lines, wrong, time.time())
    write(places.REPORT, json.dumps(report), 0o600, 0, 0)
    print(*changes.lines, *wrong, sep="\n") if changes.lines or wrong else print("all is as it should be")
    return 0


def attempt(step: Callable[[Bundle, Changes], Any], bundle: Bundle, changes: Changes) -> list[str]:
    """Take a step; what it cannot put right. Others are taken all the same."""
    try:
        with within(STEP_LIMIT):
            return list(step(bundle, changes) or [])
    except (Failed, OSError) as problem:
        return [str(problem)]


def last_report() -> Report:
    """Of the last look; empty where there was none."""
    found: Report = json.loads(places.REPORT.read_text(encoding="utf-8")) if places.REPORT.exists() else {}
    return found


def noted(last: Report, repaired: list[str], wrong: list[str], now: float) -> Report:
    """The report after a look, with the repairs of earlier ones. Pure."""
    repairs = [*last.get("repaired", []), *({"at": now, "what": what} for what in repaired)]
    return {"at": now, "repaired": repairs[-REMEMBERED:], "wrong": wrong}


def daemons(bundle: Bundle, changes: Changes) -> Iterator[str]:
    """Start what failed, or never got to start; say what is stopped, and what starts again and again."""
    for unit in bundle["units"]:
        name, state = unit["name"], shown(unit["name"])
        verdict = judged(state)
        if verdict == "start":
            run("systemctl", "reset-failed", name)
            run("systemctl", "start", "--no-block", name)
            changes.lines.append(f"started {name}, which {'had failed' if failed(state) else 'had not started'}")
        if failed(state):
            yield f"{name} had failed ({state['Result']}): journalctl -u {name}"
        elif verdict == "stopped":
            yield f"{name} was stopped by somebody: systemctl start {name}"
        elif int(state["NRestarts"]) >= OFTEN and state["SubState"] == "auto-restart":
            yield f"{name} has ended {state['NRestarts']} times and is started again: journalctl -u {name}"


def room(bundle: Bundle, _changes: Changes) -> Iterator[str]:
    """Say which volume has no room left."""
    for disk in bundle["disks"]:
        if os.path.ismount(disk["mount"]) and (taken := used(disk["mount"])["used"]) >= FULL:
            yield f"{disk['mount']} is {taken:.0%} full: make room, or let the volume grow (gaia:hosts, volume_gib)"


def failed(state: dict[str, str]) -> bool:
    return state["ActiveState"] == "failed"


def judged(state: dict[str, str]) -> str:
    """What is to be done about a unit: start; or what is to be said: stopped; or nothing. Pure."""
    if failed(state):
        return "start"
    if state["ActiveState"] == "inactive":
        never = state["ActiveEnterTimestampMonotonic"] == "0"  # since the boot: it waited for something in vain
        return "start" if never else "stopped"
    return ""


# What a push may wait for, such as a volume that the cloud is about to show, is looked at again in two minutes.
STEPS: tuple[Callable[[Bundle, Changes], Any], ...] = (
    hosts_file, metadata_guard, partial(disks, wait=0), ceph_mounts, directories, links, files, daemons, room,
)  # fmt: skip


# ---- what is told


def status() -> int:
    """Look, then print the report as JSON; the exit status."""
    output("systemctl", "start", HOLD, limit=300)
    bundle = last_bundle()
    report = {
        "host": bundle.get("host", os.uname().nodename),
        **last_report(),
        "load": os.getloadavg()[0],
        "memory_mib": memory(),
        "disks": {mount: used(mount) for mount in ("/", *(disk["mount"] for disk in bundle.get("disks", [])))},
        "versions": [archive["name"] for archive in bundle.get("archives", [])],
    }
    print(json.dumps(report))
    return 0


def memory() -> dict[str, int]:
    """Of the host: what there is, and what programs can still have."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    found = {key: int(value.split()[0]) // 1024 for key, value in (line.split(":") for line in lines)}
    return {"total": found["MemTotal"], "available": found["MemAvailable"]}


def used(mount: str) -> dict[str, float]:
    """Of a file system: its size, and how much of it is taken."""
    found = os.statvfs(mount)
    taken = found.f_blocks - found.f_bfree
    room = taken + found.f_bavail  # without what only root may have, as df says it
    return {"gib": round(room * found.f_frsize / 2**30, 1), "used": round(taken / room, 3) if room else 0.0}

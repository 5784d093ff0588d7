"""systemd units: installed, started, restarted where something changed for them."""

from __future__ import annotations

import socket
import time
import urllib.request
from pathlib import Path

from . import places
from .changes import Bundle, Changes, write
from .commands import Failed, output, run, succeeds, tail

WAIT = 240  # seconds until a unit works


def units(bundle: Bundle, changes: Changes) -> None:
    """Install, enable and start the units; restart just those that something changed for; wait until they work."""
    for unit in bundle["units"]:
        if write(unit_path(unit), unit["content"], 0o644, 0, 0):
            changes.add(str(unit_path(unit)), f"wrote {unit_path(unit)}")
    run("systemctl", "daemon-reload")
    names = [unit["name"] for unit in bundle["units"]]
    if names:
        run("systemctl", "enable", "--quiet", *names)
    restart = [unit["name"] for unit in bundle["units"] if changes.touch([str(unit_path(unit)), *unit["watches"]])]
    start = [name for name in names if name not in restart and not succeeds("systemctl", "is-active", "-q", name)]
    for verb, which in (("restart", restart), ("start", start)):
        if which:
            run("systemctl", "reset-failed", *which)
            run("systemctl", verb, "--no-block", *which)
            changes.lines.append(f"{verb}ed {', '.join(which)}")
    for unit in bundle["units"]:
        if unit["name"] in restart or unit["name"] in start:
            await_unit(unit)


def unit_path(unit: Bundle) -> Path:
    """Where a unit's file lies."""
    return places.UNITS / str(unit["name"])


SHOWN = ("ActiveState", "SubState", "Result", "NRestarts", "ActiveEnterTimestampMonotonic")


def shown(unit: str) -> dict[str, str]:
    """What systemd knows of a unit."""
    said = run("systemctl", "show", "-p", ",".join(SHOWN), unit)
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    return {"NRestarts": "0", **found}  # timers have none


def await_unit(unit: Bundle) -> None:
    """Wait until a unit is active and its addresses accept connections. Raises Failed with its journal otherwise."""
    name, deadline = unit["name"], time.monotonic() + WAIT
    while True:
        state = shown(name)
        if state["ActiveState"] == "failed" or int(state["NRestarts"]) > 3:
            reason = f"failed ({state['Result']})"
        elif not (left := unfinished(unit, state["ActiveState"])):
            return
        elif time.monotonic() > deadline:
            reason = f"{left} after {WAIT} s"
        else:
            time.sleep(0.5)
            continue
        _, journal = output("journalctl", "-u", name, "-n", "25", "-o", "cat", "--no-pager")
        raise Failed(f"unit {name} {reason}. Its last log lines:\n{tail(journal, 25)}")


def unfinished(unit: Bundle, active: str) -> str:
    """What a unit that starts has not done yet, in words that follow its name; empty when it works."""
    if active != "active":
        return f"is {active}"
    closed = [address for address in unit["ready"] if not accepts(address)]
    if closed:
        return f"is active and does not answer on {', '.join(closed)}"
    silent = [url for url, wanted in unit.get("answers", ()) if wanted not in answer(url)]
    return f"is active and not at work yet by {silent[0]}" if silent else ""


def answer(url: str) -> str:
    """What a web server of the host answers; empty when it does not."""
    try:
        with urllib.request.urlopen(url, timeout=10) as said:
            return str(said.read().decode(errors="replace"))
    except OSError:
        return ""


def accepts(address: str) -> bool:
    """Whether something accepts TCP connections at host:port."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
    except OSError:
        return False
    return True

"""How a platform's hosts are: what is wrong, what they put right themselves, what room there is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from components.on_host.host import places
from ops.cloud import OpsError
from ops.outputs import outputs, remote, ssh

ASK = f"sudo -n python3 {places.PROGRAM} status"
DAY = 24 * 3600
LATE = 600  # seconds since the last look: a host looks every two minutes
ROW = "{:<12} {:<9} {:>6} {:>16}  {:<28} {}"
HEADINGS = ROW.format("host", "", "load", "memory free MiB", "disks: used of GiB", "put right in a day")

Report = Mapping[str, Any]


def status(stack: str) -> tuple[list[str], bool]:
    """A table of the stack's hosts, and below it what is wrong; and whether nothing is."""
    found = outputs(stack)
    if "hosts" not in found:
        raise OpsError(f"{stack} has no hosts")
    name = found["deployment"]["name"]
    with ssh(found) as command, ThreadPoolExecutor(len(found["hosts"])) as pool:

        def ask(host: str) -> Report:
            try:
                report: Report = json.loads(remote(command, f"{name}-{host}", ASK))
            except (OpsError, ValueError) as problem:
                return {"host": host, "wrong": [str(problem)], "silent": True}
            return report

        return table(list(pool.map(ask, sorted(found["hosts"]))), time.time())


def table(reports: list[Report], now: float) -> tuple[list[str], bool]:
    """The lines, and whether nothing is wrong. Pure."""
    wrong = {report["host"]: problems(report, now) for report in reports}
    lines = [HEADINGS, *(row(report, bool(wrong[report["host"]]), now) for report in reports)]
    for host, said in wrong.items():
        lines += [f"{host}: {problem}" for problem in said]
    return lines, not any(wrong.values())


def problems(report: Report, now: float) -> list[str]:
    """What is wrong with a host. Pure."""
    said = list(report.get("wrong", []))
    if "silent" not in report and now - report.get("at", 0) > LATE:
        said.append("it has not looked at itself for ten minutes: systemctl status gaia-hold.timer")
    return said


def row(report: Report, wrong: bool, now: float) -> str:
    """A host's line. Pure."""
    if "silent" in report:
        return ROW.format(report["host"], "no answer", "", "", "", "").rstrip()
    memory, disks = report["memory_mib"], report["disks"]
    room = ", ".join(f"{mount} {disk['used']:.0%} of {disk['gib']:.0f}" for mount, disk in disks.items())
    repairs = [repair["what"] for repair in report.get("repaired", []) if now - repair["at"] < DAY]
    free = f"{memory['available']} of {memory['total']}"
    told = f"{len(repairs)}: {repairs[-1]}" if repairs else ""
    return ROW.format(
        report["host"], "wrong" if wrong else "well", f"{report['load']:.1f}", free, room, told
    ).rstrip()  # fmt: skip

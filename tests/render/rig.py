"""Runs the rendered configuration of a host on this machine: the inner half, started in namespaces of its own.

`python3 rig.py SCRATCH BUNDLE.json`, under `unshare --mount --net --uts --pid --fork --mount-proc --kill-child`:
system directories become overlays whose changes go to SCRATCH, the host program's own steps apply the bundle, and
each unit's ExecStart runs as its account. Then it answers requests: a JSON line in, a JSON line out.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from components.on_host.host import apply
from components.on_host.host.changes import Changes
from components.on_host.host.units import accepts

OVERLAID = ("/etc", "/opt", "/mnt", "/var", "/usr/local")
LIMIT = 240  # seconds for a unit

ROOT = Path(__file__).parents[2]


def isolate(scratch: Path, hostname: str) -> None:
    """Give this process and its children a file system and a network where they cannot harm the machine."""
    for number, path in enumerate(OVERLAID):
        upper, work = scratch / f"upper{number}", scratch / f"work{number}"
        upper.mkdir()
        work.mkdir()
        options = f"lowerdir={path},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, path], check=True)
    (scratch / "tmp").mkdir(mode=0o1777)
    (scratch / "tmp").chmod(0o1777)
    # a checkout that lies in /tmp is still seen there
    if ROOT.is_relative_to("/tmp"):
        seen = scratch / "tmp" / ROOT.relative_to("/tmp")
        seen.mkdir(parents=True)
        subprocess.run(["mount", "--bind", str(ROOT), str(seen)], check=True)
    subprocess.run(["mount", "--rbind", str(scratch / "tmp"), "/tmp"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["hostname", hostname], check=True)


def configure(bundle: dict[str, Any]) -> None:
    """The steps of the host program, but for disks, mounts, packages and systemd."""
    changes = Changes(Path("/var/changes.json"))
    for step in ("hosts_file", "accounts", "directories", "archives", "python_environment", "links", "files"):
        getattr(apply, step)(bundle, changes)


def section(unit: dict[str, Any], name: str) -> list[str]:
    """All values of a key in a unit."""
    lines = unit["content"].splitlines()
    return [line.split("=", 1)[1] for line in lines if line.startswith(name + "=")]


def environment(unit: dict[str, Any], user: pwd.struct_passwd) -> dict[str, str]:
    """What systemd would start it with."""
    found = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": user.pw_dir, "USER": user.pw_name}
    for file in section(unit, "EnvironmentFile"):
        for line in Path(file).read_text().splitlines():
            key, text = line.split("=", 1)
            found[key] = shlex.split(text)[0]
    return found


def start(unit: dict[str, Any], log: Path) -> subprocess.Popen[bytes]:
    """Run a unit's ExecStartPre, then its ExecStart."""
    user = pwd.getpwnam(section(unit, "User")[0])
    options: dict[str, Any] = {"env": environment(unit, user), "user": user.pw_uid, "group": user.pw_gid}
    options |= {"extra_groups": [], "umask": 0o027, "cwd": "/", "stdout": log.open("ab"), "stderr": subprocess.STDOUT}
    for before in section(unit, "ExecStartPre"):
        subprocess.run(shlex.split(before), check=True, **options)
    return subprocess.Popen(shlex.split(section(unit, "ExecStart")[0]), **options)


def run_units(units: list[dict[str, Any]], logs: Path) -> dict[str, dict[str, float]]:
    """Start every service together, as a booting host would, and wait for each. Seconds and resident MiB by unit."""
    begun, found = time.monotonic(), {}
    services = [unit for unit in units if unit["name"].endswith(".service")]
    running = {unit["name"]: start(unit, logs / f"{unit['name']}.log") for unit in services}
    for unit in services:
        process, oneshot = running[unit["name"]], "Type=oneshot" in unit["content"]
        while not (process.poll() == 0 if oneshot else all(map(accepts, unit["ready"]))):
            if (process.poll() or 0) != 0 or time.monotonic() - begun > LIMIT:
                raise SystemExit(f"{unit['name']} failed:\n" + (logs / f"{unit['name']}.log").read_text()[-6000:])
            time.sleep(0.2)
        found[unit["name"]] = {"seconds": round(time.monotonic() - begun, 1), "pid": process.pid}
    return found


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run a command as an account of the rig."""
    user = pwd.getpwnam(request["user"])
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": user.pw_dir}
    done = subprocess.run(
        request["argv"],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/tmp",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return {"status": done.returncode, "out": done.stdout, "err": done.stderr}


def main(scratch: Path, bundle: dict[str, Any]) -> None:
    """Isolate, apply, start, then serve requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"  # a python3 that the service accounts may run
    isolate(scratch, bundle["host"])
    configure(bundle)
    print(json.dumps(run_units(bundle["units"], Path("/var/log"))), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))

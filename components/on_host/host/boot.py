"""What the host does by itself: at its boot, and every two minutes.

Names and volumes come before every daemon, shares before those that read them; both try again until they can.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from . import places
from .changes import Bundle, Changes, write
from .commands import Failed, exclusive, output, run
from .disks import disks
from .names import hosts_file
from .shares import ceph_mounts

SERVICE = """\
[Unit]
Description={what}
After=local-fs.target network-online.target cloud-init.service cloud-init-network.service {after}
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 {program} {verb}
TimeoutStartSec=15min
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""
AT_BOOT = {
    "gaia-volumes.service": {"what": "Names and volumes of the host", "verb": "volumes", "after": ""},
    "gaia-shares.service": {"what": "Shares of the host", "verb": "shares", "after": "gaia-volumes.service"},
}
HOLD, TIMER = "gaia-hold.service", "gaia-hold.timer"
HELD = """\
[Unit]
Description=Puts right what is not as it was configured

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 {program} hold
TimeoutStartSec=15min
"""
EVERY = """\
[Unit]
Description=Puts right what is not as it was configured, every two minutes

[Timer]
OnActiveSec=2min
OnUnitInactiveSec=2min
AccuracySec=10s

[Install]
WantedBy=timers.target
"""


def boot(bundle: Bundle, _changes: Changes) -> None:
    """Leave on the host what it needs for that: this program, the part of the bundle that a boot reads, its units."""
    parts = {key: bundle[key] for key in ("host", "hosts_file", "disks", "ceph_mounts")}
    parts["units"] = [unit["name"] for unit in bundle["units"]]
    write(places.BOOT, json.dumps(parts), 0o600, 0, 0)
    stay()
    for name, words in AT_BOOT.items():
        write(places.UNITS / name, SERVICE.format(program=places.PROGRAM, **words), 0o644, 0, 0)
    write(places.UNITS / HOLD, HELD.format(program=places.PROGRAM), 0o644, 0, 0)
    write(places.UNITS / TIMER, EVERY, 0o644, 0, 0)
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "--quiet", *AT_BOOT, TIMER)
    # daemons wait for them: they count as done from here on, and find that all is as it should be
    run("systemctl", "start", "--no-block", *AT_BOOT, TIMER)


def stay() -> None:
    """Let this program, which runs from wherever it was pushed to, be the host's."""
    here = Path(sys.argv[0])
    if here != places.PROGRAM:
        fresh = places.PROGRAM.with_name(f".{places.PROGRAM.name}.new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(here, fresh)
        fresh.chmod(0o644)
        fresh.replace(places.PROGRAM)


def booted(verb: str) -> int:
    """One of the two steps of a boot; the exit status. Daemons that did not start for want of a volume start then."""
    bundle, changes = json.loads(places.BOOT.read_text(encoding="utf-8")), Changes(places.RUN / f"gaia-{verb}.json")
    try:
        with exclusive(wait=False):
            if verb == "volumes":
                hosts_file(bundle, changes)
                disks(bundle, changes)
                if bundle["units"]:
                    output("systemctl", "start", "--no-block", *bundle["units"])
            else:
                ceph_mounts(bundle, changes)
    except BlockingIOError:
        print("a bundle is being applied, which does the same")
        return 0
    except Failed as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        changes.done()
    print(*changes.lines or ["all is as it should be"], sep="\n")
    return 0

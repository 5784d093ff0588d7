"""Where things are on a host."""

from __future__ import annotations

from pathlib import Path

STATE = Path("/var/lib/gaia")
BUNDLE = STATE / "bundle.json"  # the last one that was wholly in force, with its secrets: root's, as on the host itself
BOOT = STATE / "boot.json"  # what a boot needs of the one that is being applied
MANIFEST = STATE / "manifest.json"
PENDING = STATE / "pending.json"
REPORT = STATE / "report.json"  # of the last look
PROGRAM = Path("/usr/local/lib/gaia/host.pyz")  # this program
RUN = Path("/run")
LOCK = RUN / "gaia-configure.lock"
FSTAB = Path("/etc/fstab")
HOSTS = Path("/etc/hosts")
BY_ID = Path("/dev/disk/by-id")
UNITS = Path("/etc/systemd/system")
CLOUD_INIT = Path("/etc/cloud/cloud.cfg.d/99-gaia.cfg")

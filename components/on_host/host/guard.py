"""Only root may ask the cloud's metadata service, which tells user_data, and in that the host's private SSH key.

Nothing but root and the deploy login is on a host until its first push, whose packages bring `nft` to any image. From
then on the rules are there before the network at each boot, and are looked at as everything else is.
"""

from __future__ import annotations

from pathlib import Path

from . import places
from .changes import Bundle, Changes, write
from .commands import run, succeeds

ADDRESSES = {"ip": "169.254.169.254", "ip6": "fe80::a9fe:a9fe"}  # of Nova's and Neutron's metadata service
TABLE = "metadata_guard"
RULES_FILE, UNIT = Path("/etc/metadata-guard.nft"), "metadata-guard.service"
# the first line makes a table that is not there, so that the second cannot fail
RULES = f"""\
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
  chain output {{
    type filter hook output priority filter; policy accept;
    ip daddr {ADDRESSES["ip"]} meta skuid != 0 reject
    ip6 daddr {ADDRESSES["ip6"]} meta skuid != 0 reject
  }}
}}
"""
UNIT_TEXT = f"""\
[Unit]
Description=Only root may reach the metadata service
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=nft -f {RULES_FILE}

[Install]
WantedBy=multi-user.target
"""


def metadata_guard(_bundle: Bundle, changes: Changes) -> None:
    """See to the rules: in the kernel now, and at the next boot."""
    told = write(RULES_FILE, RULES, 0o644, 0, 0)
    if write(places.UNITS / UNIT, UNIT_TEXT, 0o644, 0, 0):
        run("systemctl", "daemon-reload")
        run("systemctl", "enable", "--quiet", UNIT)
    if told or not succeeds("nft", "list", "table", "inet", TABLE):
        run("nft", "-f", str(RULES_FILE))
        changes.lines.append("guarded the metadata service")

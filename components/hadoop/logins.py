"""The notebook's logins on the gateway: a file that the running server reads anew when it changes. Pure.

A password, a new login or one that is gone changes neither shiro.ini nor what the server's unit watches.
"""

from __future__ import annotations

from components.hadoop import text
from components.hadoop.cluster import Cluster
from components.hadoop.daemons import PROGRAMS, ZEPPELIN
from components.hosts.bundle import Directory, File, Unit
from components.notebook import shiro

DIRECTORY = "/etc/zeppelin"
WANTED, REALM = f"{DIRECTORY}/logins.properties", f"{DIRECTORY}/realm.properties"
PROGRAM = f"{PROGRAMS}/zeppelin-logins"
UNIT = "zeppelin-logins.service"
SEEN = 10  # seconds after which even a busy server has looked


def directories() -> tuple[Directory, ...]:
    """The account of the server reads here, and writes nothing."""
    return (Directory(path=DIRECTORY, mode="0750", group=ZEPPELIN),)


def files(cluster: Cluster) -> tuple[File, ...]:
    """Who may log in, and the program that makes the realm's file of it (0640, root:zeppelin)."""
    return (
        File(path=WANTED, content=shiro.realm(cluster.notebook_users), mode="0600"),
        File(path=PROGRAM, content=text.on_host("zeppelin_logins.py"), mode="0755"),
    )


def unit() -> Unit:
    """Runs that program before the server's first start, and whenever the logins change."""
    sections: dict[str, list[tuple[str, text.Value]]] = {
        "Unit": [("Description", "Logins of the notebook server"), ("Before", "zeppelin.service")],
        "Service": [
            ("Type", "oneshot"),
            ("RemainAfterExit", "yes"),
            ("User", "root"),
            ("ExecStart", f"/usr/bin/python3 {PROGRAM} {WANTED} {REALM} {ZEPPELIN} {SEEN}"),
            ("Restart", "on-failure"),
            ("RestartSec", 5),
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
            ("ReadWritePaths", DIRECTORY),
            ("ProtectHome", "yes"),
        ],
        "Install": [("WantedBy", "multi-user.target")],
    }
    return Unit(name=UNIT, content=text.unit(sections), watches=(WANTED, PROGRAM))

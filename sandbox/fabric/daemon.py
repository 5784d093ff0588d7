"""Follows Neutron's database and the fabric's interfaces, and lets the kernel agree with them.

It looks at the database's fingerprint four times a second and is woken by the kernel when an interface comes or goes;
every ten seconds it checks everything. It keeps nothing that it could not read again: it may be killed at any time.
"""

import select
import socket
import time
from typing import Any

import pymysql

from sandbox.fabric.desired import desired
from sandbox.fabric.kernel import Kernel
from sandbox.fabric.tables import Cursor, fingerprint, read
from sandbox.layout import Layout
from sandbox.namespaces import enter
from sandbox.processes import CommandError

PERIOD = 0.25  # seconds between two looks at the database
RESYNC = 10.0  # seconds between two complete checks
PAUSE = 0.5  # seconds after a failure
RTMGRP_LINK = 1


def follow(layout: Layout) -> None:
    """Run until killed."""
    enter(layout.fabric_namespace)  # where the kernel tells it about interfaces
    links = _Links()
    kernel = Kernel(layout)
    said = ""
    while True:
        try:
            with (
                pymysql.connect(
                    unix_socket=str(layout.database_socket), user="root", database="neutron", autocommit=True
                ) as database,
                database.cursor() as cursor,
            ):
                said = ""
                _follow(layout, cursor, kernel, links)
        except (pymysql.MySQLError, CommandError, KeyError) as problem:
            if str(problem) != said:
                said = str(problem)
                _say(f"again: {said}")
            time.sleep(PAUSE)


def _follow(layout: Layout, cursor: Cursor, kernel: Kernel, links: "_Links") -> None:
    """Run until something fails."""
    seen: Any = None
    checked = 0.0
    while True:
        now = fingerprint(cursor), links.names()
        again = time.monotonic() - checked > RESYNC
        if again or now != seen:
            for done in kernel.apply(desired(read(cursor), layout), again=again):
                if not again:
                    _say(done)
            seen = now
            checked = time.monotonic() if again else checked
        links.wait(PERIOD)


class _Links:
    """The interfaces of the present namespace."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, RTMGRP_LINK))
        self._socket.setblocking(False)

    def names(self) -> list[tuple[int, str]]:
        return socket.if_nameindex()

    def wait(self, seconds: float) -> None:
        """Until an interface changes, at most so long."""
        select.select([self._socket], [], [], seconds)
        try:
            while self._socket.recv(65536):
                continue
        except OSError:  # nothing more, or more than the kernel kept: names() tells it all
            return


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)

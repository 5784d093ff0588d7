"""`expose`: pages of the cloud's hosts on the machine's own loopback, for a browser on it.

Each forward is a daemon of its own (`expose-NAME`), which listens outside the sandbox and makes its connections inside
it, at each one anew: a host that was rebuilt meanwhile is reached again. It runs until `expose --stop` or `down`.
"""

import asyncio
import contextlib
import re
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from sandbox import processes
from sandbox.layout import LOOPBACK, PROVIDER_NETWORKS, Layout
from sandbox.namespaces import inside
from sandbox.services import database

PREFIX = "expose-"
TARGET = re.compile(r"(?P<name>[\w-]+)=(?P<address>[\d.]+):(?P<port>\d+)(@(?P<via>[\w.-]+))?")
PATIENCE = 10.0  # seconds for a connection to be accepted
CHUNK = 65536
# In this order; a network is reached through any router that has a leg in it.
VIAS = {
    "host": "SELECT uuid FROM nova_cell1.instances WHERE deleted = 0 AND '{0}' IN (hostname, uuid)",
    "router": "SELECT id FROM neutron.routers WHERE '{0}' IN (name, id)",
    "network": "SELECT MIN(p.device_id) FROM neutron.ports p JOIN neutron.networks n ON n.id = p.network_id"
    " WHERE p.device_owner LIKE 'network:router%' AND '{0}' IN (n.name, n.id) GROUP BY n.id",
}


class ExposeError(RuntimeError):
    """A target that cannot be meant; the message says what to say instead."""


@dataclass(frozen=True)
class Forward:
    """A port of the loopback that leads to an address as seen from a network namespace."""

    name: str
    local: int
    namespace: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.name:<12} http://{LOOPBACK}:{self.local}/  ({self.address}:{self.port})"


def forward(layout: Layout, text: str) -> Forward:
    """Start a forward NAME=ADDRESS:PORT[@VIA], or find the one that runs. Raises ExposeError."""
    target = TARGET.fullmatch(text)
    if not target:
        raise ExposeError(f"{text} is no NAME=ADDRESS:PORT or NAME=ADDRESS:PORT@VIA (VIA: a host, router or network)")
    namespace = _namespace(layout, target["address"], target["via"])
    name, address, port = target["name"], target["address"], int(target["port"])
    there = {old.name: old for old in running(layout)}.get(name)
    if there and (there.namespace, there.address, there.port) == (namespace, address, port):
        return there
    stop(layout, [name])
    made = Forward(name, _free_port(port), namespace, address, port)
    words = ["-m", "sandbox.expose", made.name, made.local, made.namespace, made.address, made.port]
    started = processes.start(layout, PREFIX + name, [sys.executable, *words])
    while started.alive and _free_port(made.local) == made.local:  # until it listens
        time.sleep(0.05)
    if not started.alive:
        raise ExposeError(f"the forward {name} ended: {layout.log / PREFIX}{name}.log says why")
    return made


def running(layout: Layout) -> list[Forward]:
    """The forwards that run, as their command lines say."""
    found = []
    for daemon in processes.registered(layout):
        process = processes.find(layout, daemon) if daemon.startswith(PREFIX) else None
        if process:
            words = Path(f"/proc/{process.pid}/cmdline").read_text().rstrip("\0").split("\0")
            name, local, namespace, address, port = words[-5:]
            found.append(Forward(name, int(local), namespace, address, int(port)))
    return found


def stop(layout: Layout, names: Sequence[str] = ()) -> None:
    """Stop these forwards, or all."""
    every = [daemon for daemon in processes.registered(layout) if daemon.startswith(PREFIX)]
    processes.stop(layout, [daemon for daemon in every if not names or daemon.removeprefix(PREFIX) in names])


def _namespace(layout: Layout, address: str, via: str | None) -> str:
    """From where the address is reached: through `via`, or as operators reach floating IPs."""
    if via is None:
        if not any(IPv4Address(address) in network.cidr for network in PROVIDER_NETWORKS):
            raise ExposeError(
                f"{address} is a tenant's address: say through what it is reached, a host, router or network "
                f"(@HOST after the port). Security groups hold: a host whose group is let in is best."
            )
        return layout.namespace
    for kind, query in VIAS.items():
        found = [row[0] for row in database.query(layout, query.format(via))]
        if len(found) > 1:
            raise ExposeError(f"{len(found)} {kind}s are called {via}: say the id of one")
        if found:
            return layout.host_namespace(found[0]) if kind == "host" else layout.router_namespace(found[0])
    raise ExposeError(f"no host, router or network is called {via}: `sandbox/cloud status` lists the hosts")


def _free_port(wanted: int) -> int:
    """The wanted port of the loopback if nobody has it, else any."""
    for port in (wanted, 0):
        with socket.socket() as test, contextlib.suppress(OSError):
            test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            test.bind((LOOPBACK, port))
            return int(test.getsockname()[1])
    raise ExposeError("no port of the loopback is free")


# -- the daemon
async def serve(made: Forward) -> None:
    """Forward until ended."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.wait_for(_connect(made), PATIENCE)
        except OSError as problem:  # also TimeoutError
            print(f"{made}: {problem or 'no answer'}", flush=True)
            writer.close()
            return
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        for end in (writer, there[1]):
            end.close()

    server = await asyncio.start_server(accepted, LOOPBACK, made.local)
    async with server:
        await server.serve_forever()


async def _connect(made: Forward) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with inside(made.namespace):
        connection = socket.socket()  # it stays in the namespace
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (made.address, made.port))
    return await asyncio.open_connection(sock=connection)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Hand on until the source ends, then tell the target."""
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


if __name__ == "__main__":
    name, local, namespace, address, port = sys.argv[1:]
    asyncio.run(serve(Forward(name, int(local), namespace, address, int(port))))

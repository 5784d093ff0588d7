"""The static part of the sandbox's network: three namespaces and the bridges of the two provider networks.

It is made before any service starts, so that the APIs' namespace reaches Ceph and floating IPs whatever the fabric
daemon does. The sandbox's namespace forwards nothing: hosts reach Ceph only through a router of their own.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.layout import (
    CEPH_MONITOR,
    INTERNET,
    LOOPBACK,
    MIRROR,
    OPERATOR_STORAGE,
    PROVIDER_NETWORKS,
    STORAGE,
    Layout,
)
from sandbox.processes import NAMESPACES as NAMESPACES
from sandbox.processes import CommandError, in_namespace, run

CLONE_NEWNET = 0x40000000


def enter(name: str | Path) -> None:
    """Move this thread into a network namespace; the threads, processes and sockets that it makes are there too."""
    library = ctypes.CDLL(None, use_errno=True)
    with (NAMESPACES / name).open() as namespace:
        if library.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"{os.strerror(ctypes.get_errno())}: namespace {name}")


@contextmanager
def inside(name: str | Path) -> Iterator[None]:
    """Within it, this thread is in the namespace. Raises OSError if there is none of this name."""
    with Path("/proc/thread-self/ns/net").open() as outside:
        enter(name)
        try:
            yield
        finally:
            enter(Path(f"/proc/self/fd/{outside.fileno()}"))


def existing(layout: Layout) -> list[str]:
    """Every network namespace of this sandbox, those of routers and hosts too."""
    if not NAMESPACES.is_dir():
        return []
    own = layout.namespace
    return sorted(entry.name for entry in NAMESPACES.iterdir() if entry.name == own or entry.name.startswith(own + "-"))


def create(layout: Layout) -> None:
    """Make the namespaces, bridges and legs; if they are all there already, nothing is done."""
    if complete(layout):
        return
    remove(layout)
    for name in (layout.namespace, layout.fabric_namespace, layout.storage_namespace):
        run(["ip", "netns", "add", name])
        _ip(name, "link set lo up")
    # the interface names of the legs are the same as the bridges' last word
    _ip(layout.fabric_namespace, *(_bridge(network.bridge) for network in PROVIDER_NETWORKS))
    _leg(layout, layout.namespace, INTERNET.bridge, f"{INTERNET.gateway}/{INTERNET.cidr.prefixlen}", "internet")
    _ip(layout.namespace, f"address add {MIRROR}/32 dev internet")
    _leg(layout, layout.namespace, STORAGE.bridge, f"{OPERATOR_STORAGE}/{STORAGE.cidr.prefixlen}", "storage")
    _leg(layout, layout.storage_namespace, STORAGE.bridge, f"{CEPH_MONITOR}/{STORAGE.cidr.prefixlen}", "monitor")
    run(in_namespace(layout.namespace, ["sysctl", "-qw", "net.ipv4.ip_forward=0"]))


def remove(layout: Layout) -> None:
    """Delete every namespace of this sandbox, and with them all that is in them."""
    for name in existing(layout):
        try:
            run(["ip", "netns", "delete", name])
        except CommandError:  # a file left by an `ip netns add` that was killed: a name without a namespace
            (NAMESPACES / name).unlink(missing_ok=True)


def _bridge(name: str) -> str:
    return f"link add {name} up type bridge stp_state 0 forward_delay 0 mcast_snooping 0"


def _leg(layout: Layout, namespace: str, bridge: str, address: str, name: str) -> None:
    """Connect a namespace to a bridge of the fabric by a pair of virtual interfaces."""
    _ip(
        layout.fabric_namespace,
        f"link add x-{name} type veth peer name {name} netns {namespace}",
        f"link set x-{name} up master {bridge}",
    )
    _ip(namespace, f"address add {address} dev {name}", f"link set {name} up")


def complete(layout: Layout) -> bool:
    """Whether the last thing that create makes is there and works."""
    needed = {layout.namespace, layout.fabric_namespace, layout.storage_namespace}
    if not needed <= set(existing(layout)):
        return False
    try:
        operator = run(["ip", "-n", layout.namespace, "-o", "-4", "address"])
        monitor = run(["ip", "-n", layout.storage_namespace, "-o", "-4", "address"])
    except CommandError:
        return False
    addresses = (LOOPBACK, str(INTERNET.gateway), str(MIRROR), str(OPERATOR_STORAGE))
    return all(f" {address}/" in operator for address in addresses) and f" {CEPH_MONITOR}/" in monitor


def _ip(namespace: str, *commands: str) -> None:
    run(["ip", "-n", namespace, "-batch", "-"], stdin="\n".join(commands) + "\n")

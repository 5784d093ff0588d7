"""Remove every trace of hosts, whoever made them and however that one ended. Files stay: they are the hosts' disks."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.hosts.bounds import ControlGroup
from sandbox.hosts.disks import release
from sandbox.hosts.host import Host
from sandbox.layout import Layout
from sandbox.processes import NAMESPACES

SHUTDOWN_PATIENCE = 10.0  # seconds that guests have to shut down by themselves
SHORT = 8  # digits of a server's id in the names of what belongs to it


def clean(layout: Layout) -> None:
    """Shut down all hosts of this sandbox; release their mounts, groups, namespaces and loop devices. Idempotent."""
    hosts = [Host(layout, server_id) for server_id in sorted(_server_ids(layout))]
    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        list(pool.map(_end, hosts))
    if layout.volumes.is_dir():
        for file in layout.volumes.iterdir():
            release(file)
    ControlGroup(layout.namespace, "").remove()


def _end(host: Host) -> None:
    host.stop(SHUTDOWN_PATIENCE)
    host.release()


def _server_ids(layout: Layout) -> set[str]:
    """Of hosts that have files, and the first digits of those of which only something else is left."""
    directories = layout.instances.iterdir() if layout.instances.is_dir() else ()
    found = {path.name for path in directories if (path / "root").is_dir()}
    prefix = layout.host_namespace("")
    traces = [entry.name for entry in NAMESPACES.iterdir()] if NAMESPACES.is_dir() else []
    traces += [line.split()[0] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for parent in ControlGroup(layout.namespace, "").paths:
        traces += [path.name for path in parent.iterdir()] if parent.is_dir() else []
    known = {server_id[:SHORT] for server_id in found}
    short = {name.removeprefix(prefix) for name in traces if name.startswith(prefix)}
    return found | (short - known)

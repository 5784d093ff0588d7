"""What a change of config would lose, and whether it may. Pure.

In a live stack the engine itself does not let go the volumes that there is one of: notebooks, and HDFS's own list.
Taking fewer workers is refused here, before anything is done: for their volumes the engine would have to be told twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.hosts.role import PlannedHost
from components.record import name_of, type_of
from components.settings.hadoop import Hadoop

ALL = "all"
VOLUME_TYPE = "openstack:blockstorage/volume:Volume"
HELD = {"zeppelin": "the notebooks", "master": "HDFS's own list of files"}  # by role; a worker's blocks have copies

State = Mapping[str, Mapping[str, Any]]


def protected(settings: Hadoop, host: PlannedHost) -> bool:
    """Whether the engine is to refuse to delete or replace a host's volume."""
    return settings.live and host.role.name in HELD and not may_go(settings, host.name)


def may_go(settings: Hadoop, host: str) -> bool:
    """Whether the config lets the volume of a host go."""
    return ALL in settings.let_go or host in settings.let_go


def volumes(state: State) -> dict[str, int]:
    """The volumes that a stack has by its state: host -> GiB."""
    mine = {urn: outputs for urn, outputs in state.items() if type_of(urn) == VOLUME_TYPE}
    return {name_of(urn): int(outputs.get("size") or 0) for urn, outputs in mine.items()}


def refused(settings: Hadoop, planned: Iterable[PlannedHost], state: State) -> Iterator[str]:
    """What cannot be done with what the stack has, or may not; each beginning with its key."""
    has, hosts = volumes(state), {host.name: host.role.name for host in planned}
    for name in settings.let_go:
        if name not in (ALL, *hosts, *has):
            yield f"let_go names {name}, which is no host of this deployment"
    for host, role in hosts.items():
        wanted = settings.hosts.of(role).volume_gib
        if has.get(host, 0) > wanted:
            yield (
                f"hosts.{role}.volume_gib is {wanted}, but the volume of {host} has {has[host]} GiB: "
                "volumes grow and never shrink"
            )
    going = [host for host in has if host not in hosts and not may_go(settings, host)]
    if settings.live and going:
        yield (
            f"hosts.worker.count is {settings.hosts.worker.count}: {', '.join(going)} would go, each with its volume, "
            f"and every block of HDFS that has all its {settings.replication} copies there. If that is meant: "
            f"`pulumi config set --path 'gaia:let_go[0]' {going[0]}` (and so on), up, `pulumi config rm gaia:let_go`"
        )


def reminder(settings: Hadoop) -> str:
    """What to say while the config lets something go; empty when it does not."""
    if not settings.let_go:
        return ""
    return (
        f"gaia:let_go lets {', '.join(settings.let_go)} go: nothing stops a change that deletes their volumes. First "
        "copy what is on them: python -m ops backup. Take it out when that is done: pulumi config rm gaia:let_go"
    )

"""The bundle of each host of a hadoop-yarn platform: its role's parts with what every host has. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence

from components.hadoop import roles
from components.hadoop.cluster import Cluster, Parts
from components.hosts.bundle import Account, Bundle, CephMount, Disk, PythonEnvironment
from components.hosts.distribution import Distribution
from components.settings import VERSIONS, Operator, Python

UV = str(tomllib.loads(VERSIONS.read_text(encoding="utf-8"))["tools"]["uv"])


def role_parts(cluster: Cluster, role: str) -> Parts:
    """What a role adds to its hosts: zeppelin, master or worker."""
    makers: dict[str, Callable[[Cluster], Parts]]
    makers = {"zeppelin": roles.gateway, "master": roles.master, "worker": roles.worker}
    return makers[role](cluster)


def operator_accounts(operators: Sequence[Operator]) -> tuple[Account, ...]:
    """The operators' logins."""
    return tuple(
        Account(
            name=operator.name,
            home=f"/home/{operator.name}",
            shell="/bin/bash",
            authorized_keys=tuple(key.strip() for key in operator.ssh_keys),
            sudo=True,
        )
        for operator in operators
    )


def bundle(
    *,
    host: str,
    role: str,
    cluster: Cluster,
    addresses: Mapping[str, str],
    distribution: Distribution,
    operators: Sequence[Operator],
    python: Python,
    serial: str,
    mounts: Sequence[CephMount],
) -> Bundle:
    """One host's whole configuration. `serial` is that of its Cinder volume."""
    parts = role_parts(cluster, role)
    return Bundle(
        host=host,
        hosts_file=tuple((address, name) for name, address in addresses.items()),
        packages=distribution.packages,
        accounts=(*operator_accounts(operators), *parts.accounts),
        disks=(Disk(serial=serial, mount=cluster.volume),),
        ceph_mounts=tuple(mounts),
        directories=parts.directories,
        archives=parts.archives,
        python=PythonEnvironment(
            path=cluster.python, requirements=python.requirements, find_links=python.find_links, uv=UV
        ),
        links=parts.links,
        files=parts.files,
        units=parts.units,
    )

"""The bundle of each host of a hadoop-yarn platform: its role's parts with what every host has. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.hadoop.cluster import Cluster
from components.hadoop.roles import PARTS
from components.hosts.bundle import Account, Bundle, CephMount, Disk, PythonEnvironment
from components.hosts.distribution import Distribution
from components.settings.common import Operator
from components.settings.hadoop import Python


def operator_accounts(operators: Sequence[Operator]) -> tuple[Account, ...]:
    """The operators' logins."""
    return tuple(
        Account(
            name=operator.name,
            home=f"/home/{operator.name}",
            uid=operator.user_id,
            shell="/bin/bash",
            authorized_keys=tuple(key.strip() for key in operator.ssh_keys),
            sudo=True,
        )
        for operator in operators
    )


def host_bundle(
    *,
    host: str,
    role: str,
    cluster: Cluster,
    addresses: Mapping[str, str],
    distribution: Distribution,
    operators: Sequence[Operator],
    python: Python,
    disk: Disk,
    mounts: Sequence[CephMount],
) -> Bundle:
    """One host's whole configuration."""
    parts = PARTS[role](cluster)
    return Bundle(
        host=host,
        hosts_file=tuple((address, name) for name, address in addresses.items()),
        packages=distribution.packages,
        accounts=(*operator_accounts(operators), *parts.accounts),
        disks=(disk,),
        ceph_mounts=tuple(mounts),
        directories=parts.directories,
        archives=parts.archives,
        python=PythonEnvironment(
            path=cluster.python,
            installer=python.lock.installer,
            libraries=python.lock.libraries,
            find_links=python.find_links,
        ),
        links=parts.links,
        files=parts.files,
        units=parts.units,
    )

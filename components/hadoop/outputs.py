"""What a hadoop-yarn stack tells the people who hold on to it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pulumi

from components.hadoop import ports
from components.hadoop.infrastructure import Found, Infrastructure
from components.hosts import ssh
from components.record import Record
from components.secret import secret
from components.settings.hadoop import Hadoop


def outputs(record: Record, settings: Hadoop, found: Found, made: Infrastructure) -> dict[str, Any]:
    """The stack's outputs, but for the notebook's login."""
    hosts = {
        host.hostname: {"role": host.role, "address": host.address, "flavor": host.flavor}
        for host in made.hosts.values()
    }
    addresses = {host.hostname: host.address for host in made.hosts.values()}
    keys = pulumi.Output.all(**{host.hostname: host.host_key for host in made.hosts.values()})
    address, name = made.floating_ip.address, record.name
    return {
        "deployment": {"name": name, "project": record.project},
        "gateway": address,
        "zeppelin_url": address.apply(lambda known: f"http://{known}:{ports.Port.ZEPPELIN:d}"),
        "hosts": hosts,
        "shares": {share.name: {"mount": share.mount, "mode": share.mode} for share in settings.shares},
        "ssh_config": address.apply(
            lambda known: ssh.config(
                name, made.gateway.hostname, known, addresses, [operator.name for operator in settings.operators]
            )
        ),
        "known_hosts": keys.apply(lambda known: ssh.known_hosts(name, known)),
        "deploy_key": secret(made.key.private_key_openssh),
        "sizes": asdict(found.sizes),
    }

"""What a hadoop-yarn platform has of the cloud: what is looked up there, network, hosts, the way in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_openstack as openstack
import pulumi_tls as tls

from components import cloud
from components.hadoop import ports, protection
from components.hadoop.cluster import Cluster
from components.hadoop.roles import ROLES
from components.hadoop.sizing import Flavor, Sizes, SizingError, compute
from components.hosts.host import Host, HostArgs
from components.hosts.role import PlannedHost, generation, plan_hosts
from components.network.addresses import AddressPlan
from components.network.deployment import networks
from components.network.security_groups import SecurityGroups
from components.network.tenant import TenantNetwork
from components.record import Record
from components.settings import SettingsError
from components.settings.hadoop import Hadoop


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the cloud has of what the settings name, and the sizes that follow from its flavors."""

    flavors: Mapping[str, Flavor]  # by role
    image_id: str
    external_network_id: str
    storage_network_id: str
    sizes: Sizes


@dataclass(frozen=True, kw_only=True)
class Infrastructure:
    """A deployment's hosts and how they are reached: `hosts` by their short names, `gateway` is one of them."""

    hosts: Mapping[str, Host]
    gateway: Host
    floating_ip: openstack.networking.FloatingIp
    key: tls.PrivateKey
    groups: SecurityGroups
    # what has to be there before a host can be reached at all, or mount a share
    reachable: tuple[pulumi.Resource, ...]
    mountable: tuple[pulumi.Resource, ...]


def plan(stack: str, settings: Hadoop) -> tuple[PlannedHost, ...]:
    """Every host with its address. Raises SettingsError when `hosts.rebuild` names something that is none."""
    counts = {role.name: settings.hosts.of(role.name).count for role in ROLES}
    planned = tuple(plan_hosts(ROLES, counts, AddressPlan(settings.network.cidr)))
    known = {*counts, *(host.name for host in planned)}
    if unknown := sorted(settings.hosts.rebuild.keys() - known):
        roles = ", ".join(counts)
        raise SettingsError.of(
            stack,
            [
                f"hosts.rebuild names {name}, which is neither a role ({roles}) nor a host of this deployment "
                f"({planned[0].name} to {planned[-1].name})"
                for name in unknown
            ],
        )
    return planned


def look_up(stack: str, settings: Hadoop, provider: openstack.Provider, refused: Iterable[str] = ()) -> Found:
    """Find everything that the settings name.

    Raises SettingsError with all that is not there, or cannot fit, and what is `refused` for other reasons.
    """
    lookup = cloud.Lookup(settings.cloud, provider)
    flavors = {
        role.name: lookup.flavor(f"hosts.{role.name}.flavor", settings.hosts.of(role.name).flavor) for role in ROLES
    }
    image = lookup.image("image.name", settings.image.name)
    external = lookup.network("network.external", settings.network.external)
    storage = lookup.network("network.storage_network", settings.network.storage_network)
    if wrong := [*refused, *lookup.problems]:
        raise SettingsError.of(stack, wrong)
    known = {role: Flavor(name=found.name, vcpus=found.vcpus, ram_mib=found.ram) for role, found in flavors.items()}
    try:
        sizes = compute(
            gateway=known["zeppelin"],
            master=known["master"],
            worker=known["worker"],
            workers=settings.hosts.worker.count,
            overrides=settings.sizing,
        )
    except SizingError as wrong:
        raise SettingsError.of(stack, str(wrong).splitlines()) from None
    return Found(
        flavors=known, image_id=image.id, external_network_id=external.id, storage_network_id=storage.id, sizes=sizes
    )


def build(
    settings: Hadoop, record: Record, found: Found, planned: tuple[PlannedHost, ...], parent: pulumi.Resource
) -> Infrastructure:
    """Make network, hosts and the gateway's floating IP, all of them children of `parent`."""
    child, name = pulumi.ResourceOptions(parent=parent), record.name
    network, cephfs = networks(name, settings.network, found.external_network_id, found.storage_network_id, child)
    groups = SecurityGroups(name, ports.SECURITY_GROUPS, name, child)
    key = tls.PrivateKey("deploy", algorithm="ED25519", opts=child)
    key_pair = openstack.compute.Keypair("deploy", name=f"{name}-deploy", public_key=key.public_key_openssh, opts=child)
    hosts = {
        one.name: Host(
            one.name,
            HostArgs(
                physical_name=f"{name}-{one.name}",
                hostname=one.name,
                role=one.role.name,
                group=one.role.group,
                generation=generation(one.name, one.role.name, record.rebuild),
                flavor=settings.hosts.of(one.role.name).flavor,
                image_id=found.image_id,
                address=one.address,
                network=network,
                security_group_ids=[groups.ids[one.role.group]],
                key_pair=key_pair.name,
                deploy_key=key.public_key_openssh,
                volume_gib=settings.hosts.of(one.role.name).volume_gib,
                mount=Cluster.volume,
                protect=protection.protected(settings, one),
            ),
            child,
        )
        for one in planned
    }
    gateway = next(one for one in planned if one.role.gateway)
    floating_ip, association = _floating_ip(settings, name, network, hosts[gateway.name], parent)
    return Infrastructure(
        hosts=hosts,
        gateway=hosts[gateway.name],
        floating_ip=floating_ip,
        key=key,
        groups=groups,
        reachable=(association, *groups.rules[gateway.role.group]),
        mountable=tuple(cephfs.routes),
    )


def _floating_ip(
    settings: Hadoop, name: str, network: TenantNetwork, gateway: Host, parent: pulumi.Resource
) -> tuple[openstack.networking.FloatingIp, pulumi.Resource]:
    # Neutron gives a floating IP only to ports behind a router on the external network
    behind: dict[str, Any] = {"parent": parent, "depends_on": [network.interface]}
    floating_ip = openstack.networking.FloatingIp(
        "gateway",
        pool=settings.network.external,
        description=f"{name} gateway",
        opts=pulumi.ResourceOptions(**behind),
    )
    association = openstack.networking.FloatingIpAssociate(
        "gateway",
        floating_ip=floating_ip.address,
        port_id=gateway.port_id,
        opts=pulumi.ResourceOptions(**behind, delete_before_replace=True),
    )
    return floating_ip, association

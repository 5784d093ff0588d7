"""What both sides make: one deployment's settings for Pulumi, the same as variables for OpenTofu, and how to count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components import settings
from components.cloud import MAX_RETRIES
from components.hadoop import infrastructure, ports
from components.hosts.user_data import user_data
from components.network.addresses import AddressPlan
from components.network.ingress import ANYWHERE
from components.settings.hadoop import Hadoop
from sandbox.layout import IDLE_IMAGE

ROOT = Path(__file__).resolve().parents[1]
NAME = "bench"

# Terraform's name of every type that a deployment consists of -> Pulumi's. What is in no row makes the count fail.
TYPES = {
    "openstack_blockstorage_volume_v3": "openstack:blockstorage/volume:Volume",
    "openstack_compute_instance_v2": "openstack:compute/instance:Instance",
    "openstack_compute_keypair_v2": "openstack:compute/keypair:Keypair",
    "openstack_compute_volume_attach_v2": "openstack:compute/volumeAttach:VolumeAttach",
    "openstack_networking_floatingip_associate_v2": "openstack:networking/floatingIpAssociate:FloatingIpAssociate",
    "openstack_networking_floatingip_v2": "openstack:networking/floatingIp:FloatingIp",
    "openstack_networking_network_v2": "openstack:networking/network:Network",
    "openstack_networking_port_v2": "openstack:networking/port:Port",
    "openstack_networking_router_interface_v2": "openstack:networking/routerInterface:RouterInterface",
    "openstack_networking_router_route_v2": "openstack:networking/routerRoute:RouterRoute",
    "openstack_networking_router_v2": "openstack:networking/router:Router",
    "openstack_networking_secgroup_rule_v2": "openstack:networking/secGroupRule:SecGroupRule",
    "openstack_networking_secgroup_v2": "openstack:networking/secGroup:SecGroup",
    "openstack_networking_subnet_v2": "openstack:networking/subnet:Subnet",
    "tls_private_key": "tls:index/privateKey:PrivateKey",
}
# Pulumi's own resources, which exist in its state only: the stack, components, providers, stashed user_data.
STATE_ONLY = ("pulumi:", "gaia:")


class DifferenceError(Exception):
    """The two sides did not make the same."""


@dataclass(frozen=True)
class Deployment:
    """One size of the platform in one project of the cloud."""

    cloud: str
    workers: int

    def config(self) -> dict[str, Any]:
        """The stack's config under `gaia:`: the demo's, infrastructure only, without shares."""
        demo = yaml.safe_load((ROOT / "Pulumi.gaia-demo.yaml").read_text(encoding="utf-8"))["config"]
        values = {key.removeprefix("gaia:"): value for key, value in demo.items()}
        hosts = values["hosts"]
        worker = {**hosts["worker"], "count": self.workers}
        hosts |= {"worker": worker, "configure": False}
        image = {"name": IDLE_IMAGE, "family": "debian"}
        return values | {"cloud": self.cloud, "shares": [], "python": {}, "image": image, "hosts": hosts}

    def _settings(self) -> Hadoop:
        texts = {
            f"gaia:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in self.config().items()
        }
        return settings.parse(texts, NAME, Hadoop)

    def variables(self) -> dict[str, Any]:
        """The variables of opentofu/main.tf, out of the same settings by the program's own functions."""
        chosen = self._settings()
        plan = AddressPlan(chosen.network.cidr)
        first, last = plan.dhcp_pool
        return {
            "name": NAME,
            "cloud": chosen.cloud,
            "max_retries": MAX_RETRIES,
            "image": chosen.image.name,
            "network": {
                "external": chosen.network.external,
                "cidr": str(plan.cidr),
                "gateway": plan.gateway,
                "dhcp_first": first,
                "dhcp_last": last,
                "dns": [str(address) for address in chosen.network.dns],
                "storage_network": chosen.network.storage_network,
                "storage_cidr": str(chosen.network.storage_cidr),
                "cephfs_router": plan.cephfs_router,
            },
            "groups": list(ports.SECURITY_GROUPS),
            "rules": _rules(),
            "hosts": dict(self._hosts(chosen)),
            "user_data": user_data(
                hostname="@hostname@",
                deploy_key="@deploy_key@",
                host_key_private="@host_key_private@",
                host_key_public="@host_key_public@",
            ),
        }

    @staticmethod
    def _hosts(chosen: Hadoop) -> Iterable[tuple[str, dict[str, Any]]]:
        for host in infrastructure.plan(NAME, chosen):
            made_of = chosen.hosts.of(host.role.name)
            yield (
                host.name,
                {
                    "role": host.role.name,
                    "group": host.role.group,
                    "address": host.address,
                    "flavor": made_of.flavor,
                    "volume_gib": made_of.volume_gib,
                },
            )


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "name": f"{group}-{ingress.label}-{ethertype.lower()}",
            "group": group,
            "ethertype": ethertype,
            "first": ingress.first,
            "last": ingress.last,
            "source": None if ingress.source == ANYWHERE else ingress.source,
        }
        for group, openings in ports.SECURITY_GROUPS.items()
        for ingress in openings
        for ethertype in (("IPv4", "IPv6") if ingress.source == ANYWHERE else ("IPv4",))
    ]


def of_pulumi(exported: dict[str, Any]) -> Counter[str]:
    """Resources by Terraform type in what `pulumi stack export` prints. Raises DifferenceError for unknown types."""
    names = {pulumi: terraform for terraform, pulumi in TYPES.items()}
    types = [resource["type"] for resource in exported["deployment"].get("resources", [])]
    return _counted(names.get(kind, kind) for kind in types if not kind.startswith(STATE_ONLY))


def of_opentofu(addresses: Iterable[str]) -> Counter[str]:
    """Resources by type in what `tofu state list` prints. Raises DifferenceError for types that TYPES does not have."""
    return _counted(address.partition(".")[0] for address in addresses if address and not address.startswith("data."))


def _counted(kinds: Iterable[str]) -> Counter[str]:
    found = Counter(kinds)
    if unknown := sorted(set(found) - set(TYPES)):
        raise DifferenceError(f"benchmarks/resources.py: TYPES has no row for {', '.join(unknown)}")
    return found


def assert_same(one: tuple[str, Counter[str]], other: tuple[str, Counter[str]]) -> None:
    """Raises DifferenceError that names every type whose numbers differ."""
    lines = [
        f"  {kind}: {one[1][kind]} by {one[0]}, {other[1][kind]} by {other[0]}"
        for kind in sorted(one[1] | other[1])
        if one[1][kind] != other[1][kind]
    ]
    if lines:
        raise DifferenceError(
            "the two sides did not make the same; bring benchmarks/opentofu/main.tf in line with components/:\n"
            + "\n".join(lines)
        )

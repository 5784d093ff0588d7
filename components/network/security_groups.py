"""Security groups: who may open connections to whom. Everything else is closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_openstack as openstack

from components.network.ingress import ANYWHERE, Ingress


class SecurityGroups(pulumi.ComponentResource):
    """One security group for each name, with its ingress rules. Egress is Neutron's default: everything.

    Rules from ANYWHERE are made for IPv4 and IPv6, rules from a group for IPv4 (the tenant subnet's).
    Not managed here: the ports that the groups are put on (`components/hosts`).
    """

    ids: dict[str, pulumi.Output[str]]
    rules: dict[str, list[pulumi.Resource]]

    def __init__(
        self,
        name: str,
        table: Mapping[str, Sequence[Ingress]],
        prefix: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gaia:network:SecurityGroups", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        groups = {
            group: openstack.networking.SecGroup(
                f"{name}-{group}", name=f"{prefix}-{group}", description=f"{prefix}: {group} hosts", opts=child
            )
            for group in table
        }
        self.ids = {group: resource.id for group, resource in groups.items()}
        self.rules = {
            group: [
                self._rule(f"{name}-{group}-{ingress.label}-{ethertype.lower()}", group, ingress, ethertype)
                for ingress in ingresses
                for ethertype in (("IPv4", "IPv6") if ingress.source == ANYWHERE else ("IPv4",))
            ]
            for group, ingresses in table.items()
        }
        self.register_outputs({"ids": self.ids})

    def _rule(self, name: str, group: str, ingress: Ingress, ethertype: str) -> pulumi.Resource:
        return openstack.networking.SecGroupRule(
            name,
            security_group_id=self.ids[group],
            direction="ingress",
            ethertype=ethertype,
            protocol="tcp",
            port_range_min=ingress.first,
            port_range_max=ingress.last,
            remote_group_id=None if ingress.source == ANYWHERE else self.ids[ingress.source],
            opts=pulumi.ResourceOptions(parent=self),
        )

"""The tenant network: every host's network, and its router to the outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from components.network.addresses import AddressPlan


@dataclass(frozen=True, kw_only=True)
class TenantNetworkArgs:
    """`external_network_id`: where the router's gateway and the floating IPs are. `dns`: name servers, if any."""

    name: str
    plan: AddressPlan
    external_network_id: pulumi.Input[str]
    dns: Sequence[str] = ()


class TenantNetwork(pulumi.ComponentResource):
    """Network, subnet, router and the router's interface.

    Not managed here: ports (each host has its own) and static routes (`CephfsRouter`).
    """

    network_id: pulumi.Output[str]
    subnet_id: pulumi.Output[str]
    router_id: pulumi.Output[str]

    def __init__(self, name: str, args: TenantNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:network:TenantNetwork", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        network = openstack.networking.Network(name, name=args.name, admin_state_up=True, opts=child)
        start, end = args.plan.dhcp_pool
        subnet = openstack.networking.Subnet(
            name,
            name=args.name,
            network_id=network.id,
            ip_version=4,
            cidr=str(args.plan.cidr),
            gateway_ip=args.plan.gateway,
            allocation_pools=[openstack.networking.SubnetAllocationPoolArgs(start=start, end=end)],
            dns_nameservers=list(args.dns),
            opts=child,
        )
        router = openstack.networking.Router(
            name, name=args.name, external_network_id=args.external_network_id, admin_state_up=True, opts=child
        )
        self.interface = openstack.networking.RouterInterface(
            name, router_id=router.id, subnet_id=subnet.id, opts=child
        )
        self.network_id, self.subnet_id, self.router_id = network.id, subnet.id, router.id
        self.register_outputs({"networkId": network.id, "subnetId": subnet.id, "routerId": router.id})

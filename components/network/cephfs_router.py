"""The CephFS router: the tenant network's way to Ceph's monitors and OSDs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_openstack as openstack

from components.network.addresses import AddressPlan
from components.network.tenant import TenantNetwork


@dataclass(frozen=True, kw_only=True)
class CephfsRouterArgs:
    """`storage_network_id`: the provider network of Ceph; `storage_cidr`: the addresses to route there.

    `host_route`: also tell the hosts by DHCP, which some clouds need.
    """

    name: str
    plan: AddressPlan
    tenant: TenantNetwork
    storage_network_id: pulumi.Input[str]
    storage_cidr: IPv4Network
    host_route: bool = False


class CephfsRouter(pulumi.ComponentResource):
    """A router with its gateway on the storage network, its port in the tenant subnet, and the static route
    on the tenant router (on some clouds on the subnet too) by that port.

    `routes` is what a mount depends on. Not managed here: shares and grants (`components/storage`).
    """

    routes: list[pulumi.Resource]

    def __init__(self, name: str, args: CephfsRouterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:network:CephfsRouter", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        router = openstack.networking.Router(
            name, name=args.name, external_network_id=args.storage_network_id, admin_state_up=True, opts=child
        )
        port = openstack.networking.Port(
            name,
            name=args.name,
            network_id=args.tenant.network_id,
            fixed_ips=[
                openstack.networking.PortFixedIpArgs(
                    subnet_id=args.tenant.subnet_id, ip_address=args.plan.cephfs_router
                )
            ],
            # a router's port has no packet filter of its own
            no_security_groups=True,
            opts=child,
        )
        interface = openstack.networking.RouterInterface(name, router_id=router.id, port_id=port.id, opts=child)
        # Neutron refuses to remove an interface that a route uses: the route depends on both, so it goes first.
        behind = pulumi.ResourceOptions(parent=self, depends_on=[interface, args.tenant.interface])
        self.routes = [
            openstack.networking.RouterRoute(
                name,
                router_id=args.tenant.router_id,
                destination_cidr=str(args.storage_cidr),
                next_hop=args.plan.cephfs_router,
                opts=behind,
            )
        ]
        if args.host_route:
            self.routes.append(
                openstack.networking.SubnetRoute(
                    name,
                    subnet_id=args.tenant.subnet_id,
                    destination_cidr=str(args.storage_cidr),
                    next_hop=args.plan.cephfs_router,
                    opts=behind,
                )
            )
        self.register_outputs({"routerId": router.id})

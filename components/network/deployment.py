"""A deployment's networks, as its settings say: the tenant network and its way to the shares."""

from __future__ import annotations

import pulumi

from components.network.addresses import AddressPlan
from components.network.cephfs_router import CephfsRouter, CephfsRouterArgs
from components.network.tenant import TenantNetwork, TenantNetworkArgs
from components.settings.common import Network


def networks(
    name: str, settings: Network, external_network_id: str, storage_network_id: str, child: pulumi.ResourceOptions
) -> tuple[TenantNetwork, CephfsRouter]:
    """Make both; every platform whose hosts or nodes mount shares has them."""
    plan = AddressPlan(settings.cidr)
    tenant = TenantNetwork(
        name,
        TenantNetworkArgs(
            name=name,
            plan=plan,
            external_network_id=external_network_id,
            dns=[str(address) for address in settings.dns],
        ),
        child,
    )
    cephfs = CephfsRouter(
        f"{name}-cephfs",
        CephfsRouterArgs(
            name=f"{name}-cephfs",
            plan=plan,
            tenant=tenant,
            storage_network_id=storage_network_id,
            storage_cidr=settings.storage_cidr,
            host_route=settings.storage_host_route,
        ),
        child,
    )
    return tenant, cephfs

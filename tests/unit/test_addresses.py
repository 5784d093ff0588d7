"""The address plan."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from components.hadoop.roles import ROLES
from components.hosts.role import Role, plan_hosts
from components.network.addresses import AddressPlan

PLAN = AddressPlan(IPv4Network("10.10.0.0/16"))
COUNTS = {"zeppelin": 1, "master": 3, "worker": 250}


def addresses(plan: AddressPlan) -> dict[str, str]:
    """Address by name of every host that a deployment may have."""
    return {host.name: host.address for host in plan_hosts(ROLES, COUNTS, plan)}


def test_the_routers_come_first() -> None:
    assert (PLAN.gateway, PLAN.cephfs_router) == ("10.10.0.1", "10.10.0.2")


@pytest.mark.parametrize("cidr", ["10.10.0.0/16", "192.168.16.0/20"])
def test_every_planned_address_is_in_the_subnet_unique_and_outside_the_dhcp_pool(cidr: str) -> None:
    plan = AddressPlan(IPv4Network(cidr))
    planned = [plan.gateway, plan.cephfs_router, *addresses(plan).values()]
    first, last = map(IPv4Address, plan.dhcp_pool)
    assert len(set(planned)) == len(planned)
    assert all(IPv4Address(address) in plan.cidr for address in planned)
    assert all(not first <= IPv4Address(address) <= last for address in planned)
    assert last < plan.cidr.broadcast_address


def test_a_hosts_address_does_not_depend_on_how_many_there_are() -> None:
    found = addresses(PLAN)
    assert (found["zeppelin"], found["master01"], found["worker01"]) == ("10.10.0.10", "10.10.0.21", "10.10.1.1")


@pytest.mark.parametrize("offset", [0, 2, 9, 32768])
def test_an_offset_that_is_no_hosts_is_refused(offset: int) -> None:
    with pytest.raises(ValueError, match="is no host's offset"):
        PLAN.host(offset)


def test_roles_whose_addresses_would_meet_are_refused() -> None:
    roles = [Role(name="monitor", host="monitor{:02d}", offset=18, group="g"), *ROLES]
    with pytest.raises(ValueError, match=r"master01 and monitor03 would both have the address 10\.10\.0\.21"):
        list(plan_hosts(roles, {"monitor": 3, **COUNTS}, PLAN))

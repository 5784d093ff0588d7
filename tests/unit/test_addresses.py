"""The address plan."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from components.network.addresses import AddressPlan

PLAN = AddressPlan(IPv4Network("10.10.0.0/16"))
NAMES = ["zeppelin", *(f"master{n:02d}" for n in range(1, 4)), *(f"worker{n:02d}" for n in range(1, 251))]


def test_the_routers_come_first() -> None:
    assert (PLAN.gateway, PLAN.cephfs_router) == ("10.10.0.1", "10.10.0.2")


@pytest.mark.parametrize("cidr", ["10.10.0.0/16", "192.168.16.0/20"])
def test_every_planned_address_is_in_the_subnet_unique_and_outside_the_dhcp_pool(cidr: str) -> None:
    plan = AddressPlan(IPv4Network(cidr))
    planned = [plan.gateway, plan.cephfs_router, *(plan.host(name) for name in NAMES)]
    first, last = map(IPv4Address, plan.dhcp_pool)
    assert len(set(planned)) == len(planned)
    assert all(IPv4Address(address) in plan.cidr for address in planned)
    assert all(not first <= IPv4Address(address) <= last for address in planned)
    assert last < plan.cidr.broadcast_address


def test_a_hosts_address_does_not_depend_on_how_many_there_are() -> None:
    assert PLAN.host("worker01") == "10.10.1.1"
    assert PLAN.host("zeppelin") == "10.10.0.10"
    assert PLAN.host("master01") == "10.10.0.21"


@pytest.mark.parametrize("name", ["worker", "zeppelin01", "gateway", "worker01x", ""])
def test_a_name_that_is_no_hosts_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a host"):
        PLAN.host(name)

"""The sandbox's data plane as computed from Neutron's tables: what the kernel is told, without a kernel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.fabric import filter as packet_filter
from sandbox.fabric import nat
from sandbox.fabric.desired import Fabric, Gateway, desired
from sandbox.fabric.tables import (
    Address,
    AddressPair,
    Balanced,
    FloatingIP,
    GroupedAddress,
    Membership,
    Network,
    Port,
    Route,
    Router,
    Rule,
    Subnet,
    Tables,
)
from sandbox.layout import Layout

LAYOUT = Layout(Path("/somewhere"))
NET, OUT, CEPH = "11111111-aaaa", "22222222-bbbb", "33333333-cccc"
HOST, OTHER = "aaaaaaaa-1111", "bbbbbbbb-2222"
TAP, OTHER_TAP = "tapaaaaaaaa-11", "tapbbbbbbbb-22"
GROUP, GROUP_2 = "0a0a0a0a-0000", "0b0b0b0b-0000"
ROUTER = "cccccccc-3333"
INSIDE, OUTSIDE = "dddddddd-4444", "eeeeeeee-5555"

TABLES = Tables(
    networks=(
        Network(NET, "gaia", 1450, False),
        Network(OUT, "internet", 1500, True),
        Network(CEPH, "cumulus-internal", 1500, True),
    ),
    subnets=(Subnet("s1", "10.10.0.0/16", "10.10.0.1"), Subnet("s2", "203.0.113.0/24", "203.0.113.1")),
    ports=(
        Port(HOST, NET, "fa:16:3e:00:00:01", "server", "compute:nova", True),
        Port(OTHER, NET, "fa:16:3e:00:00:02", "server2", "compute:nova", True),
        Port(INSIDE, NET, "fa:16:3e:00:00:03", ROUTER, "network:router_interface", False),
        Port(OUTSIDE, OUT, "fa:16:3e:00:00:04", ROUTER, "network:router_gateway", False),
    ),
    addresses=(
        Address(HOST, "10.10.0.5", "s1"),
        Address(OTHER, "10.10.0.6", "s1"),
        Address(INSIDE, "10.10.0.1", "s1"),
        Address(OUTSIDE, "203.0.113.17", "s2"),
    ),
    routers=(Router(ROUTER, OUTSIDE, True),),
    memberships=(Membership(HOST, GROUP), Membership(OTHER, GROUP_2)),
)


def rule(direction: str = "ingress", protocol: str | None = "tcp", first: int | None = None, last: int | None = None,
         **more: str) -> Rule:  # fmt: skip
    given = Rule(GROUP, direction, protocol, first, last, None, None, None)
    return replace(given, **more)  # type: ignore[arg-type]


def chain(text: str, name: str) -> list[str]:
    """The lines of one chain of a ruleset."""
    return text.split(f"chain {name} {{\n")[1].split("\n}")[0].splitlines()


def allowed(*rules: Rule, tables: Tables = TABLES, name: str = f"ingress_{TAP}") -> list[str]:
    text = packet_filter.ruleset(desired(replace(tables, rules=rules), LAYOUT))
    return chain(text, name)


def fabric(tables: Tables = TABLES) -> Fabric:
    return desired(tables, LAYOUT)


def test_a_tenant_network_gets_a_bridge_and_the_provider_networks_keep_theirs() -> None:
    assert fabric().bridges == {"br11111111-aa"}
    assert dict(fabric().zones).keys() == {"br11111111-aa", "br-internet", "br-storage"}


def test_a_tenants_network_that_is_called_internet_is_not_the_internet() -> None:
    impostor = replace(TABLES, networks=(*TABLES.networks, Network("44444444-dddd", "internet", 1450, False)))
    assert "br44444444-dd" in fabric(impostor).bridges


def test_networks_whose_ids_begin_alike_have_connections_of_their_own() -> None:
    alike = replace(TABLES, networks=(*TABLES.networks, Network("11112222-dddd", "twin", 1450, False)))
    zones = dict(fabric(alike).zones)
    assert len(set(zones.values())) == len(zones)
    assert all(0 < zone < 65536 for zone in zones.values())


def test_a_tap_belongs_to_its_networks_bridge() -> None:
    assert fabric().taps == {TAP: "br11111111-aa", OTHER_TAP: "br11111111-aa"}


def test_without_a_rule_nothing_enters_and_nothing_leaves() -> None:
    assert allowed() == ["drop"]
    assert allowed(name=f"egress_{TAP}") == ["drop"]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (rule(first=22, last=22), "tcp dport 22-22"),
        (rule(first=8000, last=8100, remote_ip_prefix="10.10.0.0/16"), "ip saddr 10.10.0.0/16 tcp dport 8000-8100"),
        (rule(first=80, last=80, remote_ip_prefix="0.0.0.0/0"), "tcp dport 80-80"),
        (rule(protocol="17", first=53, last=53), "udp dport 53-53"),
        (rule(), "ip protocol tcp"),
        (rule(protocol="icmp"), "ip protocol icmp"),
        (rule(protocol="icmp", first=8, last=0), "icmp type 8 icmp code 0"),
        (rule(protocol=None), "ether type ip"),
        (rule(protocol="any", remote_ip_prefix="10.1.2.3"), "ip saddr 10.1.2.3/32 ether type ip"),
        (rule(protocol="47"), "ip protocol 47"),
        (rule(remote_group_id=GROUP_2, first=22, last=22), "ip saddr @g0b0b0b0b0000 tcp dport 22-22"),
    ],
)
def test_a_rule_lets_in_exactly_its_traffic(given: Rule, match: str) -> None:
    assert allowed(given) == [f"{match} return", "drop"]


def test_an_egress_rule_looks_at_the_destination() -> None:
    rules = (rule("egress", first=6789, last=6789, remote_ip_prefix="10.206.0.0/16"),)
    assert allowed(*rules, name=f"egress_{TAP}") == ["ip daddr 10.206.0.0/16 tcp dport 6789-6789 return", "drop"]
    assert allowed(*rules) == ["drop"]


def test_a_remote_group_is_the_addresses_of_its_members() -> None:
    tables = replace(TABLES, rules=(rule(remote_group_id=GROUP_2),))
    assert fabric(tables).groups == {GROUP_2: ("10.10.0.6",)}
    assert "elements = { 10.10.0.6 }" in packet_filter.ruleset(fabric(tables))


def test_a_group_has_its_members_allowed_addresses_too_so_that_pods_are_let_in() -> None:
    pairs = (AddressPair(OTHER, "10.100.0.0/16", "fa:16:3e:00:00:02"), AddressPair(OTHER, "10.10.0.0/24", "x"))
    tables = replace(TABLES, rules=(rule(remote_group_id=GROUP_2),), pairs=pairs)
    text = packet_filter.ruleset(fabric(tables))
    assert "flags interval;\nelements = { 10.10.0.0/24, 10.100.0.0/16 }" in text


def test_an_address_group_without_addresses_lets_nobody_in() -> None:
    assert allowed(rule(remote_address_group_id="g")) == ["drop"]
    tables = replace(TABLES, grouped_addresses=(GroupedAddress("g", "10.9.0.0/24"), GroupedAddress("g", "10.9.0.7")))
    assert allowed(rule(remote_address_group_id="g"), tables=tables) == [
        "ip saddr { 10.9.0.0/24 } ip protocol tcp return",
        "drop",
    ]


def test_a_host_can_only_use_its_own_addresses_and_those_it_was_allowed() -> None:
    own = packet_filter.ruleset(fabric())
    assert chain(own, f"from_{TAP}") == [
        "ether saddr != { fa:16:3e:00:00:01 } drop",
        "ether type arp arp saddr ip { 10.10.0.5 } return",
        "ether type ip ip saddr { 10.10.0.5 } return",
        "drop",
    ]
    pairs = (
        AddressPair(HOST, "10.10.0.0/24", "fa:16:3e:00:00:01"),
        AddressPair(HOST, "10.10.9.9", "fa:16:3e:00:00:09"),
    )
    more = chain(packet_filter.ruleset(fabric(replace(TABLES, pairs=pairs))), f"from_{TAP}")
    assert more[0] == "ether saddr != { fa:16:3e:00:00:01, fa:16:3e:00:00:09 } drop"
    assert more[2] == "ether type ip ip saddr { 10.10.0.0/24, 10.10.9.9 } return"


def test_a_port_without_port_security_is_not_filtered() -> None:
    first, *rest = TABLES.ports
    text = packet_filter.ruleset(fabric(replace(TABLES, ports=(replace(first, secure=False), *rest))))
    assert TAP not in text
    assert OTHER_TAP in text


def test_a_cloud_without_networks_has_an_empty_filter() -> None:
    text = packet_filter.ruleset(fabric(Tables()))
    assert "vmap" not in text
    assert "map {" not in text


def test_a_router_has_a_leg_in_each_network_and_its_gateway_as_default_route() -> None:
    (namespace, router), = fabric().routers.items()  # fmt: skip
    assert namespace == LAYOUT.router_namespace(ROUTER)
    assert [(leg.name, leg.far, leg.addresses, leg.bridge, leg.mtu) for leg in router.legs] == [
        ("qr-dddddddd-44", "rp-dddddddd-44", ("10.10.0.1/16",), "br11111111-aa", 1450),
        ("qg-eeeeeeee-55", "rp-eeeeeeee-55", ("203.0.113.17/24",), "br-internet", 1500),
    ]
    assert router.gateway == Gateway("qg-eeeeeeee-55", "203.0.113.17", True)
    assert router.routes == (("default", "203.0.113.1"),)


def test_a_static_route_stands_beside_the_default_route() -> None:
    tables = replace(TABLES, routes=(Route(ROUTER, "10.206.0.0/16", "10.10.0.9"),))
    (router,) = fabric(tables).routers.values()
    assert router.routes == (("10.206.0.0/16", "10.10.0.9"), ("default", "203.0.113.1"))


def test_a_floating_ip_leads_in_and_is_the_source_on_the_way_out() -> None:
    tables = replace(TABLES, floating_ips=(FloatingIP(ROUTER, "203.0.113.20", "10.10.0.5"),))
    (router,) = fabric(tables).routers.values()
    text = nat.ruleset(router)
    assert "ip daddr 203.0.113.20 dnat to 10.10.0.5" in chain(text, "destination")
    source = chain(text, "source")
    own = source.index("oifname qg-eeeeeeee-55 ip saddr 10.10.0.5 snat to 203.0.113.20")
    assert own < source.index("oifname qg-eeeeeeee-55 snat to 203.0.113.17")


def test_what_comes_from_outside_enters_only_by_a_floating_ip_or_as_a_reply() -> None:
    (router,) = fabric().routers.values()
    assert chain(nat.ruleset(router), "forward")[1:] == [
        "iifname qg-eeeeeeee-55 ct status dnat accept",
        "iifname qg-eeeeeeee-55 ct state established,related accept",
        "iifname qg-eeeeeeee-55 drop",
    ]


def test_a_router_without_gateway_only_forwards() -> None:
    alone = replace(TABLES, routers=(Router(ROUTER, None, True),), ports=TABLES.ports[:3])
    (router,) = fabric(alone).routers.values()
    assert router.gateway is None
    assert "drop" not in nat.ruleset(router)


def balanced(*members: tuple[str, int]) -> Tables:
    """The cloud with a load balancer of one listener."""
    vip = Port("ffffffff-6666", NET, "fa:16:3e:00:00:05", "lb-7777", "Octavia", True)
    found = members or ((None, None),)
    return replace(
        TABLES,
        ports=(*TABLES.ports, vip),
        addresses=(*TABLES.addresses, Address(vip.id, "10.10.0.50", "s1")),
        balanced=tuple(Balanced("77777777-8888", vip.id, "10.10.0.50", "TCP", 80, *member) for member in found),
    )


def test_a_load_balancer_is_a_router_with_one_leg_and_passes_on_to_its_members_in_turn() -> None:
    found = fabric(balanced(("10.10.0.6", 30080), ("10.10.0.5", 30080)))
    load_balancer = found.routers[LAYOUT.router_namespace("77777777-8888")]
    assert [(leg.addresses, leg.bridge) for leg in load_balancer.legs] == [(("10.10.0.50/16",), "br11111111-aa")]
    assert load_balancer.routes == (("default", "10.10.0.1"),)
    text = nat.ruleset(load_balancer)
    assert chain(text, "destination")[1:] == [
        "ip daddr 10.10.0.50 tcp dport 80 dnat ip addr . port to numgen inc mod 2 map "
        "{ 0 : 10.10.0.5 . 30080, 1 : 10.10.0.6 . 30080 }"
    ]
    assert chain(text, "source")[1:] == ["ct status dnat masquerade"]
    assert [one.tap for one in found.filters] == [TAP, OTHER_TAP], "nothing filters its port"


def test_a_load_balancer_without_members_passes_nothing_on() -> None:
    load_balancer = fabric(balanced()).routers[LAYOUT.router_namespace("77777777-8888")]
    assert chain(nat.ruleset(load_balancer), "destination")[1:] == []


def test_the_same_tables_give_the_same_filter() -> None:
    backwards = replace(TABLES, networks=TABLES.networks[::-1])
    assert packet_filter.ruleset(fabric()) == packet_filter.ruleset(fabric(backwards))

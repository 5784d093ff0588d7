"""What the kernel should have, computed from Neutron's tables. Pure."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TypeVar

from sandbox.fabric import tables
from sandbox.layout import PROVIDER_NETWORKS, Layout

Row = TypeVar("Row")
Key = TypeVar("Key", bound=Hashable)

DEFAULT_MTU = 1500
ID_LENGTH = 11  # digits of a Neutron id in the name of an interface: the kernel allows 15 characters in all
STATIC_BRIDGES = {network.name: network.bridge for network in PROVIDER_NETWORKS}
ROUTER_OWNER = "network:router"  # and what begins so: interfaces and gateways
SERVER_OWNER = "compute:"
DEFAULT_ROUTE = "default"
INSIDE, OUTSIDE = "qr-", "qg-"  # how names of a router's legs begin: into tenants' networks; its gateway


@dataclass(frozen=True)
class Filter:
    """What one server's port may send and receive."""

    tap: str
    mac: str
    addresses: tuple[str, ...]  # its own and its allowed address pairs
    further_macs: tuple[str, ...]  # of allowed address pairs
    rules: tuple[tables.Rule, ...]


@dataclass(frozen=True)
class Leg:
    """A router's interface in a network."""

    name: str
    mac: str
    addresses: tuple[str, ...]  # with prefix lengths
    bridge: str
    mtu: int

    @property
    def far(self) -> str:
        """The name of its other end, in the fabric's namespace."""
        return "rp-" + self.name[3:]


@dataclass(frozen=True)
class Gateway:
    """A router's way out."""

    leg: str
    address: str
    snat: bool


@dataclass(frozen=True)
class Service:
    """A port of a load balancer, and the members that connections to it are passed on to, in turn."""

    address: str
    protocol: str  # as nft calls it
    port: int
    members: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Router:
    """A router; or a load balancer, which has one leg and `services`."""

    legs: tuple[Leg, ...]
    gateway: Gateway | None = None
    floating_ips: tuple[tuple[str, str], ...] = ()  # floating, fixed
    routes: tuple[tuple[str, str], ...] = ()  # destination, next hop
    services: tuple[Service, ...] = ()


@dataclass(frozen=True)
class Fabric:
    """The whole data plane."""

    bridges: frozenset[str]  # of tenants' networks; those of the provider networks are static
    zones: tuple[tuple[str, int], ...]  # bridge -> conntrack zone: networks may have the same addresses
    taps: dict[str, str]  # tap -> bridge
    filters: tuple[Filter, ...]
    groups: dict[str, tuple[str, ...]]  # security group -> addresses of its members, of the groups that rules name
    address_groups: dict[str, tuple[str, ...]]
    routers: dict[str, Router]  # by namespace


def desired(rows: tables.Tables, layout: Layout) -> Fabric:
    """The data plane that these tables describe."""
    bridge_of = {network.id: bridge_name(network) for network in rows.networks}
    servers = [port for port in rows.ports if port.device_owner.startswith(SERVER_OWNER)]
    address_groups = {
        group: tuple(sorted(row.address for row in members))
        for group, members in _grouped(rows.grouped_addresses, lambda row: row.address_group_id).items()
    }
    return Fabric(
        bridges=frozenset(bridge_of.values()) - frozenset(STATIC_BRIDGES.values()),
        zones=zones(bridge_of),
        taps={tap_name(port.id): bridge_of[port.network_id] for port in servers if port.network_id in bridge_of},
        filters=_filters(rows, [port for port in servers if port.secure]),
        groups=_groups(rows),
        address_groups=address_groups,
        routers=_routers(rows, layout, bridge_of) | _load_balancers(rows, layout, bridge_of),
    )


def _grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    found: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def bridge_name(network: tables.Network) -> str:
    static = STATIC_BRIDGES.get(network.name) if network.external else None
    return static or "br" + network.id[:ID_LENGTH]


def tap_name(port_id: str) -> str:
    return "tap" + port_id[:ID_LENGTH]


def zones(bridge_of: dict[str, str]) -> tuple[tuple[str, int], ...]:
    """A zone of connection tracking for each network, the same each time: open connections outlive the daemon."""
    taken: dict[int, str] = {}
    for network_id in sorted(bridge_of):
        zone = int(network_id[:4], 16)
        while zone == 0 or zone in taken:
            zone = (zone + 1) % 65536
        taken[zone] = bridge_of[network_id]
    return tuple(sorted((bridge, zone) for zone, bridge in taken.items()))


def _own_addresses(rows: tables.Tables) -> defaultdict[str, set[str]]:
    """What each port may use as its own: its addresses and its allowed address pairs, which may be networks."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    owned: tuple[tables.Address | tables.AddressPair, ...] = (*rows.addresses, *rows.pairs)
    for row in owned:
        found[row.port_id].add(row.ip_address)
    return found


def _filters(rows: tables.Tables, ports: list[tables.Port]) -> tuple[Filter, ...]:
    own = _own_addresses(rows)
    pairs = _grouped(rows.pairs, lambda row: row.port_id)
    rules = _grouped(rows.rules, lambda row: row.security_group_id)
    groups = _grouped(rows.memberships, lambda row: row.port_id)
    return tuple(
        Filter(
            tap=tap_name(port.id),
            mac=port.mac_address,
            addresses=tuple(sorted(own[port.id])),
            further_macs=tuple(sorted({row.mac_address for row in pairs.get(port.id, ())} - {port.mac_address})),
            rules=tuple(rule for group in groups.get(port.id, ()) for rule in rules.get(group.security_group_id, ())),
        )
        for port in ports
    )


def _groups(rows: tables.Tables) -> dict[str, tuple[str, ...]]:
    named = {rule.remote_group_id for rule in rows.rules} - {None}
    own = _own_addresses(rows)
    members: dict[str, set[str]] = {group: set() for group in named if group}
    for row in rows.memberships:
        if row.security_group_id in members:
            members[row.security_group_id] |= own[row.port_id]
    return {group: tuple(sorted(found)) for group, found in sorted(members.items())}


def _routers(rows: tables.Tables, layout: Layout, bridge_of: dict[str, str]) -> dict[str, Router]:
    owned = _grouped(
        (port for port in rows.ports if port.device_owner.startswith(ROUTER_OWNER)), lambda port: port.device_id
    )
    routes = _grouped(rows.routes, lambda row: row.router_id)
    floating = _grouped(rows.floating_ips, lambda row: row.router_id)
    legs = _Legs(rows, bridge_of)
    return {
        layout.router_namespace(router.id): Router(
            legs=tuple(
                legs.leg(port, OUTSIDE if port.id == router.gw_port_id else INSIDE) for port in owned.get(router.id, ())
            ),
            gateway=legs.gateway(router),
            floating_ips=tuple((row.floating_ip_address, row.fixed_ip_address) for row in floating.get(router.id, ())),
            routes=(
                *((row.destination, row.nexthop) for row in routes.get(router.id, ())),
                *legs.way_out(router.gw_port_id or ""),
            ),
        )
        for router in rows.routers
    }


def _load_balancers(rows: tables.Tables, layout: Layout, bridge_of: dict[str, str]) -> dict[str, Router]:
    legs, ports = _Legs(rows, bridge_of), {port.id: port for port in rows.ports}
    return {
        layout.router_namespace(load_balancer): Router(
            legs=(legs.leg(port, INSIDE),), routes=tuple(legs.way_out(port.id)), services=tuple(_services(found))
        )
        for load_balancer, found in _grouped(rows.balanced, lambda row: row.load_balancer_id).items()
        if (port := ports.get(found[0].port_id))
    }


def _services(rows: Iterable[tables.Balanced]) -> Iterable[Service]:
    members: dict[tuple[str, str, int], list[tuple[str, int]]] = {}
    for row in rows:
        if row.protocol and row.protocol_port:
            found = members.setdefault((row.address, row.protocol.lower(), row.protocol_port), [])
            if row.member_address and row.member_port:
                found.append((row.member_address, row.member_port))
    return (Service(*service, tuple(sorted(found))) for service, found in sorted(members.items()))


class _Legs:
    """Routers' interfaces: a port with what the network and the subnets say."""

    def __init__(self, rows: tables.Tables, bridge_of: dict[str, str]) -> None:
        self._bridge_of = bridge_of
        self._mtu_of = {network.id: network.mtu or DEFAULT_MTU for network in rows.networks}
        self._subnets = {subnet.id: subnet for subnet in rows.subnets}
        self._addresses = _grouped(rows.addresses, lambda row: row.port_id)

    def leg(self, port: tables.Port, kind: str) -> Leg:
        addresses = [
            f"{row.ip_address}/{IPv4Network(self._subnets[row.subnet_id].cidr).prefixlen}"
            for row in self._addresses.get(port.id, ())
            if row.subnet_id in self._subnets
        ]
        return Leg(
            _leg_name(port.id, kind),
            port.mac_address,
            tuple(addresses),
            self._bridge_of[port.network_id],
            self._mtu_of[port.network_id],
        )

    def gateway(self, router: tables.Router) -> Gateway | None:
        for row in self._addresses.get(router.gw_port_id or "", ()):
            return Gateway(_leg_name(row.port_id, OUTSIDE), row.ip_address, bool(router.enable_snat))
        return None

    def way_out(self, port_id: str) -> list[tuple[str, str]]:
        """The default route by a port's network."""
        for row in self._addresses.get(port_id, ()):
            next_hop = self._subnets[row.subnet_id].gateway_ip
            return [(DEFAULT_ROUTE, next_hop)] if next_hop else []
        return []


def _leg_name(port_id: str, kind: str) -> str:
    return kind + port_id[:ID_LENGTH]

"""The rows of Neutron's and Octavia's tables that the data plane follows. IPv6 is left out: the sandbox has none."""

from dataclasses import dataclass, fields
from typing import Any, Protocol, get_args


@dataclass(frozen=True)
class Network:
    id: str
    name: str
    mtu: int | None
    external: bool


@dataclass(frozen=True)
class Subnet:
    id: str
    cidr: str
    gateway_ip: str | None


@dataclass(frozen=True)
class Port:
    id: str
    network_id: str
    mac_address: str
    device_id: str
    device_owner: str
    secure: bool  # port security: the packet filter applies


@dataclass(frozen=True)
class Address:
    port_id: str
    ip_address: str
    subnet_id: str


@dataclass(frozen=True)
class AddressPair:
    """A further address that a port may use as its own."""

    port_id: str
    ip_address: str
    mac_address: str


@dataclass(frozen=True)
class Router:
    id: str
    gw_port_id: str | None
    enable_snat: bool


@dataclass(frozen=True)
class Route:
    router_id: str
    destination: str
    nexthop: str


@dataclass(frozen=True)
class FloatingIP:
    router_id: str
    floating_ip_address: str
    fixed_ip_address: str


@dataclass(frozen=True)
class Membership:
    """A port's security group."""

    port_id: str
    security_group_id: str


@dataclass(frozen=True)
class Rule:
    """What a security group allows. For ICMP the port range is type and code."""

    security_group_id: str
    direction: str
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: str | None
    remote_address_group_id: str | None


@dataclass(frozen=True)
class GroupedAddress:
    """An address or network of an address group."""

    address_group_id: str
    address: str


@dataclass(frozen=True)
class Balanced:
    """A member of a listener of a load balancer; without a member, or a listener, where there is none."""

    load_balancer_id: str
    port_id: str  # of its own address
    address: str
    protocol: str | None
    protocol_port: int | None
    member_address: str | None
    member_port: int | None


@dataclass(frozen=True)
class Tables:
    """All of them, read at one time."""

    networks: tuple[Network, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    ports: tuple[Port, ...] = ()
    addresses: tuple[Address, ...] = ()
    pairs: tuple[AddressPair, ...] = ()
    routers: tuple[Router, ...] = ()
    routes: tuple[Route, ...] = ()
    floating_ips: tuple[FloatingIP, ...] = ()
    memberships: tuple[Membership, ...] = ()
    rules: tuple[Rule, ...] = ()
    grouped_addresses: tuple[GroupedAddress, ...] = ()
    balanced: tuple[Balanced, ...] = ()


class Cursor(Protocol):
    """A database cursor whose rows are tuples."""

    def execute(self, query: str) -> Any: ...
    def fetchall(self) -> Any: ...


QUERIES = {
    "networks": "SELECT n.id, n.name, n.mtu, e.network_id IS NOT NULL FROM networks n"
    " LEFT JOIN externalnetworks e ON e.network_id = n.id",
    "subnets": "SELECT id, cidr, gateway_ip FROM subnets WHERE ip_version = 4",
    "ports": "SELECT p.id, p.network_id, p.mac_address, p.device_id, p.device_owner,"
    " COALESCE(s.port_security_enabled, 1) FROM ports p LEFT JOIN portsecuritybindings s ON s.port_id = p.id",
    "addresses": "SELECT a.port_id, a.ip_address, a.subnet_id FROM ipallocations a"
    " JOIN subnets s ON s.id = a.subnet_id AND s.ip_version = 4 WHERE a.port_id IS NOT NULL",
    "pairs": "SELECT port_id, ip_address, mac_address FROM allowedaddresspairs WHERE ip_address NOT LIKE '%:%'",
    "routers": "SELECT id, gw_port_id, COALESCE(enable_snat, 1) FROM routers",
    "routes": "SELECT router_id, destination, nexthop FROM routerroutes WHERE nexthop NOT LIKE '%:%'",
    "floating_ips": "SELECT router_id, floating_ip_address, fixed_ip_address FROM floatingips"
    " WHERE fixed_port_id IS NOT NULL AND router_id IS NOT NULL",
    "memberships": "SELECT port_id, security_group_id FROM securitygroupportbindings",
    "rules": "SELECT security_group_id, direction, protocol, port_range_min, port_range_max, remote_ip_prefix,"
    " remote_group_id, remote_address_group_id FROM securitygrouprules WHERE ethertype = 'IPv4'",
    "grouped_addresses": "SELECT address_group_id, address FROM address_associations WHERE address NOT LIKE '%:%'",
    "balanced": "SELECT b.id, v.port_id, v.ip_address, l.protocol, l.protocol_port, m.ip_address, m.protocol_port"
    " FROM octavia.load_balancer b JOIN octavia.vip v ON v.load_balancer_id = b.id"
    " LEFT JOIN octavia.listener l ON l.load_balancer_id = b.id AND l.enabled"
    " LEFT JOIN octavia.member m ON m.pool_id = l.default_pool_id AND m.enabled AND m.weight <> 0"
    " AND m.operating_status <> 'ERROR'"
    " WHERE b.enabled AND b.provisioning_status <> 'DELETED' AND v.port_id IS NOT NULL",
}
# Every object of Neutron has a row there whose revision rises with each change of the object.
FINGERPRINT = "SELECT COUNT(*), MAX(id), SUM(revision_number) FROM standardattributes"


def read(cursor: Cursor) -> Tables:
    """All tables, in an order that does not depend on the database."""
    columns: dict[str, Any] = {}
    for field in fields(Tables):
        row_type = get_args(field.type)[0]
        cursor.execute(QUERIES[field.name])
        columns[field.name] = tuple(sorted((row_type(*row) for row in cursor.fetchall()), key=repr))
    return Tables(**columns)


def fingerprint(cursor: Cursor) -> Any:
    """Something that changes when any object of Neutron does, or a load balancer."""
    cursor.execute(FINGERPRINT)
    neutron = cursor.fetchall()
    cursor.execute(QUERIES["balanced"])
    return neutron, sorted(cursor.fetchall(), key=repr)

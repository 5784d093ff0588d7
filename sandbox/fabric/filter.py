"""The packet filter of the fabric's namespace: security groups and protection against false addresses. Pure.

The kernel tracks connections of bridged packets only in nft's family `ip` (through br_netfilter; a zone for each
network), where the bridge's ports have no names; their names are known only in the family `bridge`. A mark carries
the answer from one to the other. Only replies pass by it, so that an open connection ends when the rule that allowed
it goes. IPv6 packets of filtered ports are dropped.
"""

from ipaddress import IPv4Network

from sandbox.fabric.desired import Fabric, Filter
from sandbox.fabric.tables import Rule

REPLY = 1  # the mark
WITH_PORTS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "sctp": "sctp", "132": "sctp", "dccp": "dccp",
              "33": "dccp", "udplite": "udplite", "136": "udplite"}  # fmt: skip
ICMP = {"icmp", "1"}
ANY_PROTOCOL = {None, "any", "0"}
ANYWHERE = "0.0.0.0/0"

TABLES = """\
table bridge groups
delete table bridge groups
table ip replies
delete table ip replies
"""


def ruleset(fabric: Fabric) -> str:
    """A text for `nft -f`, which replaces the whole filter at once."""
    return TABLES + _replies(fabric) + _table("bridge groups", _sets(fabric) + _chains(fabric))


def _table(name: str, lines: list[str]) -> str:
    return f"table {name} {{\n" + "\n".join(lines) + "\n}\n"


def _block(head: str, lines: list[str]) -> list[str]:
    return [head + " {", *lines, "}"]


def _replies(fabric: Fabric) -> str:
    zone = ["type filter hook prerouting priority raw;"]
    if fabric.zones:
        zone.append(f"ct zone set iifname map {{ {', '.join(f'{name} : {zone}' for name, zone in fabric.zones)} }}")
    mark = [
        "type filter hook prerouting priority mangle;",
        "meta mark set 0",
        f"ct state related meta mark set {REPLY}",
        f"ct state established ct direction reply meta mark set {REPLY}",
    ]
    return _table("ip replies", _block("chain zone", zone) + _block("chain mark_replies", mark))


def _sets(fabric: Fabric) -> list[str]:
    lines = []
    for group, addresses in fabric.groups.items():
        elements = [f"elements = {{ {', '.join(_without_overlap(addresses))} }}"] if addresses else []
        lines += _block(f"set {_set_name(group)}", ["type ipv4_addr; flags interval;", *elements])
    return lines


def _set_name(group: str) -> str:
    return "g" + group.replace("-", "")


def _chains(fabric: Fabric) -> list[str]:
    lines: list[str] = []
    for port in fabric.filters:
        lines += _block(f"chain from_{port.tap}", _no_false_addresses(port))
        for direction in ("egress", "ingress"):
            allowed = {_rule(rule, fabric.address_groups) for rule in port.rules if rule.direction == direction}
            verdicts = [f"{match} return".strip() for match in sorted(allowed - {None}, key=str)]
            lines += _block(f"chain {direction}_{port.tap}", [*verdicts, "drop"])
    first = ["type filter hook prerouting priority -300;", *_jumps(fabric, "iifname", "from")]
    then = [
        "type filter hook forward priority 0;",
        "ether type arp accept",
        f"meta mark {REPLY} accept",
        *_jumps(fabric, "iifname", "egress"),
        *_jumps(fabric, "oifname", "ingress"),
    ]
    return lines + _block("chain senders", first) + _block("chain forward", then)


def _jumps(fabric: Fabric, field: str, chain: str) -> list[str]:
    targets = ", ".join(f"{port.tap} : jump {chain}_{port.tap}" for port in fabric.filters)
    return [f"{field} vmap {{ {targets} }}"] if targets else []


def _no_false_addresses(port: Filter) -> list[str]:
    macs = ", ".join((port.mac, *port.further_macs))
    addresses = ", ".join(_without_overlap(port.addresses)) or "0.0.0.0"
    return [
        f"ether saddr != {{ {macs} }} drop",
        f"ether type arp arp saddr ip {{ {addresses} }} return",
        f"ether type ip ip saddr {{ {addresses} }} return",
        "drop",
    ]


def _without_overlap(addresses: tuple[str, ...]) -> list[str]:
    """nft refuses an address in a set together with a network that has it."""
    networks = sorted({IPv4Network(address, strict=False) for address in addresses}, key=lambda n: n.prefixlen)
    kept: list[IPv4Network] = []
    for network in networks:
        if not any(network.subnet_of(larger) for larger in kept):
            kept.append(network)
    return [str(network).removesuffix("/32") for network in sorted(kept)]


def _rule(rule: Rule, address_groups: dict[str, tuple[str, ...]]) -> str | None:
    """What the rule matches; None if nothing at all."""
    remote = _remote(rule, address_groups)
    return None if remote is None else f"{remote} {_traffic(rule)}".strip()


def _remote(rule: Rule, address_groups: dict[str, tuple[str, ...]]) -> str | None:
    field = "ip saddr" if rule.direction == "ingress" else "ip daddr"
    if rule.remote_group_id:
        return f"{field} @{_set_name(rule.remote_group_id)}"
    if rule.remote_address_group_id:
        addresses = _without_overlap(address_groups.get(rule.remote_address_group_id, ()))
        return f"{field} {{ {', '.join(addresses)} }}" if addresses else None
    if rule.remote_ip_prefix and rule.remote_ip_prefix != ANYWHERE:
        return f"{field} {IPv4Network(rule.remote_ip_prefix, strict=False)}"
    return ""


def _traffic(rule: Rule) -> str:
    protocol, first, last = rule.protocol, rule.port_range_min, rule.port_range_max
    if protocol in ANY_PROTOCOL:
        return "ether type ip"
    if protocol in WITH_PORTS and first is not None:
        return f"{WITH_PORTS[protocol]} dport {first}-{last if last is not None else first}"
    if protocol in ICMP and first is not None:
        return f"icmp type {first}" + (f" icmp code {last}" if last is not None else "")
    return f"ip protocol {protocol}"

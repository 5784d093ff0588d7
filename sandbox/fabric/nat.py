"""The packet filter of a router's namespace: source NAT, floating IPs, a load balancer's members, and nothing in from
outside by itself. Pure."""

from sandbox.fabric.desired import Router, Service

FROM_INSIDE = 2  # a mark: it entered through a tenant network's leg

TEMPLATE = """\
table ip router
delete table ip router
table ip router {{
chain mark_inside {{
type filter hook prerouting priority mangle;
iifname "qr-*" meta mark set {mark}
}}
chain destination {{
type nat hook prerouting priority dstnat;
{destination}
}}
chain source {{
type nat hook postrouting priority srcnat;
{source}
}}
chain forward {{
type filter hook forward priority 0;
{forward}
}}
}}
"""


def ruleset(router: Router) -> str:
    """A text for `nft -f`, which replaces the router's whole filter at once."""
    return TEMPLATE.format(
        mark=FROM_INSIDE,
        destination="\n".join(_destination(router)),
        source="\n".join(_source(router)),
        forward="\n".join(_forward(router)),
    )


def _destination(router: Router) -> list[str]:
    floating = [f"ip daddr {floating} dnat to {fixed}" for floating, fixed in router.floating_ips]
    return floating + [_balanced(service) for service in router.services if service.members]


def _balanced(service: Service) -> str:
    """Connections to a load balancer's port, to one member after the other. Without any the kernel refuses them."""
    members = ", ".join(f"{number} : {address} . {port}" for number, (address, port) in enumerate(service.members))
    there = f"ip daddr {service.address} {service.protocol} dport {service.port}"
    return f"{there} dnat ip addr . port to numgen inc mod {len(service.members)} map {{ {members} }}"


def _source(router: Router) -> list[str]:
    if router.services:
        return ["ct status dnat masquerade"]  # members answer to the load balancer
    if not router.gateway:
        return []
    out = router.gateway.leg
    lines = [f"oifname {out} ip saddr {fixed} snat to {floating}" for floating, fixed in router.floating_ips]
    if router.gateway.snat:
        lines.append(f"oifname {out} snat to {router.gateway.address}")
    # a server that calls a floating IP of its own router
    return [*lines, f'oifname "qr-*" meta mark {FROM_INSIDE} ct status dnat snat to {router.gateway.address}']


def _forward(router: Router) -> list[str]:
    if not router.gateway or not router.gateway.snat:
        return []
    outside = f"iifname {router.gateway.leg}"
    return [
        f"{outside} ct status dnat accept",
        f"{outside} ct state established,related accept",
        f"{outside} drop",
    ]

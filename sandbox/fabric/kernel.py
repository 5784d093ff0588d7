"""Makes the kernel agree with the desired data plane, whatever was there. Standard library only."""

import json
import re
from dataclasses import replace
from typing import Any

from sandbox.fabric import filter as packet_filter
from sandbox.fabric import nat
from sandbox.fabric.desired import DEFAULT_ROUTE, STATIC_BRIDGES, Fabric, Router
from sandbox.layout import METADATA, Layout
from sandbox.processes import NAMESPACES, CommandError, in_namespace, run

OUR_BRIDGE = re.compile(r"br[0-9a-f]{8}-[0-9a-f]{2}$")
ROUTER_LEG = re.compile(r"q[rg]-")
# No router advertisements, no redirects (two routers may be in one network), answers by any interface.
SYSCTLS = (
    *(f"net.ipv4.conf.{scope}.{name}=0" for scope in ("all", "default") for name in ("rp_filter", "send_redirects")),
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
)


def ip(namespace: str, *commands: str, force: bool = False) -> None:
    """Run `ip` commands in a namespace as one batch; with `force` those that fail do not matter."""
    if commands:
        options = ["-force"] if force else []
        run(["ip", "-n", namespace, *options, "-batch", "-"], stdin="\n".join(commands) + "\n", check=not force)


def ip_json(namespace: str, *words: str) -> list[dict[str, Any]]:
    """What `ip -j` lists; nothing if the namespace is not there."""
    rows: list[dict[str, Any]] = json.loads(run(["ip", "-n", namespace, "-j", *words], check=False) or "[]")
    return rows


def nft(namespace: str, text: str) -> None:
    run(in_namespace(namespace, ["nft", "-f", "-"]), stdin=text)


def router_namespaces(layout: Layout) -> list[str]:
    prefix = layout.router_namespace("")
    return sorted(entry.name for entry in NAMESPACES.iterdir() if entry.name.startswith(prefix))


class Kernel:
    """The kernel's side of the data plane; remembers only what it has applied, to do nothing twice."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._fabric = layout.fabric_namespace
        self._filter = ""
        self._routers: dict[str, Router] = {}
        run(in_namespace(self._fabric, ["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"]))

    def apply(self, fabric: Fabric, *, again: bool = False) -> list[str]:
        """Make it so; with `again` also what seems to be so. Returns what was done, for people."""
        if again:
            self._routers = {ns: router for ns, router in self._routers.items() if ns not in fabric.routers}
        links = {row["ifname"]: row.get("master") for row in ip_json(self._fabric, "link")}
        missing = sorted(fabric.bridges - links.keys())
        ip(
            self._fabric,
            *(f"link add {name} up type bridge stp_state 0 forward_delay 0 mcast_snooping 0" for name in missing),
        )
        done = [f"network {name}" for name in missing]
        # of taps that are there: servers that boot nothing have none, and there may be hundreds
        present = tuple(port for port in fabric.filters if port.tap in links)
        done += self._apply_filter(replace(fabric, filters=present))
        done += self._connect_taps(fabric, links)  # only now: its filter is there
        done += self._apply_routers(fabric, links)
        obsolete = [name for name in links if OUR_BRIDGE.match(name) and name not in fabric.bridges]
        ip(self._fabric, *(f"link delete {name}" for name in obsolete), force=True)
        return done + [f"network {name} gone" for name in obsolete]

    def _apply_filter(self, fabric: Fabric) -> list[str]:
        text = packet_filter.ruleset(fabric)
        if text == self._filter:
            return []
        nft(self._fabric, text)
        self._filter = text
        return [f"packet filter of {len(fabric.filters)} ports"]

    def _connect_taps(self, fabric: Fabric, links: dict[str, str | None]) -> list[str]:
        wrong = [tap for tap, bridge in fabric.taps.items() if tap in links and links[tap] != bridge]
        ip(self._fabric, *(f"link set {tap} master {fabric.taps[tap]} up" for tap in wrong))
        return [f"{tap} connected" for tap in wrong]

    # -- routers
    def _apply_routers(self, fabric: Fabric, links: dict[str, str | None]) -> list[str]:
        wanted = {leg.far for router in fabric.routers.values() for leg in router.legs}
        obsolete = [name for name in links if name.startswith("rp-") and name not in wanted]
        ip(self._fabric, *(f"link delete {name}" for name in obsolete), force=True)
        done = []
        for namespace in router_namespaces(self._layout):
            if namespace not in fabric.routers:
                run(["ip", "netns", "delete", namespace], check=False)
                self._routers.pop(namespace, None)
                done.append(f"{namespace} gone")
        for namespace, router in fabric.routers.items():
            if self._routers.get(namespace) != router:
                before = self._routers.pop(namespace, None)
                self._apply_router(namespace, router, before)
                self._routers[namespace] = router
                done.append(f"{namespace}: {len(router.legs)} legs, {len(router.floating_ips)} floating IPs")
        return done

    def _apply_router(self, namespace: str, router: Router, before: Router | None) -> None:
        if not (NAMESPACES / namespace).exists():
            run(["ip", "netns", "add", namespace])
        if before is None:
            run(in_namespace(namespace, ["sysctl", "-qw", *SYSCTLS]))
        there = {
            row["ifname"]: {f"{a['local']}/{a['prefixlen']}" for a in row["addr_info"] if a["family"] == "inet"}
            for row in ip_json(namespace, "address")
            if ROUTER_LEG.match(row["ifname"])
        }
        self._add_legs(namespace, router, set(there))
        gone = self._addresses(namespace, router, there)
        nft(namespace, nat.ruleset(router))
        self._routes(namespace, router)
        moved = set(before.floating_ips if before else ()) ^ set(router.floating_ips)
        self._forget(namespace, gone, {floating for floating, _ in moved})

    def _add_legs(self, namespace: str, router: Router, there: set[str]) -> None:
        missing = [leg for leg in router.legs if leg.name not in there]
        ip(self._fabric, *(f"link delete {leg.far}" for leg in missing), force=True)
        ip(self._fabric, *(
            command
            for leg in missing
            for command in (
                f"link add {leg.far} mtu {leg.mtu} type veth peer name {leg.name} address {leg.mac}"
                f" mtu {leg.mtu} netns {namespace}",
                f"link set {leg.far} up master {leg.bridge}",
            )
        ))  # fmt: skip
        own = ("link set lo up", f"address replace {METADATA}/32 dev lo")
        ip(namespace, *own, *(f"link set {leg.name} up" for leg in router.legs))

    def _addresses(self, namespace: str, router: Router, there: dict[str, set[str]]) -> set[str]:
        """Set the addresses of all legs; returns the floating IPs that are no longer the router's."""
        wanted = {leg.name: set(leg.addresses) for leg in router.legs}
        if router.gateway:
            wanted[router.gateway.leg] |= {f"{floating}/32" for floating, _ in router.floating_ips}
        gone = {(leg, a) for leg, addresses in there.items() for a in addresses - wanted.get(leg, addresses)}
        new = {(leg, a) for leg, addresses in wanted.items() for a in addresses - there.get(leg, set())}
        ip(namespace, *(f"address delete {address} dev {leg}" for leg, address in sorted(gone)))
        ip(namespace, *(f"address add {address} dev {leg}" for leg, address in sorted(new)))
        return {address.removesuffix("/32") for _, address in gone if address.endswith("/32")}

    def _routes(self, namespace: str, router: Router) -> None:
        """Those that lead to a next hop which is no neighbour are left out: the kernel refuses them."""
        there = {(row["dst"], row["gateway"]) for row in ip_json(namespace, "route", "show", "proto", "static")}
        wanted = {(_kernels_form(destination), next_hop) for destination, next_hop in router.routes}
        ip(namespace, *(f"route delete {dst} via {via} proto static" for dst, via in there - wanted), force=True)
        ip(namespace, *(f"route replace {dst} via {via} proto static" for dst, via in wanted - there), force=True)

    def _forget(self, namespace: str, gone: set[str], moved: set[str]) -> None:
        """End open connections of floating IPs that are gone; let neighbours look for those that moved."""
        for floating in sorted(gone | moved):
            for field in ("--orig-dst", "--reply-dst"):
                run(in_namespace(namespace, ["conntrack", "-D", field, floating]), check=False)
            for neighbour in (self._layout.namespace, *router_namespaces(self._layout)):
                ip(neighbour, f"neigh flush to {floating}", force=True)


def _kernels_form(destination: str) -> str:
    if destination in (DEFAULT_ROUTE, "0.0.0.0/0"):
        return DEFAULT_ROUTE
    return destination.removesuffix("/32")


def clean(layout: Layout) -> None:
    """Remove every router, and all of the fabric but its static part. Idempotent."""
    fabric = layout.fabric_namespace
    links = [row["ifname"] for row in ip_json(fabric, "link")]
    dynamic = [name for name in links if name.startswith(("tap", "rp-")) or OUR_BRIDGE.match(name)]
    assert not set(dynamic) & set(STATIC_BRIDGES.values())
    ip(fabric, *(f"link delete {name}" for name in dynamic), force=True)
    for namespace in router_namespaces(layout) if NAMESPACES.is_dir() else ():
        try:
            run(["ip", "netns", "delete", namespace])
        except CommandError:  # a name without a namespace, of an `ip netns add` that was killed
            (NAMESPACES / namespace).unlink(missing_ok=True)
    if (NAMESPACES / fabric).exists():
        run(in_namespace(fabric, ["nft", "flush", "ruleset"]), check=False)

"""One step of a cluster from what is there towards what Magnum's tables say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

import requests

from sandbox.clusters import certificates
from sandbox.clusters.certificates import Sign
from sandbox.clusters.kubernetes import Kubernetes
from sandbox.clusters.records import API_PORT, Cluster, Group, Node, missing, surplus
from sandbox.clusters.stack import RELEASE, Stack, address_of, leaves
from sandbox.clusters.user_data import settings, user_data


class Failed(RuntimeError):
    """The cluster cannot become what it should be; the message says why."""


@dataclass
class State:
    """How far a cluster is."""

    waiting_for: str  # empty: everything is as the tables say
    api_address: str = ""
    version: str = ""
    addresses: dict[str, list[str]] = field(default_factory=dict)  # of each group's nodes, by the group's id


@dataclass(frozen=True)
class Step:
    """One step; `serially` makes a group only when those before it are ready, as Cluster API's driver does."""

    cluster: Cluster
    stack: Stack
    authority: str  # the cluster's certificate authority, PEM
    sign: Sign
    kubernetes: Callable[[str], Kubernetes]  # of the API at this address
    serially: bool = False

    def take(self) -> State:
        self.cluster.check()
        master = Node(self.cluster, self.cluster.master, 0)
        port = self.stack.port(master)
        floating = self.stack.floating_ip(port)
        present = self.stack.servers()
        state = State("", f"https://{floating}:{API_PORT}")
        ready = self._ready(state, present)
        for group in self.cluster.groups:
            self._resize(group, present.get(group.id, {}), address_of(port), floating)
            self._await(group, self.stack.servers().get(group.id, {}), ready, state)
            if state.waiting_for and self.serially:
                return state
        self._drop_unknown_groups(present)
        state.waiting_for = state.waiting_for or self._tidy(ready, state)
        return state

    # -- servers
    def _resize(self, group: Group, present: dict[int, Any], master: IPv4Address, floating: IPv4Address) -> None:
        staying = {index: server for index, server in present.items() if not leaves(server)}
        for index in surplus(group.count, staying):
            self.stack.delete(staying[index])
        # one that leaves keeps its place until it is gone: a node that is replaced keeps its name
        for index in missing(group.count - len(present), present):
            node = Node(self.cluster, group, index)
            port = self.stack.port(node)
            self.stack.create(node, port, self._user_data(node, port, master, floating))

    def _user_data(self, node: Node, port: Any, master: IPv4Address, floating: IPv4Address) -> str:
        address = address_of(port)
        keys = {"ca.crt": self.authority}
        keys |= certificates.pairs(certificates.subjects(node, address, floating), self.sign)
        if node.group.is_master:
            keys |= certificates.service_account_keys()
        memory = int(self.stack.flavor(node.group).ram)
        return user_data(settings(node, address, master, memory), keys)

    def _drop_unknown_groups(self, present: dict[str, dict[int, Any]]) -> None:
        for group in present.keys() - {group.id for group in self.cluster.groups}:
            for server in present[group].values():
                self.stack.delete(server)

    # -- what is waited for
    def _ready(self, state: State, present: dict[str, dict[int, Any]]) -> dict[str, bool] | None:
        """The Kubernetes nodes that are there; None where servers boot nothing."""
        if self.stack.boots_nothing():
            return None
        if not present:
            return {}
        try:
            api = self.kubernetes(state.api_address)
            state.version = api.version()
            return api.nodes()
        except requests.RequestException:
            return {}

    def _await(self, group: Group, servers: dict[int, Any], ready: dict[str, bool] | None, state: State) -> None:
        """Say what the group's servers and nodes still lack."""
        state.addresses[group.id] = []
        for index, server in sorted(servers.items()):
            if server.status == "ERROR":
                raise Failed(f"server {server.name}: {(server.fault or {}).get('message') or 'status ERROR'}")
            node = Node(self.cluster, group, index)
            if server.status != "ACTIVE" or leaves(server):
                state.waiting_for = f"server {server.name}"
            elif ready is not None and not ready.get(node.name):
                state.waiting_for = f"node {node.name}"
            state.addresses[group.id] += [
                address["addr"] for network in (server.addresses or {}).values() for address in network
                if address["OS-EXT-IPS:type"] == "fixed"
            ]  # fmt: skip
        if len(servers) != group.count:
            state.waiting_for = f"servers of {group.name}"

    # -- when all servers are there
    def _tidy(self, ready: dict[str, bool] | None, state: State) -> str:
        """Replace a worker of an earlier release, one at a time; else forget what belongs to no server any more."""
        present = self.stack.servers()
        nodes = [Node(self.cluster, g, index) for g in self.cluster.groups for index in present.get(g.id, {})]
        if set(present) - {group.id for group in self.cluster.groups}:
            return "servers of groups that are gone"
        for node in nodes:
            server = present[node.group.id][node.index]
            if not node.group.is_master and server.metadata[RELEASE] != node.group.release:
                self.stack.delete(server)
                return f"server {server.name}, which is replaced"
        names = {node.name for node in nodes}
        self.stack.clear_ports(kept=names)
        if ready is not None:
            api = self.kubernetes(state.api_address)
            for name in ready.keys() - names:
                api.forget(name)
        return ""

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
from sandbox.clusters.stack import RELEASE, Stack, address_of, fixed_addresses, leaves
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
    nodes: set[str] = field(default_factory=set)  # names
    outdated: list[Any] = field(default_factory=list)  # servers of workers that are of an earlier release


@dataclass(frozen=True)
class Step:
    """One step; `serially` makes a group only when those before it are ready, as Cluster API's driver does."""

    stack: Stack
    authority: str  # the cluster's certificate authority, PEM
    sign: Sign
    kubernetes: Callable[[str], Kubernetes]  # of the API at this address
    serially: bool = False

    @property
    def cluster(self) -> Cluster:
        return self.stack.cluster

    def take(self) -> State:
        self.cluster.check()
        port = self.stack.port(Node(self.cluster, self.cluster.master, 0))
        floating = self.stack.floating_ip(port)
        present = self.stack.servers()
        state = State("", f"https://{floating}:{API_PORT}")
        ready = self._ready(state, present)
        for group in self.cluster.groups:
            servers = present.pop(group.id, {})
            if self._resize(group, servers, address_of(port), floating):
                state.waiting_for = f"servers of {group.name}"
            else:
                self._await(group, servers, ready, state)
            if state.waiting_for and self.serially:
                return state
        for servers in present.values():
            self._drop(servers, state)
        if not state.waiting_for:
            self._tidy(ready, state)
        return state

    # -- servers
    def _resize(self, group: Group, present: dict[int, Any], master: IPv4Address, floating: IPv4Address) -> bool:
        """Ask for servers more or fewer; whether there was anything to ask for."""
        staying = {index: server for index, server in present.items() if not leaves(server)}
        fewer = surplus(group.count, staying)
        # one that leaves keeps its place until it is gone: a node that is replaced keeps its name
        more = missing(group.count - len(present), present)
        for index in fewer:
            self.stack.delete(staying[index])
        for index in more:
            node = Node(self.cluster, group, index)
            port = self.stack.port(node)
            self.stack.create(node, port, self._user_data(node, port, master, floating))
        return bool(fewer or more)

    def _user_data(self, node: Node, port: Any, master: IPv4Address, floating: IPv4Address) -> str:
        address = address_of(port)
        keys = {"ca.crt": self.authority}
        keys |= certificates.pairs(certificates.subjects(node, address, floating), self.sign)
        cloud: dict[str, str] = {}
        if node.group.is_master:
            keys |= certificates.service_account_keys()
            cloud = self.stack.cloud_files()
        memory = int(self.stack.flavor(node.group).ram)
        return user_data(settings(node, address, master, memory), keys, cloud)

    def _drop(self, servers: dict[int, Any], state: State) -> None:
        """Delete what belongs to a group that is gone."""
        for server in servers.values():
            self.stack.delete(server)
            state.waiting_for = f"server {server.name}"

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
        """Note the group's nodes, and what they still lack."""
        state.addresses[group.id] = []
        for index, server in sorted(servers.items()):
            if server.status == "ERROR":
                raise Failed(f"server {server.name}: {(server.fault or {}).get('message') or 'status ERROR'}")
            node = Node(self.cluster, group, index)
            if server.status != "ACTIVE" or leaves(server):
                state.waiting_for = f"server {server.name}"
            elif ready is not None and not ready.get(node.name):
                state.waiting_for = f"node {node.name}"
            state.addresses[group.id] += fixed_addresses(server)
            if not group.is_master and server.metadata[RELEASE] != group.release:
                state.outdated.append(server)
            state.nodes.add(node.name)

    # -- when all servers are there
    def _tidy(self, ready: dict[str, bool] | None, state: State) -> None:
        """Replace a worker of an earlier release, one at a time; else forget what belongs to no server any more."""
        if state.outdated:
            self.stack.delete(state.outdated[0])
            state.waiting_for = f"server {state.outdated[0].name}, which is replaced"
            return
        self.stack.clear_ports(kept=state.nodes)
        if ready is not None:
            api = self.kubernetes(state.api_address)
            for name in ready.keys() - state.nodes:
                api.forget(name)

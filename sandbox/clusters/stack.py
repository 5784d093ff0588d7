"""What a cluster has in its project: security groups, ports, the floating IP of its API, servers.

In Magnum's Heat driver this is Heat's part. Nothing is remembered: ports and groups are found by their description,
servers by their metadata. Requests are made as the project's user, in place of Magnum's trust.
"""

import base64
from collections.abc import Iterable
from functools import cache, cached_property
from ipaddress import IPv4Address
from typing import Any

import openstack
from openstack.connection import Connection

from sandbox.clusters.records import API_PORT, Cluster, Group, Node
from sandbox.clusters.user_data import Credential, cloud_files
from sandbox.configuration.common import KEYSTONE
from sandbox.configuration.secrets import secrets_of
from sandbox.layout import ADMIN, BOOT, NOTHING, REGION, Layout

CLUSTER, GROUP, INDEX, RELEASE = "magnum_cluster", "magnum_nodegroup", "magnum_index", "magnum_release"
NODE_PORTS = (30000, 32767)  # Kubernetes' default range
SSH = 22


@cache  # a token serves for an hour, and a cluster is looked at every second
def connect(layout: Layout, project_id: str) -> Connection:
    """As the user of a project, which has the same name."""
    project = _connection(layout, ADMIN).get_project(project_id)
    assert project, f"Magnum's tables name a project that Keystone has not: {project_id}"
    return _connection(layout, project.name)


def _connection(layout: Layout, name: str) -> Connection:
    return openstack.connect(
        auth_url=KEYSTONE,
        username=name,
        password=secrets_of(layout).users[name],
        project_name=name,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=REGION,
        interface="internal",
        load_yaml_config=False,
        load_envvars=False,
    )


class Stack:
    """A cluster's resources. Every method may raise what openstacksdk raises."""

    def __init__(self, connection: Connection, cluster: Cluster) -> None:
        self._cloud, self.cluster = connection, cluster

    # -- what is there
    def servers(self) -> dict[str, dict[int, Any]]:
        """The servers of each group (by its id) by their index, those too that are being deleted."""
        found: dict[str, dict[int, Any]] = {}
        for server in self._cloud.compute.servers():
            if server.metadata.get(CLUSTER) == self.cluster.id:
                found.setdefault(server.metadata[GROUP], {})[int(server.metadata[INDEX])] = server
        return found

    def _ours(self, kind: str) -> Iterable[Any]:
        listed: Iterable[Any] = getattr(self._cloud.network, kind)(description=self.cluster.mark)
        return listed

    @cached_property
    def _network(self) -> Any:
        return self._cloud.network.find_network(self.cluster.network, ignore_missing=False)

    @cached_property
    def _subnet(self) -> Any:
        """The one that was named, else the network's first."""
        name = self.cluster.subnet or self._network.subnet_ids[0]
        return self._cloud.network.find_subnet(name, ignore_missing=False)

    def image(self, group: Group) -> Any:
        return self._cloud.image.find_image(group.image, ignore_missing=False)

    def boots_nothing(self) -> bool:
        """Whether the masters' image says so: then there is no API to wait for."""
        return bool(self.image(self.cluster.master).properties.get(BOOT) == NOTHING)

    def flavor(self, group: Group) -> Any:
        return self._cloud.compute.find_flavor(group.flavor, ignore_missing=False)

    # -- what is made
    @cached_property
    def _security_group(self) -> str:
        """The id of the nodes' own; made, or completed, if it is not there."""
        network = self._cloud.network
        name = f"{self.cluster.name}-{self.cluster.id[:8]}-nodes"
        ours = next(iter(self._ours("security_groups")), None)
        group = ours or network.create_security_group(name=name, description=self.cluster.mark)
        present = {(rule.protocol, rule.port_range_min, rule.remote_group_id) for rule in network.security_group_rules(
            security_group_id=group.id, direction="ingress")}  # fmt: skip
        for protocol, first, last, remote in self._rules(group.id):
            if (protocol, first, remote) not in present:
                network.create_security_group_rule(
                    security_group_id=group.id,
                    direction="ingress",
                    ether_type="IPv4",
                    protocol=protocol,
                    port_range_min=first,
                    port_range_max=last,
                    remote_group_id=remote,
                )
        return str(group.id)

    @staticmethod
    def _rules(group: str) -> list[tuple[str | None, int | None, int | None, str | None]]:
        """Protocol, ports, remote group: everything among nodes and pods; what Magnum opens to everybody."""
        return [
            (None, None, None, group),
            ("icmp", None, None, None),
            ("tcp", SSH, SSH, None),
            ("tcp", API_PORT, API_PORT, None),
            ("tcp", *NODE_PORTS, None),
            ("udp", *NODE_PORTS, None),
        ]

    def port(self, node: Node) -> Any:
        """The node's port; pods send through it with addresses of their own."""
        found = next((port for port in self._ours("ports") if port.name == node.name), None)
        return found or self._cloud.network.create_port(
            name=node.name,
            description=self.cluster.mark,
            network_id=self._network.id,
            fixed_ips=[{"subnet_id": self._subnet.id}],
            security_groups=[self._security_group],
            allowed_address_pairs=[{"ip_address": str(self.cluster.pods)}],
        )

    def floating_ip(self, port: Any) -> IPv4Address:
        """Where the cluster's API is reached; the subnet has to be on a router of the external network by now."""
        found = next(iter(self._ours("ips")), None)
        if found is None:
            external = self._cloud.network.find_network(self.cluster.external_network, ignore_missing=False)
            found = self._cloud.network.create_ip(
                floating_network_id=external.id, port_id=port.id, description=self.cluster.mark
            )
        return IPv4Address(found.floating_ip_address)

    def create(self, node: Node, port: Any, user_data: str) -> None:
        self._cloud.compute.create_server(
            name=node.name,
            flavor_id=self.flavor(node.group).id,
            image_id=self.image(node.group).id,
            networks=[{"port": port.id}],
            user_data=base64.b64encode(user_data.encode()).decode(),
            metadata={
                CLUSTER: self.cluster.id,
                GROUP: node.group.id,
                INDEX: str(node.index),
                RELEASE: node.group.release,
            },
            **({"key_name": self.cluster.keypair} if self.cluster.keypair else {}),
        )

    def cloud_files(self) -> dict[str, str]:
        """For the cluster's controllers: with a credential of their own, in place of Magnum's trust."""
        self._forget_credential()  # of a master that was asked for before, perhaps: nobody knows its secret any more
        made = self._identity.create_application_credential(
            self._user, self._credential, description=self.cluster.mark, unrestricted=False
        )
        authority = Layout.here().tls / "ca.pem"
        credential = Credential(made.id, made.secret)
        external = self._cloud.network.find_network(self.cluster.external_network, ignore_missing=False)
        return cloud_files(credential, self._subnet.id, external.id, authority.read_text())

    @property
    def _user(self) -> str:
        return str(self._cloud.current_user_id)

    @property
    def _credential(self) -> str:
        return f"magnum-{self.cluster.id}"

    def _forget_credential(self) -> None:
        found = self._identity.find_application_credential(self._user, self._credential)
        if found:
            self._identity.delete_application_credential(self._user, found)

    @property
    def _identity(self) -> Any:
        return self._cloud.identity

    # -- what goes
    def delete(self, server: Any) -> None:
        """Its port goes once the server is gone: see `clear_ports`."""
        if not leaves(server):
            self._cloud.compute.delete_server(server.id)

    def clear_ports(self, kept: Iterable[str]) -> None:
        """Delete the ports of nodes that are none."""
        names = set(kept)
        for port in self._ours("ports"):
            if port.name not in names:
                self._cloud.network.delete_port(port.id)

    def _clear_load_balancers(self) -> bool:
        """Delete those that the cluster's controller made, found by what it describes them with; whether there are any.

        So does Magnum, also with their floating IPs.
        """
        found = [
            one
            for one in self._cloud.load_balancer.load_balancers()
            if one.description.endswith(f" from cluster {self.cluster.id}")
        ]
        for one in found:
            for address in self._cloud.network.ips(port_id=one.vip_port_id):
                self._cloud.network.delete_ip(address.id)
            if one.provisioning_status in ("ACTIVE", "ERROR"):
                self._cloud.load_balancer.delete_load_balancer(one.id, cascade=True)
        return bool(found)

    def clear(self) -> bool:
        """Delete everything; false as long as there are servers or load balancers."""
        servers = [server for group in self.servers().values() for server in group.values()]
        for server in servers:
            self.delete(server)
        if servers or self._clear_load_balancers():  # only now: nobody makes any more
            return False
        network = self._cloud.network
        for address in self._ours("ips"):
            network.delete_ip(address.id)
        self.clear_ports(kept=())
        self._forget_credential()
        for group in self._ours("security_groups"):
            network.delete_security_group(group.id)
        return True


def leaves(server: Any) -> bool:
    """Whether Nova is deleting it."""
    return bool(server.status == "DELETED" or server.task_state == "deleting")


def fixed_addresses(server: Any) -> list[str]:
    networks = (server.addresses or {}).values()
    return [row["addr"] for network in networks for row in network if row["OS-EXT-IPS:type"] == "fixed"]


def address_of(port: Any) -> IPv4Address:
    return IPv4Address(port.fixed_ips[0]["ip_address"])

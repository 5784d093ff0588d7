"""What Magnum's tables say of a cluster, and which nodes that means. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

MASTER = "master"
API_PORT = 6443
DOMAIN = "cluster.local"  # Magnum's default for the label dns_cluster_domain
PODS = "10.100.0.0/16"  # Magnum's default for the label calico_ipv4pool, or flannel_network_cidr
SERVICES = "10.254.0.0/16"  # Magnum's default for the label service_cluster_ip_range
# Servers other than workers' default group take no pods but those that tolerate it, as Magnum sets it.
MASTER_TAINT = "node-role.kubernetes.io/control-plane=:NoSchedule"


class Unsupported(ValueError):
    """Something that real Magnum can do and this sandbox cannot; the message says what."""


@dataclass(frozen=True)
class Group:
    """A node group; `release` is what an upgrade changes."""

    id: str
    name: str
    role: str
    default: bool
    count: int
    flavor: str
    image: str
    release: str
    labels: tuple[str, ...]  # key=value, of the Kubernetes nodes
    taints: tuple[str, ...]  # key=value:Effect

    @property
    def is_master(self) -> bool:
        return self.role == MASTER


@dataclass(frozen=True)
class Cluster:
    """A cluster; networks, flavors and images by name or id, as the user gave them."""

    id: str
    name: str
    network: str
    subnet: str
    external_network: str
    keypair: str
    labels: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]

    def label(self, key: str, default: str) -> str:
        return dict(self.labels).get(key) or default

    @property
    def mark(self) -> str:
        """What everything of it in Neutron has as its description."""
        return f"Magnum cluster {self.id}"

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network(self.label("calico_ipv4pool", self.label("flannel_network_cidr", PODS)))

    @property
    def services(self) -> IPv4Network:
        return IPv4Network(self.label("service_cluster_ip_range", SERVICES))

    @property
    def kubernetes_service(self) -> IPv4Address:
        """The address of the service `kubernetes`: the first of the range."""
        return self.services[1]

    @property
    def name_server(self) -> IPv4Address:
        """The address of the cluster's CoreDNS, as Magnum chooses it."""
        return self.services[10]

    @property
    def domain(self) -> str:
        return self.label("dns_cluster_domain", DOMAIN)

    @property
    def master(self) -> Group:
        return next(group for group in self.groups if group.is_master)

    def check(self) -> None:
        """Raises Unsupported."""
        if self.master.count != 1:
            raise Unsupported(f"a cluster of this sandbox has one master, not {self.master.count}")
        if not self.network:
            raise Unsupported("a cluster of this sandbox needs a network: name fixed_network and fixed_subnet")
        if not self.external_network:
            raise Unsupported("the cluster template has no external_network_id: the API gets its floating IP there")


@dataclass(frozen=True)
class Node:
    """A server of a cluster, that there is or that there is to be."""

    cluster: Cluster
    group: Group
    index: int

    @property
    def name(self) -> str:
        """The server's, the port's and the Kubernetes node's."""
        kind = self.group.name if not self.group.default else MASTER if self.group.is_master else "node"
        return f"{self.cluster.name}-{self.cluster.id[:8]}-{kind}-{self.index}".lower()

    @property
    def labels(self) -> tuple[str, ...]:
        """Those that Magnum gives to each node, and its group's own."""
        magnum = (f"magnum.openstack.org/nodegroup={self.group.name}", f"magnum.openstack.org/role={self.group.role}")
        return (*magnum, *self.group.labels)

    @property
    def taints(self) -> tuple[str, ...]:
        return (*((MASTER_TAINT,) if self.group.is_master else ()), *self.group.taints)


def missing(number: int, taken: Collection[int]) -> list[int]:
    """So many indexes to fill up with: the lowest that are free."""
    return [index for index in range(number + len(taken)) if index not in taken][: max(number, 0)]


def surplus(count: int, present: Collection[int]) -> list[int]:
    """The indexes that are too many: the highest."""
    return sorted(present)[count:]


def group_labels(labels: Mapping[str, str] | None) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def group_taints(taints: Collection[Mapping[str, str]] | None) -> tuple[str, ...]:
    return tuple(f"{taint['key']}={taint.get('value') or ''}:{taint['effect']}" for taint in taints or ())

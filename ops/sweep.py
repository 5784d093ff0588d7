"""What a cluster has left in the cloud: shares of claims, load balancers of Services with their floating IPs.

The cluster's own controllers made these; no state knows them. They are left when the cluster went before them: its API
was dead, Magnum's deletion failed, or claims were still there. Ours is what carries a mark of the deployment: a share
says the cluster's name (Manila's CSI driver writes it), a load balancer of a Service is in the deployment's network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openstack.connection import Connection
from openstack.exceptions import SDKException

from ops.cloud import OpsError, connect
from ops.deployment import whose

CLUSTER_OF_SHARE = "manila.csi.openstack.org/cluster"  # metadata that Manila's CSI driver gives its shares
OF_A_SERVICE = "Kubernetes external service "  # how the controller manager describes its load balancers
GOING = ("DELETE_IN_PROGRESS", "DELETE_COMPLETE", "DELETE_FAILED")  # of a cluster, which makes nothing any more
WAIT = 300  # seconds for what is removed to be gone


@dataclass(frozen=True)
class Left:
    """Something that the cluster left."""

    kind: str
    id: str
    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.id}): {self.detail}"


def sweep(stack: str, remove: bool) -> list[str]:
    """List what is left, and remove it if told; a line for each.

    Raises OpsError when told to while the deployment has a cluster (what is there may be in use), and when the cloud
    did not let something go, after everything else was removed.
    """
    cloud, deployment = whose(stack)
    connection = connect(cloud)
    found = [*load_balancers(connection, deployment), *shares(connection, deployment)]
    if not found:
        return [f"{stack}: nothing is left in {cloud}"]
    if alive := [one for one in _clusters(connection, deployment) if one.status not in GOING]:
        uses = f"the cluster {alive[0].name} is {alive[0].status}"
        if remove:
            raise OpsError(
                f"{uses}: what it made is in use, and goes with its claims and Services. `pulumi destroy` first"
            )
        return [f"{stack}: {uses}, and has made", *map(str, found)]
    if not remove:
        return [*map(str, found), f"`python -m ops sweep -s {stack} --remove` removes these"]
    done, refused = [], []
    for one in found:
        try:
            REMOVE[one.kind](connection, one)
            done.append(f"removed {one}")
        except SDKException as problem:
            refused.append(f"still there: {one}: {problem}")
    if refused:
        raise OpsError("\n".join([*done, *refused]))
    return done


def _clusters(cloud: Connection, deployment: str) -> list[Any]:
    return [one for one in cloud.container_infrastructure_management.clusters() if one.name == deployment]


def load_balancers(cloud: Connection, deployment: str) -> Iterator[Left]:
    """Those of Services, in the deployment's network: while one is there, the network cannot go."""
    mine = {"name": deployment, "project_id": cloud.current_project_id}
    networks = {network.id for network in cloud.network.networks(**mine)}
    for one in cloud.load_balancer.load_balancers():
        if one.vip_network_id in networks and one.description.startswith(OF_A_SERVICE):
            yield Left("load balancer", one.id, one.name, one.description.removeprefix(OF_A_SERVICE))


def shares(cloud: Connection, deployment: str) -> Iterator[Left]:
    """Those that the deployment's cluster made for claims."""
    for one in cloud.shared_file_system.shares(details=True):
        if (one.metadata or {}).get(CLUSTER_OF_SHARE) == deployment:
            yield Left("share", one.id, one.name, f"{one.size} GiB, made {one.created_at}")


def _remove_load_balancer(cloud: Connection, found: Left) -> None:
    """With its floating IPs, which nothing else would find again."""
    one: Any = cloud.load_balancer.get_load_balancer(found.id)
    for address in cloud.network.ips(port_id=one.vip_port_id):
        cloud.network.delete_ip(address)
    cloud.load_balancer.delete_load_balancer(one, cascade=True)
    cloud.load_balancer.wait_for_delete(one, interval=1, wait=WAIT)


def _remove_share(cloud: Connection, found: Left) -> None:
    one = cloud.shared_file_system.get_share(found.id)
    cloud.shared_file_system.delete_share(one)
    cloud.shared_file_system.wait_for_delete(one, interval=1, wait=WAIT)


REMOVE = {"load balancer": _remove_load_balancer, "share": _remove_share}

# ruff: noqa: ARG002  (the signatures are Magnum's)
"""Magnum driver that builds no machines: a cluster's books and certificates are Magnum's own, and it completes."""

import time
import uuid
from typing import Any

from magnum.common import exception
from magnum.drivers.common import driver
from magnum.objects import fields

from sandbox.layout import CLUSTERS

STATUS = fields.ClusterStatus
BUILD_SECONDS = 1.0  # so that clients see the state IN_PROGRESS at least once
KUBERNETES = "v1.28.8"
SYSTEMS = ("fedora-coreos", "fedora-atomic", "fedora", "ubuntu")


class Driver(driver.Driver):  # type: ignore[misc]
    """Every operation succeeds after BUILD_SECONDS."""

    provides = [{"server_type": "vm", "os": system, "coe": "kubernetes"} for system in SYSTEMS]  # noqa: RUF012
    _started: dict[str, float] = {}  # noqa: RUF012  (of all instances: Magnum makes one per call)

    def update_cluster_status(self, context: Any, cluster: Any, use_admin_ctx: bool = False) -> None:
        verb = cluster.status.partition("_")[0]
        if time.monotonic() - self._started.get(cluster.uuid, 0) < BUILD_SECONDS:
            return
        if verb not in ("CREATE", "UPDATE", "DELETE"):
            return
        if verb == "CREATE":
            self._set_address(cluster)
        if verb != "DELETE":
            self._complete_nodegroups(cluster, f"{verb}_COMPLETE")
        cluster.status = f"{verb}_COMPLETE"
        cluster.status_reason = None
        cluster.save()

    def create_cluster(self, context: Any, cluster: Any, cluster_create_timeout: int) -> None:
        cluster.stack_id = str(uuid.uuid4())
        self._begin(cluster)

    def update_cluster(self, context: Any, cluster: Any, scale_manager: Any = None, rollback: bool = False) -> None:
        self._begin(cluster)

    def delete_cluster(self, context: Any, cluster: Any) -> None:
        self._begin(cluster)

    def resize_cluster(
        self,
        context: Any,
        cluster: Any,
        resize_manager: Any,
        node_count: int,
        nodes_to_remove: Any,
        nodegroup: Any = None,
    ) -> None:
        self._begin(cluster)

    def upgrade_cluster(
        self,
        context: Any,
        cluster: Any,
        cluster_template: Any,
        max_batch_size: int,
        nodegroup: Any,
        scale_manager: Any = None,
        rollback: bool = False,
    ) -> None:
        self._begin(cluster)

    def create_nodegroup(self, context: Any, cluster: Any, nodegroup: Any) -> None:
        self._begin_nodegroup(cluster, nodegroup, STATUS.CREATE_IN_PROGRESS)

    def update_nodegroup(self, context: Any, cluster: Any, nodegroup: Any) -> None:
        self._begin_nodegroup(cluster, nodegroup, STATUS.UPDATE_IN_PROGRESS)

    def delete_nodegroup(self, context: Any, cluster: Any, nodegroup: Any) -> None:
        self._begin_nodegroup(cluster, nodegroup, STATUS.DELETE_IN_PROGRESS)

    def create_federation(self, context: Any, federation: Any) -> None:
        raise exception.NotSupported(operation="federations of clusters")

    update_federation = delete_federation = create_federation

    def _begin(self, cluster: Any) -> None:
        self._started[cluster.uuid] = time.monotonic()

    def _begin_nodegroup(self, cluster: Any, nodegroup: Any, status: str) -> None:
        nodegroup.status = status
        nodegroup.save()
        self._begin(cluster)

    @staticmethod
    def _set_address(cluster: Any) -> None:
        cluster.api_address = f"https://{CLUSTERS[1 + cluster.id % 254]}:6443"
        cluster.health_status = fields.ClusterHealthStatus.HEALTHY
        cluster.coe_version = KUBERNETES
        cluster.container_version = "1.12.6"

    @staticmethod
    def _complete_nodegroups(cluster: Any, status: str) -> None:
        for group in cluster.nodegroups:
            if group.status == STATUS.DELETE_IN_PROGRESS:
                group.destroy()
                continue
            first = 10 if group.role == "master" else 110
            group.node_addresses = [f"10.0.{cluster.id % 200}.{first + i}" for i in range(group.node_count)]
            group.status = status
            group.save()

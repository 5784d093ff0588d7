# ruff: noqa: ARG002  (the signatures are Magnum's)
"""Magnum's drivers: what a request does to the tables; the work is `sandbox.clusters`', taken up once a second.

`KubernetesDriver` stands for Magnum's own (Heat's), `ClusterApiDriver` for k8s_capi_helm, with its habits.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from magnum.common import exception
from magnum.conductor.handlers.common import cert_manager
from magnum.drivers.common import driver, k8s_monitor
from magnum.objects import fields
from openstack.exceptions import HttpException, NotFoundException
from oslo_log import log
from oslo_service import loopingcall

from sandbox.clusters import records
from sandbox.clusters.kubernetes import Kubernetes
from sandbox.clusters.reconcile import Failed, State, Step
from sandbox.clusters.stack import Stack, connect
from sandbox.layout import Layout

LOG = log.getLogger(__name__)
STATUS = fields.ClusterStatus
DEFAULT_TIMEOUT = 60  # minutes: Magnum's default for create_timeout
ANSWERED = 3  # seconds that an answer of Magnum's API may take on a busy machine
HANDED_OVER = timedelta(seconds=30)  # in which a conductor makes node groups and certificates, or has been killed


class KubernetesDriver(driver.Driver):  # type: ignore[misc]
    """Clusters of servers, as Magnum's Heat driver makes them."""

    provides = [  # noqa: RUF012
        {"server_type": "vm", "os": system, "coe": "kubernetes"} for system in ("fedora-coreos", "fedora")
    ]
    serially = False  # one node group after the other
    least_nodes = 0  # of a group
    takes_nodes_to_remove = True
    _at_work: set[str] = set()  # noqa: RUF012  (of all instances: Magnum makes one per call)
    _lock = threading.Lock()

    # -- what Magnum's periodic task asks
    def update_cluster_status(self, context: Any, cluster: Any, use_admin_ctx: bool = False) -> None:
        with self._turn(cluster.uuid) as mine:
            if mine:
                try:
                    cluster.refresh()
                except exception.ClusterNotFound:
                    raise loopingcall.LoopingCallDone from None
                self._follow(context, cluster)

    @contextmanager
    def _turn(self, cluster_id: str) -> Iterator[bool]:
        """Whether nobody else is at work on the cluster: Magnum asks again before the last answer is there."""
        with self._lock:
            mine = cluster_id not in self._at_work
            self._at_work.add(cluster_id)
        try:
            yield mine
        finally:
            if mine:
                self._at_work.discard(cluster_id)

    def _follow(self, context: Any, cluster: Any) -> None:
        verb = cluster.status.partition("_")[0]
        try:
            if verb == "DELETE":
                if self._stack(cluster).clear():
                    self._forget(context, cluster)
                return
            state = self._step(context, cluster)
        except (Failed, records.Unsupported, NotFoundException) as problem:
            self._fail(cluster, verb, str(problem))
        except HttpException as refusal:
            if verb != "DELETE" and (refusal.status_code or 500) >= 500:
                raise  # again in a second
            self._fail(cluster, verb, str(refusal))
        else:
            self._settle(cluster, verb, state)

    def _step(self, context: Any, cluster: Any) -> State:
        if not cluster.stack_id:
            if datetime.now(UTC) - cluster.created_at.replace(tzinfo=UTC) > HANDED_OVER:
                raise Failed("the conductor was ended before it had handed the cluster over")
            return State("the conductor")

        def sign(request: str) -> str:
            return _text(cert_manager.sign_node_certificate(cluster, request, context=context))

        def kubernetes(address: str) -> Kubernetes:
            cluster.api_address = address
            return Kubernetes(context, cluster)

        authority = _text(cert_manager.get_cluster_ca_certificate(cluster, context).get_certificate())
        return Step(self._stack(cluster), authority, sign, kubernetes, self.serially).take()

    @staticmethod
    def _forget(context: Any, cluster: Any) -> None:
        """Take it out of the tables. Magnum's own task takes the node groups out first: who asks for the cluster in
        that moment is answered 400 (it has no master), which clients take for a failed deletion. So it is gone first,
        and the groups when those are answered who had found it before.
        """
        groups = list(cluster.nodegroups)
        cert_manager.delete_certificates_from_cluster(cluster, context=context)
        cluster.destroy()
        time.sleep(ANSWERED)
        for group in groups:
            group.destroy()
        raise loopingcall.LoopingCallDone

    @staticmethod
    def _stack(cluster: Any) -> Stack:
        return Stack(connect(Layout.here(), cluster.project_id), _record(cluster))

    def _settle(self, cluster: Any, verb: str, state: State) -> None:
        cluster.api_address = state.api_address or cluster.api_address
        if state.waiting_for:
            began = (cluster.updated_at or cluster.created_at).replace(tzinfo=UTC)
            limit = timedelta(minutes=cluster.create_timeout or DEFAULT_TIMEOUT)
            if verb == "CREATE" and datetime.now(UTC) - began > limit:
                self._fail(cluster, verb, f"timed out, waiting for {state.waiting_for}")
            return
        self._complete_nodegroups(cluster, verb, state)
        cluster.status, cluster.status_reason = f"{verb}_COMPLETE", None
        cluster.coe_version = state.version or cluster.coe_version
        cluster.save()

    @staticmethod
    def _complete_nodegroups(cluster: Any, verb: str, state: State) -> None:
        for group in cluster.nodegroups:
            if group.status == STATUS.DELETE_IN_PROGRESS:
                group.destroy()
                continue
            floating = [urlsplit(state.api_address).hostname or ""]
            group.node_addresses = floating if group.role == records.MASTER else state.addresses.get(group.uuid, [])
            group.status = f"{(group.status or verb).partition('_')[0]}_COMPLETE"
            group.save()

    @staticmethod
    def _fail(cluster: Any, verb: str, reason: str) -> None:
        LOG.warning("cluster %s: %s failed: %s", cluster.uuid, verb, reason)
        for group in cluster.nodegroups:
            if (group.status or "").endswith("_IN_PROGRESS"):
                group.status, group.status_reason = f"{group.status.partition('_')[0]}_FAILED", reason
                group.save()
        cluster.status, cluster.status_reason = f"{verb}_FAILED", reason
        cluster.save()

    # -- requests
    def create_cluster(self, context: Any, cluster: Any, cluster_create_timeout: int) -> None:
        for group in cluster.nodegroups:
            self._check_size(group)
        cluster.stack_id = str(uuid.uuid4())

    def _check_size(self, group: Any) -> None:
        if group.node_count < self.least_nodes:
            needs = f"needs {self.least_nodes} at least"
            raise exception.NodeGroupInvalidInput(attr="node_count", nodegroup=group.name, expl=needs)

    def update_cluster(self, context: Any, cluster: Any, scale_manager: Any = None, rollback: bool = False) -> None:
        """The number of nodes stands in the tables already."""

    def delete_cluster(self, context: Any, cluster: Any) -> None:
        """The status that the conductor sets says it."""

    def resize_cluster(
        self,
        context: Any,
        cluster: Any,
        resize_manager: Any,
        node_count: int,
        nodes_to_remove: Any,
        nodegroup: Any = None,
    ) -> None:
        """Those that are named go at once (by server id or index, as Heat takes both), the rest follows the count."""
        self._check_size(nodegroup)
        if not self.takes_nodes_to_remove:
            return
        stack = self._stack(cluster)
        for index, server in stack.servers().get(nodegroup.uuid, {}).items():
            if {str(index), server.id} & set(nodes_to_remove or ()):
                stack.delete(server)

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
        """Workers of another release are replaced; a master keeps its server, as Magnum upgrades it in place."""
        cluster.cluster_template_id = cluster_template.uuid
        nodegroup.image_id = cluster_template.image_id
        nodegroup.labels = {**(nodegroup.labels or {}), **(cluster_template.labels or {})}

    def create_nodegroup(self, context: Any, cluster: Any, nodegroup: Any) -> None:
        self._check_size(nodegroup)  # the conductor has written it into the tables

    def update_nodegroup(self, context: Any, cluster: Any, nodegroup: Any) -> None:
        """The conductor writes it into the tables."""

    def delete_nodegroup(self, context: Any, cluster: Any, nodegroup: Any) -> None:
        nodegroup.save()  # its status, which the conductor has set

    def create_federation(self, context: Any, federation: Any) -> None:
        raise exception.NotSupported(operation="federations of clusters")

    update_federation = delete_federation = create_federation

    def get_monitor(self, context: Any, cluster: Any) -> Any:
        return k8s_monitor.K8sMonitor(context, cluster) if cluster.api_address else None


class ClusterApiDriver(KubernetesDriver):
    """Clusters as k8s_capi_helm makes them; which machines go is Cluster API's to choose."""

    provides = [{"server_type": "vm", "os": "ubuntu", "coe": "kubernetes"}]  # noqa: RUF012
    serially = True
    least_nodes = 1
    takes_nodes_to_remove = False


def _record(cluster: Any) -> records.Cluster:
    template = cluster.cluster_template
    groups = [group for group in cluster.nodegroups if group.status != STATUS.DELETE_IN_PROGRESS]
    groups.sort(key=lambda group: (group.role != records.MASTER, group.id))
    return records.Cluster(
        id=cluster.uuid,
        name=cluster.name,
        network=cluster.fixed_network or template.fixed_network or "",
        subnet=cluster.fixed_subnet or template.fixed_subnet or "",
        external_network=template.external_network_id or "",
        keypair=cluster.keypair or "",
        labels=tuple(sorted((cluster.labels or {}).items())),
        groups=tuple(_group(group) for group in groups),
    )


def _group(group: Any) -> records.Group:
    labels = group.labels or {}
    return records.Group(
        id=group.uuid,
        name=group.name,
        role=group.role,
        default=group.is_default,
        count=group.node_count,
        flavor=group.flavor_id,
        image=group.image_id,
        release=f"{group.image_id} {labels.get('kube_tag', '')}".strip(),
        labels=records.group_labels(group.node_labels),
        taints=records.group_taints(group.node_taints),
    )


def _text(pem: str | bytes) -> str:
    return pem.decode() if isinstance(pem, bytes) else pem

"""More workers and fewer, and the end of the cluster that the other modules have used: it runs last."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sandbox import traces
from sandbox.hosts.bounds import ControlGroup
from sandbox.hosts.host import Host
from tests.conftest import Sandbox
from tests.kubernetes.cluster import CLOUD, LAYOUT, MASTER, WORKERS, Cluster, works
from tests.kubernetes.notebook import logged_in, note, ready
from tests.kubernetes.services import services
from tests.kubernetes.site import content, write
from tests.leftovers import everything
from tests.stack import Stack


def test_a_worker_more_joins_and_changes_no_other(cluster: Cluster) -> None:
    servers = dict(cluster.servers)
    cluster.workers(3)
    assert cluster.servers == servers | {"node-2": cluster.servers["node-2"]}
    works(cluster)


def test_fewer_workers_leave_nothing_of_the_others_though_their_pods_were_running(
    cluster: Cluster, node_cloud: Sandbox
) -> None:
    host = Host(LAYOUT, cluster.servers[WORKERS[1]])
    assert ControlGroup(LAYOUT.namespace, host.machine).processes()
    node_cloud.kill("nova")
    node_cloud.up()
    cluster.workers(1)
    assert cluster.servers.keys() == {MASTER, WORKERS[0]}
    assert not ControlGroup(LAYOUT.namespace, host.machine).processes()
    assert [trace for trace in traces.find(LAYOUT) if host.machine in trace or host.server_id in trace] == []
    assert not host.directory.exists()
    assert len(cluster.get("nodes")["items"]) == 2


@pytest.fixture(scope="module")
def beside(cluster: Cluster, state_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of services on the cluster."""
    directory = tmp_path_factory.mktemp("beside")
    ingress = {"class": "public", "domain": "gaia-dev.example.org"}
    stack = services(cluster, state_backend, directory, "gaia-dev-ingress", ingress=ingress)
    stack.up()
    yield stack
    stack.pulumi("stack", "rm", "--yes", "--force")  # what is on the cluster goes with it


def test_another_label_is_another_cluster_with_everything_that_was_in_the_first(
    cluster: Cluster, beside: Stack
) -> None:
    assert beside.outputs()["cluster"] == {"id": cluster.stack.outputs()["cluster"]["id"], "name": cluster.stack.name}
    claims = [claim["metadata"]["name"] for claim in cluster.get("pvc", "-A")["items"]]
    assert claims
    ready(cluster)  # it may have been on a worker that is gone
    with logged_in(cluster) as notebooks:
        kept, _ = note(notebooks, "kept")
    write(cluster, "kept")
    before = content(cluster)
    cluster.stack.pulumi("config", "set", "--path", "gaia:cluster.labels.boot_volume_size", "10")
    server = cluster.servers[MASTER]
    cluster.up()
    assert cluster.servers[MASTER] != server
    cluster.wait_until_ready()
    found = cluster.get("pvc", "-A")["items"]
    assert [(one["metadata"]["name"], one["status"]["phase"]) for one in found] == [(name, "Bound") for name in claims]
    assert cluster.kubectl("get", "secrets", "-A", "-l", "owner=helm,status=deployed", "-o", "name").count("/") == 5
    with logged_in(cluster) as notebooks:  # `up` has waited for the server
        assert notebooks.call("GET", f"/notebook/{kept}")["name"] == "kept"
    assert content(cluster) == before
    cluster.stack.assert_unchanged()


def test_a_stack_of_services_says_how_it_follows_to_another_cluster_and_does(cluster: Cluster, beside: Stack) -> None:
    refused = beside.up(check=False)
    assert refused.returncode != 0
    [told] = re.findall(
        r"`(PULUMI_K8S_DELETE_UNREACHABLE)=true pulumi (refresh) --stack gaia-dev-ingress`", refused.stdout
    )
    beside.pulumi(told[1], "--yes", "--skip-preview", environment={told[0]: "true"})
    beside.up()
    beside.assert_unchanged()
    assert beside.outputs()["ingress_address"] == cluster.published("ingress", "ingress")
    beside.destroy()
    assert "namespace/ingress" not in cluster.kubectl("get", "namespaces", "-o", "name").split()


def test_destroy_asks_no_node_and_a_sweep_removes_what_its_claims_left(
    cluster: Cluster, node_cloud: Sandbox, before: dict[str, list[str]]
) -> None:
    cluster.kubectl("create", "service", "loadbalancer", "forgotten", "--tcp=80")
    cluster.published("forgotten")  # Magnum removes what the cluster's controller has made for it
    asked = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "forgotten", "namespace": "default"}
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": asked})
    cluster.until_says("Bound", "get", "pvc", "forgotten", "-o", "jsonpath={.status.phase}")
    assert "_COMPLETE, and has made" in cluster.stack.ops("sweep").stdout
    refused = cluster.stack.ops("sweep", "--remove", check=False)
    assert refused.returncode == 1
    assert "what it made is in use" in refused.stdout
    cluster.act(MASTER, {"os-stop": None})
    cluster.stack.destroy()
    left = everything(node_cloud, CLOUD)
    assert {kind for kind, names in left.items() if names != before[kind]} == {"shares", "access_rules"}
    assert "share pvc-" in cluster.stack.ops("sweep").stdout
    assert everything(node_cloud, CLOUD) == left
    assert "removed share pvc-" in cluster.stack.ops("sweep", "--remove").stdout
    assert everything(node_cloud, CLOUD) == before
    assert "nothing is left" in cluster.stack.ops("sweep").stdout

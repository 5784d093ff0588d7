"""The committed stack `gaia-dev`: a Magnum cluster whose nodes boot and whose pods run, from `up` to `destroy`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox import traces
from sandbox.clusters.records import MASTER_TAINT
from sandbox.hosts.bounds import MIB, Bounds, ControlGroup
from sandbox.hosts.host import Host
from tests.conftest import Sandbox
from tests.kubernetes.cluster import CLOUD, FLAVOR, LAYOUT, MASTER, STACK, WORKERS, Cluster
from tests.leftovers import everything
from tests.stack import Committed

# An image of nothing but one program; what pods run in it comes from their node, read-only.
IMAGE = "registry.k8s.io/pause:3.10.1"
NODE_PROGRAMS = {"/usr": "/usr", "/bin": "/usr/bin", "/lib": "/usr/lib", "/lib64": "/usr/lib64"}


@pytest.fixture(scope="module")
def before(node_cloud: Sandbox) -> dict[str, list[str]]:
    return everything(node_cloud, CLOUD)


@pytest.fixture(scope="module")
def cluster(
    node_cloud: Sandbox, state_backend: str, before: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Cluster:
    """A cluster that is ready, with a web server on one worker and a client on the other."""
    assert state_backend
    assert before["clusters"] == []
    cluster = Cluster(Committed(node_cloud, STACK), tmp_path_factory.mktemp("cluster"))
    cluster.up()
    serve = "mkdir /tmp/web; cd /tmp/web; hostname > index.html; echo serving; exec python3 -m http.server 8000"
    cluster.apply(deployment("web", cluster.node(WORKERS[0]), serve))
    cluster.apply(deployment("client", cluster.node(WORKERS[1]), "exec sleep infinity"))
    cluster.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8000")
    works(cluster)
    return cluster


def deployment(name: str, node: str, command: str, limit: str = "128Mi") -> dict[str, Any]:
    """One pod on this node, which runs a command of the node's shell."""
    labels = {"app": name}
    container = {
        "name": name,
        "image": IMAGE,
        "command": ["/bin/sh", "-c", command],
        "resources": {"limits": {"memory": limit}},
        "volumeMounts": [
            {"name": f"programs{n}", "mountPath": path, "readOnly": True} for n, path in enumerate(NODE_PROGRAMS)
        ]
        + [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": f"programs{n}", "hostPath": {"path": p}} for n, p in enumerate(NODE_PROGRAMS.values())]
        + [{"name": "tmp", "emptyDir": {}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "strategy": {"type": "Recreate"}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def works(cluster: Cluster) -> None:
    """Everything is ready, and the client reads the other worker's page by the Service's name."""
    cluster.wait_until_ready()
    for name in ("web", "client"):
        cluster.until_says("1", "get", "deployment", name, "-o", "jsonpath={.status.readyReplicas}")
    web = cluster.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}")
    page = ("curl", "-s", "-m", "5", "http://web.default.svc.cluster.local")
    cluster.until_says(web, "exec", "deployment/client", "--", *page)


def test_a_second_run_changes_nothing_even_after_a_refresh(cluster: Cluster) -> None:
    cluster.stack.assert_unchanged()
    cluster.stack.pulumi("refresh", "--yes", "--skip-preview")
    cluster.stack.assert_unchanged()


def test_nodes_have_the_labels_the_taints_and_the_memory_that_they_were_told(cluster: Cluster) -> None:
    bound = Bounds.of_flavor(FLAVOR.ram, FLAVOR.vcpus).memory // MIB
    nodes = {node["metadata"]["name"]: node for node in cluster.get("nodes")["items"]}
    assert nodes.keys() == {cluster.node(name) for name in (MASTER, *WORKERS)}
    for name, node in nodes.items():
        role = "master" if name == cluster.node(MASTER) else "worker"
        assert node["metadata"]["labels"]["magnum.openstack.org/role"] == role
        taints = {f"{taint['key']}=:{taint['effect']}" for taint in node["spec"].get("taints", [])}
        assert (MASTER_TAINT in taints) == (role == "master")
        allocatable = int(node["status"]["allocatable"]["memory"].removesuffix("Ki")) // 1024
        assert bound - 128 < allocatable <= bound


def test_pods_reach_each_other_across_nodes_by_address(cluster: Cluster) -> None:
    address = cluster.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.podIP}")
    page = cluster.kubectl("exec", "deployment/client", "--", "curl", "-sf", "-m", "5", f"http://{address}:8000")
    assert page.startswith("web-")


def test_a_pod_reaches_the_api_and_its_servers_metadata(cluster: Cluster) -> None:
    words = ("exec", "deployment/client", "--", "curl", "-sk", "-m", "20")
    assert "gitVersion" in cluster.kubectl(*words, "https://kubernetes.default.svc/version")
    told = json.loads(cluster.kubectl(*words, "http://169.254.169.254/openstack/latest/meta_data.json"))
    assert told["uuid"] == cluster.servers[WORKERS[1]]


def test_a_pods_log_is_read_through_the_api(cluster: Cluster) -> None:
    assert "serving" in cluster.kubectl("logs", "deployment/web")


def test_a_pod_that_takes_more_memory_than_its_limit_is_killed(cluster: Cluster) -> None:
    take = "exec python3 -c 'bytearray(1 << 30)'"
    cluster.apply(deployment("greedy", cluster.node(WORKERS[1]), take, "64Mi"))
    reason = "jsonpath={.items[0].status.containerStatuses[0].lastState.terminated.reason}"
    cluster.until_says("OOMKilled", "get", "pods", "-l", "app=greedy", "-o", reason)
    cluster.kubectl("delete", "deployment", "greedy")


@pytest.mark.parametrize("kind", ["SOFT", "HARD"])
@pytest.mark.parametrize("name", [WORKERS[0], MASTER])
def test_a_node_comes_back_after_a_reboot(cluster: Cluster, name: str, kind: str) -> None:
    cluster.reboot(name, kind)
    works(cluster)


def test_nodes_come_back_after_the_sandbox_was_down(cluster: Cluster, node_cloud: Sandbox) -> None:
    node_cloud.down()
    node_cloud.up()
    works(cluster)


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


def test_destroy_asks_no_node_and_leaves_nothing(
    cluster: Cluster, node_cloud: Sandbox, before: dict[str, list[str]]
) -> None:
    cluster.act(MASTER, {"os-stop": None})
    cluster.stack.destroy()
    assert everything(node_cloud, CLOUD) == before

"""Servers that are Kubernetes nodes: one master and two workers, by nothing but Nova, Neutron and user_data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import traces
from sandbox.hosts.bounds import MIB, Bounds, ControlGroup
from sandbox.hosts.host import Host
from sandbox.namespaces import enter
from tests.conftest import Sandbox
from tests.kubernetes.cluster import ADDRESSES, FLAVOR, LAYOUT, MASTER, TAINT, WORKERS, Cluster

# An image of nothing but one program; what pods run in it comes from their node, read-only.
IMAGE = "registry.k8s.io/pause:3.10.1"
NODE_PROGRAMS = {"/usr": "/usr", "/bin": "/usr/bin", "/lib": "/usr/lib", "/lib64": "/usr/lib64"}


@pytest.fixture(scope="module")
def cluster(node_cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that is ready, with a web server on one worker and a client on the other."""
    assert node_cloud.root == LAYOUT.root
    with Cluster.running(tmp_path_factory.mktemp("cluster")) as cluster:
        serve = "mkdir /tmp/web; cd /tmp/web; hostname > index.html; echo serving; exec python3 -m http.server 8000"
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(deployment("web", WORKERS[0], serve)))
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(deployment("client", WORKERS[1], "exec sleep infinity")))
        cluster.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8000")
        works(cluster)
        yield cluster


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


def test_nodes_have_the_labels_the_taints_and_the_memory_that_they_were_told(cluster: Cluster) -> None:
    bound = Bounds.of_flavor(FLAVOR.ram, FLAVOR.vcpus).memory // MIB
    nodes = {node["metadata"]["name"]: node for node in cluster.get("nodes")["items"]}
    assert nodes.keys() == ADDRESSES.keys()
    for name, node in nodes.items():
        assert node["metadata"]["labels"]["tests"] == "yes"
        taints = {f"{taint['key']}=:{taint['effect']}" for taint in node["spec"].get("taints", [])}
        assert (TAINT in taints) == (name == MASTER)
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
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(deployment("greedy", WORKERS[1], take, "64Mi")))
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
    enter(LAYOUT.namespace)  # a new one of the same name
    works(cluster)


def test_nothing_is_left_of_a_deleted_node_whose_pods_were_running(cluster: Cluster, node_cloud: Sandbox) -> None:
    host = Host(LAYOUT, cluster.servers[WORKERS[1]])
    assert ControlGroup(LAYOUT.namespace, host.machine).processes()
    node_cloud.kill("nova")
    node_cloud.up()
    cluster.delete(WORKERS[1])
    assert not ControlGroup(LAYOUT.namespace, host.machine).processes()
    assert [trace for trace in traces.find(LAYOUT) if host.machine in trace or host.server_id in trace] == []
    assert not host.directory.exists()

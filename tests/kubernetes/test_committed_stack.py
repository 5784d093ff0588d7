"""The committed stack `gaia-dev`: a Magnum cluster whose nodes boot and whose pods run. (Its end: test_workers.py.)"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.clusters.records import MASTER_TAINT
from sandbox.hosts.bounds import MIB, Bounds
from tests.conftest import Sandbox
from tests.kubernetes.cluster import DEBIAN, FLAVOR, MASTER, WORKERS, Cluster, deployment, works

CONTAINER = ".status.containerStatuses[0]"  # the only one of a pod


def pod(name: str, node: str, image: str) -> dict[str, Any]:
    """A pod on this node that asks the registry for its image, also where the node has it, and then sleeps."""
    container = {"name": name, "image": image, "imagePullPolicy": "Always", "command": ["sleep", "infinity"]}
    where = {"kubernetes.io/hostname": node}
    spec = {"nodeSelector": where, "terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


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


def test_a_pod_runs_on_each_worker_from_an_image_of_the_registry(cluster: Cluster) -> None:
    for name in WORKERS:
        cluster.apply(pod(f"debian-{name}", cluster.node(name), DEBIAN))
    for name in WORKERS:
        cluster.until_says("true", "get", "pod", f"debian-{name}", "-o", f"jsonpath={{{CONTAINER}.ready}}")
        words = ("exec", f"debian-{name}", "--", "sh", "-c")
        assert cluster.kubectl(*words, "cat /etc/debian_version").startswith("12.")
        assert "ceph-fuse" in cluster.kubectl(*words, "command -v ceph-fuse curl mount ps")
    cluster.kubectl("delete", "--wait=false", "pods", *(f"debian-{name}" for name in WORKERS))


def test_an_image_that_the_registry_lacks_is_an_error_that_says_so(cluster: Cluster) -> None:
    cluster.apply(pod("lacking", cluster.node(WORKERS[0]), "quay.io/gaia/lacking:1"))
    waiting = ("get", "pod", "lacking", "-o", f"jsonpath={{{CONTAINER}.state.waiting.message}}")
    cluster.until(lambda said: "quay.io/gaia/lacking:1: not found" in said, *waiting)
    cluster.kubectl("delete", "--wait=false", "pod", "lacking")


def test_images_are_pulled_again_after_the_registry_was_killed(cluster: Cluster, node_cloud: Sandbox) -> None:
    node_cloud.kill("registry")
    node_cloud.up()
    cluster.apply(pod("debian", cluster.node(WORKERS[0]), DEBIAN))
    cluster.until_says("true", "get", "pod", "debian", "-o", f"jsonpath={{{CONTAINER}.ready}}")
    cluster.kubectl("delete", "--wait=false", "pod", "debian")


@pytest.mark.parametrize("kind", ["SOFT", "HARD"])
@pytest.mark.parametrize("name", [WORKERS[0], MASTER])
def test_a_node_comes_back_after_a_reboot(cluster: Cluster, name: str, kind: str) -> None:
    cluster.reboot(name, kind)
    works(cluster)


def test_nodes_come_back_after_the_sandbox_was_down(cluster: Cluster, node_cloud: Sandbox) -> None:
    node_cloud.down()
    node_cloud.up()
    works(cluster)

"""Shares in pods: the catalogue's, which many read; those that claims get from Manila, and that go with them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from components.kubernetes.notebooks import NOTEBOOKS
from ops import orphans
from ops.recover import repeatable
from sandbox.layout import Port
from sandbox.namespaces import inside
from sandbox.services.api import Api
from tests.conftest import SHARE
from tests.kubernetes.cluster import CLOUD, DEBIAN, LAYOUT, RESTRICTED, STACK, WORKERS, Cluster

PODS = ("pod-0", "pod-1")  # one on each worker
ENFORCED = "pod-security.kubernetes.io/enforce"
CLAIM = "ours"
PATIENCE = 120  # seconds for Manila to have what it should: Ceph may wait a minute for a node that was killed


def start(cluster: Cluster, name: str, node: str, volume: dict[str, Any], *, root: bool = False) -> None:
    """A pod on this node, as notebooks may have them unless it is root's, with the volume in /share; until it runs."""
    container = {
        "name": "main",
        "image": DEBIAN,
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "share", "mountPath": "/share"}],
        "securityContext": {} if root else RESTRICTED,
    }
    spec = {
        "securityContext": {} if root else {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
        "nodeSelector": {"kubernetes.io/hostname": cluster.node(node)},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "share", **volume}],
    }
    metadata = {"name": name, "namespace": NOTEBOOKS}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    cluster.until_says("Running", "get", "pod", name, "-n", NOTEBOOKS, "-o", "jsonpath={.status.phase}")


def run(cluster: Cluster, pod: str, command: str, check: bool = True) -> str:
    return cluster.kubectl("exec", "-n", NOTEBOOKS, pod, "--", "sh", "-c", command, check=check)


def delete(cluster: Cluster, kind: str, *names: str) -> None:
    cluster.kubectl("delete", "-n", NOTEBOOKS, "--wait", "--ignore-not-found", kind, *names)


def claim(gibibytes: int = 1) -> dict[str, Any]:
    """What asks for a share of the default class, for many nodes."""
    return {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": f"{gibibytes}Gi"}}}


def of_claim(name: str, read_only: bool = False) -> dict[str, Any]:
    return {"persistentVolumeClaim": {"claimName": name, "readOnly": read_only}}


def of_claims() -> list[dict[str, Any]]:
    """Manila's shares in the cluster's project; all but the stack's own are claims'."""
    with inside(LAYOUT.namespace):
        found = Api(LAYOUT, CLOUD).get(Port.MANILA, "/v2/shares/detail")["shares"]
    return [share for share in found if not share["name"].startswith(f"{STACK}-")]


def made_by_claims() -> list[int]:
    """The GiB of each."""
    return sorted(share["size"] for share in of_claims())


def until_made(sizes: list[int]) -> None:
    end = time.monotonic() + PATIENCE
    while made_by_claims() != sizes:
        if time.monotonic() > end:
            found = [f"{share['name']} of {share['size']} GiB, {share['status']}" for share in of_claims()]
            pytest.fail(f"claims have the shares [{', '.join(found)}], not those of {sizes} GiB")
        time.sleep(0.5)


@pytest.fixture(autouse=True)
def gone_afterwards(cluster: Cluster) -> Iterator[None]:
    """No test finds another's pods and claims, nor what those keep in Manila, also after one that failed."""
    yield
    delete(cluster, "pod", *PODS)
    delete(cluster, "pvc", CLAIM)
    until_made([])


@pytest.fixture
def readers(cluster: Cluster, filled: str) -> tuple[str, ...]:
    """A pod on each worker that has the catalogue; the second does not say that it only reads.

    They are root's, whom the files' modes do not keep from writing: what refuses is what is tested.
    """
    cluster.kubectl("label", "namespace", NOTEBOOKS, f"{ENFORCED}=privileged", "--overwrite")
    try:
        for pod, node in zip(PODS, WORKERS, strict=True):
            start(cluster, pod, node, of_claim(filled, read_only=pod == PODS[0]), root=True)
    finally:
        cluster.kubectl("label", "namespace", NOTEBOOKS, f"{ENFORCED}=restricted", "--overwrite")
    return PODS


def test_the_catalogue_is_read_on_two_nodes_at_once_and_written_on_none(
    cluster: Cluster, readers: tuple[str, ...]
) -> None:
    parts = {run(cluster, pod, "find /share -name '*.parquet' | sort | xargs sha256sum") for pod in readers}
    assert len(parts) == 1
    assert len(parts.pop().splitlines()) > 1
    refusals = ("Read-only file system", "Permission denied")  # the kernel's; without it, Ceph's
    for pod, refusal in zip(readers, refusals, strict=True):
        assert refusal in run(cluster, pod, "touch /share/mine 2>&1", check=False)


def test_the_catalogue_is_there_again_after_its_node_was_rebooted(cluster: Cluster, readers: tuple[str, ...]) -> None:
    cluster.reboot(WORKERS[0], "HARD")
    words = ("exec", "-n", NOTEBOOKS, readers[0], "--", "sh", "-c", "ls /share | head -1; mountpoint /share")
    cluster.until(lambda said: said.endswith("/share is a mountpoint") and len(said.splitlines()) == 2, *words)


def test_a_claim_gets_a_share_of_manilas_that_two_nodes_write_and_that_goes_with_it(cluster: Cluster) -> None:
    metadata = {"name": CLAIM, "namespace": NOTEBOOKS}
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim()})
    for pod, node in zip(PODS, WORKERS, strict=True):
        start(cluster, pod, node, of_claim(CLAIM))
        run(cluster, pod, "hostname >> /share/seen")
    assert made_by_claims() == [1]
    assert run(cluster, PODS[0], "cat /share/seen").splitlines() == list(PODS)
    grown = json.dumps({"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    cluster.kubectl("patch", "-n", NOTEBOOKS, "pvc", CLAIM, "-p", grown)
    until_made([2])
    delete(cluster, "pod", *PODS)
    delete(cluster, "pvc", CLAIM)
    until_made([])


def test_an_ephemeral_volume_is_a_share_that_goes_with_its_pod(cluster: Cluster) -> None:
    start(cluster, PODS[0], WORKERS[0], {"ephemeral": {"volumeClaimTemplate": {"spec": claim()}}})
    run(cluster, PODS[0], "echo scratch > /share/file")
    assert made_by_claims() == [1]
    delete(cluster, "pod", PODS[0])
    until_made([])


def test_no_key_and_no_credential_stands_in_the_state_in_clear(cluster: Cluster) -> None:
    found = cluster.get("secrets", "-A", "-o", "json")["items"]
    names = {f"cephx-{SHARE}": "userKey", "manila-csi-cloud": "os-applicationCredentialSecret"}
    hidden = [one["data"][names[one["metadata"]["name"]]] for one in found if one["metadata"]["name"] in names]
    assert len(hidden) == len(names)
    state = cluster.stack.state()
    for value in hidden:
        assert value not in state
        assert base64.b64decode(value).decode() not in state


def test_recovery_knows_every_type_of_resource_that_the_stack_has(cluster: Cluster) -> None:
    made = cluster.stack.resources()
    assert [
        one["type"] for one in made if not repeatable(one) and orphans.kind_of(one["type"]) not in orphans.KINDS
    ] == []

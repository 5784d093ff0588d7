"""The notebook server on the cluster: a Spark for each notebook, what stays and what goes, what nobody there may do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.notebooks import NAME, NOTEBOOKS, SPARK_ACCOUNT
from ops.cloud import OpsError
from tests.conftest import ROWS
from tests.kubernetes.cluster import DEBIAN, RESTRICTED, Cluster
from tests.kubernetes.notebook import finished, logged_in, note, ready, until

PNG = b"\x89PNG\r\n\x1a\n"


def pods(cluster: Cluster, *, gone: bool = False) -> list[dict[str, Any]]:
    """Those of notebooks; with `gone`, those too that are being deleted."""
    found = cluster.get("pods", "-n", NOTEBOOKS)["items"]
    return [pod for pod in found if gone or "deletionTimestamp" not in pod["metadata"]]


def servers(cluster: Cluster) -> str:
    """Which pod is the server: another one after a restart."""
    return cluster.kubectl("get", "pods", "-n", NAME, "-o", "jsonpath={.items[*].metadata.uid}")


def label(pod: dict[str, Any], name: str) -> str:
    return str(pod["metadata"]["labels"].get(name, ""))


@pytest.fixture(autouse=True)
def nothing_else_runs(cluster: Cluster) -> Iterator[None]:
    """The server answers, also after its node was rebooted; pods of other tests are gone, and none are left."""
    ready(cluster)
    until(lambda: not pods(cluster, gone=True))
    yield
    until(lambda: not pods(cluster, gone=True))


def test_a_paragraph_draws_the_catalogue_by_executors_in_pods(cluster: Cluster, tmp_path: Path) -> None:
    said = cluster.stack.ops("smoke", "--png", str(tmp_path / "sky.png")).stdout
    assert f"{ROWS} rows" in said
    assert (tmp_path / "sky.png").read_bytes().startswith(PNG)


def test_two_notebooks_at_once_have_two_sparks_whose_pods_go_with_them(cluster: Cluster) -> None:
    with logged_in(cluster) as server:
        notes = [note(server, name) for name in ("first", "second")]
        for made, paragraph in notes:
            server.call("POST", f"/notebook/job/{made}/{paragraph}")
        for made, paragraph in notes:
            assert f"rows {ROWS}" in finished(server, made, paragraph)
        running = pods(cluster)
        drivers = [pod for pod in running if label(pod, "app.kubernetes.io/component") == "interpreter"]
        executors = [pod for pod in running if label(pod, "spark-role") == "executor"]
        assert len(drivers) == 2
        assert len({label(pod, "spark-app-selector") for pod in executors}) == 2
        owners = {pod["metadata"]["ownerReferences"][0]["name"] for pod in executors}
        assert owners == {pod["metadata"]["name"] for pod in drivers}
        for made, _ in notes:
            server.call("DELETE", f"/notebook/{made}")
        until(lambda: not pods(cluster))


def test_a_server_that_was_killed_leaves_no_pods_and_has_its_notebooks_again(cluster: Cluster) -> None:
    with logged_in(cluster) as server:
        made, paragraph = note(server, "kept")
        server.call("POST", f"/notebook/run/{made}/{paragraph}")
        assert pods(cluster)
    cluster.kubectl("delete", "pod", "-n", NAME, "-l", f"app.kubernetes.io/name={NAME}", "--grace-period=0", "--force")
    until(lambda: not pods(cluster))
    ready(cluster)
    with logged_in(cluster) as server:
        kept = server.call("GET", f"/notebook/{made}")["paragraphs"][0]
        assert f"rows {ROWS}" in kept["results"]["msg"][0]["data"]
        server.call("DELETE", f"/notebook/{made}")


def test_a_server_whose_node_died_is_on_another_with_its_notebooks(cluster: Cluster) -> None:
    with logged_in(cluster) as server:
        made, _ = note(server, "kept")
    [first] = cluster.get("pods", "-n", NAME)["items"]
    node = first["spec"]["nodeName"].removeprefix(cluster.prefix)
    cluster.act(node, {"os-stop": None})
    other = ("get", "pods", "-n", NAME, f"--field-selector=spec.nodeName!={cluster.prefix}{node}", "-o", "name")
    cluster.until(lambda said: said.startswith("pod/"), *other)
    ready(cluster)
    with logged_in(cluster) as server:
        assert server.call("GET", f"/notebook/{made}")["name"] == "kept"
        server.call("DELETE", f"/notebook/{made}")
    cluster.act(node, {"os-start": None})
    cluster.wait_until_ready()
    until(lambda: len(servers(cluster).split()) == 1)


def test_a_new_password_counts_without_a_restart(cluster: Cluster) -> None:
    before, old = servers(cluster), cluster.stack.outputs()["notebook_password"]
    cluster.stack.pulumi("config", "set", "--secret", "gaia:notebook_password", "another long password")
    cluster.up()

    def refused() -> bool:
        try:
            with logged_in(cluster, old):
                return False
        except OpsError as refusal:
            return "answers 403" in str(refusal)

    until(refused)
    with logged_in(cluster, "another long password"):
        assert servers(cluster) == before
    assert "another long password" not in cluster.stack.state()


def test_a_spark_setting_upgrades_the_release_and_restarts_no_server(cluster: Cluster) -> None:
    before = servers(cluster)
    cluster.stack.pulumi("config", "set", "--path", 'gaia:spark["spark.sql.shuffle.partitions"]', "7")
    cluster.up()
    settings = cluster.get("configmap", "-n", NOTEBOOKS, f"{NAME}-spark")["data"]["spark-defaults.conf"]
    assert "spark.sql.shuffle.partitions 7" in settings
    assert servers(cluster) == before


def test_more_room_for_notebooks_is_there_at_once(cluster: Cluster) -> None:
    inside = ("exec", "-n", NAME, f"deployment/{NAME}", "-c", "server", "--")
    room = (*inside, "df", "--output=size", "-BM", "/var/lib/zeppelin")
    before = servers(cluster)
    assert cluster.kubectl(*room).split() == ["1M-blocks", "1024M"]
    cluster.stack.pulumi("config", "set", "--path", "gaia:notebook.size_gib", "2")
    cluster.up()
    cluster.stack.assert_unchanged()
    cluster.until(lambda said: said.split() == ["1M-blocks", "2048M"], *room)
    assert servers(cluster) == before


# ---- what notebooks may do with the cluster
SPARK = f"system:serviceaccount:{NOTEBOOKS}:{SPARK_ACCOUNT}"
SERVER = f"system:serviceaccount:{NAME}:{NAME}"


def pod(namespace: str = NOTEBOOKS, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod as executors are, but for what is said here."""
    main = {"name": "main", "image": DEBIAN, "securityContext": RESTRICTED, **(container or {})}
    whole = {"containers": [main], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try", "namespace": namespace}, "spec": whole}


def service(kind: str) -> dict[str, Any]:
    spec = {"type": kind, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "try", "namespace": NOTEBOOKS}, "spec": spec}


def security(**changed: Any) -> dict[str, Any]:
    """A container's security context with something changed."""
    return {"securityContext": {**RESTRICTED, **changed}}


def made(cluster: Cluster, account: str, manifest: dict[str, Any], tmp_path: Path) -> str:
    """What the API says when an account makes something; nothing is made."""
    file = tmp_path / "try.json"
    file.write_text(json.dumps(manifest))
    return cluster.kubectl("create", f"--as={account}", "--dry-run=server", "-f", str(file), check=False)


def test_a_notebook_may_ask_for_executors_and_the_server_for_notebooks(cluster: Cluster, tmp_path: Path) -> None:
    for account in (SPARK, SERVER):
        assert "pod/try created" in made(cluster, account, pod(), tmp_path)
    assert "service/try created" in made(cluster, SERVER, service("ClusterIP"), tmp_path)


@pytest.mark.parametrize(
    ("what", "manifest"),
    [
        ("violates PodSecurity", pod(container=security(privileged=True, allowPrivilegeEscalation=True))),
        ("violates PodSecurity", pod(container=security(runAsUser=0, runAsNonRoot=False))),
        ("violates PodSecurity", pod(container=security(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}))),
        ("violates PodSecurity", pod(hostNetwork=True)),
        ("violates PodSecurity", pod(hostPID=True)),
        ("violates PodSecurity", pod(volumes=[{"name": "host", "hostPath": {"path": "/"}}])),
        ("maximum memory usage", pod(container={"resources": {"limits": {"memory": "64Gi"}}})),
        ("is forbidden", pod(namespace="kube-system")),
        ("is forbidden", pod(namespace=NAME)),
        ("is forbidden", pod(namespace="default")),
        ("is forbidden", service("ClusterIP")),
    ],
)
def test_a_notebook_gets_no_pod_that_could_harm(
    cluster: Cluster, what: str, manifest: dict[str, Any], tmp_path: Path
) -> None:
    assert what in made(cluster, SPARK, manifest, tmp_path)


@pytest.mark.parametrize("kind", ["LoadBalancer", "NodePort"])
def test_nothing_in_the_room_of_notebooks_is_reached_from_outside(cluster: Cluster, kind: str, tmp_path: Path) -> None:
    assert "exceeded quota" in made(cluster, SERVER, service(kind), tmp_path)


@pytest.mark.parametrize("account", [SPARK, SERVER])
@pytest.mark.parametrize(
    "words",
    [
        ("get", "secrets", "-A"),
        ("get", "secrets", "-n", NOTEBOOKS),
        ("get", "secret", "zeppelin-logins", "-n", NAME),
        ("get", "configmaps", "-n", NOTEBOOKS),
        ("get", "nodes"),
        ("get", "pods", "-n", "kube-system"),
        ("delete", "pvc", "--all", "-n", NOTEBOOKS, "--dry-run=server"),
        ("delete", "pv", "--all", "--dry-run=server"),
        ("delete", "namespace", NOTEBOOKS, "--dry-run=server"),
        ("label", "namespace", NOTEBOOKS, "pod-security.kubernetes.io/enforce=privileged", "--overwrite"),
        ("create", "rolebinding", "mine", "-n", NOTEBOOKS, "--clusterrole=cluster-admin", "--user=me"),
        ("create", "clusterrolebinding", "mine", "--clusterrole=cluster-admin", "--user=me"),
        ("create", "token", SPARK_ACCOUNT, "-n", NOTEBOOKS),
        ("get", "persistentvolumes"),
        ("get", "--raw", "/api/v1/namespaces/zeppelin/services/http:zeppelin:http/proxy/api/version"),
    ],
)
def test_neither_a_notebook_nor_its_server_may_do_anything_else(
    cluster: Cluster, account: str, words: tuple[str, ...]
) -> None:
    assert "forbidden" in cluster.kubectl(*words, f"--as={account}", check=False).lower()

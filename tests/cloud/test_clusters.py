"""The platform `kubernetes` and Magnum's clusters, by the real engine and providers; nodes boot nothing here.

(That nodes run pods is what tests/kubernetes proves.)
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from sandbox.layout import CLUSTER_API_DRIVER, DEFAULT_CLUSTER_DRIVER, IDLE_CLUSTER_IMAGE, Layout, Port
from sandbox.namespaces import inside
from sandbox.services.api import Api, ApiError
from tests.conftest import ROOT, Sandbox
from tests.leftovers import everything
from tests.stack import Stack, committed

LAYOUT = Layout(ROOT)
CLOUD = "iris-gaia-dev"
PATIENCE = 120  # seconds for a cluster to become what it should be
TINY = "general.v1.tiny"


def config(**cluster: Any) -> dict[str, Any]:
    """What gaia-dev is on the sandbox, with an image whose servers boot nothing: nothing can be installed on it."""
    values = committed("gaia-dev")
    values["cluster"] = {**values["cluster"], "image": IDLE_CLUSTER_IMAGE, "configure": False, **cluster}
    return values


# ---- the platform


@pytest.fixture(scope="module")
def before(cloud: Sandbox) -> dict[str, list[str]]:
    return everything(cloud, CLOUD)


@pytest.fixture(scope="module")
def stack(cloud: Sandbox, before: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(cloud, tmp_path_factory.mktemp("stack"), "cluster", config())
    yield made
    made.ops("recover", check=False)
    made.destroy()
    assert everything(cloud, CLOUD) == before


def nodes(stack: Stack) -> list[str]:
    """The servers of the stack's cluster, without the piece of their names that differs each time."""
    names = everything(stack.sandbox, CLOUD)["servers"]
    return [name.replace(name.removeprefix(f"{stack.name}-").partition("-")[0], "ID", 1) for name in names]


def test_an_up_that_was_killed_while_magnum_made_the_cluster_is_completed_by_the_next_one(stack: Stack) -> None:
    with stack.going_up() as engine:
        stack.stop_when_pending("containerinfra/cluster:", engine)  # and killed
    assert "containerinfra/cluster:" in stack.ops("recover").stdout
    stack.up()
    stack.pulumi("preview", "--refresh", "--expect-no-changes")
    assert nodes(stack) == ["cluster-ID-master-0", "cluster-ID-node-0", "cluster-ID-node-1"]
    assert len(everything(stack.sandbox, CLOUD)["clusters"]) == 1


def test_the_kubeconfig_leads_to_the_clusters_floating_ip_and_is_a_secret(stack: Stack) -> None:
    found = stack.outputs()
    kubeconfig = yaml.safe_load(found["kubeconfig"])
    assert kubeconfig["clusters"][0]["cluster"]["server"] == found["cluster"]["api"]
    assert found["cluster"]["api"].split("/")[2].split(":")[0] in everything(stack.sandbox, CLOUD)["floating_ips"]
    key = kubeconfig["users"][0]["user"]["client-key-data"]
    assert key not in stack.state()
    assert key not in str(stack.outputs(secrets=False))


def test_more_workers_and_a_node_group_change_the_cluster_and_replace_nothing(stack: Stack) -> None:
    stack.configure(config(workers={"flavor": TINY, "count": 3}, node_groups={"spark": {"flavor": TINY, "count": 1}}))
    assert stack.operations() == {
        "update": ["openstack:containerinfra/cluster:Cluster cluster"],
        "create": ["openstack:containerinfra/nodeGroup:NodeGroup spark"],
    }
    stack.up()
    stack.assert_unchanged()
    assert {"cluster-ID-node-2", "cluster-ID-spark-0"} < set(nodes(stack))


def test_a_magnum_that_is_killed_goes_on_where_it_was(stack: Stack) -> None:
    stack.configure(config(workers={"flavor": TINY, "count": 4}))  # and no node group any more
    with stack.going_up() as engine:
        stack.stop_when_pending("containerinfra/", engine)
        stack.sandbox.kill("magnum")
        stack.sandbox.up()
        engine.send_signal(signal.SIGCONT)
        ended = engine.wait(timeout=PATIENCE)
    if ended:  # the provider asked in the second in which nobody answered
        stack.ops("recover")
        stack.up()
    stack.pulumi("preview", "--refresh", "--expect-no-changes")
    assert nodes(stack) == ["cluster-ID-master-0", *(f"cluster-ID-node-{number}" for number in range(4))]


def test_a_delete_that_fails_once_says_why_and_the_next_destroy_goes_on(stack: Stack) -> None:
    fault = ["fault", "nova", "--status", "500", "--method", "DELETE", "--path", "/servers/"]
    subprocess.run([stack.sandbox.cloud, *fault], check=True)
    said = stack.pulumi("destroy", "--yes", "--skip-preview", check=False)
    assert said.returncode != 0
    assert "a fault that a test asked for" in said.stdout
    stack.destroy()
    assert everything(stack.sandbox, CLOUD)["servers"] == []


# ---- Magnum itself


class Magnum:
    """Magnum's API, for one project with a network of its own."""

    def __init__(self) -> None:
        self.api, self._number = Api(LAYOUT, CLOUD), 0
        self._undo: list[tuple[Port, str]] = []
        network = self._neutron("networks", "network", name="magnum")
        subnet = self._neutron("subnets", "subnet", network_id=network, ip_version=4, cidr="10.10.0.0/24")
        [external] = self.api.get(Port.NEUTRON, "/v2.0/networks?name=internet")["networks"]
        router = self._neutron("routers", "router", name="magnum", external_gateway_info={"network_id": external["id"]})
        self._interface = (f"/v2.0/routers/{router}", {"subnet_id": subnet})
        self.api.call("PUT", Port.NEUTRON, f"{self._interface[0]}/add_router_interface", self._interface[1])
        self.networks = {"fixed_network": network, "fixed_subnet": subnet}

    def _neutron(self, path: str, kind: str, **values: Any) -> str:
        made = str(self.api.post(Port.NEUTRON, f"/v2.0/{path}", {kind: values})[kind]["id"])
        self._undo.insert(0, (Port.NEUTRON, f"/v2.0/{path}/{made}"))
        return made

    def close(self) -> None:
        """Everything away, also what a failed test has left."""
        for cluster in self.api.get(Port.MAGNUM, "/v1/clusters")["clusters"]:
            self.delete(f"/v1/clusters/{cluster['uuid']}")
        self.api.call("PUT", Port.NEUTRON, f"{self._interface[0]}/remove_router_interface", self._interface[1])
        for port, path in self._undo:
            self.api.delete(port, path)

    def template(self, driver: str = DEFAULT_CLUSTER_DRIVER, release: str = "v1.34.9") -> str:
        order: dict[str, Any] = {"name": "magnum", "image_id": IDLE_CLUSTER_IMAGE, "coe": "kubernetes"}
        order |= {"driver": driver, "external_network_id": "internet", "flavor_id": TINY, "master_flavor_id": TINY}
        order |= {"labels": {"kube_tag": release, "of": "template"}}
        made = str(self.api.post(Port.MAGNUM, "/v1/clustertemplates", order)["uuid"])
        self._undo.insert(0, (Port.MAGNUM, f"/v1/clustertemplates/{made}"))
        return made

    def order(self, driver: str = DEFAULT_CLUSTER_DRIVER, **values: Any) -> str:
        """Ask for a cluster; its path. A value None is left out."""
        self._number += 1
        order = {"name": f"m{self._number}", "cluster_template_id": self.template(driver), **self.networks, **values}
        given = {key: value for key, value in order.items() if value is not None}
        return f"/v1/clusters/{self.api.post(Port.MAGNUM, '/v1/clusters', given)['uuid']}"

    def wait(self, path: str, *until: str) -> dict[str, Any]:
        """The cluster, once its status is one of these. Raises ApiError when it is gone."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.api.get(Port.MAGNUM, path))["status"] not in until:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        return dict(found)

    def delete(self, path: str) -> None:
        self.api.delete(Port.MAGNUM, path)
        with pytest.raises(ApiError, match="404"):
            self.wait(path, "DELETE_FAILED")

    def servers(self, path: str) -> dict[str, str]:
        """The ids of the cluster's servers, by what their names end in."""
        prefix = f"-{path.rpartition('/')[2][:8]}-"
        found = self.api.get(Port.NOVA, "/v2.1/servers")["servers"]
        return {s["name"].partition(prefix)[2]: s["id"] for s in found if prefix in s["name"]}


@pytest.fixture(scope="module")
def magnum(cloud: Sandbox) -> Iterator[Magnum]:
    assert cloud.root == ROOT
    with inside(LAYOUT.namespace):
        made = Magnum()
    yield made
    with inside(LAYOUT.namespace):
        made.close()


@pytest.fixture
def network(magnum: Magnum) -> Iterator[Magnum]:
    """Magnum, from the namespace in which its API answers."""
    with inside(LAYOUT.namespace):
        yield magnum


@pytest.fixture(scope="module")
def ordered(magnum: Magnum) -> tuple[str, dict[str, Any]]:
    """A cluster of three workers, and what the API said of it right after it was asked for."""
    with inside(LAYOUT.namespace):
        path = magnum.order(node_count=3, labels={"of": "cluster"}, merge_labels=True)
        return path, magnum.api.get(Port.MAGNUM, path)


def test_a_cluster_can_be_read_as_soon_as_the_api_has_answered_and_has_merged_labels(
    network: Magnum, ordered: tuple[str, dict[str, Any]]
) -> None:
    path, said = ordered
    assert said["labels"] == {"kube_tag": "v1.34.9", "of": "cluster"}
    made = network.wait(path, "CREATE_COMPLETE")
    assert made["api_address"] == f"https://{made['master_addresses'][0]}:6443"
    assert sorted(network.servers(path)) == ["master-0", "node-0", "node-1", "node-2"]


def test_a_cluster_that_is_resized_loses_the_nodes_that_are_named(
    network: Magnum, ordered: tuple[str, dict[str, Any]]
) -> None:
    path, _ = ordered
    network.api.post(Port.MAGNUM, f"{path}/actions/resize", {"node_count": 2, "nodes_to_remove": ["1"]})
    network.wait(path, "UPDATE_COMPLETE")
    assert sorted(network.servers(path)) == ["master-0", "node-0", "node-2"]


def test_an_upgrade_replaces_the_workers_one_by_one_and_keeps_the_master(
    network: Magnum, ordered: tuple[str, dict[str, Any]]
) -> None:
    path, _ = ordered
    before = network.servers(path)
    order = {"cluster_template": network.template(release="v1.35.0"), "max_batch_size": 1}
    network.api.post(Port.MAGNUM, f"{path}/actions/upgrade", order)
    time.sleep(0.5)  # the conductor sets the status after the API has answered
    network.wait(path, "UPDATE_COMPLETE")
    after = network.servers(path)
    assert len(after) == len(before) == 3
    assert [name for name in after if after[name] == before.get(name)] == ["master-0"]
    network.delete(path)
    assert network.servers(path) == {}


def test_what_the_project_has_no_room_for_fails_with_the_clouds_own_words(network: Magnum) -> None:
    path = network.order(node_count=3, flavor_id="general.v1.himem")
    assert "Quota exceeded" in network.wait(path, "CREATE_FAILED")["status_reason"]
    network.delete(path)
    assert network.servers(path) == {}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"master_count": 3, "master_lb_enabled": True}, "one master"),
        ({"fixed_network": None, "fixed_subnet": None}, "fixed_network"),
        ({"driver": CLUSTER_API_DRIVER, "node_count": 0}, "needs 1 at least"),
    ],
    ids=["masters", "network", "nodes"],
)
def test_what_cannot_be_made_is_said(network: Magnum, values: dict[str, Any], said: str) -> None:
    path = network.order(**{"node_count": 1, **values})
    assert said in network.wait(path, "CREATE_FAILED")["status_reason"]
    network.delete(path)


def test_cluster_apis_driver_makes_one_group_after_the_other(network: Magnum) -> None:
    path = network.order(CLUSTER_API_DRIVER, node_count=1)
    network.wait(path, "CREATE_COMPLETE")
    servers = network.servers(path)
    master, node = (
        network.api.get(Port.NOVA, f"/v2.1/servers/{servers[name]}")["server"] for name in ("master-0", "node-0")
    )
    # when the one ran, and when the other was asked for; in seconds, by Nova's clock
    assert master["OS-SRV-USG:launched_at"][:19] <= node["created"][:19]
    network.delete(path)

"""Services of type LoadBalancer: OpenStack's own controller asks Octavia for them, with a floating IP."""

from __future__ import annotations

from urllib.error import URLError
from urllib.request import urlopen

from sandbox.namespaces import inside
from tests.conftest import Sandbox
from tests.kubernetes.cluster import CLOUD, LAYOUT, Cluster
from tests.kubernetes.notebook import until
from tests.leftovers import everything


def page(address: str) -> str:
    """What an operator of the cloud gets there; nothing if nobody answers."""
    try:
        with inside(LAYOUT.namespace), urlopen(f"http://{address}/", timeout=5) as answer:
            return str(answer.read().decode())
    except (URLError, OSError):
        return ""


def test_a_service_is_reached_from_outside_and_leaves_nothing(cluster: Cluster, node_cloud: Sandbox) -> None:
    before = everything(node_cloud, CLOUD)
    port = ("--port=80", "--target-port=8000")
    cluster.kubectl("expose", "deployment", "web", "--name=public", "--type=LoadBalancer", *port)
    address = cluster.published("public")
    until(lambda: page(address).startswith("web-"))
    made = everything(node_cloud, CLOUD)
    assert len(made["load_balancers"]) == 1
    assert address in made["floating_ips"]
    cluster.kubectl("delete", "service", "public")
    assert everything(node_cloud, CLOUD) == before

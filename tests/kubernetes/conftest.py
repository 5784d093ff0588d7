"""What the tests of clusters share: a cloud whose servers can be Kubernetes nodes."""

from __future__ import annotations

import pytest

from tests.conftest import Sandbox
from tests.kubernetes.cluster import CLOUD, STACK, WORKERS, Cluster, deployment, works
from tests.leftovers import everything
from tests.stack import Committed


@pytest.fixture(scope="session")
def node_layer() -> str:
    """What nodes boot, made before the cloud runs: a layer that is in use cannot be made anew. Its image's name."""
    sandbox = Sandbox()
    sandbox.refuse_another()
    sandbox.build("--nodes")
    return "fedora-coreos-38"


@pytest.fixture(scope="session")
def node_cloud(node_layer: str, cloud: Sandbox) -> Sandbox:
    """The checkout's sandbox, which can boot nodes."""
    assert node_layer
    return cloud


@pytest.fixture(scope="session")
def before(node_cloud: Sandbox) -> dict[str, list[str]]:
    return everything(node_cloud, CLOUD)


@pytest.fixture(scope="session")
def cluster(
    node_cloud: Sandbox, filled: str, before: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Cluster:
    """A cluster that is ready, with a web server on one worker and a client on the other."""
    assert filled
    assert before["clusters"] == []
    cluster = Cluster(Committed(node_cloud, STACK), tmp_path_factory.mktemp("cluster"))
    cluster.up()
    serve = "mkdir /tmp/web; cd /tmp/web; hostname > index.html; echo serving; exec python3 -m http.server 8000"
    cluster.apply(deployment("web", cluster.node(WORKERS[0]), serve))
    cluster.apply(deployment("client", cluster.node(WORKERS[1]), "exec sleep infinity"))
    cluster.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8000")
    works(cluster)
    return cluster

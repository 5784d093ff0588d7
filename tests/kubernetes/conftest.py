"""What the tests of clusters share: a cloud whose servers can be Kubernetes nodes."""

from __future__ import annotations

import pytest

from tests.conftest import Sandbox


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

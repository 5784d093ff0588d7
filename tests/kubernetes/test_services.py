"""Stacks of services: what one may not take from another. (Their lives: test_sign_on.py and test_workers.py.)"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.kubernetes.drupal import NAME
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.services import services
from tests.kubernetes.site import content
from tests.stack import Stack, committed


@pytest.fixture(scope="module")
def second(cluster: Cluster, state_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a web site, on a cluster whose own stack has one already."""
    directory, site = tmp_path_factory.mktemp("drupal"), committed(cluster.stack.name)["drupal"]
    stack = services(cluster, state_backend, directory, "gaia-dev-drupal", drupal=site)
    yield stack
    stack.destroy()
    stack.pulumi("stack", "rm", "--yes")


def test_what_another_stack_has_on_the_cluster_is_not_taken_from_it(cluster: Cluster, second: Stack) -> None:
    before, pods = content(cluster), cluster.kubectl("get", "pods", "-n", NAME, "-o", "name")
    said = second.up(check=False)
    assert said.returncode != 0
    assert "app.kubernetes.io/part-of" in said.stdout  # the label of which Kubernetes says that it is another's
    second.destroy()
    assert content(cluster) == before
    assert cluster.kubectl("get", "pods", "-n", NAME, "-o", "name") == pods

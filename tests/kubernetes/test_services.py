"""Stacks of services: what one may not take from another, and a web site of its own. (Also: test_sign_on.py and
test_workers.py.)"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from components.kubernetes.drupal import NAME
from tests.conftest import Sandbox
from tests.kubernetes.cluster import CLOUD, Cluster
from tests.kubernetes.services import services
from tests.kubernetes.site import content, write
from tests.leftovers import everything
from tests.stack import Stack, committed

UNDER_WAY = ("get", "secrets", "-n", NAME, "-l", "owner=helm,status=pending-install", "-o", "name")


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
    assert f"the namespace {NAME} is there already, and not of {second.name}: its label" in said.stdout
    second.destroy()
    assert content(cluster) == before
    assert cluster.kubectl("get", "pods", "-n", NAME, "-o", "name") == pods


def test_a_web_site_lives_in_a_stack_of_its_own_and_goes_with_its_shares(
    cluster: Cluster, node_cloud: Sandbox, second: Stack
) -> None:
    file = cluster.stack.file
    with_site = file.read_text()
    values = yaml.safe_load(with_site)
    del values["config"]["gaia:drupal"]
    file.write_text(yaml.safe_dump(values))
    try:
        cluster.up()
        cluster.kubectl("delete", "namespace", NAME)  # as the documentation says
        cluster.kubectl("delete", "pv", f"{cluster.stack.name}-drupal-files", f"{cluster.stack.name}-drupal-database")
        before = everything(node_cloud, CLOUD)
        with second.going_up():  # and killed
            cluster.until(lambda said: said.startswith("secret/"), *UNDER_WAY)
        second.ops("recover")
        second.up()
        write(cluster, "its own")
        assert "its own" in content(cluster)["nodes"]
        second.assert_unchanged()
        second.destroy()
        assert everything(node_cloud, CLOUD) == before
        left = cluster.kubectl("get", "persistentvolumes,namespaces", "-o", "name").split()
        assert [name for name in left if NAME in name] == []
    finally:
        file.write_text(with_site)
        cluster.up()
    assert "its own" not in content(cluster)["nodes"]

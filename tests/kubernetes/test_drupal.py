"""The web site: its settings, its database and its files, and what they outlive."""

from __future__ import annotations

from components.kubernetes.drupal import DATABASE, NAME, SALT_LENGTH
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.site import content, write


def pods(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.get("pods", "-n", NAME)["items"]}


def test_the_site_uses_its_settings_its_database_and_its_files(cluster: Cluster) -> None:
    before = content(cluster)
    assert before["salt"] == SALT_LENGTH
    write(cluster, "first")
    found = content(cluster)
    assert found["nodes"] == [*before["nodes"], "first"]
    assert "first" in found["public"]
    assert "first" in found["private"]


def test_what_was_written_outlives_pods_that_were_killed(cluster: Cluster) -> None:
    write(cluster, "kept")
    before = content(cluster)
    cluster.kubectl("delete", "pods", "--all", "-n", NAME, "--grace-period=0", "--force")
    assert content(cluster) == before


def test_its_administrator_can_save_the_database(cluster: Cluster) -> None:
    write(cluster, "saved")
    words = ("exec", "-n", NAME, f"{DATABASE}-0", "-c", "mariadb", "--", "mariadb-dump", "-S", "/tmp/mysqld.sock")
    assert "'saved')" in cluster.kubectl(*words, "--single-transaction", NAME)


def test_a_new_password_of_the_database_is_in_force_and_restarts_nothing_else(cluster: Cluster) -> None:
    """The database has one user with one password: a page that is told the new one alone would not be let in before."""
    before, others = pods(cluster), cluster.kubectl("get", "pods", "-n", "zeppelin", "-o", "name")
    kept = content(cluster)
    password = "a password with 'quotes'"
    cluster.stack.pulumi("config", "set", "--secret", "gaia:drupal_database_password", password)
    cluster.up()
    assert content(cluster) == kept
    cluster.until(lambda said: len(said.split()) == 2, "get", "pods", "-n", NAME, "-o", "name")
    assert not pods(cluster) & before
    assert cluster.kubectl("get", "pods", "-n", "zeppelin", "-o", "name") == others
    assert password not in cluster.stack.state()
    cluster.stack.assert_unchanged()

"""Releases on the cluster: charts from a read-only disk, operations that were killed or cannot work, releases that no
state knows."""

from __future__ import annotations

import re
from pathlib import Path

from components.kubernetes.drivers import NAMESPACE
from components.kubernetes.drupal import NAME as DRUPAL
from tests.conftest import ROOT
from tests.kubernetes.cluster import Cluster
from toolchain.charts import CHARTS

# A command that finds the checkout read-only, but for what the sandbox and Pulumi themselves write: $0 is the checkout,
# $1 a directory for what stays writable.
READ_ONLY = """
set -e
for part in .sandbox .tools/pulumi; do mkdir -p "$1/$part"; mount --bind "$0/$part" "$1/$part"; done
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
for part in .sandbox .tools/pulumi; do mount --bind "$1/$part" "$0/$part"; done
if touch "$0/Pulumi.yaml" 2> /dev/null; then echo "it is not read-only"; exit 1; fi
shift
exec "$@"
"""


def revisions(cluster: Cluster) -> dict[str, int]:
    """The last revision of each release that is deployed."""
    found = cluster.get("secrets", "-A", "-l", "owner=helm,status=deployed")["items"]
    return {one["metadata"]["labels"]["name"]: int(one["metadata"]["labels"]["version"]) for one in found}


def test_charts_of_a_read_only_checkout_can_be_installed(cluster: Cluster, tmp_path: Path) -> None:
    """Helm renames folders of a chart while it works: where the checkout cannot be written that fails."""
    before = revisions(cluster)
    cluster.stack.pulumi("config", "set", "--path", "gaia:charts.mirror", str(CHARTS))
    cluster.stack.pulumi("config", "set", "--path", 'gaia:spark["spark.ui.showConsoleProgress"]', "false")
    up = ("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", cluster.stack.name)
    cluster.stack.run("unshare", "--mount", "sh", "-c", READ_ONLY, str(ROOT), str(tmp_path), *up)
    changed = {name: revision + 1 for name, revision in before.items() if name != DRUPAL}
    assert revisions(cluster) == before | changed
    cluster.stack.assert_unchanged()


def test_an_upgrade_that_was_killed_is_completed_by_the_next_up_and_touches_no_other_release(cluster: Cluster) -> None:
    """Helm says for ever that an operation is under way, and refuses every other."""
    before = revisions(cluster)
    killed = f"sh.helm.release.v1.manila-csi.v{before['manila-csi'] + 1}"
    under_way = ("get", "secrets", "-n", NAMESPACE, "-l", "owner=helm,status=pending-upgrade", "-o", "name")
    key = "gaia:charts.manila_csi.values.logVerbosityLevel"
    cluster.stack.pulumi("config", "set", "--path", key, "3")
    with cluster.stack.going_up():  # and killed
        cluster.until(lambda said: said.startswith("secret/"), *under_way)
    assert cluster.kubectl(*under_way) == f"secret/{killed}"
    assert "currently locked" in cluster.stack.up(check=False).stdout
    assert f"manila-csi: Helm has forgotten {killed} (pending-upgrade)" in cluster.stack.ops("recover").stdout
    cluster.stack.up()
    cluster.stack.assert_unchanged()
    assert revisions(cluster) == {**before, "manila-csi": before["manila-csi"] + 1}


def test_a_release_whose_pods_cannot_work_says_why_and_the_next_up_puts_it_right(cluster: Cluster) -> None:
    """A StatefulSet would keep the pod that crashed, whatever its template says then."""
    key = "gaia:charts.manila_csi"
    values = {"logVerbosityLevel": "loud", "nodeplugin.registrar.image.tag": "v0.0.0"}
    cluster.stack.pulumi("config", "set", "--path", f"{key}.timeout_min", "1")
    for name, value in values.items():
        cluster.stack.pulumi("config", "set", "--path", f"{key}.values.{name}", value)
    said = cluster.stack.up(check=False).stdout
    assert re.search(r"pod manila-csi-\S+-nodeplugin-\S+ on \S+ is not ready", said)
    assert re.search(r"container cephfs-registrar \(\S+:v0\.0\.0\): .*:v0\.0\.0: not found", said)
    assert re.search(r"container cephfs-nodeplugin \(.*ended with 1 \(Error\)", said)
    assert '| Error: invalid argument "loud" for "-v, --v" flag' in said
    for part in ("timeout_min", "values"):
        cluster.stack.pulumi("config", "rm", "--path", f"{key}.{part}")
    said = cluster.stack.up().stdout
    assert re.search(r"deleted manila-csi-\S+-controllerplugin-0, of an older revision", said)
    cluster.stack.assert_unchanged()


def test_a_release_that_no_state_knows_is_taken_over(cluster: Cluster) -> None:
    [urn] = [one["urn"] for one in cluster.stack.resources() if one["urn"].endswith("Release::manila-csi")]
    cluster.stack.pulumi("state", "delete", "--yes", "--target-dependents", urn)
    uid = (
        "get",
        "daemonset",
        "-n",
        NAMESPACE,
        "-l",
        "app=openstack-manila-csi",
        "-o",
        "jsonpath={.items[*].metadata.uid}",
    )
    before = cluster.kubectl(*uid)
    cluster.stack.ops("recover")
    cluster.stack.up()
    assert cluster.kubectl(*uid) == before

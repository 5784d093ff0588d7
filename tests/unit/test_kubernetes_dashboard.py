"""The dashboard on Kubernetes: what its chart is told, what its viewers may. (What comes of it: tests/kubernetes.)"""

from __future__ import annotations

from pathlib import Path

from components.kubernetes import dashboard
from components.kubernetes.dashboard import Headlamp, HeadlampArgs
from components.settings.services import Dashboard
from tests.unit.destination import own_cluster
from tests.unit.test_components import record
from tests.unit.test_kubernetes_notebooks import parsed

HOURS = Dashboard(session_hours=8)


def test_the_dashboard_itself_may_do_nothing_and_its_viewers_no_more_than_look() -> None:
    def build() -> str:
        args = HeadlampArgs(charts=parsed().charts, dashboard=HOURS, destination=own_cluster())
        return Headlamp("dashboard", args).service

    made = record(build)
    assert dashboard.values(HOURS)["clusterRoleBinding"] == {"create": False}
    [binding] = [inputs for (kind, _), inputs in made.items() if kind == "ClusterRoleBinding"]
    assert binding["roleRef"]["name"] == "view"
    assert [subject["name"] for subject in binding["subjects"]] == [dashboard.VIEWER]


def test_sessions_last_as_long_as_the_settings_say() -> None:
    assert dashboard.values(HOURS)["config"]["sessionTTL"] == 8 * 60 * 60


def test_the_sandboxs_stand_in_has_the_charts_port() -> None:
    server = Path("sandbox/image/pod_files/headlamp/headlamp/headlamp-server")
    assert "PORT = 4466" in (Path(__file__).parents[2] / server).read_text()

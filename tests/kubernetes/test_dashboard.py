"""The dashboard: people see by it what their own token may see."""

from __future__ import annotations

import json

from components.kubernetes.dashboard import NAME, VIEWER
from tests.kubernetes.cluster import Cluster

SERVICE = f"http://{NAME}.{NAME}.svc.cluster.local"


def seen(cluster: Cluster, path: str, token: str = "") -> tuple[int, str]:
    """What a browser in the cluster gets of the dashboard; the token goes by a file of the pod's."""
    cluster.kubectl("exec", "deployment/client", "--", "sh", "-c", 'printf %s "$1" > /tmp/header', "sh", token)
    words = ("curl", "-s", "-m", "20", "-H", "@/tmp/header", "-w", "\n%{http_code}", f"{SERVICE}{path}")
    content, _, status = cluster.kubectl("exec", "deployment/client", "--", *words).rpartition("\n")
    return int(status), content


def test_a_viewer_sees_pods_and_no_secret_and_who_has_no_token_sees_nothing(cluster: Cluster) -> None:
    page = ("exec", "deployment/client", "--", "curl", "-s", "-m", "5", f"{SERVICE}/")
    cluster.until(lambda said: "Headlamp" in said, *page)  # its node may have been rebooted before
    token = f"Authorization: Bearer {cluster.kubectl('create', 'token', VIEWER, '-n', NAME)}"
    status, pods = seen(cluster, "/clusters/main/api/v1/pods", token)
    assert status == 200
    assert any(pod["metadata"]["namespace"] == NAME for pod in json.loads(pods)["items"])
    assert seen(cluster, "/clusters/main/api/v1/secrets", token)[0] == 403
    assert seen(cluster, "/clusters/main/api/v1/pods")[0] in (401, 403)


def test_the_dashboards_own_account_may_do_nothing(cluster: Cluster) -> None:
    account = f"system:serviceaccount:{NAME}:{NAME}"
    for words in (("get", "pods", "-A"), ("get", "secrets", "-A"), ("get", "nodes")):
        assert "forbidden" in cluster.kubectl(*words, f"--as={account}", check=False).lower()

"""The cluster's web site, through the API's proxy."""

from __future__ import annotations

import json
from typing import Any

from components.kubernetes.drupal import NAME
from tests.kubernetes.cluster import Cluster

PAGE = f"/api/v1/namespaces/{NAME}/services/http:{NAME}:http/proxy/"


def content(cluster: Cluster) -> dict[str, Any]:
    """What the page that stands for Drupal tells (sandbox/image/pod_files/drupal); waits for its pods."""
    cluster.until(lambda said: said.startswith("{"), "get", "--raw", PAGE)
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "--raw", PAGE))
    return found


def write(cluster: Cluster, name: str) -> None:
    """A row in the database, a public and a private file; waits for its pods."""
    content(cluster)
    cluster.kubectl("create", "--raw", f"{PAGE}?name={name}", "-f", "/dev/null")

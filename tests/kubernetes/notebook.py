"""Notebooks of the cluster's server, by its REST API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ops.cloud import OpsError
from ops.cluster import proxied
from ops.notebook import Notebook
from sandbox.namespaces import inside
from tests.kubernetes.cluster import LAYOUT, Cluster

PATIENCE = 150  # seconds: a changed Secret reaches a pod within the kubelet's minute and a half
SESSION = """%python
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("{name}").getOrCreate()
print("rows", spark.read.parquet("file:///data/gaia/GDR3/gaia_source").count())
"""


@contextmanager
def logged_in(cluster: Cluster, password: str = "") -> Iterator[Notebook]:
    """The server, by the stack's first login."""
    found = cluster.stack.outputs()
    with inside(LAYOUT.namespace), proxied(found) as server:
        server.login(found["notebook_user"], password or found["notebook_password"])
        yield server


def ready(cluster: Cluster) -> None:
    """Wait until the server answers: its node may have been rebooted before, or be gone."""

    def answers() -> bool:
        try:
            with logged_in(cluster):
                return True
        except OpsError:
            return False

    until(answers)


def note(server: Notebook, name: str) -> tuple[str, str]:
    """A notebook that counts the catalogue's rows and keeps its Spark; its id, its paragraph's."""
    paragraphs = [{"title": "", "text": SESSION.format(name=name)}]
    made = server.call("POST", "/notebook", {"name": name, "notePath": name, "paragraphs": paragraphs})
    return made, server.call("GET", f"/notebook/{made}")["paragraphs"][0]["id"]


def finished(server: Notebook, made: str, paragraph: str) -> str:
    """What a paragraph printed that was started before."""

    def status() -> str:
        return str(server.call("GET", f"/notebook/job/{made}/{paragraph}")["status"])

    until(lambda: status() in ("FINISHED", "ERROR"))
    (result,) = server.call("GET", f"/notebook/{made}/paragraph/{paragraph}")["results"]["msg"]
    assert status() == "FINISHED", result
    return str(result["data"])


def until(wanted: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(1)

"""What recovery lets Helm forget; a cluster's Secrets are played. (That Helm goes on then: tests/kubernetes.)"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiException, CoreV1Api
from urllib3.exceptions import HTTPError

from components.kubernetes.access import TIMEOUT, connect
from ops.orphans import UNKNOWN
from ops.releases import Releases


@dataclass
class Secrets:
    """Revisions by name: namespace, release, status."""

    there: dict[str, tuple[str, str, str]]
    problem: Exception | None = None
    gone: list[str] = field(default_factory=list)
    asked: int = 0

    def list_namespaced_secret(self, namespace: str, label_selector: str, _request_timeout: object) -> Any:
        self.asked += 1
        if self.problem:
            raise self.problem
        [owner, name, *statuses] = label_selector.replace("status in (", "").replace(")", "").split(",")
        assert owner == "owner=helm"
        found = [
            SimpleNamespace(metadata=SimpleNamespace(name=key, labels={"status": status}))
            for key, (where, release, status) in self.there.items()
            if where == namespace and f"name={release}" == name and (not statuses or status in statuses)
        ]
        return SimpleNamespace(items=found)

    def delete_namespaced_secret(self, name: str, namespace: str, _request_timeout: object) -> None:
        assert self.there[name][0] == namespace
        self.gone.append(name)


def forget(secrets: Secrets, known: bool, monkeypatch: pytest.MonkeyPatch, provider: str = "urn::id") -> str:
    monkeypatch.setattr(Releases, "_cluster", lambda _self, _provider: secrets)
    resource = {"provider": provider, "inputs": {"name": "web", "namespace": "default"}}
    return Releases("gaia-dev").forget(resource, known=known)


KUBECONFIG = """
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{}}}}]
current-context: c
"""
THERE = {
    "web.v1": ("default", "web", "deployed"),
    "web.v2": ("default", "web", "pending-upgrade"),
    "other.v1": ("default", "other", "pending-install"),
    "elsewhere.v1": ("kube-system", "web", "pending-install"),
}


def test_of_a_release_that_the_state_knows_only_what_is_under_way_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(THERE)
    said = forget(secrets, True, monkeypatch)
    assert secrets.gone == ["web.v2"]
    assert said == "web: Helm has forgotten web.v2 (pending-upgrade); what is installed stays"


def test_a_release_that_no_state_knows_is_forgotten_wholly(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(THERE)
    forget(secrets, False, monkeypatch)
    assert secrets.gone == ["web.v1", "web.v2"]


def test_where_nothing_is_under_way_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets({"web.v1": ("default", "web", "deployed")})
    assert (forget(secrets, True, monkeypatch), secrets.gone) == ("", [])


def test_a_cluster_that_is_not_made_yet_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(THERE, problem=AssertionError("asked"))
    assert forget(secrets, False, monkeypatch, provider=f"urn::{UNKNOWN}") == ""


def test_a_cluster_that_does_not_answer_is_asked_and_told_once_for_all_its_releases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = Secrets(THERE, problem=ApiException("no route"))
    monkeypatch.setattr(Releases, "_cluster", lambda _self, _provider: secrets)
    releases = Releases("gaia-dev")
    named = [{"provider": "urn::id", "inputs": {"name": name, "namespace": "default"}} for name in ("web", "other")]
    said, nothing = (releases.forget(one, known=known) for one, known in zip(named, (True, False), strict=True))
    assert re.match(r"web: its cluster could not be asked for this release, and for no other: .*no route", said)
    assert (nothing, secrets.asked) == ("", 1)
    # what was not asked is not said to be missing
    assert not releases.answers(named[1])


def test_a_client_of_a_cluster_asks_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        asked = []

        def refuse() -> None:
            with contextlib.suppress(TimeoutError):
                while True:
                    connection, _ = server.accept()
                    asked.append(connection)
                    connection.close()

        refusing = threading.Thread(target=refuse)
        refusing.start()
        with connect(KUBECONFIG.format(port=server.getsockname()[1])) as client, pytest.raises(HTTPError):
            CoreV1Api(client).list_namespaced_pod("default", _request_timeout=TIMEOUT)
        refusing.join()
    assert len(asked) == 1

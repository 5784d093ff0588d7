"""What recovery lets Helm forget; a cluster's Secrets are played. (That Helm goes on then: tests/kubernetes.)"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiException

from ops.orphans import UNKNOWN
from ops.releases import Releases


@dataclass
class Secrets:
    """Revisions by name: namespace, release, status."""

    there: dict[str, tuple[str, str, str]]
    problem: Exception | None = None
    gone: list[str] = field(default_factory=list)

    def list_namespaced_secret(self, namespace: str, label_selector: str, _request_timeout: int) -> Any:
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

    def delete_namespaced_secret(self, name: str, namespace: str, _request_timeout: int) -> None:
        assert self.there[name][0] == namespace
        self.gone.append(name)


def forget(secrets: Secrets, known: bool, monkeypatch: pytest.MonkeyPatch, provider: str = "urn::id") -> str:
    monkeypatch.setattr(Releases, "_cluster", lambda _self, _provider: secrets)
    resource = {"provider": provider, "inputs": {"name": "web", "namespace": "default"}}
    return Releases("gaia-dev").forget(resource, known=known)


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


def test_a_cluster_that_does_not_answer_is_told_and_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    said = forget(Secrets(THERE, problem=ApiException("no route")), True, monkeypatch)
    assert re.match(r"web: its cluster could not be asked for the release: .*no route", said)

"""Stacks of services: their settings, how they find and remember the cluster. (What comes of it: tests/kubernetes.)"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components import cloud, settings
from components.kubernetes import services
from components.kubernetes.destination import OWNER, Destination
from components.kubernetes.services import CLUSTER, Reached, keep, reach
from components.settings import SettingsError
from components.settings.services import ServicesOfCluster
from tests.unit.destination import own_cluster
from tests.unit.test_components import Recorder
from tests.unit.test_components import record as recorded
from tests.unit.test_kubernetes_drupal import SITE

NOW = datetime(2026, 11, 26, tzinfo=UTC)
STACK = "gaia-dev-drupal"
RELEASE = f"urn:pulumi:{STACK}::gaia::gaia:kubernetes:WebSite$kubernetes:helm.sh/v3:Release::drupal"


def parsed(**changed: Any) -> ServicesOfCluster:
    given = {"site": "cumulus", "cloud": "c", "cluster_name": "gaia-dev", "drupal": SITE, **changed}
    texts = {f"gaia:{key}": v if isinstance(v, str) else json.dumps(v) for key, v in given.items() if v is not None}
    return settings.parse(texts, STACK, ServicesOfCluster)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cluster_name": None}, "cluster_name is not set"),
        ({"drupal": None}, "drupal, dashboard and ingress are not set: there is nothing to install"),
        ({"notebook": {"user": "gaia"}}, "notebook is not a known key"),
        ({"sign_on": {"iris": {"client_id": "c", "guards": ["web"]}}}, "ingress is not set, without which nobody"),
    ],
)
def test_what_cannot_be_is_said_by_its_key(changed: dict[str, Any], said: str) -> None:
    secrets = {"sign_on_secrets": {"iris": "secret"}} if "sign_on" in changed else {}
    with pytest.raises(SettingsError) as wrong:
        parsed(**changed, **secrets)
    assert str(wrong.value).strip().startswith(f"Pulumi.{STACK}.yaml: gaia:{said}")


def test_sign_on_guards_what_the_clusters_own_stack_has() -> None:
    guards = {"iris": {"client_id": "c", "guards": ["zeppelin", "dashboard"]}}
    ingress = {"class": "public", "domain": "gaia-dev.example.org"}
    found = parsed(drupal=None, ingress=ingress, sign_on=guards, sign_on_secrets={"iris": "secret"})
    assert found.sign_on["iris"].guards == ("zeppelin", "dashboard")


# ---- the cluster


def kubeconfig(until: datetime, address: str = "https://203.0.113.9:6443", authority: str = "CA") -> str:
    """One whose client's certificate ends then."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(until - timedelta(days=1000))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    cluster = {"server": address, "certificate-authority-data": authority}
    user = {"client-certificate-data": base64.b64encode(pem).decode()}
    return yaml.safe_dump({"clusters": [{"cluster": cluster}], "users": [{"user": user}]})


LONG, SHORT = NOW + timedelta(days=400), NOW + timedelta(days=20)
KNOWN = Reached(id="one", kubeconfig=kubeconfig(LONG))


@pytest.mark.parametrize(
    ("now", "at", "stays"),
    [
        (Reached(id="one", kubeconfig=kubeconfig(LONG)), NOW, True),
        (Reached(id="two", kubeconfig=kubeconfig(LONG)), NOW, False),
        (Reached(id="one", kubeconfig=kubeconfig(LONG, address="https://203.0.113.10:6443")), NOW, False),
        (Reached(id="one", kubeconfig=kubeconfig(LONG, authority="rotated")), NOW, False),
        (Reached(id="one", kubeconfig=kubeconfig(LONG)), SHORT + timedelta(days=350), False),
    ],
)
def test_a_new_certificate_is_taken_only_where_the_known_one_will_not_do(
    now: Reached, at: datetime, *, stays: bool
) -> None:
    assert keep(KNOWN, now, at) is (KNOWN if stays else now)
    assert keep(None, now, at) is now


def found_as(monkeypatch: pytest.MonkeyPatch, cluster: Reached, state: dict[str, dict[str, Any]]) -> Reached:
    """What a stack with this state reaches, where Magnum has this cluster."""
    told = SimpleNamespace(id=cluster.id, kubeconfig={"raw_config": cluster.kubeconfig})
    monkeypatch.setattr(cloud.Lookup, "cluster", lambda *_: told)
    return reach(STACK, parsed(), None, state)


def state(known: Reached) -> dict[str, dict[str, Any]]:
    stash = {"id": known.id, "kubeconfig": known.kubeconfig}
    return {f"urn:pulumi:{STACK}::gaia::pulumi:index:Stash::{CLUSTER}": {"input": stash}}


def test_another_cluster_of_the_name_is_refused_as_long_as_the_state_has_something_on_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lasting = datetime.now(UTC) + timedelta(days=400)
    known, other = (Reached(id=name, kubeconfig=kubeconfig(lasting)) for name in ("one", "two"))
    with pytest.raises(SettingsError, match=f"DELETE_UNREACHABLE=true pulumi refresh --stack {STACK}"):
        found_as(monkeypatch, other, {**state(known), RELEASE: {}})
    assert found_as(monkeypatch, other, state(known)) == other
    assert found_as(monkeypatch, replace(other, id="one"), {**state(known), RELEASE: {}}) == known


def test_a_cluster_that_is_not_there_is_told_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise RuntimeError("No Cluster found")

    monkeypatch.setattr("pulumi_openstack.containerinfra.get_cluster", refuse)
    with pytest.raises(SettingsError, match=r"cluster_name names the cluster 'gaia-dev', which .* No Cluster found"):
        reach(STACK, parsed(), None, {})


def test_a_namespace_says_whose_it_is() -> None:
    made = recorded(lambda: own_cluster().namespace("drupal", "baseline", pulumi.ComponentResource("a:b:C", "c")))
    assert made["Namespace", "drupal"]["metadata"]["labels"][OWNER] == "gaia-dev"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (f'conflict with "gaia-dev": .metadata.labels.{OWNER}', ["the namespace drupal is there already, and not of"]),
        ("timed out", []),
    ],
)
def test_that_a_namespace_is_another_deployments_is_told(
    error: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", logged.append)
    recorder = Recorder()
    recorded(lambda: own_cluster().namespace("drupal", "baseline", pulumi.ComponentResource("a:b:C", "c")), recorder)
    failed = pulumi.ErrorHookArgs(urn="", id="", name="", type="", failed_operation="create", errors=[error])
    assert recorder.hooks["namespace-drupal"](failed) is False
    assert [line[: len(wanted)] for line, wanted in zip(logged, told, strict=True)] == told


def test_what_is_on_another_stacks_cluster_is_deleted_one_by_one_and_never_with_it() -> None:
    def build() -> None:
        own = own_cluster()
        others = Destination(provider=own.provider, kubeconfig="k", deployment="gaia-dev-drupal", project_id="p")
        parent = pulumi.ComponentResource("a:b:C", "c")
        assert own.inside(parent, waits_for_pods=True).deleted_with is own.cluster
        assert own.inside(parent, waits_for_pods=True).retain_on_delete is True
        options = others.inside(parent, waits_for_pods=True)
        assert (options.deleted_with, options.retain_on_delete, options.replace_with) == (None, None, None)

    recorded(build)


def test_only_what_the_settings_have_is_installed() -> None:
    exports: dict[str, Any] = {}

    def build() -> None:
        parent = pulumi.ComponentResource("a:b:C", "c")
        exports.update(services.install(parsed(drupal=None, dashboard={"session_hours": 1}), own_cluster(), parent))

    made = recorded(build)
    assert exports == {"dashboard_service": "headlamp.headlamp"}
    assert {name for kind, name in made if kind == "Release"} == {"headlamp"}

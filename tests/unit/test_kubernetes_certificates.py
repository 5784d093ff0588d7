"""Certificates of the hosts: what cert-manager is told, what the stack signs itself. (What comes of it:
tests/kubernetes.)"""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from functools import partial
from typing import Any

import pulumi
import pytest
from kubernetes.client import ApiException
from pulumi.runtime.config import CONFIG

from components.kubernetes import certificates, services, sign_on, trouble
from components.kubernetes.certificates import HostCertificate
from components.settings.sign_on import Acme
from tests.unit.destination import own_cluster
from tests.unit.test_components import Made, record
from tests.unit.test_kubernetes_notebooks import parsed
from tests.unit.test_kubernetes_sign_on import DOMAIN, IRIS, Hidden, given, said

ACME: dict[str, Any] = {"class": "nginx", "domain": DOMAIN, "acme": {"email": "ops@example.org"}}


def test_a_certificate_is_for_every_host_of_the_domain_and_its_key_is_in_the_secret_alone() -> None:
    def build() -> pulumi.Output[str]:
        return HostCertificate(DOMAIN, own_cluster(), "sign-on", None).pem

    made = record(build)
    certificate = made["SelfSignedCert", certificates.SIGNED]
    assert certificate["dnsNames"] == [DOMAIN, f"*.{DOMAIN}"]
    assert certificate["earlyRenewalHours"] < certificate["validityPeriodHours"]
    secret = made["Secret", certificates.SIGNED]
    assert (secret["type"], secret["metadata"]["namespace"]) == ("kubernetes.io/tls", "sign-on")


def made(recorder: Hidden | None = None, **changed: Any) -> Made:
    """What is installed with ACME."""
    keys = given({"iris": IRIS}, ingress={**ACME, "controller": False, **changed})
    settings = parsed(**keys)

    def build() -> None:
        services.install(settings, own_cluster(), pulumi.ComponentResource("test:index:Platform", "platform"))

    before = CONFIG.set({"gaia:sign_on_secrets": json.dumps(keys["sign_on_secrets"])})
    try:
        return record(build, recorder or Hidden())
    finally:
        CONFIG.reset(before)


def test_with_acme_the_issuer_is_the_authority_and_nothing_is_signed_by_the_stack() -> None:
    found = made()
    spec = found["Issuer", certificates.ISSUER]["spec"]["acme"]
    assert spec["server"] == "https://acme-v02.api.letsencrypt.org/directory"
    assert spec["email"] == "ops@example.org"
    assert "caBundle" not in spec
    assert ("Release", certificates.NAME) in found
    assert not [name for kind, name in found if kind == "SelfSignedCert"]


def test_a_cluster_that_has_cert_manager_gets_no_other() -> None:
    found = made(acme={"cert_manager": False})
    assert ("Release", certificates.NAME) not in found
    assert ("Issuer", certificates.ISSUER) in found


def test_each_host_has_a_secret_of_its_own_and_the_configs_annotations_win() -> None:
    mine = {"cert-manager.io/issue-temporary-certificate": "false", "more": "x"}
    settings = parsed(**given({"iris": IRIS}, ingress={**ACME, "annotations": mine}))
    assert settings.ingress
    found = sign_on.ingress_values(settings.ingress)
    assert found["tlsSecret"] == ""
    assert found["annotations"]["cert-manager.io/issuer"] == certificates.ISSUER
    assert mine.items() <= found["annotations"].items()


def test_an_authority_that_systems_do_not_know_is_trusted_by_its_own_certificate() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    told = certificates.issuer(Acme.model_construct(email="", server="https://ca.example.org/acme", ca=pem))["acme"]
    assert base64.b64decode(told["caBundle"]).decode() == pem
    assert "email" not in told


@pytest.mark.parametrize(
    ("acme", "line"),
    [
        ({"email": "ops"}, "ingress.acme.email must be an e-mail address; is 'ops'"),
        ({"server": "http://ca.example.org"}, "ingress.acme.server must be an https:// URL: who answers there signs"),
        ({"server": "ca.example.org"}, "ingress.acme.server must be an http:// or https:// URL"),
        ({"ca": "MIIB"}, "ingress.acme.ca must be a certificate in PEM"),
        ({"mail": "x"}, "ingress.acme.mail is not a known key"),
    ],
)
def test_what_cannot_be_is_said_by_its_key(acme: dict[str, Any], line: str) -> None:
    [found] = said(**given({"iris": IRIS}, ingress={**ACME, "acme": acme}))
    assert found.startswith(line), found


def test_acme_goes_with_sign_on_and_not_with_a_secret_of_somebody_else() -> None:
    [both] = said(**given({"iris": IRIS}, ingress={**ACME, "tls_secret": "hosts"}))
    assert both.startswith("ingress acme and tls_secret are both set"), both
    assert said(ingress=ACME) == ["ingress.acme is set, but sign_on is not: there are no hosts"]


# ---- what a release whose hosts want none any more takes back


class Api:
    """Kubernetes' client: a release's Certificate, and Challenges that go with it, or stay."""

    def __init__(self, problem: int = 0, stays: bool = False) -> None:
        self.problem, self.stays = problem, stays
        self.certificates = {"sign-on-iris-web": "sign-on-iris", "sign-on-google-web": "sign-on-google"}
        self.challenges = {"one": f"web.{DOMAIN}", "another's": "elsewhere.example.org"}

    def list_namespaced_custom_object(
        self, *kind: str, label_selector: str = "", _request_timeout: Any
    ) -> dict[str, Any]:
        if self.problem:
            raise ApiException(status=self.problem, reason="said so")
        assert kind[2] == "sign-on"
        if kind[3] == "challenges":
            return {"items": [{"metadata": {"name": n}, "spec": {"dnsName": d}} for n, d in self.challenges.items()]}
        wanted = label_selector.removeprefix("app.kubernetes.io/instance=")
        return {"items": [{"metadata": {"name": name}} for name, of in self.certificates.items() if of == wanted]}

    def delete_namespaced_custom_object(self, *kind: str, _request_timeout: Any) -> None:
        del self.certificates[kind[4]]
        if not self.stays:
            del self.challenges["one"]


def cleared(api: Api, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("kubernetes.client.CustomObjectsApi", lambda _: api)
    monkeypatch.setattr(trouble, "connect", lambda _: nullcontext())
    monkeypatch.setattr(certificates, "TAKEN_BACK", 0.01)
    clear = partial(certificates.clear, "sign-on-iris", [f"web.{DOMAIN}"])
    return "\n".join(trouble.asked(clear, "sign-on", "kubeconfig"))


def test_certificates_of_one_release_are_taken_back_and_what_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cleared(api := Api(), monkeypatch) == ""
    assert list(api.certificates) == ["sign-on-google-web"]
    assert list(api.challenges) == ["another's"]


@pytest.mark.parametrize(
    ("api", "told"),
    [
        (Api(problem=404), ""),  # the cluster has no cert-manager
        (Api(problem=403), "said so"),
        (Api(stays=True), "cert-manager does not end one (kubectl get challenges -n sign-on)"),
    ],
)
def test_what_cannot_be_taken_back_is_told(api: Api, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told in (said := cleared(api, monkeypatch))
    assert bool(said) == bool(told)


@pytest.mark.parametrize(("acme", "hooked"), [(None, True), ({}, False)])
def test_releases_take_back_only_where_no_authority_is_set(acme: Any, hooked: bool) -> None:
    recorder = Hidden()
    made(recorder, acme=acme)
    assert ("certificates of sign-on-iris" in recorder.hooks) == hooked

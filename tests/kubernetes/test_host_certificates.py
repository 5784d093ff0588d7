"""Certificates of the hosts by ACME: cert-manager on the cluster, with an authority in it (Pebble) that asks each host
through the load balancer and the ingress controller."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.kubernetes import certificates, ingress
from components.kubernetes.sign_on import NAMESPACE
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.services import services
from tests.kubernetes.sign_on import VERSION, Object, named, server
from tests.kubernetes.test_sign_on import set_secret
from tests.stack import Stack

AUTHORITY = "authority"
AT, ROOTS = 14000, 15000  # its ports: ACME; what it signs by
DOMAIN = "acme.example.org"
HOST = f"web.{DOMAIN}"
NOWHERE = "https://nowhere.example.org"
# Without discovery a proxy starts although there is no provider
PROVIDER: dict[str, Any] = {
    "issuer": NOWHERE,
    "endpoints": {name: f"{NOWHERE}/{name}" for name in ("login", "redeem", "keys")},
    "client_id": "gaia",
    "guards": ["web"],
}
READY = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'


def authority(directory: Path) -> tuple[list[Object], str]:
    """Its objects, and the certificate by which it is known."""
    name = f"{AUTHORITY}.default.svc.cluster.local"
    key, pem = directory / "key.pem", directory / "cert.pem"
    made = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}")
    files = ("-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", pem)
    subprocess.run(["openssl", "req", *made, *files], check=True, capture_output=True)
    told = {
        "listenAddress": f":{AT}",
        "managementListenAddress": f":{ROOTS}",
        "certificate": f"/{AUTHORITY}/cert.pem",
        "privateKey": f"/{AUTHORITY}/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
    }
    data = {"pebble.json": json.dumps({"pebble": told}), "cert.pem": pem.read_text(), "key.pem": key.read_text()}
    objects = [
        named("Secret", "v1", AUTHORITY, stringData=data),
        *server(
            AUTHORITY,
            f"ghcr.io/letsencrypt/pebble:{VERSION['pebble']}",
            ["-config", f"/{AUTHORITY}/pebble.json"],
            {AT: AT, ROOTS: ROOTS},
            {"path": "/roots/0", "scheme": "HTTPS"},
            # it asks for a proof each time, and at once
            {"PEBBLE_AUTHZREUSE": "0", "PEBBLE_VA_NOSLEEP": "1"},
            volumes=[{"name": AUTHORITY, "secret": {"secretName": AUTHORITY}}],
        ),
    ]
    return objects, pem.read_text()


@dataclass(frozen=True)
class Place:
    """The stack whose hosts get certificates, and what resolves their names in the cluster."""

    cluster: Cluster
    stack: Stack
    door: str
    corefile: str  # as it was

    def resolve(self, *blocks: str) -> None:
        """What the cluster's DNS knows beside the cluster."""
        data = {"data": {"Corefile": "\n".join((self.corefile, *blocks))}}
        self.cluster.kubectl("patch", "configmap", "coredns", "-n", "kube-system", "-p", json.dumps(data))
        self.cluster.kubectl("rollout", "restart", "deployment/coredns", "-n", "kube-system")
        self.cluster.kubectl("rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=120s")

    def lead_to_the_door(self) -> None:
        answer = f'template IN A {{\n answer "{{{{ .Name }}}} 1 IN A {self.door}"\n }}'
        self.resolve(f"{DOMAIN}:53 {{\n {answer}\n template IN AAAA {{\n rcode NOERROR\n }}\n}}\n")

    def trusted(self, wanted: str) -> None:
        """Wait until the host answers who trusts nobody but the authority, with this status."""
        curl = ("curl", "-s", "-m", "10", "--cacert", "/tmp/roots.pem", "-o", "/dev/null", "-w", "%{http_code}")
        url = ("--resolve", f"*:443:{self.door}", f"https://{HOST}/oauth2/sign_in")
        self.cluster.until(lambda said: said.startswith(wanted), "exec", "deployment/client", "--", *curl, *url)

    def secret(self) -> str:
        """The certificate that the host has."""
        [secret] = self.cluster.get("ingress", "-n", NAMESPACE)["items"][0]["spec"]["tls"]
        return self.cluster.kubectl(
            "get", "secret", secret["secretName"], "-n", NAMESPACE, "-o", r"jsonpath={.data.tls\.crt}"
        )


@pytest.fixture(scope="module")
def place(cluster: Cluster, state_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("acme")
    objects, pem = authority(directory)
    for one in objects:
        cluster.apply(one)
    cluster.until_says("1", "get", "deployment", AUTHORITY, "-o", "jsonpath={.status.readyReplicas}")
    url = f"https://{AUTHORITY}.default.svc.cluster.local"
    # a node's rules follow a moment after the Service has its pod
    roots = f"curl -sk --retry 20 --retry-delay 1 --retry-all-errors {url}:{ROOTS}/roots/0 > /tmp/roots.pem"
    cluster.kubectl("exec", "deployment/client", "--", "sh", "-ec", roots)
    acme = {"email": "operators@example.org", "server": f"{url}:{AT}/dir", "ca": pem}
    way = {"class": "acme", "domain": DOMAIN, "acme": acme}
    way |= {"services": {"web": {"namespace": "default", "service": "web"}}}
    stack = services(cluster, state_backend, directory, "gaia-dev-acme", ingress=way, sign_on={"iris": PROVIDER})
    set_secret(stack, "iris", "of nobody")
    corefile = cluster.get("configmap", "coredns", "-n", "kube-system")["data"]["Corefile"]
    try:
        stack.up()
        yield (found := Place(cluster, stack, stack.outputs()["ingress_address"], corefile))
        found.resolve()
    finally:
        stack.destroy()
        stack.pulumi("stack", "rm", "--yes")
        for one in reversed(objects):
            cluster.kubectl("delete", one["kind"].lower(), one["metadata"]["name"], "--wait=false")


def test_a_host_whose_name_leads_nowhere_yet_answers_and_up_does_not_wait_for_it(place: Place) -> None:
    curl = ("curl", "-sk", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"*:443:{place.door}")
    place.cluster.until_says("302", "exec", "deployment/client", "--", *curl, f"https://{HOST}/oauth2/sign_in")
    place.trusted("000")


def test_a_host_has_a_certificate_of_the_authority_once_its_name_leads_to_the_cluster(place: Place) -> None:
    place.lead_to_the_door()
    place.trusted("302")


def test_a_second_up_changes_nothing(place: Place) -> None:
    place.stack.assert_unchanged()
    assert "hosts_certificate" not in place.stack.outputs()


def test_a_certificate_that_is_lost_is_asked_for_again(place: Place) -> None:
    before = place.secret()
    place.cluster.kubectl("delete", "secret", "-n", NAMESPACE, "--field-selector=type=kubernetes.io/tls")
    place.cluster.until(lambda said: said.endswith("True"), "get", "certificates", "-n", NAMESPACE, "-o", READY)
    place.trusted("302")
    assert place.secret() != before


@contextmanager
def another_way(place: Place, acme: dict[str, Any] | None) -> Iterator[None]:
    """As long as the context is open, certificates come so by the config."""
    file = place.stack.file
    right = file.read_text()
    values = yaml.safe_load(right)
    values["config"]["gaia:ingress"]["acme"] = acme
    file.write_text(yaml.safe_dump(values))
    yield
    file.write_text(right)


def test_an_authority_that_does_not_answer_is_told(place: Place) -> None:
    with another_way(place, {"server": "https://nobody.default.svc.cluster.local/dir"}):
        said = place.stack.up(check=False)
    assert said.returncode != 0
    assert 'Failed to register ACME account: Get "https://nobody.default.svc.cluster.local/dir"' in said.stdout
    place.stack.up()
    place.trusted("302")


def wait_for_a_proof(place: Place) -> None:
    """Let a host need a certificate, and its name lead nowhere."""
    place.resolve()
    place.cluster.kubectl("delete", "secret", "-n", NAMESPACE, "--field-selector=type=kubernetes.io/tls")
    challenge = ("get", "challenges", "-n", NAMESPACE, "-o", "jsonpath={.items[*].status.state}")
    place.cluster.until_says("pending", *challenge)


def left(cluster: Cluster, *names: str) -> list[str]:
    """What is called so outside of namespaces, and in those that are the cluster's own."""
    kinds = "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,ingressclasses"
    hooks = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    found = cluster.kubectl("get", f"{kinds},{hooks}", "-o", "name").splitlines()
    found += cluster.kubectl("get", "leases,roles,rolebindings", "-n", "kube-system", "-o", "name").splitlines()
    return [one for one in found if any(name in one.partition("/")[2] for name in names)]


def test_what_is_taken_out_of_the_config_goes_although_a_host_still_waits_for_its_certificate(place: Place) -> None:
    wait_for_a_proof(place)
    with another_way(place, None):
        place.stack.up()
        assert left(place.cluster, certificates.NAME) == []
        assert "BEGIN CERTIFICATE" in place.stack.outputs()["hosts_certificate"]
    place.stack.up()


def test_destroy_leaves_nothing_although_a_host_still_waits_for_its_certificate(place: Place) -> None:
    wait_for_a_proof(place)
    place.stack.destroy()
    assert left(place.cluster, NAMESPACE, ingress.NAME, certificates.NAME, "acme") == []

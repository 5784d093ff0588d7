"""What sign-on needs on a cluster beside what the program deploys: providers, an ingress controller, a browser."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kubernetes.cluster import RESTRICTED, Cluster
from toolchain.versions import VERSIONS

VERSION: dict[str, str] = VERSIONS["sign_on"]
PROVIDER_PORT = 5556
TMP = {"name": "tmp", "emptyDir": {}}  # for an image that is a program and nothing else
Object = dict[str, Any]


def issuer(provider: str) -> str:
    """As browsers and proxies both call it: all of them are in the cluster."""
    return f"http://idp-{provider}.default.svc.cluster.local:{PROVIDER_PORT}/idp"


def named(kind: str, version: str, name: str, **content: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **content}


def server(name: str, image: str, args: list[str], ports: Mapping[int, int], path: str, **pod: Any) -> list[Object]:
    """A Deployment of one pod, and a Service with its ports: the Service's -> the pod's. Ready when `path` answers."""
    labels = {"app": name}
    container = {
        "name": name,
        "image": image,
        "args": args,
        "readinessProbe": {"httpGet": {"path": path, "port": max(ports.values())}, "periodSeconds": 1},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in pod.get("volumes", [])],
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container], **pod}
    template = {"metadata": {"labels": labels}, "spec": spec}
    listed = [{"name": f"p{port}", "port": port, "targetPort": target} for port, target in ports.items()]
    return [
        named("Deployment", "apps/v1", name, spec={"selector": {"matchLabels": labels}, "template": template}),
        named("Service", "v1", name, spec={"selector": labels, "ports": listed}),
    ]


def provider(name: str, clients: list[Object], people: Mapping[str, Object], paths: Mapping[str, str]) -> list[Object]:
    """An identity provider."""
    full = f"idp-{name}"
    told = {"issuer": issuer(name), "listen": f":{PROVIDER_PORT}", "clients": clients, "people": people, "paths": paths}
    files = named("ConfigMap", "v1", full, data={"dex.json": json.dumps(told)})
    volumes = [{"name": "dex-files", "configMap": {"name": full}}, TMP]
    image, ready = f"ghcr.io/dexidp/dex:v{VERSION['dex']}", "/idp/healthz"
    ports = {PROVIDER_PORT: PROVIDER_PORT}
    return [files, *server(full, image, ["/dex-files/dex.json"], ports, ready, volumes=volumes)]


CONTROLLER = "traefik"  # its name, its class
CONTROLLER_RULES = [
    {"apiGroups": [""], "resources": ["services", "secrets", "nodes"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
    {
        "apiGroups": ["networking.k8s.io"],
        "resources": ["ingresses", "ingressclasses"],
        "verbs": ["get", "list", "watch"],
    },
]


def controller() -> list[Object]:
    """An ingress controller, reached in the cluster at its Service's port 443."""
    account = {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CONTROLLER}
    args = [
        "--providers.kubernetesingress=true",
        "--entrypoints.websecure.address=:8443",
        "--entrypoints.websecure.http.tls=true",
        "--entrypoints.ping.address=:9000",
        "--ping.entrypoint=ping",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]
    ports, image = {443: 8443, 9000: 9000}, f"docker.io/library/traefik:v{VERSION['traefik']}"
    return [
        named("ServiceAccount", "v1", CONTROLLER),
        named("ClusterRole", "rbac.authorization.k8s.io/v1", CONTROLLER, rules=CONTROLLER_RULES),
        named("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", CONTROLLER, roleRef=role, subjects=[account]),
        named("IngressClass", "networking.k8s.io/v1", CONTROLLER, spec={"controller": "traefik.io/ingress-controller"}),
        *server(CONTROLLER, image, args, ports, "/ping", serviceAccountName=CONTROLLER, volumes=[TMP]),
    ]


def certificate(domain: str, directory: Path) -> tuple[Path, Path]:
    """Of all hosts of a domain, signed by itself: the file, and its key's."""
    file, key = directory / "tls.crt", directory / "tls.key"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={domain}", "-addext", f"subjectAltName=DNS:*.{domain}"]
    words += ["-keyout", str(key), "-out", str(file)]
    subprocess.run(words, check=True, capture_output=True)
    return file, key


@dataclass(frozen=True)
class Answer:
    """The last one of those that followed each other."""

    status: int
    url: str
    location: str
    text: str


@dataclass(frozen=True)
class Browser:
    """curl in the pod of the client. Every https:// host is behind `door`, with a certificate that `trusted` has."""

    cluster: Cluster
    name: str  # of its cookies
    door: str
    trusted: str

    def run(self, script: str, *words: str) -> str:
        return self.cluster.kubectl("exec", "deployment/client", "--", "sh", "-ec", script, "sh", *words)

    def open(self, url: str, *words: str, follow: bool = True) -> Answer:
        """Go to a page; `words` are further ones for curl."""
        jar = f"/tmp/{self.name}.cookies"
        tell = r"\n%{http_code} %{url_effective} %{redirect_url}"
        curl = ["curl", "-s", "-m", "20", "-c", jar, "-b", jar, "--cacert", self.trusted, "-w", tell]
        curl += ["--resolve", f"*:443:{self.door}"]
        said = self.run('exec "$@"', *curl, *(["-L"] if follow else []), *words, url)
        text, _, last = said.rpartition("\n")
        status, where, *location = last.split(" ")
        return Answer(int(status), where, "".join(location), text)

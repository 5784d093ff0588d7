"""What sign-on needs on a cluster beside what the program deploys: providers, a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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


def server(
    name: str,
    image: str,
    args: list[str],
    ports: Mapping[int, int],
    ready: Object,
    env: Mapping[str, str] | None = None,
    **pod: Any,
) -> list[Object]:
    """A Deployment of one pod, and a Service with its ports: the Service's -> the pod's. `ready`: what has to answer
    (httpGet), by default at the last of these ports."""
    labels = {"app": name}
    container = {
        "name": name,
        "image": image,
        "args": args,
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        "readinessProbe": {"httpGet": {"port": max(ports.values()), **ready}, "periodSeconds": 1},
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
    image, ready = f"ghcr.io/dexidp/dex:v{VERSION['dex']}", {"path": "/idp/healthz"}
    ports = {PROVIDER_PORT: PROVIDER_PORT}
    return [files, *server(full, image, ["/dex-files/dex.json"], ports, ready, volumes=volumes)]


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

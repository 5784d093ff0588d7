"""The cluster of the committed stack `gaia-dev`, and ways to it: kubectl by its kubeconfig, Nova for its servers."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.layout import FLAVORS, Layout, Port
from sandbox.namespaces import inside
from sandbox.services.api import Api
from tests.conftest import ROOT
from tests.stack import Committed

LAYOUT = Layout(ROOT)
KUBECTL = LAYOUT.tools / "kubernetes/kubectl"
STACK, CLOUD = "gaia-dev", "iris-gaia-dev"
FLAVOR = FLAVORS[0]  # of all its nodes on the sandbox
MASTER, WORKERS = "master-0", ("node-0", "node-1")
# An image of nothing but one program; what pods run in it comes from their node, read-only.
IMAGE = "registry.k8s.io/pause:3.10.1"
NODE_PROGRAMS = {"/usr": "/usr", "/bin": "/usr/bin", "/lib": "/usr/lib", "/lib64": "/usr/lib64"}
DEBIAN = "docker.io/library/debian:bookworm"  # of the sandbox's registry
# What Pod Security's level `restricted` asks of a container
RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
LIMIT = 180  # seconds for anything, on a machine that others use as well


@dataclass
class Cluster:
    """Nodes are called by what their names end in: master-0, node-0, ..."""

    stack: Committed
    directory: Path
    servers: dict[str, str] = field(default_factory=dict)  # ids
    prefix: str = ""  # of the nodes' names

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def up(self) -> None:
        """`pulumi up` of the stack as it is configured now, and learn what there is."""
        self.stack.up()
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(self.stack.outputs()["kubeconfig"])
        found = self._nova("GET", "/v2.1/servers")["servers"]
        self.prefix = next(server["name"].removesuffix(MASTER) for server in found if server["name"].endswith(MASTER))
        self.servers = {server["name"].removeprefix(self.prefix): server["id"] for server in found}

    def workers(self, count: int) -> None:
        """`pulumi up` with so many workers."""
        self.stack.pulumi("config", "set", "--path", "gaia:cluster.workers.count", str(count))
        self.up()

    def node(self, name: str) -> str:
        """A node's whole name."""
        return self.prefix + name

    @staticmethod
    def _nova(method: str, path: str, body: Any = None) -> Any:
        with inside(LAYOUT.namespace):
            return Api(LAYOUT, CLOUD).call(method, Port.NOVA, path, body)

    def act(self, name: str, action: dict[str, Any]) -> None:
        """One of Nova's actions on a node's server."""
        self._nova("POST", f"/v2.1/servers/{self.servers[name]}/action", action)

    # -- its API
    def kubectl(self, *words: str, check: bool = True) -> str:
        """What kubectl prints. Raises AssertionError with its complaint when it fails."""
        argv = (str(KUBECTL), f"--kubeconfig={self.kubeconfig}", "--request-timeout=30s", *words)
        return self.stack.sandbox.run(*argv, check=check, timeout=LIMIT).stdout.strip()

    def apply(self, manifest: dict[str, Any]) -> None:
        file = self.directory / f"{manifest['metadata']['name']}.json"
        file.write_text(json.dumps(manifest))
        self.kubectl("apply", "-f", str(file))

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def until(self, wanted: Callable[[str], bool], *words: str) -> None:
        """Wait until kubectl, which may fail meanwhile, prints what is wanted."""
        end = time.monotonic() + LIMIT
        while not wanted(said := self.kubectl(*words, check=False)):
            assert time.monotonic() < end, f"kubectl {' '.join(words)} says {said!r}\n{self.trouble()}"
            time.sleep(0.5)

    def until_says(self, what: str, *words: str) -> None:
        self.until(lambda said: said == what, *words)

    def published(self, name: str, namespace: str = "default") -> str:
        """The address of a Service of type LoadBalancer, once it has one."""
        address = ("get", "service", name, "-n", namespace, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
        self.until(lambda said: said.count(".") == 3, *address)
        return self.kubectl(*address)

    @contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[str]:
        """Where a Service is on the sandbox's loopback, ADDRESS:PORT, as long as the context is open."""
        words = ("port-forward", f"service/{service}", f":{port}")
        argv = [self.stack.sandbox.cloud, "run", str(KUBECTL), f"--kubeconfig={self.kubeconfig}", *words]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as forward:
            try:
                assert forward.stdout
                said = re.match(r"Forwarding from (\S+) ->", forward.stdout.readline())
                assert said, f"nothing is forwarded to {service}"
                yield said[1]
            finally:
                forward.terminate()

    def reboot(self, name: str, kind: str) -> None:
        """Until it says that it has booted anew."""
        words = ("get", "node", self.node(name), "-o", "jsonpath={.status.nodeInfo.bootID}")
        before = self.kubectl(*words)
        self.act(name, {"reboot": {"type": kind}})
        self.until(lambda boot: len(boot) == len(before) and boot != before, *words)

    def wait_until_ready(self) -> None:
        """Every node, and the cluster's DNS."""
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        for name in self.servers:
            self.until_says("True", "get", "node", self.node(name), "-o", f"jsonpath={ready}")
        count = "jsonpath={.status.readyReplicas}"
        self.until_says("2", "get", "deployment", "coredns", "-n", "kube-system", "-o", count)

    def trouble(self) -> str:
        """For a failure's message: what the cluster warns of, the pods that are not ready, the nodes' last lines."""
        asked = {
            "warnings": ("get", "events", "-A", "--field-selector=type!=Normal", "--sort-by=.lastTimestamp"),
            "pods": ("get", "pods", "-A", "-o", "wide"),
        }
        parts = [(what, self.kubectl(*words, check=False).splitlines()[-40:]) for what, words in asked.items()]
        ask = {"os-getConsoleOutput": {"length": 15}}
        for name, server in self.servers.items():
            parts.append((name, self._nova("POST", f"/v2.1/servers/{server}/action", ask)["output"].splitlines()))
        return "\n".join(f"-- {what}\n" + "\n".join(lines) for what, lines in parts)


def deployment(name: str, node: str, command: str, limit: str = "128Mi") -> dict[str, Any]:
    """One pod on this node, which runs a command of the node's shell."""
    labels = {"app": name}
    container = {
        "name": name,
        "image": IMAGE,
        "command": ["/bin/sh", "-c", command],
        "resources": {"limits": {"memory": limit}},
        "volumeMounts": [
            {"name": f"programs{n}", "mountPath": path, "readOnly": True} for n, path in enumerate(NODE_PROGRAMS)
        ]
        + [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": f"programs{n}", "hostPath": {"path": p}} for n, p in enumerate(NODE_PROGRAMS.values())]
        + [{"name": "tmp", "emptyDir": {}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "strategy": {"type": "Recreate"}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def works(cluster: Cluster) -> None:
    """Everything is ready, and the client reads the other worker's page by the Service's name."""
    cluster.wait_until_ready()
    for name in ("web", "client"):
        cluster.until_says("1", "get", "deployment", name, "-o", "jsonpath={.status.readyReplicas}")
    web = cluster.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}")
    page = ("curl", "-s", "-m", "5", "http://web.default.svc.cluster.local")
    cluster.until_says(web, "exec", "deployment/client", "--", *page)

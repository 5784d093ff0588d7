"""A cluster made by plain calls of Neutron's and Nova's APIs, with user_data as a cluster driver writes it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openstack

from sandbox.layout import FLAVORS, INTERNET, Layout
from sandbox.namespaces import inside
from tests.conftest import ROOT
from tests.kubernetes.authority import Authority, Certificate, new_key, private_pem, public_pem

LAYOUT = Layout(ROOT)
KUBECTL = LAYOUT.tools / "kubernetes/kubectl"
CLOUD = "iris-gaia-dev"
IMAGE = "fedora-coreos-38"
FLAVOR = FLAVORS[0]
NETWORK, PODS, SERVICES = "10.88.0.0/24", "10.100.0.0/16", "10.254.0.0/16"
MASTER, WORKERS = "master-0", ("worker-0", "worker-1")
ADDRESSES = {MASTER: "10.88.0.10", "worker-0": "10.88.0.20", "worker-1": "10.88.0.21"}
API_IN_CLUSTER, DNS, DOMAIN = "10.254.0.1", "10.254.0.10", "cluster.local"
TAINT = "node-role.kubernetes.io/control-plane=:NoSchedule"
PKI = "/etc/kubernetes/pki"
MASTERS = "system:masters"  # the group that may do everything
LIMIT = 180  # seconds for anything, on a machine that others use as well


@dataclass
class Cluster:
    """Its network, its servers by name, and a way to its API."""

    api: Any
    directory: Path
    authority: Authority = field(default_factory=Authority)
    servers: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls, directory: Path) -> Iterator[Cluster]:
        """A cluster whose nodes are ready; demolished at the end."""
        with inside(LAYOUT.namespace):
            os.environ["OS_CLIENT_CONFIG_FILE"] = str(LAYOUT.clouds_yaml)
            cluster = cls(openstack.connect(cloud=CLOUD), directory)
            cluster.build()
            cluster.wait_until_ready()
            yield cluster
            cluster.demolish()

    # -- what it is made of
    def build(self) -> None:
        network, made = self.api.network, self.made
        made["network"] = network.create_network(name="nodes")
        made["subnet"] = network.create_subnet(network_id=made["network"].id, ip_version=4, cidr=NETWORK)
        internet = network.find_network(INTERNET.name, ignore_missing=False)
        made["router"] = network.create_router(name="nodes", external_gateway_info={"network_id": internet.id})
        network.add_interface_to_router(made["router"], subnet_id=made["subnet"].id)
        made["group"] = network.create_security_group(name="nodes")
        self._allow(remote_group_id=made["group"].id)
        self._allow(protocol="tcp", port_range_min=6443, port_range_max=6443)
        self.ports = {name: self._port(name) for name in ADDRESSES}
        made["floating"] = network.create_ip(floating_network_id=internet.id, port_id=self.ports[MASTER].id)
        self._write_kubeconfig()
        for name in ADDRESSES:
            self.boot(name)

    def _allow(self, **what: Any) -> None:
        group = self.made["group"].id
        self.api.network.create_security_group_rule(security_group_id=group, direction="ingress", **what)

    def _port(self, name: str) -> Any:
        """With the pods' range: their packets leave the node with their own addresses."""
        return self.api.network.create_port(
            network_id=self.made["network"].id,
            fixed_ips=[{"ip_address": ADDRESSES[name]}],
            allowed_address_pairs=[{"ip_address": PODS}],
            security_groups=[self.made["group"].id],
        )

    def boot(self, name: str) -> None:
        self.servers[name] = self.api.compute.create_server(
            name=name,
            flavor_id=self.api.compute.find_flavor(FLAVOR.name).id,
            image_id=self.api.image.find_image(IMAGE).id,
            networks=[{"port": self.ports[name].id}],
            user_data=base64.b64encode(self._user_data(name).encode()).decode(),
        ).id

    # -- what a node is told
    def _user_data(self, name: str) -> str:
        files = [{"path": "/etc/kubernetes/cluster.env", "permissions": "0644", "content": self._settings(name)}]
        for file, content in self._keys(name).items():
            mode = "0644" if file.endswith((".crt", ".pub")) else "0600"
            files.append({"path": f"{PKI}/{file}", "permissions": mode, "content": content})
        return "#cloud-config\n" + json.dumps({"write_files": files})

    def _settings(self, name: str) -> str:
        master = name == MASTER
        settings = {
            "ROLE": "master" if master else "worker",
            "NODE_NAME": name,
            "NODE_IP": ADDRESSES[name],
            "API_SERVER": "https://127.0.0.1:6443" if master else f"https://{ADDRESSES[MASTER]}:6443",
            "POD_CIDR": PODS,
            "SERVICE_CIDR": SERVICES,
            "CLUSTER_DNS": DNS,
            "CLUSTER_DOMAIN": DOMAIN,
            "NODE_LABELS": f"magnum.openstack.org/role={'master' if master else 'worker'},tests=yes",
            "NODE_TAINTS": TAINT if master else "",
            "MEMORY_MIB": FLAVOR.ram,
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    def _keys(self, name: str) -> dict[str, str]:
        issue, address = self.authority.issue, ADDRESSES[name]
        issued = {
            "kubelet": issue(f"system:node:{name}", "system:nodes", hosts=(name, address)),
            "kube-proxy": issue("system:kube-proxy"),
        }
        keys = {"ca.crt": self.authority.certificate}
        if name == MASTER:
            service = tuple(f"kubernetes{end}" for end in ("", ".default", ".default.svc", f".default.svc.{DOMAIN}"))
            hosts = ("127.0.0.1", address, API_IN_CLUSTER, self.made["floating"].floating_ip_address, *service)
            issued |= {
                "apiserver": issue("kube-apiserver", hosts=hosts),
                "apiserver-kubelet-client": issue("kube-apiserver-kubelet-client", MASTERS),
                "controller-manager": issue("system:kube-controller-manager"),
                "scheduler": issue("system:kube-scheduler"),
                "admin": issue("admin", MASTERS),
            }
            tokens = new_key()
            keys |= {"sa.key": private_pem(tokens), "sa.pub": public_pem(tokens)}
        for file, pair in issued.items():
            keys |= {f"{file}.crt": pair.certificate, f"{file}.key": pair.key}
        return keys

    # -- its API
    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def _write_kubeconfig(self) -> None:
        operator: Certificate = self.authority.issue("operator", MASTERS)
        server = f"https://{self.made['floating'].floating_ip_address}:6443"
        authority, certificate, key = (
            base64.b64encode(text.encode()).decode()
            for text in (self.authority.certificate, operator.certificate, operator.key)
        )
        config = {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": {"server": server, "certificate-authority-data": authority}}],
            "users": [{"name": "it", "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        }
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(config))

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl prints. Raises AssertionError with its complaint when it fails."""
        argv = [str(KUBECTL), f"--kubeconfig={self.kubeconfig}", "--request-timeout=30s", *words]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert not check or done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def until(self, wanted: Callable[[str], bool], *words: str) -> None:
        """Wait until kubectl, which may fail meanwhile, prints what is wanted."""
        end = time.monotonic() + LIMIT
        while not wanted(said := self.kubectl(*words, check=False)):
            assert time.monotonic() < end, f"kubectl {' '.join(words)} says {said!r}: {self.consoles()}"
            time.sleep(0.5)

    def until_says(self, what: str, *words: str) -> None:
        self.until(lambda said: said == what, *words)

    def reboot(self, name: str, kind: str) -> None:
        """Until it says that it has booted anew."""
        words = ("get", "node", name, "-o", "jsonpath={.status.nodeInfo.bootID}")
        before = self.kubectl(*words)
        self.api.compute.reboot_server(self.servers[name], kind)
        self.until(lambda boot: boot not in ("", before), *words)

    def wait_until_ready(self, *names: str) -> None:
        """Every node, or those named, and the cluster's DNS."""
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        for name in names or ADDRESSES:
            self.until_says("True", "get", "node", name, "-o", f"jsonpath={ready}")
        count = "jsonpath={.status.readyReplicas}"
        self.until_says("1", "get", "deployment", "coredns", "-n", "kube-system", "-o", count)

    def consoles(self) -> str:
        """The end of what the nodes said, for a failure's message."""
        return "\n".join(
            f"{name}: {self.api.compute.get_server_console_output(server, length=15)['output']}"
            for name, server in self.servers.items()
        )

    # -- the end
    def delete(self, name: str) -> None:
        server = self.servers.pop(name)
        self.api.compute.delete_server(server)
        self.api.compute.wait_for_delete(self.api.compute.get_server(server), interval=0.2, wait=60)

    def demolish(self) -> None:
        network, made = self.api.network, self.made
        for name in list(self.servers):
            self.delete(name)
        network.delete_ip(made["floating"])
        for port in self.ports.values():
            network.delete_port(port)
        network.remove_interface_from_router(made["router"], subnet_id=made["subnet"].id)
        network.delete_router(made["router"])
        network.delete_network(made["network"])
        network.delete_security_group(made["group"])

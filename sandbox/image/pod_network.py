#!/usr/bin/python3
"""The pod network: a route to each other node's pods, and this node's range in the CNI configuration.

It follows the cluster's nodes as the user of kube-proxy: a kubelet may look at no node but its own.
"""

import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PKI = Path("/etc/kubernetes/pki")
CONFIGURATION = Path("/etc/cni/net.d/10-pods.conflist")
INTERFACE = Path("/sys/class/net/eth0")
SILENCE = 300  # seconds after which the API ends the watch, and all nodes are read again
PAUSE = 1.0  # seconds after a failure


def plugins(subnet: str, mtu: int) -> dict[str, Any]:
    """A point-to-point link for each pod, with addresses of this node's range; host ports."""
    ipam = {
        "type": "host-local",
        "dataDir": "/run/cni",  # pods do not outlive a boot, so their addresses must not
        "ranges": [[{"subnet": subnet}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "mtu": mtu, "ipMasq": False, "ipam": ipam},
            {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": True}, "snat": True},
        ],
    }


def place(node: dict[str, Any]) -> tuple[str | None, str | None]:
    """A node's range of pods' addresses, and its own address; None what it has not got yet."""
    addresses = node.get("status", {}).get("addresses", ())
    internal = next((row["address"] for row in addresses if row["type"] == "InternalIP"), None)
    return node.get("spec", {}).get("podCIDR"), internal


def events(server: str) -> Iterator[dict[str, Any]]:
    """What happens to the nodes; those that there are come first."""
    context = ssl.create_default_context(cafile=PKI / "ca.crt")
    context.load_cert_chain(PKI / "kube-proxy.crt", PKI / "kube-proxy.key")
    address = f"{server}/api/v1/nodes?watch=1&timeoutSeconds={SILENCE}"
    with urllib.request.urlopen(address, context=context, timeout=SILENCE + 30) as answer:
        for line in answer:
            yield json.loads(line)


def configure(subnet: str) -> None:
    """Tell containerd, which looks at the directory, how a pod gets its network."""
    text = json.dumps(plugins(subnet, int((INTERFACE / "mtu").read_text())), indent=2)
    if not CONFIGURATION.exists() or CONFIGURATION.read_text() != text:
        CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
        new = CONFIGURATION.with_suffix(".new")
        new.write_text(text)
        new.replace(CONFIGURATION)


def follow(server: str, me: str, routes: dict[str, tuple[str, str]]) -> None:
    """Follow the nodes until the watch ends; `routes` are those that were made: node -> range, next hop."""
    for event in events(server):
        if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
            return  # the API tells why it ends the watch
        name = event["object"]["metadata"]["name"]
        subnet, address = place(event["object"])
        if name == me:
            if subnet and event["type"] != "DELETED":
                configure(subnet)
            continue
        wanted = (subnet, address) if subnet and address and event["type"] != "DELETED" else None
        if routes.get(name) == wanted:
            continue
        if old := routes.pop(name, None):
            subprocess.run(["ip", "route", "delete", old[0], "via", old[1]], check=False)
        if wanted:
            subprocess.run(["ip", "route", "replace", wanted[0], "via", wanted[1]], check=True)
            routes[name] = wanted


def main() -> None:
    """Run until killed. systemd starts it again, and it goes on with the routes that are there."""
    routes: dict[str, tuple[str, str]] = {}
    while True:
        try:
            follow(os.environ["API_SERVER"], os.environ["NODE_NAME"], routes)
        except (OSError, subprocess.CalledProcessError) as problem:  # the API is not there yet, or no longer
            print(problem, flush=True)
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()

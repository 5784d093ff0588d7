"""What cloud-init writes on a node at its first boot; the units of the image's layer `node` read it."""

import json
from ipaddress import IPv4Address
from pathlib import PurePosixPath

from sandbox.clusters.records import API_PORT, Node

DIRECTORY = PurePosixPath("/etc/kubernetes")


def settings(node: Node, address: IPv4Address, master: IPv4Address, memory_mib: int) -> dict[str, str]:
    """The lines of cluster.env; `master` is the address of the cluster's API inside its network."""
    api = "127.0.0.1" if node.group.is_master else master
    return {
        "ROLE": node.group.role,
        "NODE_NAME": node.name,
        "NODE_IP": str(address),
        "NODE_LABELS": ",".join(node.labels),
        "NODE_TAINTS": ",".join(node.taints),
        "MEMORY_MIB": str(memory_mib),
        "API_SERVER": f"https://{api}:{API_PORT}",
        "POD_CIDR": str(node.cluster.pods),
        "SERVICE_CIDR": str(node.cluster.services),
        "CLUSTER_DNS": str(node.cluster.name_server),
        "CLUSTER_DOMAIN": node.cluster.domain,
    }


def user_data(environment: dict[str, str], keys: dict[str, str]) -> str:
    """A cloud-config with the settings, and certificates and keys below `pki`."""
    lines = "".join(f"{key}={value}\n" for key, value in environment.items())
    files = {"cluster.env": (lines, "0644")}
    files |= {f"pki/{name}": (text, "0600" if name.endswith(".key") else "0644") for name, text in keys.items()}
    written = [
        {"path": str(DIRECTORY / name), "content": content, "permissions": mode}
        for name, (content, mode) in files.items()
    ]
    return f"#cloud-config\n{json.dumps({'write_files': written})}\n"

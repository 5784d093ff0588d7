"""What cloud-init writes on a node at its first boot; the units of the image's layer `node` read it."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import PurePosixPath

from sandbox.clusters.records import API_PORT, Node
from sandbox.configuration.common import PUBLIC_KEYSTONE
from sandbox.layout import LOAD_BALANCER_PROVIDER, REGION

DIRECTORY = PurePosixPath("/etc/kubernetes")


def settings(node: Node, address: IPv4Address, master: IPv4Address, memory_mib: int) -> dict[str, str]:
    """The lines of cluster.env; `master` is the address of the cluster's API inside its network."""
    api = "127.0.0.1" if node.group.is_master else master
    return {
        "ROLE": node.group.role,
        "CLUSTER_NAME": node.cluster.id,
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


@dataclass(frozen=True)
class Credential:
    """By which the cluster's controllers ask the cloud: an application credential."""

    id: str
    secret: str


def cloud_files(credential: Credential, subnet: str, external_network: str, authority: str) -> dict[str, str]:
    """What the cloud's controller manager reads, as Magnum writes it: load balancers are in the nodes' subnet, watch
    their members, and have a floating IP."""
    authorities = DIRECTORY / "cloud-ca.pem"
    sections = {
        "Global": {
            "auth-url": PUBLIC_KEYSTONE,
            "region": REGION,
            "application-credential-id": credential.id,
            "application-credential-secret": credential.secret,
            "ca-file": authorities,
        },
        "LoadBalancer": {
            "lb-provider": LOAD_BALANCER_PROVIDER,
            "subnet-id": subnet,
            "floating-network-id": external_network,
            "create-monitor": "true",
            "monitor-delay": "5s",
            "monitor-timeout": "3s",
            "monitor-max-retries": 2,
        },
    }
    lines = [
        line
        for section, options in sections.items()
        for line in (f"[{section}]", *(f'{key} = "{value}"' for key, value in options.items()))
    ]
    return {"cloud.conf": "\n".join(lines) + "\n", authorities.name: authority}


def user_data(environment: dict[str, str], keys: dict[str, str], private: dict[str, str] | None = None) -> str:
    """A cloud-config with the settings, certificates and keys below `pki`, and further files that only root reads."""
    lines = "".join(f"{key}={value}\n" for key, value in environment.items())
    files = {"cluster.env": (lines, "0644")}
    files |= {f"pki/{name}": (text, "0600" if name.endswith(".key") else "0644") for name, text in keys.items()}
    files |= {name: (text, "0600") for name, text in (private or {}).items()}
    written = [
        {"path": str(DIRECTORY / name), "content": content, "permissions": mode}
        for name, (content, mode) in files.items()
    ]
    return f"#cloud-config\n{json.dumps({'write_files': written})}\n"

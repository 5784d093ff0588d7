"""The platform `kubernetes`: a Magnum cluster on a network of its own, with its way to the shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_openstack as openstack
import pulumi_tls as tls

from components import cloud, record
from components.kubernetes.cluster import MagnumCluster, MagnumClusterArgs
from components.network.deployment import networks
from components.secret import secret
from components.settings import SettingsError
from components.settings.kubernetes import Kubernetes


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the cloud has of what the settings name."""

    external_network_id: str
    storage_network_id: str
    template_id: str | None


class KubernetesPlatform(pulumi.ComponentResource):
    """Children: Stash (what the deployment remembers of itself), TenantNetwork, CephfsRouter, the nodes' key
    (PrivateKey, Keypair), MagnumCluster. Not managed here: the shares themselves.
    """

    exports: dict[str, Any]

    def __init__(self, stack: str, settings: Kubernetes) -> None:
        provider = cloud.Entry.find(stack, "cloud", settings.cloud).provider("deployment")
        noted = record.noted(stack, settings.name or stack, provider)
        found = look_up(stack, settings, provider)

        super().__init__(
            "gaia:kubernetes:KubernetesPlatform", stack, None, pulumi.ResourceOptions(providers=[provider])
        )
        child, name = pulumi.ResourceOptions(parent=self), noted.name
        noted.keep(child)
        network, _ = networks(name, settings.network, found.external_network_id, found.storage_network_id, child)
        key = tls.PrivateKey("nodes", algorithm="ED25519", opts=child)
        key_pair = openstack.compute.Keypair(
            "nodes", name=f"{name}-nodes", public_key=key.public_key_openssh, opts=child
        )
        cluster = MagnumCluster(
            name,
            MagnumClusterArgs(
                name=name,
                settings=settings.cluster,
                network=network,
                external_network_id=found.external_network_id,
                template_id=found.template_id,
                key_pair=key_pair.name,
                dns=next((str(address) for address in settings.network.dns), None),
            ),
            child,
        )
        self.exports = {
            "deployment": {"name": name, "project": noted.project},
            "cluster": {"id": cluster.cluster_id, "api": cluster.api_address},
            "kubeconfig": secret(cluster.kubeconfig),
            "node_key": secret(key.private_key_openssh),
        }
        self.register_outputs({})


def look_up(stack: str, settings: Kubernetes, provider: openstack.Provider) -> Found:
    """Find everything that the settings name. Raises SettingsError with all that is not there."""
    lookup, cluster = cloud.Lookup(settings.cloud, provider), settings.cluster
    external = lookup.network("network.external", settings.network.external)
    storage = lookup.network("network.storage_network", settings.network.storage_network)
    lookup.flavor("cluster.masters.flavor", cluster.masters.flavor)
    lookup.flavor("cluster.workers.flavor", cluster.workers.flavor)
    for name, nodes in cluster.node_groups.items():
        lookup.flavor(f"cluster.node_groups.{name}.flavor", nodes.flavor)
    if cluster.image:
        lookup.image("cluster.image", cluster.image)
    template = lookup.cluster_template("cluster.template", cluster.template) if cluster.template else None
    if lookup.problems:
        raise SettingsError.of(stack, lookup.problems)
    return Found(
        external_network_id=external.id,
        storage_network_id=storage.id,
        template_id=template.id if template else None,
    )

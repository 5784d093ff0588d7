"""The platform `kubernetes`: a Magnum cluster on a network of its own, and what runs on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_openstack as openstack
import pulumi_tls as tls

from components import cloud, record
from components.kubernetes import destination, services
from components.kubernetes.cluster import MagnumCluster, MagnumClusterArgs
from components.kubernetes.destination import Destination
from components.kubernetes.drivers import ShareDrivers, ShareDriversArgs
from components.kubernetes.notebooks import NOTEBOOKS, Mount, Notebooks, NotebooksArgs
from components.kubernetes.volumes import ShareVolume, ShareVolumeArgs
from components.network.deployment import networks
from components.secret import secret
from components.settings import SettingsError
from components.settings.kubernetes import Kubernetes
from components.storage.shares import grants


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the cloud has of what the settings name."""

    external_network_id: str
    storage_network_id: str
    template_id: str | None


class KubernetesPlatform(pulumi.ComponentResource):
    """Children: Stash (what the deployment remembers of itself), TenantNetwork, CephfsRouter, the nodes' key
    (PrivateKey, Keypair), MagnumCluster; and unless only the cluster is wanted: the cluster's Provider, the
    ApplicationCredential of its controllers, ShareDrivers, the Namespace of notebooks, a ShareGrant and a ShareVolume
    for each share, Notebooks; where the settings have them a WebSite, Headlamp, an IngressController and SignOn. Not
    managed here: the data project's shares.
    """

    exports: dict[str, Any]

    def __init__(self, stack: str, settings: Kubernetes) -> None:
        entry = cloud.Entry.find(stack, "cloud", settings.cloud)
        data = cloud.Entry.find(stack, "data_cloud", settings.data_cloud)
        given = controllers_credential(stack, settings)
        provider = entry.provider("deployment")
        noted = record.noted(stack, settings.name or stack, provider)
        found = look_up(stack, settings, provider)

        super().__init__(
            "gaia:kubernetes:KubernetesPlatform", stack, None, pulumi.ResourceOptions(providers=[provider])
        )
        noted.keep(pulumi.ResourceOptions(parent=self))
        cluster, node_key = self._cluster(settings, noted.name, found)
        self.exports = {
            "deployment": {"name": noted.name, "project": noted.project},
            "cluster": {"id": cluster.cluster_id, "api": cluster.api_address},
            "kubeconfig": secret(cluster.kubeconfig),
            "node_key": secret(node_key),
        }
        if settings.cluster.configure:
            place = Destination(
                provider=destination.provider(noted.name, cluster.kubeconfig, pulumi.ResourceOptions(parent=self)),
                kubeconfig=cluster.kubeconfig,
                cluster=cluster.cluster,
                deployment=noted.name,
                project_id=noted.project_id,
            )
            drivers = self._drivers(settings, place, entry, given or self._own_credential(noted.name))
            claims, notebooks = self._notebooks(settings, place, data, drivers)
            self.exports |= {
                "storage_class": drivers.storage_class,
                "claims": dict.fromkeys(claims, NOTEBOOKS),
                "notebook_service": notebooks.service,
                "notebook_user": notebooks.login.name,
                "notebook_password": notebooks.login.password,
            }
            self.exports |= services.install(settings, place, self, [drivers])
        self.register_outputs(noted.told(settings.site))

    def _cluster(self, settings: Kubernetes, name: str, found: Found) -> tuple[MagnumCluster, pulumi.Output[str]]:
        """The cluster on a network of its own, and the private key of its nodes."""
        child = pulumi.ResourceOptions(parent=self)
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
        return cluster, key.private_key_openssh

    def _own_credential(self, name: str) -> cloud.Credential:
        """Of the cluster's controllers alone: who has it can make no other, and it ends with the deployment."""
        made = openstack.identity.ApplicationCredential(
            "controllers",
            name=f"{name}-controllers",
            description=f"The controllers of the cluster {name}",
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,  # the name is taken
                additional_secret_outputs=["secret"],
            ),
        )
        return cloud.Credential(id=made.id, secret=secret(made.secret))

    def _drivers(
        self, settings: Kubernetes, place: Destination, entry: cloud.Entry, credential: cloud.Credential
    ) -> ShareDrivers:
        """What pods mount shares by."""
        args = ShareDriversArgs(
            destination=place,
            charts=settings.charts,
            cloud=entry,
            credential=credential,
            share_type=settings.share_type,
            mounter=settings.mounter,
        )
        return ShareDrivers("shares", args, pulumi.ResourceOptions(parent=self))

    def _notebooks(
        self, settings: Kubernetes, place: Destination, data: cloud.Entry, drivers: ShareDrivers
    ) -> tuple[list[str], Notebooks]:
        """The notebook server, and a claim for each share of the config where its notebooks run."""
        own = pulumi.ResourceOptions(parent=self)
        # whatever a notebook asks for, it gets no root, no part of a node and no privilege
        space = place.namespace(NOTEBOOKS, "restricted", self)
        after: list[pulumi.Resource] = [drivers]
        mounts = []
        for grant in grants(settings.shares, place.deployment, place.project_id, data, own):
            claimed = ShareVolumeArgs(
                destination=place, grant=grant, namespace=space.metadata["name"], mounter=settings.mounter
            )
            volume = ShareVolume(grant.share, claimed, own)
            after.append(volume)
            mounts.append(Mount(claim=volume.claim, path=grant.mount, read_only=grant.mode == "ro"))
        args = NotebooksArgs(settings=settings, destination=place, namespace=space, mounts=mounts, after=after)
        return [mount.claim for mount in mounts], Notebooks("notebooks", args, own)


def controllers_credential(stack: str, settings: Kubernetes) -> cloud.Credential | None:
    """That of the entry which the settings name; None where they name none: the stack makes one of its own.

    Raises SettingsError when the entry has no application credential.
    """
    if not settings.controllers_cloud:
        return None
    entry = cloud.Entry.find(stack, "controllers_cloud", settings.controllers_cloud)
    if entry.credential is None:
        raise SettingsError.of(
            stack,
            [
                f"controllers_cloud names {entry.name!r}, an entry of clouds.yaml without application_credential_id "
                "and application_credential_secret: pods get no person's password"
            ],
        )
    return entry.credential


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

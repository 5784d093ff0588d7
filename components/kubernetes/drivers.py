"""The drivers by which pods mount CephFS: Ceph's own on the nodes, and Manila's, which makes a share for each claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.cloud import Credential, Entry
from components.kubernetes.charts import ReleaseArgs, release
from components.kubernetes.destination import Destination
from components.settings.services import Charts

NAMESPACE = "kube-system"
CEPH_DRIVER = "cephfs.csi.ceph.com"
MANILA_DRIVER = "cephfs.manila.csi.openstack.org"
# Which step of a share's life asks the cloud in whose name: with the one secret, all of them.
STEPS = ("provisioner", "controller-expand", "node-stage", "node-publish")


@dataclass(frozen=True, kw_only=True)
class ShareDriversArgs:
    """`destination`: where this is installed; `cloud`, `credential`: the project in which claims get their shares;
    `share_type`: Manila's."""

    charts: Charts
    cloud: Entry
    credential: Credential
    share_type: str
    mounter: str
    destination: Destination


class ShareDrivers(pulumi.ComponentResource):
    """What mounts shares in pods.

    Children: the releases of Ceph-CSI and of Manila's CSI driver, the Secret by which that one asks the cloud, and the
    cluster's default StorageClass. Not managed here: the shares that claims get; they live and die with their claims.
    """

    storage_class: pulumi.Output[str]

    def __init__(self, name: str, args: ShareDriversArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:ShareDrivers", name, None, opts)
        child = args.destination.inside(self)
        ceph = release(
            "ceph-csi",
            ReleaseArgs(
                chart=args.charts.ceph_csi,
                mirror=args.charts.mirror,
                kubeconfig=args.destination.kubeconfig,
                namespace=NAMESPACE,
                values=ceph_values(args.mounter),
            ),
            child,
        )
        secret = kubernetes.core.v1.Secret(
            "manila-csi",
            metadata={"name": "manila-csi-cloud", "namespace": NAMESPACE},
            string_data=cloud_secret(args.cloud, args.credential),
            opts=child,
        )
        manila = release(
            "manila-csi",
            ReleaseArgs(
                chart=args.charts.manila_csi,
                mirror=args.charts.mirror,
                kubeconfig=args.destination.kubeconfig,
                namespace=NAMESPACE,
                values=manila_values(args.destination.deployment),
            ),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[ceph])),
        )
        storage_class = kubernetes.storage.v1.StorageClass(
            "cephfs",
            metadata={"name": "cephfs", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            provisioner=MANILA_DRIVER,
            parameters={
                "type": args.share_type,
                "cephfs-mounter": args.mounter,
                **secrets_of_steps("manila-csi-cloud"),
            },
            allow_volume_expansion=True,
            reclaim_policy="Delete",
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[secret, manila])),
        )
        self.storage_class = storage_class.metadata["name"]
        self.register_outputs({"storageClass": self.storage_class})


def ceph_values(mounter: str) -> dict[str, Any]:
    """Values of ceph-csi-cephfs: its node plugin alone, since Manila makes the shares. Pure."""
    return {
        "driverName": CEPH_DRIVER,
        "provisioner": {"replicaCount": 0},
        "nodeplugin": {
            # ceph-fuse runs in the plugin's pod: with that pod all mounts of its node would go
            "updateStrategy": "OnDelete" if mounter == "fuse" else "RollingUpdate",
            "httpMetrics": {"enabled": False, "service": {"enabled": False}},
        },
    }


def manila_values(cluster: str) -> dict[str, Any]:
    """Values of openstack-manila-csi: CephFS, mounted by Ceph's own node plugin. Pure."""
    return {
        "shareProtocols": [
            {
                "protocolSelector": "CEPHFS",
                "fsGroupPolicy": "File",  # who is not root may write what a claim gets
                "fwdNodePluginEndpoint": {"dir": f"/var/lib/kubelet/plugins/{CEPH_DRIVER}", "sockFile": "csi.sock"},
            }
        ],
        "csimanila": {"clusterID": cluster},
    }


def cloud_secret(cloud: Entry, credential: Credential) -> dict[str, pulumi.Input[str]]:
    """The cloud as Manila's driver wants to be told of it (cloud-provider-openstack, pkg/client)."""
    told: dict[str, pulumi.Input[str]] = {
        "os-authURL": cloud.auth_url,
        "os-region": cloud.region,
        "os-applicationCredentialID": credential.id,
        "os-applicationCredentialSecret": credential.secret,
        "os-certAuthority": cloud.authorities,
    }
    return {key: value for key, value in told.items() if value != ""}


def secrets_of_steps(name: str) -> dict[str, str]:
    """The parameters of a StorageClass that name the secret of each step. Pure."""
    prefix = "csi.storage.k8s.io"
    return {
        f"{prefix}/{step}-secret-{key}": value
        for step in STEPS
        for key, value in (("name", name), ("namespace", NAMESPACE))
    }

"""Shares that are there already, as claims that pods mount."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.kubernetes.destination import Destination
from components.kubernetes.drivers import CEPH_DRIVER, NAMESPACE
from components.storage.shares import Export, Mountable, OwnShare, OwnShareArgs

ACCESS_MODES = {"ro": "ReadOnlyMany", "rw": "ReadWriteMany"}


@dataclass(frozen=True, kw_only=True)
class ShareVolumeArgs:
    """`destination`, `namespace`: where pods claim it; `grant`: the share and the deployment's access to it."""

    destination: Destination
    grant: Mountable
    namespace: pulumi.Input[str]
    mounter: str


class ShareVolume(pulumi.ComponentResource):
    """A share as a claim of the same name, mounted with the deployment's own cephx identity.

    Children: Secret (the identity's key, among the drivers': what may make pods where the claim is could mount a Secret
    there), PersistentVolume, PersistentVolumeClaim. Nothing of the cluster can reach the share otherwise, or any other
    share: there is no credential of the data project in it. Not managed here: the share.
    """

    claim: str

    def __init__(self, name: str, args: ShareVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:ShareVolume", name, None, opts)
        self._args, self.claim = args, object_name(args.grant.share)
        child = args.destination.inside(self)
        # Volume and claim protect each other, and pods the claim.
        # A share that grows is larger in its pods at once; the size of a volume that is there already only tells of it,
        # and Kubernetes lets nobody change a claim's.
        lasting = pulumi.ResourceOptions.merge(
            args.destination.inside(self, waits_for_pods=True),
            pulumi.ResourceOptions(ignore_changes=["spec.capacity", "spec.resources"]),
        )
        key = kubernetes.core.v1.Secret(
            name,
            metadata={"name": f"cephx-{self.claim}", "namespace": NAMESPACE},
            string_data={"userID": args.grant.identity, "userKey": args.grant.key},
            opts=child,
        )
        volume = self._volume(name, key, lasting)
        kubernetes.core.v1.PersistentVolumeClaim(
            name,
            metadata={"name": self.claim, "namespace": args.namespace},
            spec={
                "access_modes": [ACCESS_MODES[args.grant.mode]],
                "storage_class_name": "",  # none: not to be made, but this one
                "volume_name": volume.metadata["name"],
                "resources": {"requests": {"storage": self._capacity}},
            },
            opts=lasting,
        )
        self.register_outputs({"claim": self.claim})

    @property
    def _capacity(self) -> pulumi.Output[str]:
        return self._args.grant.size.apply(lambda size: f"{size}Gi")

    def _volume(
        self, name: str, key: kubernetes.core.v1.Secret, opts: pulumi.ResourceOptions
    ) -> kubernetes.core.v1.PersistentVolume:
        grant = self._args.grant
        export = grant.location.apply(Export.parse)
        return kubernetes.core.v1.PersistentVolume(
            name,
            metadata={"name": self.claim},
            spec={
                "capacity": {"storage": self._capacity},
                "access_modes": [ACCESS_MODES[grant.mode]],
                "persistent_volume_reclaim_policy": "Retain",
                "storage_class_name": "",
                "claim_ref": {"name": self.claim, "namespace": self._args.namespace},  # nobody else gets it
                "csi": {
                    "driver": CEPH_DRIVER,
                    "volume_handle": self.claim,
                    "read_only": grant.mode == "ro",
                    # those that Manila's own driver gives Ceph's: of a share that is there already
                    "volume_attributes": {
                        "monitors": export.apply(lambda found: found.monitors),
                        "rootPath": export.apply(lambda found: found.path),
                        "mounter": self._args.mounter,
                        "provisionVolume": "false",
                    },
                    "node_stage_secret_ref": {
                        "name": key.metadata["name"],
                        "namespace": key.metadata["namespace"],
                    },
                },
            },
            opts=opts,
        )


def own_volume(
    name: str,
    share: OwnShareArgs,
    destination: Destination,
    namespace: pulumi.Input[str],
    mounter: str,
    opts: pulumi.ResourceOptions,
) -> ShareVolume:
    """A share that the stack makes, as a claim: a cluster that takes the place of this one finds it again."""
    made = OwnShare(name, share, opts)
    claimed = ShareVolumeArgs(destination=destination, grant=made, namespace=namespace, mounter=mounter)
    return ShareVolume(name, claimed, opts)


def object_name(share: str) -> str:
    """What a share is called in Kubernetes, whose names are stricter than Manila's. Pure."""
    return re.sub(r"[^a-z0-9-]+", "-", share.lower()).strip("-")

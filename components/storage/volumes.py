"""Cinder volumes: state that survives a replaced server."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

# Clouds attach within seconds; one that lost the request on the way never does (the provider's default: 10 minutes).
ATTACH_LIMIT = "3m"


@dataclass(frozen=True, kw_only=True)
class AttachedVolumeArgs:
    """`size` in GiB; `mount` is where the host's configuration mounts it."""

    name: str
    size: int
    mount: str
    server_id: pulumi.Input[str]


class AttachedVolume(pulumi.ComponentResource):
    """A Cinder volume and its attachment to a server.

    Children: Volume, VolumeAttach. A replaced server gets a new attachment of the same volume. Not managed here:
    the file system (the host's configuration makes it, only on a blank volume) and the device name (Nova's own).
    """

    volume_id: pulumi.Output[str]

    def __init__(self, name: str, args: AttachedVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:storage:AttachedVolume", name, None, opts)
        self.mount, self.size = args.mount, args.size
        volume = openstack.blockstorage.Volume(
            name,
            name=args.name,
            size=args.size,
            enable_online_resize=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.attachment = openstack.compute.VolumeAttach(
            name,
            instance_id=args.server_id,
            volume_id=volume.id,
            opts=pulumi.ResourceOptions(
                parent=self,
                # one volume can be attached once: the old attachment has to go first
                delete_before_replace=True,
                custom_timeouts=pulumi.CustomTimeouts(create=ATTACH_LIMIT),
            ),
        )
        self.volume_id = volume.id
        self.register_outputs({"volumeId": self.volume_id})

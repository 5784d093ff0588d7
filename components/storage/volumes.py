"""Cinder volumes: state that survives a replaced server."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

# Clouds attach within seconds; one that lost the request on the way never does (the provider's default: 10 minutes).
ATTACH_LIMIT = "3m"


@dataclass(frozen=True, kw_only=True)
class AttachedVolumeArgs:
    """`size` in GiB; `mount` is where the host's configuration mounts it; `protect`: the engine does not let it go."""

    name: str
    size: int
    mount: str
    protect: bool = False


class AttachedVolume(pulumi.ComponentResource):
    """A Cinder volume and its attachment to a server.

    Children: Volume, VolumeAttach. A replaced server gets a new attachment of the same volume. Not managed here:
    the file system (the host's configuration makes it, only on a blank volume) and the device name (Nova's own).

    The volume is there before the server and goes after it, and the attachment goes with the server: Nova stops a
    server first, so that nothing is taken from a system that writes to it.
    """

    volume_id: pulumi.Output[str]
    attachment: openstack.compute.VolumeAttach

    def __init__(self, name: str, args: AttachedVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:storage:AttachedVolume", name, None, opts)
        self._name, self.mount, self.size = name, args.mount, args.size
        self.volume = openstack.blockstorage.Volume(
            name,
            name=args.name,
            size=args.size,
            enable_online_resize=True,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.volume_id = self.volume.id
        self.register_outputs({"volumeId": self.volume_id})

    def attach(self, server: openstack.compute.Instance) -> None:
        """Attach it to a server that was made after it."""
        self.attachment = openstack.compute.VolumeAttach(
            self._name,
            instance_id=server.id,
            volume_id=self.volume_id,
            opts=pulumi.ResourceOptions(
                parent=self,
                # one volume can be attached once: the old attachment has to go first
                delete_before_replace=True,
                deleted_with=server,
                custom_timeouts=pulumi.CustomTimeouts(create=ATTACH_LIMIT),
            ),
        )

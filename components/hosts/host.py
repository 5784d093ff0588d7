"""A host: port, server, volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack
import pulumi_tls as tls

from components.hosts.user_data import user_data
from components.network.tenant import TenantNetwork
from components.secret import secret
from components.storage.volumes import AttachedVolume, AttachedVolumeArgs


@dataclass(frozen=True, kw_only=True)
class HostArgs:
    """What a host is made of.

    `physical_name`: the server's name in Nova; `hostname`: its short name on the platform (worker01);
    `group`: the name of its security group; `generation`: its rebuild number, a changed one replaces the server;
    `volume_gib` and `mount`: its Cinder volume, which the engine does not let go where `protect` says so.
    """

    physical_name: str
    hostname: str
    role: str
    generation: int | str
    group: str
    flavor: str
    image_id: pulumi.Input[str]
    address: str
    network: TenantNetwork
    security_group_ids: Sequence[pulumi.Input[str]]
    key_pair: pulumi.Input[str]
    deploy_key: pulumi.Input[str]
    volume_gib: int
    mount: str
    protect: bool = False


class Host(pulumi.ComponentResource):
    """A server with a planned address, a pinned SSH host key and a volume.

    Children: PrivateKey (the host key), Port, Stash (its user_data), Instance, AttachedVolume. Not managed here:
    the floating IP and the configuration (`configuration.py`).

    user_data is stashed: what the server was made with stays until the rebuild number changes, so that a new
    version of this program never replaces servers by itself, and a rebuild takes the newest text.
    """

    port_id: pulumi.Output[str]
    host_key: pulumi.Output[str]

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:hosts:Host", name, None, opts)
        self.hostname, self.role, self.group = args.hostname, args.role, args.group
        self.address, self.flavor = args.address, args.flavor
        child = pulumi.ResourceOptions(parent=self)
        key = tls.PrivateKey(f"{name}-hostkey", algorithm="ED25519", opts=child)
        self.host_key = key.public_key_openssh.apply(str.strip)
        port = openstack.networking.Port(
            name,
            name=args.physical_name,
            network_id=args.network.network_id,
            admin_state_up=True,
            security_group_ids=list(args.security_group_ids),
            fixed_ips=[openstack.networking.PortFixedIpArgs(subnet_id=args.network.subnet_id, ip_address=args.address)],
            # a fixed address can be held by one port only
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.port_id = port.id
        stash = pulumi.Stash(
            f"{name}-userdata",
            input=secret(self._user_data(args, key)),
            opts=pulumi.ResourceOptions(parent=self, replacement_trigger=args.generation),
        )
        self.volume = AttachedVolume(
            name,
            AttachedVolumeArgs(name=args.physical_name, size=args.volume_gib, mount=args.mount, protect=args.protect),
            opts=child,
        )
        self.server = openstack.compute.Instance(
            name,
            name=args.physical_name,
            flavor_name=args.flavor,
            image_id=args.image_id,
            key_pair=args.key_pair,
            config_drive=True,
            networks=[openstack.compute.InstanceNetworkArgs(port=port.id)],
            metadata={"role": args.role},
            user_data=secret(stash.output),
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                replacement_trigger=args.generation,
                # a newer image or keypair of the same name must not replace running servers
                ignore_changes=["imageId", "keyPair"],
                # the router's interface, so that the host finds its gateway, and goes before the network does
                depends_on=[args.network.interface, self.volume.volume],
            ),
        )
        self.volume.attach(self.server)
        self.register_outputs({"address": args.address, "serverId": self.server.id})

    @staticmethod
    def _user_data(args: HostArgs, key: tls.PrivateKey) -> pulumi.Output[str]:
        return pulumi.Output.all(args.deploy_key, key.private_key_openssh, key.public_key_openssh).apply(
            lambda keys: user_data(
                hostname=args.hostname, deploy_key=keys[0], host_key_private=keys[1], host_key_public=keys[2]
            )
        )

"""Nova's driver: a server is a host that boots (`sandbox.hosts`), unless its image says that it boots nothing.

What is not overridden here is Nova's own fake driver: resources without end, no migration, no resize.

Hosts read their configuration from a config drive, as on clouds that have one: Nova itself generates its content,
cloud-init's ConfigDrive datasource reads it (from the directory where it looks for one that is no block device). The
sandbox has no DHCP server. For subnets with DHCP Nova would tell the guest to ask one; instead the config drive names
the address, gateway, routes and name servers that the server would have given, in the form that Nova uses for subnets
without DHCP.
"""

# ruff: noqa: ARG002 - the signatures are those of the project's driver interface

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nova import exception
from nova.api.metadata import base as metadata
from nova.compute import power_state
from nova.virt import event, fake, hardware

from sandbox.hosts.bounds import Bounds
from sandbox.hosts.disks import by_id, device_links, grow, letters
from sandbox.hosts.host import PLATFORM, Host, Interface, Unbootable
from sandbox.hosts.idle import Idle
from sandbox.layout import BOOT, BUS, NOTHING, TREE, Layout

Json = Any  # what Nova passes as dictionaries

CONFIG_DRIVE = "/var/lib/cloud/seed/config_drive"
# Every version directory of a config drive has the same content for cloud-init: this one is enough.
VERSIONS = ("openstack/latest/", "openstack/content/")
IMAGE_CONFIG = "/etc/cloud/cloud.cfg.d/95_image.cfg"
DEVICE_LINKS = "/etc/tmpfiles.d/sandbox-disks.conf"
DEFAULT_MTU = 1500
SOFT_REBOOT_PATIENCE = 60.0  # seconds a guest has to shut down before it is switched off
CONSOLE_BYTES = 256 * 1024  # of the console's end that the API gives


class Driver(fake.FakeDriver):  # type: ignore[misc]
    """Servers as systemd-nspawn hosts."""

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        super().__init__(virtapi, read_only)
        self._layout = Layout.here()
        self._hosts: dict[str, Host | Idle] = {}

    def init_host(self, host: str) -> None:
        """Take over the hosts that are there: those that run are watched, Nova starts again those that should."""
        super().init_host(host)
        for directory in self._layout.instances.iterdir():
            for found in (Host(self._layout, directory.name), Idle(self._layout, directory.name)):
                if found.exists:
                    self._hosts[found.server_id] = found
                    self.instances[found.server_id] = fake.FakeInstance(found.server_id, None, found.server_id)
                    if found.running:
                        found.watch(self._stopped(found.server_id))

    def _host_of(self, instance: Any) -> Host | Idle:
        if instance.uuid not in self._hosts:
            idle = instance.system_metadata.get(f"image_{BOOT}") == NOTHING
            self._hosts[instance.uuid] = (Idle if idle else Host)(self._layout, instance.uuid)
        return self._hosts[instance.uuid]

    def _stopped(self, server_id: str) -> Callable[[], None]:
        """What to do when a guest has switched itself off: Nova then makes the server SHUTOFF."""
        return lambda: self.emit_event(event.LifecycleEvent(server_id, event.EVENT_LIFECYCLE_STOPPED))

    # -- life
    def spawn(
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: Any,
        allocations: Any,
        network_info: Any = None,
        block_device_info: Json = None,
        power_on: bool = True,
        accel_info: Any = None,
    ) -> None:
        files = config_drive(instance, network_info, injected_files, admin_password)
        files[DEVICE_LINKS] = device_links(bus(instance))
        files[IMAGE_CONFIG] = image_config(image_meta.name if image_meta.obj_attr_is_set("name") else "")
        host = self._host_of(instance)
        try:
            host.create(files, tree=instance.system_metadata.get(f"image_{TREE}", PLATFORM))
        except Unbootable as problem:  # no use in trying it again elsewhere: the user is told, as of any bad image
            raise exception.ImageUnacceptable(image_id=instance.image_ref, reason=str(problem)) from problem
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations, network_info)
        if power_on:
            self._start(instance, network_info, block_device_info)

    def _start(self, instance: Any, network_info: Any, block_device_info: Json) -> None:
        """Boot with the interfaces and volumes that it has now."""
        host = self._host_of(instance)
        host.prepare()
        for vif in network_info or ():
            host.plug(interface(vif))
        if instance.default_ephemeral_device:
            host.attach_local(instance.flavor.ephemeral_gb, Path(instance.default_ephemeral_device).name)
        for volume_id, file, device in volumes(instance, block_device_info):
            host.attach(by_id(volume_id, bus(instance)), file, device)
        bounds = Bounds.of_flavor(instance.flavor.memory_mb, instance.flavor.vcpus)
        host.start(instance.hostname, bounds, self._stopped(instance.uuid))

    def destroy(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Json = None,
        destroy_disks: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        host = self._host_of(instance)
        host.release()
        for volume_id, file, _ in volumes(instance, block_device_info):
            host.detach(by_id(volume_id, bus(instance)), file)
        host.destroy()
        self._hosts.pop(instance.uuid, None)
        super().destroy(context, instance, network_info)

    def default_root_device_name(self, instance: Any, image_meta: Any, root_bdm: Any) -> str:
        """Called before the other disks get their names: a local disk has the first after the root's."""
        if instance.flavor.ephemeral_gb:
            instance.default_ephemeral_device = f"/dev/{letters(bus(instance))}b"
        return root_device(instance)

    # -- power
    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        super().power_off(instance)
        self._host_of(instance).stop(timeout)

    def power_on(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Json = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        super().power_on(context, instance, network_info)
        self._start(instance, network_info, block_device_info)

    def reboot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        reboot_type: str,
        block_device_info: Json = None,
        bad_volumes_callback: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        self._host_of(instance).stop(SOFT_REBOOT_PATIENCE if reboot_type == "SOFT" else 0)
        self.power_on(context, instance, network_info, block_device_info)

    def resume_state_on_host_boot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        share_info: Any,
        block_device_info: Json = None,
    ) -> None:
        self.power_on(context, instance, network_info, block_device_info)

    def get_info(self, instance: Any, use_cache: bool = True) -> Any:
        super().get_info(instance)  # raises if it does not know it
        running = self._host_of(instance).running
        return hardware.InstanceInfo(state=power_state.RUNNING if running else power_state.SHUTDOWN)

    def get_console_output(self, context: Any, instance: Any) -> bytes:
        console = self._host_of(instance).console
        return console.read_bytes()[-CONSOLE_BYTES:] if console.exists() else b""

    # -- interfaces and volumes of a host that runs
    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:
        super().attach_interface(context, instance, image_meta, vif)
        self._host_of(instance).plug(interface(vif))

    def detach_interface(self, context: Any, instance: Any, vif: Any) -> None:
        self._interfaces.pop(vif["id"], None)
        self._host_of(instance).unplug(interface(vif).tap)

    def attach_volume(
        self,
        context: Any,
        connection_info: Json,
        instance: Any,
        mountpoint: str,
        disk_bus: Any = None,
        device_type: Any = None,
        encryption: Any = None,
    ) -> None:
        volume_id, file = volume(connection_info)
        self._host_of(instance).attach(by_id(volume_id, bus(instance)), file, Path(mountpoint).name)

    def detach_volume(
        self, context: Any, connection_info: Json, instance: Any, mountpoint: str, encryption: Any = None
    ) -> None:
        volume_id, file = volume(connection_info)
        self._host_of(instance).detach(by_id(volume_id, bus(instance)), file)

    def extend_volume(self, context: Any, connection_info: Json, instance: Any, requested_size: int) -> None:
        grow(volume(connection_info)[1])


def volume(connection_info: Json) -> tuple[str, Path]:
    """The volume's id and file, as the sandbox's Cinder driver says them."""
    data = connection_info["data"]
    return data["volume_id"], Path(data["device_path"])


def bus(instance: Any) -> str:
    """What the server's image says about the kind of its disks."""
    return str(instance.system_metadata.get(f"image_{BUS}", ""))


def root_device(instance: Any) -> str:
    return f"/dev/{letters(bus(instance))}a"


def volumes(instance: Any, block_device_info: Json) -> Iterator[tuple[str, Path, str]]:
    """Id, file and device name of each data volume. A volume to boot from is none: the root's files lie elsewhere."""
    info = block_device_info or {}
    for mapping in info.get("block_device_mapping", ()):
        if mapping["connection_info"] and mapping["mount_device"] != (
            info.get("root_device_name") or root_device(instance)
        ):
            yield *volume(mapping["connection_info"]), Path(mapping["mount_device"]).name


def interface(vif: Any) -> Interface:
    """The name of a port's end in the fabric has the first 11 digits of its id, as Nova and Neutron name taps."""
    return Interface("tap" + vif["id"][:11], vif["address"], vif["network"]["meta"].get("mtu") or DEFAULT_MTU)


def config_drive(
    instance: Any, network_info: Any, injected_files: Any, admin_password: str | None
) -> dict[str, str | bytes]:
    """The files of the config drive: path in the host -> content."""
    leased = without_dhcp(network_info)
    extra = {"admin_pass": admin_password} if admin_password else {}
    tree = metadata.InstanceMetadata(instance, content=injected_files or [], extra_md=extra, network_info=leased)
    return {
        f"{CONFIG_DRIVE}/{path}": content
        for path, content in tree.metadata_for_config_drive()
        if path.startswith(VERSIONS)
    }


def without_dhcp(network_info: Any) -> Any:
    """A copy whose subnets have no DHCP: Nova then writes the leases themselves into network_data.json."""
    leased = copy.deepcopy(network_info)
    for vif in leased or ():
        for subnet in vif["network"]["subnets"]:
            for mark in ("dhcp_server", "enable_dhcp"):
                subnet["meta"].pop(mark, None)
    return leased


def image_config(image_name: str) -> str:
    """What differs between images that boot the same tree: the name of the default user."""
    users = {"fedora-coreos": "core", "fedora": "fedora"}
    name = next((user for start, user in users.items() if image_name.lower().startswith(start)), "debian")
    user = {"name": name, "gecos": name.capitalize()}
    return json.dumps({"system_info": {"default_user": user}}) + "\n"

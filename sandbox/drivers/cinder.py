"""Cinder's driver: a volume is a sparse file. A host gets it as a block device through a loop device."""

# ruff: noqa: ARG002 - the signatures are those of the project's driver interface

from pathlib import Path
from typing import Any

from cinder import interface
from cinder.common import constants
from cinder.volume import driver

from sandbox.layout import Layout
from sandbox.processes import run

GIB = 2**30
CAPACITY_GB = 1_000_000  # sparse files: what the pool offers is not what the disk has


@interface.volumedriver
class Driver(driver.VolumeDriver):  # type: ignore[misc]
    """Volumes, snapshots and clones as files under the sandbox's directory of volumes."""

    VERSION = "1.0"
    CI_WIKI_NAME = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._directory = Layout.here().volumes

    def check_for_setup_error(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)

    def _file(self, volume: Any) -> Path:
        return self._directory / f"volume-{volume['id']}"

    # -- volumes
    def create_volume(self, volume: Any) -> None:
        _size(self._file(volume), volume["size"])

    def delete_volume(self, volume: Any) -> None:
        self._file(volume).unlink(missing_ok=True)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        _size(self._file(volume), new_size)

    # -- copies
    def create_snapshot(self, snapshot: Any) -> None:
        _copy(self._file(snapshot["volume"]), self._file(snapshot))

    def delete_snapshot(self, snapshot: Any) -> None:
        self.delete_volume(snapshot)

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        _copy(self._file(snapshot), self._file(volume))
        _size(self._file(volume), volume["size"])

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        self.create_volume_from_snapshot(volume, src_vref)

    def clone_image(
        self, context: Any, volume: Any, image_location: Any, image_meta: Any, image_service: Any
    ) -> tuple[dict[str, Any], bool]:
        """A volume to boot from is an empty file: a host's root comes from the sandbox's image, not from a volume."""
        self.create_volume(volume)
        return {}, True

    # -- connections
    def ensure_export(self, context: Any, volume: Any) -> None:
        """A file needs no export."""

    def create_export(self, context: Any, volume: Any, connector: Any) -> None:
        """A file needs no export."""

    def remove_export(self, context: Any, volume: Any) -> None:
        """A file needs no export."""

    def initialize_connection(self, volume: Any, connector: Any) -> dict[str, Any]:
        data = {"device_path": str(self._file(volume)), "volume_id": volume["id"]}
        return {"driver_volume_type": "local", "data": data}

    def terminate_connection(self, volume: Any, connector: Any, **kwargs: Any) -> None:
        """The host's side gives the loop device back."""

    # -- capacity
    def _update_volume_stats(self) -> None:
        name = self.configuration.safe_get("volume_backend_name")
        pool = {
            "pool_name": name,
            "total_capacity_gb": CAPACITY_GB,
            "free_capacity_gb": CAPACITY_GB,
            "provisioned_capacity_gb": 0,
            "reserved_percentage": 0,
            "QoS_support": False,
            "thin_provisioning_support": True,
            "thick_provisioning_support": False,
            "max_over_subscription_ratio": "20.0",
            "multiattach": False,
            "online_extend_support": True,
            "filter_function": None,
            "goodness_function": None,
        }
        self._stats = {
            "volume_backend_name": name,
            "vendor_name": "sandbox",
            "driver_version": self.VERSION,
            "storage_protocol": constants.ISCSI,
            "pools": [pool],
        }


def _size(file: Path, gib: int) -> None:
    """Make the file so large; it takes no space until it is written."""
    with file.open("ab") as volume:
        volume.truncate(gib * GIB)


def _copy(source: Path, target: Path) -> None:
    run(["cp", "--sparse=always", "--reflink=auto", source, target])

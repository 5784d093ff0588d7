"""Volumes as block devices: a file on a loop device, shown to one host under the names a virtio disk would have."""

import json
import os
import stat
import threading
from pathlib import Path

from sandbox.processes import run

# `losetup --find` looks for a free device and then takes it: two at once may take the same.
_LOOPS = threading.Lock()
BLOCK_DEVICE_MODE = stat.S_IFBLK | 0o660
BY_ID_LENGTH = 20  # virtio's serial number field holds so many characters of the volume's id


class Disks:
    """The disks of one host: `directory` is what the host sees as /dev/disk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._by_id = directory / "by-id"

    def create(self) -> None:
        self._by_id.mkdir(parents=True, exist_ok=True)

    def attach(self, volume_id: str, file: Path, device: str) -> None:
        """Show the file as /dev/disk/by-id/virtio-<first 20 of the id> and as /dev/DEVICE (such as vdb).

        Doing it again changes nothing but a device number that is out of date.
        """
        self.create()
        node = self._directory / device
        number = Path(_loop(file)).stat().st_rdev
        if not node.exists() or node.stat().st_rdev != number:
            node.unlink(missing_ok=True)
            os.mknod(node, BLOCK_DEVICE_MODE, number)
        link = self._link(volume_id)
        link.unlink(missing_ok=True)
        link.symlink_to(f"../{device}")

    def detach(self, volume_id: str, file: Path) -> None:
        """Take the disk away from the host; if it is not there, nothing is done."""
        link = self._link(volume_id)
        if link.is_symlink():
            (self._directory / link.readlink().name).unlink(missing_ok=True)
            link.unlink()
        release(file)

    def _link(self, volume_id: str) -> Path:
        return self._by_id / f"virtio-{volume_id[:BY_ID_LENGTH]}"


def _loops(file: Path) -> list[str]:
    listed = run(["losetup", "--json", "-O", "NAME", "-j", file])
    return [row["name"] for row in json.loads(listed)["loopdevices"]] if listed.strip() else []


def _loop(file: Path) -> str:
    """The loop device of the file: the one it has, else a new one."""
    with _LOOPS:
        return (_loops(file) or [run(["losetup", "--find", "--show", file]).strip()])[0]


def grow(file: Path) -> None:
    """Tell the kernel that the file under a loop device has grown."""
    for loop in _loops(file):
        run(["losetup", "--set-capacity", loop])


def release(file: Path) -> None:
    """Give back the file's loop devices. The kernel does so when the last who has one open closes it."""
    for loop in _loops(file):
        run(["losetup", "--detach", loop], check=False)

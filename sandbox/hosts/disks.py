"""Disks as block devices: a file on a loop device, shown to one host under the names that its udev would give it."""

import json
import os
import stat
import threading
from pathlib import Path

from sandbox.layout import SCSI
from sandbox.processes import run

# `losetup --find` looks for a free device and then takes it: two at once may take the same.
_LOOPS = threading.Lock()
BLOCK_DEVICE_MODE = stat.S_IFBLK | 0o660
BY_ID_LENGTH = 20  # virtio's serial number field holds so many characters of the volume's id
GIB = 2**30
LABEL = "ephemeral0"  # of a local disk, as Nova formats it


def by_id(volume_id: str, bus: str) -> str:
    """The name of a volume under /dev/disk/by-id: SCSI disks keep the whole id."""
    return f"scsi-0QEMU_QEMU_HARDDISK_{volume_id}" if bus == SCSI else f"virtio-{volume_id[:BY_ID_LENGTH]}"


def letters(bus: str) -> str:
    """What the names of a server's disks begin with."""
    return "sd" if bus == SCSI else "vd"


def device_links(bus: str) -> str:
    """A text for tmpfiles.d that shows the devices in /dev too: /dev/disk is a directory that Nova's driver fills."""
    names = [letters(bus) + letter for letter in "bcdefgh"]
    return "".join(f"L /dev/{name} - - - - disk/{name}\n" for name in names)


class Disks:
    """The disks of one host: `directory` is what the host sees as /dev/disk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._by_id = directory / "by-id"

    def create(self) -> None:
        self._by_id.mkdir(parents=True, exist_ok=True)

    def attach(self, link: Path, file: Path, device: str) -> None:
        """Show the file as /dev/DEVICE (such as vdb) and under a link below /dev/disk, such as by-id/virtio-...

        Doing it again changes nothing but a device number that is out of date.
        """
        link = self._directory / link
        link.parent.mkdir(parents=True, exist_ok=True)
        node = self._directory / device
        number = Path(_loop(file)).stat().st_rdev
        if not node.exists() or node.stat().st_rdev != number:
            node.unlink(missing_ok=True)
            os.mknod(node, BLOCK_DEVICE_MODE, number)
        link.unlink(missing_ok=True)
        link.symlink_to(f"../{device}")

    def detach(self, link: Path, file: Path) -> None:
        """Take the disk away from the host; if it is not there, nothing is done."""
        link = self._directory / link
        if link.is_symlink():
            (self._directory / link.readlink().name).unlink(missing_ok=True)
            link.unlink()
        release(file)


def make_local(file: Path, gib: int) -> None:
    """A local disk, formatted as Nova does it, unless it is there already; sparse."""
    if not file.exists():
        new = file.with_suffix(".new")
        with new.open("wb") as disk:
            disk.truncate(gib * GIB)
        lazy = "nodiscard,lazy_itable_init=1,lazy_journal_init=1"
        run(["mkfs.ext4", "-q", "-F", "-L", LABEL, "-E", lazy, new])
        new.rename(file)


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

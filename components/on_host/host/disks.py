"""Cinder volumes: found, formatted once, mounted, grown."""

from __future__ import annotations

import os
import time
from pathlib import Path

from . import places
from .changes import Bundle, Changes, write
from .commands import Failed, output, run

WAIT = 90  # seconds for a volume to appear, or to show its size


def disks(bundle: Bundle, changes: Changes, wait: float = WAIT) -> None:
    """Volumes by id; a file system only on a blank one that this host never mounted, and as large as the volume.

    `wait`: seconds for the cloud to show them.
    """
    for disk in bundle["disks"]:
        device, mount, kind = find_device(disk, wait), disk["mount"], disk["filesystem"]
        if blank(device):
            if str(device) in (places.FSTAB.read_text(encoding="utf-8").split() if places.FSTAB.exists() else []):
                raise Failed(f"{device} was mounted at {mount} before, and no file system is found on it: look at it; "
                             "nothing was formatted")  # fmt: skip
            run(f"mkfs.{kind}", "-q", str(device))
            changes.lines.append(f"made {kind} on the blank volume for {mount}")
        # not at boot by itself: the volume may come late, and daemons must not start without it
        fstab(mount, f"{device} {mount} {kind} defaults,noauto,noatime 0 0")
        if not os.path.ismount(mount):
            Path(mount).mkdir(parents=True, exist_ok=True)
            run("mount", mount)
            changes.add(mount, f"mounted {mount}")
        grow(device, disk, changes, wait)


def find_device(disk: Bundle, wait: float = WAIT) -> Path:
    """The volume's device: virtio shows the first 20 characters of its id, virtio-scsi the whole."""
    names = [f"virtio-{disk['volume_id'][:20]}", f"scsi-0QEMU_QEMU_HARDDISK_{disk['volume_id']}"]
    deadline = time.monotonic() + wait
    while True:
        for name in names:
            if (places.BY_ID / name).exists():
                return places.BY_ID / name
        if time.monotonic() > deadline:
            raise Failed(
                f"the volume {disk['volume_id']} for {disk['mount']} did not appear in {places.BY_ID} within "
                f"{wait:.0f} s, as none of {', '.join(names)}: is it attached in Nova?"
            )
        time.sleep(0.5)


def blank(device: Path) -> bool:
    """Whether nothing at all is recognised on a device. It must be readable: blkid says 2 to both."""
    try:
        with device.open("rb") as begin:
            begin.read(1 << 20)
    except OSError as problem:
        raise Failed(f"{device} cannot be read, so nobody knows what is on it: {problem}") from None
    status, said = output("blkid", "-p", str(device))
    if status not in (0, 2):
        raise Failed(f"blkid could not read {device} (status {status}): {said.strip()}")
    return status == 2


def size_of(device: Path) -> int:
    """The size of a block device in bytes."""
    with device.open("rb") as opened:
        return opened.seek(0, os.SEEK_END)


def grow(device: Path, disk: Bundle, changes: Changes, wait: float = WAIT) -> None:
    """Make the file system as large as the volume. A volume that grew shows its size to the host a little later."""
    mount, wanted, deadline = disk["mount"], disk["size_gib"] << 30, time.monotonic() + wait
    while size_of(device) < wanted:
        if time.monotonic() > deadline:
            raise Failed(
                f"the volume for {mount} has {disk['size_gib']} GiB in Cinder, but its device {device} still shows "
                f"{size_of(device) / 2**30:.0f} GiB: this cloud may not grow attached volumes; a reboot shows the size"
            )
        time.sleep(1)
    before = os.statvfs(mount)
    run(*(("btrfs", "filesystem", "resize", "max", mount) if disk["filesystem"] == "btrfs" else ("resize2fs", device)))
    after = os.statvfs(mount)
    if after.f_blocks * after.f_frsize > before.f_blocks * before.f_frsize:
        changes.lines.append(f"{mount} has {after.f_blocks * after.f_frsize / 2**30:.0f} GiB now")


def fstab(mount: str, line: str) -> bool:
    """Make our line for this mount point the only one in fstab (an empty line removes it). Whether it changed."""
    rows = places.FSTAB.read_text(encoding="utf-8").splitlines() if places.FSTAB.exists() else []
    kept = [row for row in rows if row.startswith("#") or row.split()[1:2] != [mount]]
    wanted = [line] if line else []
    if [row for row in rows if row not in kept] == wanted:  # wherever it stands among others
        return False
    write(places.FSTAB, "\n".join([*kept, *wanted]) + "\n", 0o644, 0, 0)
    run("systemctl", "daemon-reload")
    return True

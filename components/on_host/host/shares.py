"""Manila shares, by ceph-fuse."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from .changes import Bundle, Changes, write
from .commands import Failed, output, run, tail
from .disks import fstab


def ceph_mounts(bundle: Bundle, changes: Changes) -> None:
    """Catalogue and user shares by ceph-fuse, through fstab."""
    for share in bundle["ceph_mounts"]:
        identity, mount = share["identity"], share["mount"]
        conf, keyring = Path(f"/etc/ceph/{identity}.conf"), Path(f"/etc/ceph/{identity}.keyring")
        text = f"[global]\nmon host = {share['monitors']}\n[client]\nclient quota = true\nkeyring = {keyring}\n"
        changed = write(conf, text, 0o644, 0, 0)
        changed |= write(keyring, f"[client.{identity}]\n    key = {share['key']}\n", 0o600, 0, 0)
        options = (
            f"ceph.id={identity},ceph.client_mountpoint={share['path']},ceph.conf={conf},"
            f"_netdev,noauto,nodev,nosuid,noexec,{'ro' if share['read_only'] else 'rw'},x-systemd.mount-timeout=60"
        )
        changed |= fstab(mount, f"none {mount} fuse.ceph {options} 0 0")
        if changed or dead(mount):
            unmount(mount)
        if not os.path.ismount(mount):
            Path(mount).mkdir(parents=True, exist_ok=True)
            mount_share(mount, share["monitors"])
            changes.add(mount, f"mounted the share at {mount}")


def dead(mount: str) -> bool:
    """Whether nobody can look at a mount point any more: the program behind it is gone, or Ceph has evicted it."""
    try:
        with os.scandir(mount) as entries:
            next(entries, None)
    except OSError as problem:
        return problem.errno in (errno.ENOTCONN, errno.ESHUTDOWN)
    return False


def unmount(mount: str) -> None:
    """Take a share away from its mount point, whoever still uses it."""
    if os.path.ismount(mount) or dead(mount):
        run("umount", "--lazy", mount)


def mount_share(mount: str, monitors: str) -> None:
    """Mount by systemd's unit of the line in fstab, so that ceph-fuse ends with nobody's session.

    `mount` ends with 0 even where ceph-fuse failed, so look at the result.
    """
    unit = run("systemd-escape", "--path", "--suffix=mount", mount).strip()
    _, said = output("systemctl", "restart", unit)
    if not os.path.ismount(mount):
        journal = output("journalctl", "-u", unit, "-n", "10", "-o", "cat", "--no-pager")[1]
        raise Failed(
            f"{mount} could not be mounted from {monitors}: is the CephFS router up, is the grant active?\n"
            f"{tail(said + journal)}"
        )

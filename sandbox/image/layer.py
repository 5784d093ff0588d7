"""A layer of the image: Debian packages over the bare tree."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.processes import run

# What is no part of an image: what identifies it, lists, caches, documentation
REMOVED = (
    *("etc/ssh/ssh_host_*", "var/lib/dbus/machine-id", "etc/hostname", "var/log/*.log", "var/log/apt/*"),
    *("var/lib/apt/lists/*", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb", "etc/network/interfaces.d/*"),
    *("etc/apt/apt.conf.d/99mmdebstrap", "usr/share/doc/*", "usr/share/man/*"),
)


def install(image: Path, packages: Path, names: Sequence[str]) -> Path:
    """Install packages of the repository over `image/bare`, as a host would; the directory of what that has changed."""
    upper, work, merged = (image / name for name in ("upper", "work", "merged"))
    for directory in (upper, work, merged):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
    layers = f"lowerdir={image}/bare,upperdir={upper},workdir={work},redirect_dir=off,metacopy=off"
    run(["mount", "-t", "overlay", "sandbox-image", "-o", layers, merged])
    try:
        _install(merged, packages, names)
        remove_needless(merged)
    finally:
        run(["umount", merged])
    merged.rmdir()
    shutil.rmtree(work)
    return upper


def _install(root: Path, packages: Path, names: Sequence[str]) -> None:
    here = root / "root/here.list"
    here.write_text("deb [trusted=yes] file:/mnt debian/\n")
    apt = f"apt-get -q -y -o Dir::Etc::SourceList=/root/{here.name} -o APT::Sandbox::User=root"
    command = f"{apt} update && {apt} install --no-install-recommends {' '.join(names)}"
    nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--as-pid2", "--private-network"]
    nspawn += ["--resolv-conf=off", "--timezone=off", f"--directory={root}", f"--bind-ro={packages.parent}:/mnt"]
    run([*nspawn, "--setenv=DEBIAN_FRONTEND=noninteractive", "sh", "-c", command], timeout=900)
    here.unlink()


def remove_needless(root: Path) -> None:
    """Remove from a tree what is no part of an image."""
    for pattern in REMOVED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

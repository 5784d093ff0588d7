"""Names of the platform's hosts; packages of the distribution."""

from __future__ import annotations

import shutil

from . import places
from .changes import Bundle, Changes, write
from .commands import INSTALL_LIMIT, output, run, say, succeeds


def first_boot(_bundle: Bundle, _changes: Changes) -> None:
    """Let cloud-init finish: it makes accounts and holds package locks. Its own failures show in what follows."""
    if shutil.which("cloud-init"):
        output("cloud-init", "status", "--wait", limit=600)


def hosts_file(bundle: Bundle, changes: Changes) -> None:
    """Every host of the platform by name, the same on each of them.

    Images of distributions let cloud-init write the file anew at each boot: it is told to leave it alone.
    """
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{address} {name}" for address, name in bundle["hosts_file"]]
    if write(places.HOSTS, "\n".join(lines) + "\n", 0o644, 0, 0):
        changes.add(str(places.HOSTS), f"wrote {places.HOSTS}")
    if places.CLOUD_INIT.parent.is_dir():
        write(places.CLOUD_INIT, "manage_etc_hosts: false\n", 0o644, 0, 0)


def packages(bundle: Bundle, changes: Changes) -> None:
    """Install the packages that are missing; a host whose image has them all needs no package mirror."""
    debian = shutil.which("dpkg-query") is not None
    missing = [name for name in bundle["packages"] if not installed(name, debian)]
    if not missing:
        return
    say(f"installing {', '.join(missing)}")
    if debian:
        apt = ("apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300")
        run(*apt, "update", limit=INSTALL_LIMIT)
        run(*apt, "install", "--no-install-recommends", *missing, limit=INSTALL_LIMIT)
    else:
        run("dnf", "-qy", "install", "--setopt=install_weak_deps=False", *missing, limit=INSTALL_LIMIT)
    changes.add("packages", f"installed {', '.join(missing)}")


def installed(package: str, debian: bool) -> bool:
    """Whether the distribution's package manager has the package."""
    if debian:
        return output("dpkg-query", "-W", "-f", "${db:Status-Status}", package) == (0, "installed")
    return succeeds("rpm", "-q", package)

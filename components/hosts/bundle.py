"""What a host's configuration consists of: plain data, rendered by pure functions, pushed as one bundle.

`components/on_host/host` is the program that applies a bundle on the host. The names of the fields here are the keys
that it reads.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Account:
    """A login or service account. `sudo` gives it every command without a password (operators only).

    `uid` is fixed, so that files on a volume still have their owner on a replaced server (another account that has
    it already keeps it).
    """

    name: str
    home: str
    uid: int | None = None
    shell: str = "/usr/sbin/nologin"
    groups: tuple[str, ...] = ()
    authorized_keys: tuple[str, ...] = ()
    sudo: bool = False


@dataclass(frozen=True, kw_only=True)
class Directory:
    """A directory that must exist with this owner and mode."""

    path: str
    mode: str = "0755"
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that must have this content, owner and mode."""

    path: str
    content: str
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A symbolic link at `path` that points to `target`."""

    path: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A tar archive to download, verify and unpack for `directory` (its one top-level directory is stripped).

    `keep` is a file to keep it in, for others to fetch; empty: it is not kept.
    """

    name: str
    url: str
    sha512: str
    directory: str
    keep: str = ""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A Cinder volume, found by /dev/disk/by-id (never by a device name), formatted only when it is blank.

    `size_gib` is what Cinder says: the file system grows with the volume.
    """

    volume_id: str
    size_gib: int
    mount: str
    filesystem: str = "btrfs"


@dataclass(frozen=True, kw_only=True)
class CephMount:
    """A Manila CephFS share mounted by ceph-fuse through fstab."""

    mount: str
    monitors: str
    path: str
    identity: str
    key: str
    read_only: bool = True


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A systemd unit. It is restarted when its own text, or any file under one of `watches`, changed.

    `ready` lists TCP addresses (`host:port`) that must accept connections before the unit counts as started, `answers`
    URLs with a text that what they answer must have.
    """

    name: str
    content: str
    watches: tuple[str, ...] = ()
    ready: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class PythonEnvironment:
    """A virtual environment with exactly these libraries: lines of requirements, each with its version and hashes.

    `installer` is such a line too: of uv, which installs the others, many times faster than pip. Without libraries the
    environment is Python alone. `find_links` is a directory of wheels for hosts without a package index; empty for the
    default index.
    """

    path: str
    installer: str = ""
    libraries: str = ""
    find_links: str = ""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """All that one host's configuration consists of."""

    host: str
    hosts_file: tuple[tuple[str, str], ...] = ()
    packages: tuple[str, ...] = ()
    accounts: tuple[Account, ...] = ()
    disks: tuple[Disk, ...] = ()
    ceph_mounts: tuple[CephMount, ...] = ()
    directories: tuple[Directory, ...] = ()
    archives: tuple[Archive, ...] = ()
    python: PythonEnvironment | None = None
    links: tuple[Link, ...] = ()
    files: tuple[File, ...] = ()
    units: tuple[Unit, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """The bundle as JSON-ready data."""
        return asdict(self)

    def digests(self) -> dict[str, str]:
        """Unit -> digest of all that it is restarted for: a preview shows by it what a push would restart.

        Short and of more than one file: they tell nothing of what these hold.
        """
        parts = {part.path: asdict(part) for part in self.files}
        parts |= {part.path: asdict(part) for part in self.links}
        parts |= {part.directory: asdict(part) for part in self.archives}
        parts |= {self.python.path: asdict(self.python)} if self.python else {}

        def digest(unit: Unit) -> str:
            seen = {path: part for path, part in parts.items() if any(_below(path, watch) for watch in unit.watches)}
            return hashlib.sha256(json.dumps([unit.content, seen], sort_keys=True).encode()).hexdigest()[:12]

        return {unit.name: digest(unit) for unit in self.units}


def _below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")

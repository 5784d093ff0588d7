"""Copies of what a deployment alone has, in the object store of its project, and the way back.

That is the notebooks with who may read them (the gateway's volume), and HDFS's own list of files (the master's),
without which the blocks on the workers mean nothing. A copy goes from its host by SSH to this machine, is read once,
and goes from here to the store: no host has a credential for that.
"""

from __future__ import annotations

import hashlib
import shlex
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from openstack.connection import Connection
from openstack.exceptions import EndpointNotFound, NotFoundException

from components.hadoop.daemons import HDFS, ZEPPELIN
from components.hadoop.zeppelin import ENVIRONMENT_FILE
from ops.cloud import OpsError, connect
from ops.deployment import whose
from ops.outputs import outputs, remote, ssh

TIME = "%Y-%m-%dT%H-%M-%SZ"  # UTC: such names are in the order of time
SUFFIX = ".tar.gz"
SUM = "x-object-meta-x-sdk-sha256"  # header that the SDK writes


@dataclass(frozen=True)
class Part:
    """What is copied as one archive.

    `directory`: shell that prints where it lies on its host; `members`: shell words, relative to that; `before`: shell
    that comes before these are read; `after`: shell for the unpacked members before they take their place.
    """

    host: str
    unit: str  # of systemd: stands still while the members are replaced
    account: str
    directory: str
    members: str
    tell: Callable[[list[str]], str]  # what an archive with members of these names has
    before: str = ":"
    after: str = ":"


def _notes(names: list[str]) -> str:
    return f"{sum(name.endswith('.zpln') for name in names)} notes"


def _transactions(names: list[str]) -> str:
    images = [name.split("fsimage_")[1] for name in names if "/fsimage_" in name and not name.endswith(".md5")]
    return f"all changes up to number {int(images[0])}"


PARTS: Mapping[str, Part] = {
    "notebooks": Part(
        host="zeppelin",
        unit="zeppelin",
        account=ZEPPELIN,
        directory=f'. {ENVIRONMENT_FILE}; dirname "$ZEPPELIN_CONF_DIR"',
        members="notebook $(ls conf/notebook-authorization.json 2>/dev/null)",
        tell=_notes,
    ),
    "hdfs": Part(
        host="master01",
        unit="namenode",
        account=HDFS,
        directory="hdfs getconf -confKey dfs.namenode.name.dir | sed s,^file://,,",
        # an image has a name of its own and is never changed; the running NameNode keeps the last two
        before="systemctl start hdfs-checkpoint; image=$(ls current | grep -x 'fsimage_[0-9]*' | tail -n 1)",
        members='current/VERSION "current/$image" "current/$image.md5"',
        tell=_transactions,
        after=(
            "(cd current; md5sum --quiet -c fsimage_*.md5; chmod 700 .; "
            "ls | sed -n 's/^fsimage_0*\\([0-9]\\+\\)$/\\1/p' > seen_txid)"
        ),
    ),
}


def reading(part: Part) -> str:
    """Shell, for root on the part's host, that writes the archive. A file may change meanwhile (tar ends with 1)."""
    return f"{_there(part)}; {part.before}; tar -cz {part.members} || [ $? = 1 ]"


def _there(part: Part) -> str:
    return f'at=$({part.directory}); cd "${{at:?}}"'


def putting_back(part: Part, aside: str) -> str:
    """Shell, for root on the part's host, that reads the archive and puts it in the place of what is there.

    What is there stays beside it, with `aside` after its name; the unit runs afterwards, whatever happens.
    """
    return f"""
{_there(part)}
new=$(mktemp -d "$at/restore.XXXXXX")
trap 'rm -rf "$new"; systemctl start {part.unit} || exit 1' EXIT
cd "$new"
tar -xz --no-same-owner
{part.after}
chown -R {part.account}: .
systemctl stop {part.unit}
for member in $(find . -mindepth 1 -maxdepth 1 ! -name conf; find conf -type f 2>/dev/null); do
  [ ! -e "$at/$member" ] || mv "$at/$member" "$at/$member{aside}"
  mv "$member" "$at/$member"
done
"""


def _as_root(script: str) -> str:
    return f"sudo -n sh -ec {shlex.quote(script)}"


class Store:
    """The container of a deployment's copies: objects TIME/PART.tar.gz."""

    def __init__(self, cloud: Connection, deployment: str) -> None:
        self.deployment, self.container = deployment, f"{deployment}-backup"
        self._cloud = cloud

    @classmethod
    def of(cls, stack: str) -> Store:
        """The one of a stack. Raises OpsError where its cloud has no object store."""
        entry, deployment = whose(stack)
        cloud = connect(entry)
        try:
            cloud.object_store.get_endpoint_data()
        except EndpointNotFound:
            raise OpsError(f"the catalogue of {entry!r} has no object store: there is no place for copies") from None
        return cls(cloud, deployment)

    def names(self) -> list[str]:
        """Of all copies, oldest first."""
        try:
            return sorted(found.name for found in self._cloud.object_store.objects(self.container))
        except NotFoundException:
            return []

    def put(self, name: str, path: Path) -> None:
        """Keep a file, with its SHA-256."""
        self._cloud.create_container(self.container)  # does nothing to one that is there
        self._cloud.create_object(self.container, name, filename=str(path), generate_checksums=True)

    def get(self, name: str, path: Path) -> None:
        """Write a copy to a file. Raises OpsError when it is not what was kept."""
        found = self._cloud.get_object(self.container, name, outfile=str(path))
        if found is None:
            raise OpsError(f"{self.container}/{name} is gone")
        kept = found[0].get(SUM)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != kept:
            raise OpsError(f"{self.container}/{name} has the SHA-256 {digest}, not {kept} as it was kept")


def _names(archive: Path) -> list[str]:
    """The members of an archive, all of which is read. Raises OpsError when it is not whole."""
    try:
        with tarfile.open(archive, "r:gz") as found:
            return found.getnames()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as problem:
        raise OpsError(f"the archive cannot be read: {problem}") from None


def backup(stack: str) -> list[str]:
    """Copy every part to the store; a line for each. Raises OpsError that says which could not, after the others."""
    found, store, now = outputs(stack), Store.of(stack), time.strftime(TIME, time.gmtime())
    if "deploy_key" not in found:
        raise OpsError(f"{stack} has no hosts")
    lines, wrong = [], []
    with ssh(found) as command, tempfile.TemporaryDirectory(prefix="gaia-backup-") as directory:
        for name, part in PARTS.items():
            archive = Path(directory, name)
            try:
                with archive.open("wb") as file:
                    remote(command, f"{store.deployment}-{part.host}", _as_root(reading(part)), into=file)
                kept, said = f"{now}/{name}{SUFFIX}", part.tell(_names(archive))
                store.put(kept, archive)
            except OpsError as problem:
                wrong.append(f"{name}: {problem}")
            else:
                lines.append(f"{name}: {said}, {archive.stat().st_size >> 10} KiB -> {store.container}/{kept}")
    if wrong:
        raise OpsError("\n".join(["not everything was copied.", *wrong, *lines]))
    return lines


def listed(stack: str) -> list[str]:
    """The copies that there are, a line each."""
    store = Store.of(stack)
    return [f"{store.container}/{name}" for name in store.names()] or [f"{stack}: no copy has been made yet"]


def restore(stack: str, name: str, of: str = "") -> list[str]:
    """Put a part's newest copy back, or the one of a time. What was there is kept beside it.

    Raises OpsError when there is none, or it could not be put back.
    """
    part, store = PARTS[name], Store.of(stack)
    copies = [found for found in store.names() if found.endswith(f"/{name}{SUFFIX}") and found.startswith(of)]
    if not copies:
        raise OpsError(f"{store.container} has no copy of the {name}{f' of {of}' if of else ''}: `ops backup --list`")
    aside = time.strftime(f".before-{TIME}", time.gmtime())
    with ssh(outputs(stack)) as command, tempfile.TemporaryDirectory(prefix="gaia-backup-") as directory:
        archive = Path(directory, name)
        store.get(copies[-1], archive)
        said = part.tell(_names(archive))
        with archive.open("rb") as file:
            remote(command, f"{store.deployment}-{part.host}", _as_root(putting_back(part, aside)), file)
    return [f"{name}: {said} of {copies[-1]} are in place; what was there has names that end with {aside}"]

"""A copy of a cloud right after its first start, from which every later one starts.

It is made from versions and source files: a hash of these tells whether it still is what a cold start would give.
"""

import hashlib
import shutil
from pathlib import Path

from sandbox import virtualenv
from sandbox.layout import Layout
from sandbox.processes import run

# What a new cloud's state consists of; the rest of it is made at each start.
PARTS = ("mysql", "data", "etc", "ceph", "secrets.json")
# Source that decides what a bootstrapped cloud contains
SOURCES = ("layout.py", "snapshot.py", "ceph", "configuration", "services/bootstrap.py", "services/migrations.py")


def fingerprint(layout: Layout) -> str:
    """Changes when a cold start would give another cloud."""
    digest = hashlib.sha256(origin(layout).encode())
    for source in SOURCES:
        path = layout.root / "sandbox" / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def origin(layout: Layout) -> str:
    """What a state belongs to: versions, which made its tables, and a directory, whose paths are in them."""
    return hashlib.sha256(f"{virtualenv.requirements_hash(layout)} {layout.root}".encode()).hexdigest()


def usable(layout: Layout) -> bool:
    """Whether there is a snapshot of what a cold start would give now."""
    stamp = layout.snapshot / "fingerprint"
    return stamp.exists() and stamp.read_text() == fingerprint(layout)


def keep(layout: Layout) -> None:
    """Copy the state of a stopped cloud; the copy is there wholly or not at all."""
    new = layout.snapshot.with_name("snapshot.new")
    for old in (new, layout.snapshot):
        shutil.rmtree(old, ignore_errors=True)
    _copy(layout.state, new)
    (new / "fingerprint").write_text(fingerprint(layout))
    new.replace(layout.snapshot)


def restore(layout: Layout) -> None:
    """Make a new state from the snapshot."""
    _copy(layout.snapshot, layout.state)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)
    parts = [source / part for part in PARTS]
    # sparse: Ceph's block file and the database's have holes of many gigabytes
    run(["cp", "-a", "--reflink=auto", "--sparse=always", *parts, target])

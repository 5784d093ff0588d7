"""Filling a catalogue share: the data manager's work, done with a grant of its own that ends with it.

The share is mounted in a namespace of its own (ops/loader.py); this side makes the grant and takes it away.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from openstack.connection import Connection

from ops import loader
from ops.cloud import OpsError, connect

LOADER = "gaia_data_loader"
WAIT = 60  # seconds for a grant to become active, or to go


def _share_id(connection: Connection, name: str) -> str:
    found = [share for share in connection.shared_file_system.shares(details=True) if share.name == name]
    if len(found) != 1:
        raise OpsError(f"{len(found)} shares are called {name!r} in this project: is its data stack up?")
    return str(found[0].id)


def _revoke(connection: Connection, share: str) -> None:
    """Remove the loader's grant, also one that a killed run left."""
    manila = connection.shared_file_system
    for _ in range(WAIT * 2):
        rules = [rule for rule in manila.access_rules(share) if rule.access_to == LOADER]
        if not rules:
            return
        for rule in rules:
            if rule.state not in ("denying", "queued_to_deny"):
                manila.delete_access_rule(rule.id, share, ignore_missing=True)
        time.sleep(0.5)
    raise OpsError(f"the grant {LOADER} on share {share} did not go within {WAIT} s")


@contextlib.contextmanager
def _grant(connection: Connection, share: str) -> Iterator[str]:
    """A read-write cephx grant for the loader; yields its key and revokes it at the end."""
    manila = connection.shared_file_system
    _revoke(connection, share)
    rule = manila.create_access_rule(share, access_type="cephx", access_to=LOADER, access_level="rw")
    try:
        for _ in range(WAIT * 2):
            now = manila.get_access_rule(rule.id)
            if now.state == "active" and now.access_key:
                yield str(now.access_key)
                return
            if now.state == "error":
                break
            time.sleep(0.5)
        raise OpsError(f"Manila made no grant for {LOADER} on share {share}: its state is {now.state}")
    finally:
        _revoke(connection, share)


def _detach_leftovers() -> None:
    """Take away the mounts that killed runs of earlier versions left: lazily, and without a look inside.

    With its last mount ceph-fuse ends. Their directories are removed only if they are empty.
    """
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    for place in leftovers(lines, {tempfile.gettempdir(), "/tmp", "/var/tmp"}):  # that run may have had another one
        print(f"taking away {place}, which a killed run left", file=sys.stderr, flush=True)
        done = subprocess.run(["umount", "--lazy", str(place)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OpsError(f"{place}, which a killed run left, cannot be unmounted: {done.stderr.strip()}")
        with contextlib.suppress(OSError):
            (place.parent / "keyring").unlink()
            (place.parent / "ceph.conf").unlink()
            place.rmdir()
            place.parent.rmdir()


def leftovers(mountinfo: Iterable[str], temporaries: Iterable[str]) -> list[Path]:
    """The mount points of earlier versions among the lines of /proc/self/mountinfo, the uppermost first."""
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in mountinfo]
    patterns = [f"{temporary}/gaia-load-*/share" for temporary in temporaries]
    return [point for point in reversed(points) if any(map(point.match, patterns))]


@contextlib.contextmanager
def _alone(share: str) -> Iterator[None]:
    """Only one fill of a share at a time on this machine: a second one would take away the first one's grant."""
    loader.PLACE.mkdir(mode=0o700, exist_ok=True)
    with (loader.PLACE / f"{share}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OpsError(
                "another `ops fill` of this share is at work on this machine: wait until it has ended"
            ) from None
        yield


def _load(order: loader.Order) -> str:
    """Carry out an order in namespaces of its own; what the loader answers. Raises OpsError.

    However this process ends, the loader, its command and ceph-fuse end with it: setpriv has the kernel kill unshare,
    and unshare its child, with which the process namespace ends.
    """
    ours, theirs = socket.socketpair()
    words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words += [sys.executable, "-m", "ops.loader", str(theirs.fileno())]
    with ours, ours.makefile("rw", encoding="utf-8") as talk:
        with theirs:
            child = subprocess.Popen(words, pass_fds=[theirs.fileno()])
        try:
            if talk.readline():  # it will end with us from here on
                print(loader.order_line(order), end="", file=talk, flush=True)
            answer = json.loads(talk.readline() or "{}")
            child.wait()
        finally:
            child.kill()
            child.wait()
    if line := answer.get("line"):
        return str(line)
    raise OpsError(answer.get("error") or f"the loader of {order.share} was killed: the same command goes on")


def _terminated(*_: object) -> None:
    raise OpsError("terminated: nothing is recorded; the same command goes on")


def fill(cloud: str, share_name: str, command: Sequence[str]) -> str:
    """Run a command with the directory of the mounted share as its last argument, until the share is complete.

    Returns a line for the operator. A complete share is compared with its record instead, and left alone. Raises
    OpsError when the command fails or was cut off (the same call goes on), and when a complete share has changed.
    """
    if not command:
        raise OpsError("which command fills the share? For example: ... --share NAME -- rsync -a --fsync /where/it/is/")
    if os.geteuid() != 0:
        raise OpsError("`fill` mounts the share: it needs root (sudo -E)")
    connection = connect(cloud)
    share = _share_id(connection, share_name)
    monitors, _, path = next(iter(connection.shared_file_system.export_locations(share))).path.partition(":/")
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that the grant goes with it
        signal.signal(number, _terminated)
    with _alone(share):
        _detach_leftovers()
        with _grant(connection, share) as key:
            return _load(loader.Order(share_name, monitors, path, LOADER, key, list(command)))

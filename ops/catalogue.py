"""Filling a catalogue share: the data manager's work, done with a grant of its own that ends with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from openstack.connection import Connection

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


@contextlib.contextmanager
def mounted(connection: Connection, share: str) -> Iterator[Path]:
    """The share mounted read-write by ceph-fuse in a private directory, for as long as the context is open."""
    location = next(iter(connection.shared_file_system.export_locations(share))).path
    monitors, _, path = location.partition(":/")
    with _grant(connection, share) as key, tempfile.TemporaryDirectory(prefix="gaia-load-") as name:
        directory, mount = Path(name), Path(name, "share")
        keyring, conf = directory / "keyring", directory / "ceph.conf"
        keyring.touch(mode=0o600)
        keyring.write_text(f"[client.{LOADER}]\n    key = {key}\n", encoding="utf-8")
        conf.write_text(
            f"[global]\nmon host = {monitors}\n[client]\nkeyring = {keyring}\nlog file =\n", encoding="utf-8"
        )
        mount.mkdir()
        argv = ["ceph-fuse", f"--id={LOADER}", f"--conf={conf}", f"--client_mountpoint=/{path}", str(mount)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=False)
        if not os.path.ismount(mount):
            raise OpsError(f"the share could not be mounted from {monitors}: {(done.stdout + done.stderr)[-500:]}")
        try:
            yield mount
        finally:
            subprocess.run(["umount", str(mount)], check=True)


def fill(cloud: str, share_name: str, marker: str, command: Sequence[str]) -> str:
    """Run a command with the mounted share's directory as its last argument, unless the share holds `marker` already.

    Returns a line for the operator. Raises OpsError when the command fails.
    """
    connection = connect(cloud)
    share = _share_id(connection, share_name)
    with mounted(connection, share) as mount:
        if (mount / marker).exists():
            return f"{share_name} holds {marker} already: left alone"
        done = subprocess.run([*command, str(mount)], check=False)
        if done.returncode:
            raise OpsError(f"{command[0]} ended with status {done.returncode}: {share_name} is not filled")
    return f"{share_name} filled"

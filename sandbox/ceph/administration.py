"""Administer the cluster: `python3 -m sandbox.ceph.administration CONFIG new UUID | filesystem | wait | evict`.

Runs under Debian's interpreter, with the bindings of its python3-rados and python3-ceph-argparse; one process and one
connection for several commands, where the `ceph` program takes half a second for each.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import rados
from ceph_argparse import json_command

from sandbox.layout import CEPHFS

Target = tuple[str, ...]


class CephError(RuntimeError):
    """Ceph refused a command."""


def connect(config: str, limit: float = 60) -> Any:
    """A connection to the monitor, waiting for it up to `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        options = {"client_mount_timeout": "10", "log_file": ""}
        cluster = rados.Rados(name="client.admin", conffile=config, conf=options)
        try:
            cluster.connect(timeout=10)
            return cluster
        except rados.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def command(cluster: Any, prefix: str, target: Target = ("mon",), **arguments: Any) -> Any:
    """The parsed answer of one command."""
    arguments["format"] = "json"
    status, out, error = json_command(cluster, target=target, prefix=prefix, argdict=arguments, timeout=30)
    if status:
        raise CephError(f"`ceph {prefix}` failed with status {status}: {error}")
    return json.loads(out) if out.strip() else None


def make_filesystem(cluster: Any) -> None:
    for pool, groups in (("cephfs_meta", 4), ("cephfs_data", 8)):
        command(cluster, "osd pool create", pool=pool, pg_num=groups)
    command(cluster, "fs new", fs_name=CEPHFS, metadata="cephfs_meta", data="cephfs_data")
    # the manager misses the modules that it has not been given
    command(cluster, "health mute", code="MGR_MODULE_ERROR", sticky=True)


def wait(cluster: Any) -> None:
    """Return when the file system serves, its volumes module answers and the capacity is known."""

    def metadata_server_active() -> bool:
        systems = command(cluster, "fs dump")["filesystems"]
        return any(info["state"] == "up:active" for fs in systems for info in fs["mdsmap"]["info"].values())

    def volumes_answer() -> bool:
        return command(cluster, "fs subvolume ls", ("mon-mgr",), vol_name=CEPHFS) is not None

    conditions: dict[str, Callable[[], bool]] = {
        "the OSD is not up": lambda: command(cluster, "osd stat")["num_up_osds"] == 1,
        "no metadata server is active": metadata_server_active,
        "no manager is active": lambda: bool(command(cluster, "mgr dump")["available"]),
        "the manager's volumes module does not answer": volumes_answer,
        "the capacity is not known": lambda: bool(cluster.get_cluster_stats()["kb"] > 0),
    }
    for lack, condition in conditions.items():
        _until(lack, condition)


def _until(lack: str, condition: Callable[[], bool], limit: float = 60) -> None:
    deadline = time.monotonic() + limit
    problem: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (CephError, rados.Error) as error:
            problem = error
        time.sleep(0.05)
    raise CephError(f"after {limit:.0f} s {lack}: {problem or 'see log/ceph-*.log'}")


def evict(cluster: Any) -> None:
    """End the sessions of the metadata server's clients."""
    metadata_server = ("mds", "a")
    for session in command(cluster, "session ls", metadata_server):
        command(cluster, "session evict", metadata_server, filters=[f"id={session['id']}"])


def main(config: str, verb: str, *words: str) -> None:
    cluster = connect(config)
    if verb == "new":
        command(cluster, "osd new", uuid=words[0], id=0)
    else:
        {"filesystem": make_filesystem, "wait": wait, "evict": evict}[verb](cluster)
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A real Ceph on one machine: a monitor, a manager, an OSD on a sparse file, a metadata server, one CephFS.

The four daemons run in the storage namespace. `start` goes on with the cluster that is there or makes a new one.
"""

import shutil
import signal
import uuid
from pathlib import Path

from sandbox import processes
from sandbox.configuration.ceph import cluster_id, modules
from sandbox.layout import CEPH_MONITOR, CEPH_MONITOR_PORT, Layout
from sandbox.processes import CommandError, in_namespace, run

MON, MGR, OSD, MDS = "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-mds"
# daemon -> its id
DAEMONS = {MON: "a", OSD: "0", MGR: "x", MDS: "a"}
# identity -> its capabilities; each has a keyring of its own
CAPABILITIES = {
    "client.admin": {"mon": "allow *", "osd": "allow *", "mds": "allow *", "mgr": "allow *"},
    "client.manila": {"mon": "allow r", "mgr": "allow rw"},
    "mgr.x": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
    "mds.a": {
        "mon": "allow profile mds",
        "mgr": "allow profile mds",
        "osd": "allow rwx",
        "mds": "allow *",
    },
}
DEBIAN_MODULES = Path("/usr/share/ceph/mgr")
MODULES = ("mgr_module.py", "mgr_util.py", "volumes", "orchestrator")
# Debian's own interpreter: its packages bring the bindings that the administration module imports
PYTHON = "/usr/bin/python3"


def ready_file(layout: Layout) -> Path:
    """Exists while Ceph serves; Manila waits for it."""
    return layout.run / "ceph-ready"


def config_file(layout: Layout) -> Path:
    return layout.etc / "ceph/ceph.conf"


def start(layout: Layout) -> None:
    """Start what does not run, and return when shares can be made."""
    if ready_file(layout).exists() and all(processes.find(layout, name) for name in DAEMONS):
        return
    ready_file(layout).unlink(missing_ok=True)
    _choose_modules(layout)
    complete = layout.ceph / "complete"
    if complete.exists():
        for name in DAEMONS:
            _daemon(layout, name)
    else:
        _stop_daemons(layout)
        _create(layout)
    _administer(layout, "wait")
    complete.touch()
    ready_file(layout).touch()


def _choose_modules(layout: Layout) -> None:
    """Give the manager the modules behind shares; all 30 would take it 3 s of processor time and 150 MiB."""
    own = modules(layout)
    own.mkdir(parents=True, exist_ok=True)
    for name in MODULES:
        if not (own / name).is_symlink():
            (own / name).symlink_to(DEBIAN_MODULES / name)


def stop(layout: Layout) -> None:
    """Stop the daemons.

    Client sessions that are left (the manager's own) are evicted first: a metadata server that starts with them waits
    several seconds for each to come back.
    """
    ready_file(layout).unlink(missing_ok=True)
    processes.stop(layout, [MGR], first=signal.SIGKILL)
    if processes.find(layout, MDS) and processes.find(layout, MON):
        try:
            _administer(layout, "evict", timeout=10)
        except CommandError as problem:
            print(f"Ceph sessions are left, its next start takes some seconds more: {problem}")
    _stop_daemons(layout)


def _stop_daemons(layout: Layout) -> None:
    processes.stop(layout, [MGR, MDS], first=signal.SIGKILL)  # they keep nothing of their own
    processes.stop(layout, [OSD])
    processes.stop(layout, [MON])


def _daemon(layout: Layout, name: str) -> None:
    argv = [name, "-f", "-i", DAEMONS[name], "-c", str(config_file(layout))]
    # the manager's modules are Python that Debian does not compile: 2 s of each start, unless it may keep the bytecode
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(layout.cache / "bytecode")}
    processes.start(layout, name, argv, namespace=layout.storage_namespace, environment=bytecode)


def _administer(layout: Layout, *words: str, timeout: float = 90) -> None:
    argv = [PYTHON, "-m", "sandbox.ceph.administration", str(config_file(layout)), *words]
    run(in_namespace(layout.storage_namespace, argv), environment=layout.environment(), timeout=timeout)


def _create(layout: Layout) -> None:
    """Make a cluster from nothing; one whose making was interrupted is thrown away."""
    keys, data = layout.ceph / "keys", layout.ceph / "data"
    for directory in (keys, data):
        shutil.rmtree(directory, ignore_errors=True)
    for directory in (keys, *(data / name for name in ("mon", "mgr", "osd", "mds"))):
        directory.mkdir(parents=True)
    keys.chmod(0o700)
    config, osd_id = str(config_file(layout)), str(uuid.uuid4())
    _make_keys(keys)
    monitors = layout.run / "monitors"
    addresses = f"[v2:{CEPH_MONITOR}:3300,v1:{CEPH_MONITOR}:{CEPH_MONITOR_PORT}]"
    new_map = ["monmaptool", "--create", "--clobber", "--fsid", cluster_id(layout)]
    run([*new_map, "--addv", "a", addresses, monitors])
    mon = [MON, "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keys / "mon.keyring", "-c", config]
    run(in_namespace(layout.storage_namespace, mon), timeout=60)
    _daemon(layout, MON)
    _administer(layout, "new", osd_id)
    for name in (MGR, MDS):
        _daemon(layout, name)
    osd = [OSD, "--mkfs", "-i", "0", "--osd-uuid", osd_id, "-c", config]
    run(in_namespace(layout.storage_namespace, osd), timeout=60)
    _daemon(layout, OSD)
    _administer(layout, "filesystem")


def _make_keys(keys: Path) -> None:
    monitor = keys / "mon.keyring"
    run(["ceph-authtool", "-C", monitor, "-n", "mon.", "--gen-key", "--cap", "mon", "allow *"])
    for name, capabilities in CAPABILITIES.items():
        keyring = keys / f"{name}.keyring"
        caps = [word for entity, grant in capabilities.items() for word in ("--cap", entity, grant)]
        run(["ceph-authtool", "-C", keyring, "-n", name, "--gen-key", *caps])
        run(["ceph-authtool", monitor, "--import-keyring", keyring])

"""One host: files, interfaces, disks, bounds, and the systemd-nspawn process that runs it.

Everything of a host is found again by names made from the server's id, so that a nova-compute that was killed (or
`clean`) takes over what another one started.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.hosts.bounds import Bounds, ControlGroup
from sandbox.hosts.disks import LABEL, Disks, make_local, release
from sandbox.layout import BARE, MARKER, NODE, Layout
from sandbox.processes import NAMESPACES, DaemonError, Process, in_namespace, run

NSPAWN_RUNTIME = Path("/run/systemd/nspawn")
# A guest that reboots ends its systemd-nspawn with this status; who has started it starts it again. The shell
# between does that also when nova-compute has been killed. `$1` is the list of control groups to join.
SUPERVISOR = """
while :; do
  ( for group in $1; do echo 0 > "$group/cgroup.procs"; done; shift; exec "$@" )
  status=$?
  [ $status = 133 ] || exit $status
done
"""
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",  # /proc/sys/net is the host's own
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",  # /tmp on disk: the machine's memory is for all
}
PLATFORM = "platform"
LAYERS = {PLATFORM: (PLATFORM, BARE), BARE: (BARE,), NODE: (NODE, BARE)}  # of each tree, the uppermost first
# What a node's root, an overlay, cannot be: ground of the overlays of its containers. Path in the host -> directory.
NODE_DIRECTORIES = {"/var/lib/containerd": "containerd", "/var/lib/kubelet": "kubelet"}
# runc gives each container a session keyring, and on unified control groups its devices by a BPF program.
NODE_SYSTEM_CALLS = "keyctl bpf"
MAX_INTERFACES = 8
SUPERVISOR_PATIENCE = 1.0  # seconds that systemd-nspawn has to end after its guest was killed
KILL_PATIENCE = 10.0
STEP = 0.03  # seconds between two looks at a process


class Unbootable(DaemonError):
    """This host cannot boot here; the message says what to do."""


@dataclass(frozen=True)
class Interface:
    """A port of the network: its end in the fabric's namespace, its address, its largest packet."""

    tap: str
    mac: str
    mtu: int


class Host:
    """The host of one server. Methods that change it are for one thread at a time."""

    def __init__(self, layout: Layout, server_id: str) -> None:
        self.layout, self.server_id = layout, server_id
        self.directory = layout.instances / server_id
        self.machine = layout.host_namespace(server_id)  # also its network namespace
        self.root = self.directory / "root"
        self.console = self.directory / "console.log"
        self.disks = Disks(self.directory / "disk")
        self._local = self.directory / "local-disk"
        self._groups = ControlGroup(layout.namespace, self.machine)
        self._pid = self.directory / "pid"

    # -- files
    @property
    def exists(self) -> bool:
        return (self.directory / "upper").is_dir()

    @property
    def tree(self) -> str:
        """What it boots: a file of that name in its directory says so, where that is not the platform's."""
        return next((tree for tree in LAYERS if (self.directory / tree).is_file()), PLATFORM)

    def create(self, files: Mapping[str, str | bytes], tree: str = PLATFORM) -> None:
        """Make its root from the image, with these files (readable by root alone) and no interface yet.

        Raises Unbootable.
        """
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / tree).touch()
        if tree == NODE:
            self._make_node_directories()
        self.disks.create()
        self.prepare()
        for name, content in files.items():
            path = self.root / name.lstrip("/")
            for directory in reversed([above for above in path.parents if not above.exists()]):
                directory.mkdir(mode=0o700)
            path.touch(mode=0o600)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def _make_node_directories(self) -> None:
        kind = run(["stat", "--file-system", "--format=%T", self.directory]).strip()
        if kind == "overlayfs":
            raise Unbootable(
                f"{self.layout.root} lies on an overlay, on which containers cannot have theirs: Kubernetes nodes "
                "need a checkout on ext4, xfs or btrfs"
            )
        for name in NODE_DIRECTORIES.values():
            (self.directory / name).mkdir(mode=0o700, exist_ok=True)

    def prepare(self) -> None:
        """Mount its root and make its namespace, where that is not done: both are gone after `down`.

        Raises Unbootable.
        """
        if not self.root.is_mount():
            layers = [self.layout.image / layer for layer in LAYERS[self.tree]]
            if not layers[0].is_dir():
                raise Unbootable(
                    f"{layers[0]} is not there: `make tools-kubernetes`, then `sandbox/cloud build --nodes`, make it"
                )
            options = f"lowerdir={':'.join(map(str, layers))}"
            options += f",upperdir={self.directory}/upper,workdir={self.directory}/work"
            run(["mount", "-t", "overlay", self.machine, "-o", options, self.root])
        if not (NAMESPACES / self.machine).exists():
            run(["ip", "netns", "add", self.machine])

    # -- interfaces
    def plug(self, interface: Interface) -> None:
        """Give it an interface named like its neighbours (eth0, ...); nothing is done if it has it already."""
        taken = self._links()
        if interface.mac.lower() in taken.values():
            return
        name = next(name for n in range(MAX_INTERFACES) if (name := f"eth{n}") not in taken)
        mtu = str(interface.mtu)
        near = ["ip", "link", "add", interface.tap, "mtu", mtu, "netns", self.layout.fabric_namespace]
        far = ["type", "veth", "peer", "name", name, "address", interface.mac, "mtu", mtu]
        run([*near, *far, "netns", self.machine])

    def unplug(self, tap: str) -> None:
        """Take an interface away; it is none if it is gone already."""
        run(["ip", "-n", self.layout.fabric_namespace, "link", "delete", tap], check=False)

    def _links(self) -> dict[str, str]:
        """Its interfaces: name -> hardware address."""
        rows = run(["ip", "-n", self.machine, "-br", "link", "show", "type", "veth"], check=False).splitlines()
        return {row.split("@")[0].split()[0]: row.split()[2].lower() for row in rows}

    # -- disks
    def attach(self, name: str, file: Path, device: str) -> None:
        """Show a volume under its name and as /dev/DEVICE."""
        self.disks.attach(Path("by-id", name), file, device)

    def detach(self, name: str, file: Path) -> None:
        """Take it away."""
        self.disks.detach(Path("by-id", name), file)

    def attach_local(self, gib: int, device: str) -> None:
        """Its local disk: it goes with the server, and has no serial number, so no name by id."""
        make_local(self._local, gib)
        self.disks.attach(Path("by-label", LABEL), self._local, device)

    # -- power
    @property
    def running(self) -> bool:
        return self.process is not None

    def start(self, hostname: str, bounds: Bounds, stopped: Callable[[], None]) -> None:
        """Boot; `stopped` is called from another thread when it has ended without having been asked to."""
        if self.process:
            self.watch(stopped)
            return
        self.prepare()
        self._groups.create(bounds)
        groups = " ".join(str(path) for path in self._groups.paths)
        command = ["sh", "-c", SUPERVISOR, "host", groups, *in_namespace(self.machine, self._nspawn(hostname))]
        with self.console.open("ab") as console:
            child = subprocess.Popen(
                command,
                env={**ENVIRONMENT, MARKER: self.layout.namespace},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self._remember(child.pid)
        self.watch(stopped, child)

    def _nspawn(self, hostname: str) -> list[str]:
        return [
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--boot",
            f"--directory={self.root}",
            f"--machine={self.machine}",
            f"--hostname={hostname}",
            f"--uuid={self.server_id}",
            "--capability=CAP_NET_ADMIN",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--bind=/dev/fuse",
            f"--bind={self.directory}/disk:/dev/disk",
            *(self._node_options() if self.tree == NODE else ()),
        ]

    def _node_options(self) -> list[str]:
        binds = [f"--bind={self.directory / name}:{path}" for path, name in NODE_DIRECTORIES.items()]
        return [f"--system-call-filter={NODE_SYSTEM_CALLS}", *binds]

    def _remember(self, pid: int) -> None:
        process = Process.of(pid)
        self._pid.write_text(f"{process.pid} {process.started}" if process else "")

    def _remembered(self) -> Process | None:
        try:
            pid, started = self._pid.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return Process(int(pid), int(started))

    @property
    def process(self) -> Process | None:
        """The shell that runs it; None if it is switched off."""
        process = self._remembered()
        return process if process and process.alive else None

    def watch(self, stopped: Callable[[], None], child: "subprocess.Popen[bytes] | None" = None) -> None:
        """Call `stopped` when it ends, unless `stop` has been called (which forgets the process first)."""
        process = self.process

        def wait() -> None:
            if child:
                child.wait()
            elif process:
                _wait_for(process)
            if process and self._remembered() == process:
                stopped()

        threading.Thread(target=wait, name=self.machine, daemon=True).start()

    def stop(self, patience: float = 0) -> None:
        """Switch it off: ask it to shut down, and after `patience` seconds end it as a power cut would."""
        shell = self.process
        self._pid.unlink(missing_ok=True)
        if shell and patience:
            for pid in self._groups.processes():
                if _is_nspawn(pid):
                    _send(pid, signal.SIGTERM)  # nspawn then asks the guest's init to power off
            deadline = time.monotonic() + patience
            while shell.alive and time.monotonic() < deadline:
                time.sleep(STEP)
        self._kill(shell)

    def _kill(self, shell: Process | None) -> None:
        """End all processes: the guest's, then systemd-nspawn and the supervising shell end by themselves.

        Were they killed first, the machine's first process would inherit what they have to wait for.
        """
        start = time.monotonic()
        while (left := self._groups.processes()) or (shell and shell.alive):
            waited = time.monotonic() - start
            for pid in left:
                if waited > SUPERVISOR_PATIENCE or not _is_nspawn(pid):
                    _send(pid, signal.SIGKILL)
            if shell and waited > 2 * SUPERVISOR_PATIENCE:
                shell.signal(signal.SIGKILL)
            if waited > KILL_PATIENCE:
                raise DaemonError(f"processes of {self.machine} do not end: {sorted(left)}")
            time.sleep(STEP)

    # -- the end
    def release(self) -> None:
        """End it and take away all that is not a file: processes, mounts, interfaces, namespace, groups, loops."""
        self.stop()
        self._unmount()
        release(self._local)
        # An open TCP connection keeps the namespace for minutes: the links have to be deleted as well
        for name in self._links():
            run(["ip", "-n", self.machine, "link", "delete", name], check=False)
        run(["ip", "netns", "delete", self.machine], check=False)
        self._groups.remove()
        for name in ("propagate", "unix-export"):
            shutil.rmtree(NSPAWN_RUNTIME / name / self.machine, ignore_errors=True)

    def _unmount(self) -> None:
        """Its root, also where its directory has been removed: the mount's source is the machine's name."""
        for line in Path("/proc/self/mounts").read_text().splitlines():
            source, point = line.split()[:2]
            if source == self.machine:
                at = Path(point).stat()
                (NSPAWN_RUNTIME / f"locks/inode-{at.st_dev}:{at.st_ino}").unlink(missing_ok=True)
                run(["umount", point])

    def destroy(self) -> None:
        """Release it and delete its files. A nova-compute that was killed in the middle does it once more."""
        self.release()
        if self.directory.exists():
            shutil.rmtree(self.directory)


def _wait_for(process: Process) -> None:
    """Wait for the end of a process that is not a child of ours."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if process.alive:
        poll.poll()
    os.close(descriptor)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
        os.kill(pid, number)


def _is_nspawn(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "systemd-nspawn"
    except OSError:
        return False

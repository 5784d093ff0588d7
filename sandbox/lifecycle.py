"""From nothing to a cloud that is ready, and back: what `build`, `up`, `down` and `reset` do, in order.

`up` starts whatever does not run and leaves alone what does: the same path serves the first start, a later one, and
the repair after something was killed. A state counts only once its stamp `ready` is written; anything less is thrown
away by the next `up`.
"""

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import ceph, certificates, namespaces, prerequisites, processes, snapshot, traces, virtualenv
from sandbox.configuration import Configuration, render
from sandbox.configuration.secrets import private_file, secrets_of
from sandbox.hosts.kernel import raise_kernel_limits, restore_kernel_limits
from sandbox.layout import Layout
from sandbox.processes import CommandError, in_namespace, run
from sandbox.services import database
from sandbox.services.launcher import PROJECTS

FABRIC, METADATA, MIRROR, REGISTRY = "fabric", "metadata", "mirror", "registry"
DATA_PLANE = (FABRIC, METADATA, MIRROR, REGISTRY)
PATIENCE = "240"  # seconds for the services to be ready: 10 are enough, on a machine that does nothing else


class SandboxError(RuntimeError):
    """Something that the user can do something about; the message says what."""


@dataclass
class Progress:
    """Lines `SECONDS  TEXT` since the beginning of a command."""

    began: float = field(default_factory=time.monotonic)

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """Only one command at a time changes a sandbox; the lock ends with its holder, however that ends."""
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(
                "Another `sandbox/cloud` is starting or stopping this sandbox: wait until it has ended."
            ) from None
        yield


@dataclass(frozen=True)
class Stamp:
    """What a complete state was made for."""

    label: str  # what it is for, as its first `up` was told
    origin: str  # of the snapshot module: versions and directory

    @classmethod
    def of(cls, layout: Layout) -> "Stamp | None":
        """The present state's; None if there is no complete state."""
        try:
            values = json.loads((layout.state / "ready").read_text())
        except FileNotFoundError:
            return None
        return cls(values.get("label", ""), values["origin"])

    def write(self, layout: Layout) -> None:
        private_file(layout.state / "ready", json.dumps({"label": self.label, "origin": self.origin}))


# Those that always run, in the order in which they depend on each other. Some of them may start and stop others while
# they run: see processes.registered.
DAEMONS = (database.NAME, *ceph.DAEMONS, *PROJECTS, *DATA_PLANE)


# -- build
def build(layout: Layout, say: Progress, *, nodes: bool) -> None:
    """Make everything that is made once and kept, with `nodes` also what only Kubernetes nodes boot and pods run."""
    with exclusive(layout):
        _provide(layout, say)
        if nodes:
            _part(layout, "sandbox.mirror", say, "--nodes")
            _part(layout, "sandbox.image", say, "--nodes")  # made from what the mirror has
        say("packages, services, image and mirror are there")


# -- up
def up(layout: Layout, label: str, say: Progress) -> None:
    """Start the sandbox, go on with the state that it has, or repair it; a new cloud gets the label."""
    with exclusive(layout):
        stamp = Stamp.of(layout)
        _refuse_other(layout, stamp)
        if stamp and _running(layout):
            say("the sandbox is up already; `sandbox/cloud status` says more")
            return
        _provide(layout, say)
        if stamp is None:
            _begin(layout, label, say)
        _start(layout, say)
        say("ready: sandbox/cloud run COMMAND...")


def _refuse_other(layout: Layout, stamp: Stamp | None) -> None:
    if stamp and virtualenv.complete(layout) and stamp.origin != snapshot.origin(layout):
        raise SandboxError(
            "This sandbox's cloud was made by other versions of the services or in another directory: throw it away "
            "with `sandbox/cloud reset`, then `sandbox/cloud up` makes a new one."
        )


def _running(layout: Layout) -> bool:
    if not _ready(layout).exists() or not namespaces.complete(layout):
        return False
    if not all(processes.find(layout, name) for name in DAEMONS):
        return False
    try:
        _python(layout, "sandbox.services.readiness", "wait", "2")
    except CommandError:
        return False
    return True


def _provide(layout: Layout, say: Progress) -> None:
    """Everything that is made once and kept: packages, the services' environment, image, mirror."""
    prerequisites.check(layout)
    if missing := prerequisites.missing_packages():
        say(f"installing Debian packages that are missing: {' '.join(missing)}")
        prerequisites.install_packages(missing)
        say("Debian packages installed")
    if not virtualenv.complete(layout):
        say("installing the OpenStack services into .sandbox/cache/venv (1 minute or more)")
        virtualenv.build(layout)
        say("OpenStack services installed")
    prerequisites.check_packet_filter()
    _part(layout, "sandbox.image", say)
    _part(layout, "sandbox.mirror", say)


def _part(layout: Layout, module: str, say: Progress, *options: str) -> None:
    """Let a part build what it needs; it knows itself whether there is anything to do, and shows its progress."""
    argv = [layout.python, "-m", module, "build", *options]
    status = processes.show(argv, layout.environment(), lambda line: say(line))
    if status:
        raise SandboxError(f"`python3 -m {module} build` failed with status {status}: see the lines above.")


def _begin(layout: Layout, label: str, say: Progress) -> None:
    """A new state: from the snapshot, or from nothing, which makes the snapshot."""
    if layout.state.exists():  # of an `up` that did not end
        stop(layout)
        _throw_away(layout)
    if snapshot.usable(layout):
        snapshot.restore(layout)
        say("a new cloud from the snapshot")
    else:
        _cold_start(layout, say)
    Stamp(label, snapshot.origin(layout)).write(layout)


def _cold_start(layout: Layout, say: Progress) -> None:
    say("the first start: making databases, Ceph and the world from nothing (1 minute)")
    _ground(layout)
    with _ceph_beside(layout, say):
        database.start(layout)
        _python(layout, "sandbox.services.migrations")
        say("databases migrated")
        _launch(layout, "keystone")
        _python(layout, "sandbox.services.bootstrap", "identity")
        _launch(layout)  # only now: nova-compute logs in as it starts
    _python(layout, "sandbox.services.readiness", "wait", PATIENCE)
    _python(layout, "sandbox.services.bootstrap", "world")
    say("projects, networks, flavors, images and types made")
    stop(layout)
    snapshot.keep(layout)
    say("snapshot kept")


def _start(layout: Layout, say: Progress) -> None:
    """Start what does not run and wait until all is ready; once more from scratch if it does not get there."""
    if not namespaces.complete(layout):
        stop(layout)
        _keep_last_logs(layout)
    _start_daemons(layout, say)
    try:
        _python(layout, "sandbox.services.readiness", "writes", PATIENCE)
    except CommandError as problem:
        say(f"not ready, restarting everything: {problem}")
        stop(layout)
        _start_daemons(layout, say)
        _python(layout, "sandbox.services.readiness", "writes", PATIENCE)
    _ready(layout).touch()
    say("every API took an authorised write")


def _ready(layout: Layout) -> Path:
    """Exists once everything that runs now has proven itself."""
    return layout.run / "ready"


def _start_daemons(layout: Layout, say: Progress) -> None:
    _ground(layout)
    _ready(layout).unlink(missing_ok=True)
    with _ceph_beside(layout, say):
        database.start(layout)
        say("database up")
        _start_data_plane(layout)
        _launch(layout)
        say("services started")


def _ground(layout: Layout) -> None:
    """What every daemon needs: directories, network, configuration."""
    layout.state.mkdir(parents=True, exist_ok=True)
    layout.state.chmod(0o700)
    for directory in (layout.run, layout.log):
        directory.mkdir(exist_ok=True)
    namespaces.create(layout)
    raise_kernel_limits()
    certificates.make(layout)
    render(Configuration(layout, secrets_of(layout)))


@contextmanager
def _ceph_beside(layout: Layout, say: Progress) -> Iterator[None]:
    """Start Ceph while the rest starts; Manila waits for it by itself."""

    def start() -> None:
        ceph.start(layout)
        say("Ceph serves")

    with ThreadPoolExecutor(1) as pool:
        started: Future[None] = pool.submit(start)
        yield
        started.result()


def _start_data_plane(layout: Layout) -> None:
    for name in DATA_PLANE:
        words = ["serve"] if name in (MIRROR, REGISTRY) else []
        argv = [layout.python, "-m", f"sandbox.{name}", *words]
        processes.start(layout, name, argv, namespace=layout.namespace)


def _launch(layout: Layout, *names: str) -> None:
    missing = [name for name in names or PROJECTS if not processes.find(layout, name)]
    if missing:
        _python(layout, "sandbox.services.launcher", *missing)


def _python(layout: Layout, module: str, *words: str) -> str:
    """Run a module of the sandbox to its end, inside its namespace and the services' environment."""
    argv = in_namespace(layout.namespace, [layout.python, "-m", module, *words])
    return run(argv, environment=layout.environment())


def _keep_last_logs(layout: Layout) -> None:
    """Set the logs of the run before aside, in log/previous."""
    previous = layout.log / "previous"
    shutil.rmtree(previous, ignore_errors=True)
    logs = list(layout.log.glob("*.log"))
    if logs:
        previous.mkdir()
    for log in logs:
        log.rename(previous / log.name)


# -- down
def down(layout: Layout, say: Progress) -> None:
    """Stop everything and remove every trace outside the directory; the cloud's state stays."""
    with exclusive(layout):
        stop(layout)
        _assert_nothing_left(layout)
        say("the sandbox is down, nothing of it is left running; `up` goes on with its state, `reset` throws that away")


def reset(layout: Layout, say: Progress) -> None:
    """Stop everything and throw the state away; the next `up` makes a new cloud, from the snapshot."""
    with exclusive(layout):
        stop(layout)
        _throw_away(layout)
        _assert_nothing_left(layout)
        say("the sandbox is down and its cloud is thrown away; the next `up` makes a new one")


def _throw_away(layout: Layout) -> None:
    """Remove the state: renamed first, so that an interruption leaves none rather than half of one."""
    old = layout.state.with_name("state.old")
    shutil.rmtree(old, ignore_errors=True)
    if layout.state.exists():
        layout.state.rename(old)
        shutil.rmtree(old)


def _assert_nothing_left(layout: Layout) -> None:
    if left := traces.find(layout):
        raise SandboxError("These are left and could not be removed:\n  " + "\n  ".join(left))


def passing(layout: Layout) -> list[str]:
    """The daemons that come and go."""
    return [name for name in processes.registered(layout) if name not in DAEMONS]


def stop(layout: Layout) -> None:
    """Stop whatever runs, whoever started it; harmless if nothing does."""
    prerequisites.remove_stale_guard()
    layout.run.mkdir(parents=True, exist_ok=True)
    processes.stop(layout, ["nova"])  # first: it would take hosts that end for hosts that failed
    _clean(layout, "sandbox.hosts")
    processes.stop(layout, [*PROJECTS, *DATA_PLANE])
    processes.stop(layout, passing(layout))  # only now: who would start them again is gone
    _clean(layout, "sandbox.fabric")
    ceph.stop(layout)
    processes.stop(layout, [database.NAME], patience=30)
    processes.end(processes.marked(layout), patience=3)
    namespaces.remove(layout)
    traces.remove(layout)
    for directory in (layout.run, layout.tmp):
        shutil.rmtree(directory, ignore_errors=True)
    restore_kernel_limits()


def _clean(layout: Layout, module: str) -> None:
    """Let a part remove its own traces in the kernel."""
    run([prerequisites.PYTHON, "-m", module, "clean"], environment=layout.environment(), timeout=120)

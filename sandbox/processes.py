"""Commands and daemons: run, start, adopt, stop.

A daemon is known by its process id and the time it started (field 22 of /proc/PID/stat), kept in
`run/NAME.pid`: an id that the kernel has given to another process since is never touched.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import MARKER, Layout

NAMESPACES = Path("/run/netns")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class CommandError(RuntimeError):
    """A command failed; the message has the command and what it wrote to its standard error."""


class DaemonError(RuntimeError):
    """A daemon did not start or did not end."""


def run(
    argv: Sequence[object],
    *,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    check: bool = True,
) -> str:
    """Run a command to its end and return its standard output.

    Raises CommandError if it fails (unless check is false) or takes longer than `timeout` seconds.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words, input=stdin, env=environment, timeout=timeout, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as missing:
        raise CommandError(f"{words[0]} is not installed") from missing
    except subprocess.TimeoutExpired as slow:
        raise CommandError(f"`{' '.join(words)}` did not end within {timeout:g} s") from slow
    if check and done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise CommandError(f"`{' '.join(words)}` failed with status {done.returncode}: {said}")
    return done.stdout


def in_namespace(namespace: str, argv: Sequence[object]) -> list[str]:
    """The command that runs argv in a network namespace.

    Not `ip netns exec`: that gives each command a mount namespace of its own, in which namespaces and mounts made
    later are not seen.
    """
    return ["nsenter", f"--net=/run/netns/{namespace}", "--", *(str(word) for word in argv)]


@dataclass(frozen=True)
class Process:
    """A running process, beyond doubt: id and start time in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this id now; None if there is none (a zombie counts as none)."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still is the process that was meant."""
        if self.alive:
            os.kill(self.pid, number)

    def resident_bytes(self) -> int:
        """Memory: the proportional set size, so that pages shared by forked services count once."""
        try:
            for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            pass
        return 0

    def uptime(self) -> float:
        """Seconds since the start."""
        return float(Path("/proc/uptime").read_text().split()[0]) - self.started / CLOCK_TICKS


def pid_file(layout: Layout, name: str) -> Path:
    return layout.run / f"{name}.pid"


def register(layout: Layout, name: str, pid: int) -> None:
    """Remember a running process as the daemon NAME."""
    process = Process.of(pid)
    if process is None:
        raise DaemonError(f"{name} ended at once: see {layout.log / name}.log")
    temporary = layout.run / f".{name}.pid"
    temporary.write_text(f"{process.pid} {process.started}\n")
    temporary.replace(pid_file(layout, name))


def find(layout: Layout, name: str) -> Process | None:
    """The running daemon NAME, whoever started it."""
    try:
        pid, started = pid_file(layout, name).read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    process = Process(int(pid), int(started))
    return process if process.alive else None


def registered(layout: Layout) -> list[str]:
    """The names of all daemons that run, those too that another daemon has started (`start`) and may stop (`stop`).

    So a daemon that follows a service's tables, one process for each row, finds its own again after it was killed;
    `down` and `status` find them as well.
    """
    return sorted(file.stem for file in layout.run.glob("[!.]*.pid") if find(layout, file.stem))


def start(
    layout: Layout,
    name: str,
    argv: Sequence[object],
    *,
    namespace: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start a daemon in a session of its own, its output appended to log/NAME.log; adopt it if it runs already."""
    if running := find(layout, name):
        return running
    command = in_namespace(namespace, argv) if namespace else [str(word) for word in argv]
    layout.log.mkdir(parents=True, exist_ok=True)
    with (layout.log / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=layout.root,
            env={**layout.environment(), **(environment or {})},
        )
    register(layout, name, child.pid)
    started = find(layout, name)
    if started is None:
        raise DaemonError(f"{name} ended at once: see {layout.log / name}.log")
    child.returncode = 0  # it outlives us: no warning that nobody waits for it
    return started


def stop(layout: Layout, names: Iterable[str], *, first: signal.Signals = signal.SIGTERM, patience: float = 10) -> None:
    """Stop daemons together: ask all, wait `patience` seconds, then kill what is left."""
    found = {name: find(layout, name) for name in names}
    end([process for process in found.values() if process], first=first, patience=patience)
    for name in found:
        pid_file(layout, name).unlink(missing_ok=True)


def end(processes: Iterable[Process], *, first: signal.Signals = signal.SIGTERM, patience: float = 10) -> None:
    """End processes: ask, wait, kill, wait."""
    alive = [process for process in processes if process.alive]
    for number, seconds in ((first, patience), (signal.SIGKILL, 10.0)):
        for process in alive:
            process.signal(number)
        alive = _wait(alive, seconds)
        if not alive:
            return
    raise DaemonError(f"these processes do not end: {[process.pid for process in alive]}")


def _wait(processes: list[Process], seconds: float) -> list[Process]:
    """Wait until all have ended, at most so long; returns what is left."""
    deadline = time.monotonic() + seconds
    while True:
        left = [process for process in processes if process.alive]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.03)


def marked(layout: Layout) -> list[Process]:
    """Every process of this sandbox, registered or not: by the marker in its environment, or by its network.

    Without this one and those above it: `sandbox/cloud run sh -c 'sandbox/cloud down'` may end.
    """
    marker = f"{MARKER}={layout.namespace}".encode()
    networks = {path.stat().st_ino for path in NAMESPACES.glob(f"{layout.namespace}*") if _own(layout, path.name)}
    above = _ancestors()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = marker in (entry / "environ").read_bytes().split(b"\0")
            if int(entry.name) not in above and (ours or (entry / "ns/net").stat().st_ino in networks):
                process = Process.of(int(entry.name))
                if process:
                    found.append(process)
        except OSError:  # it ended meanwhile
            continue
    return found


def _own(layout: Layout, name: str) -> bool:
    return name == layout.namespace or name.startswith(layout.namespace + "-")


def _ancestors() -> set[int]:
    """This process and those above it."""
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def show(argv: Sequence[object], environment: Mapping[str, str], line: Callable[[str], None]) -> int:
    """Run a command that takes long, handing on each line it writes; returns its exit status."""
    words = [str(word) for word in argv]
    child = subprocess.Popen(words, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert child.stdout is not None
    for text in child.stdout:
        line(text.rstrip())
    return child.wait()

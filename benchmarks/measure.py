"""What a command costs: wall time, CPU time of its whole process tree and of the rest of the machine, peak memory."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
INTERVAL = 0.25  # seconds between two looks at the process tree
PROGRESS = 10.0  # seconds between two signs of life
STOPPING = 600.0  # seconds for a command to end by itself after Ctrl-C
TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
IDLE_BELOW, IDLE_FOR = 0.35, 3.0  # share of all cores; seconds
INTERPRETER = re.compile(r"python[\d.]*")


class CommandError(Exception):
    """A measured command failed. Its text has the command's last lines."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one command cost.

    `wall` seconds; `cpu` user and system seconds of the process tree, `programs` the same by program; `cloud` CPU
    seconds of the cloud's services meanwhile, where they run on this machine; `others` of everything else on it:
    where that is not small, `wall` says little; `peak_mib` the largest sum of the tree's resident sets; `load` the
    machine's load average over a minute before the command began.
    """

    wall: float
    cpu: float
    programs: dict[str, float]
    cloud: float
    others: float
    peak_mib: float
    load: float


class Tree:
    """The processes below this one, looked at again and again."""

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self._seen: dict[int, tuple[str, float]] = {}

    def look(self) -> None:
        """Note memory and CPU time of every process that is there now."""
        total = 0
        for pid in below(os.getpid()):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:  # it ended just now
                continue
            total += int(pages)
            # one that is ending has no command line any more
            name = program(words) or self._seen.get(pid, ("", 0.0))[0]
            self._seen[pid] = (name, (int(stat[11]) + int(stat[12])) / TICK)
        self.peak_mib = max(self.peak_mib, total * PAGE / 2**20)

    def programs(self) -> dict[str, float]:
        """CPU seconds by program, as last seen; what ends between two looks is missing."""
        found: dict[str, float] = {}
        for name, seconds in self._seen.values():
            found[name] = found.get(name, 0.0) + seconds
        most = sorted(found.items(), key=lambda entry: -entry[1])
        return {name: round(seconds, 2) for name, seconds in most if seconds >= 0.05}


def program(words: Sequence[str]) -> str:
    """A short name for a command line: its program, or the script that an interpreter runs."""
    name = Path(words[0]).name
    if INTERPRETER.fullmatch(name):
        script = next((word for word in words[1:] if "/" in word and not word.startswith("-")), "")
        name = Path(script).name or name
    return name


def below(pid: int) -> list[int]:
    """All processes below one."""
    found: list[int] = []
    todo = [pid]
    while todo:
        for children in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            try:
                pids = [int(word) for word in children.read_text().split()]
            except OSError:
                continue
            found += pids
            todo += pids
    return found


def cloud_processes() -> list[int]:
    """The cloud's services, if they run here: what shares this network namespace or carries the sandbox's mark."""
    network = Path("/proc/self/ns/net").stat().st_ino
    mark = f"GAIA_SANDBOX={os.environ['GAIA_SANDBOX']}" if "GAIA_SANDBOX" in os.environ else None
    ours = {os.getpid(), *below(os.getpid())}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark is not None and mark.encode() in (process / "environ").read_bytes().split(b"\0")
            if marked or (mark is not None and (process / "ns/net").stat().st_ino == network):
                found.append(int(process.name))
        except OSError:
            continue
    return [pid for pid in found if pid not in ours]


def cpu_of(pids: Sequence[int]) -> dict[int, float]:
    """CPU seconds of processes and of their ended children, by process."""
    found = {}
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[pid] = sum(int(word) for word in stat[11:15]) / TICK
    return found


def machine_busy() -> float:
    """CPU seconds that the whole machine has worked since it started."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = (
        int(word) / TICK for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return user + nice + system + irq + softirq


def wait_until_idle(limit: float) -> None:
    """Wait until other work on the machine is over; after `limit` seconds go on and say so."""
    begun = said = time.monotonic()
    while True:
        busy, then = machine_busy(), time.monotonic()
        time.sleep(IDLE_FOR)
        share = (machine_busy() - busy) / (time.monotonic() - then) / (os.cpu_count() or 1)
        if share < IDLE_BELOW:
            return
        if time.monotonic() - begun > limit:
            print(f"  the machine stays busy ({share:.0%}): measuring all the same", flush=True)
            return
        if time.monotonic() - said > PROGRESS:
            said = time.monotonic()
            print(f"  waiting until the machine is idle ({share:.0%} busy)", flush=True)


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends first, so that their CPU time is counted too."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _collect_orphans() -> None:
    """Wait for what the command left behind; its plugins end with it, or are ended here."""
    begun = time.monotonic()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() - begun > 5:
                for left in below(os.getpid()):
                    os.kill(left, signal.SIGKILL)
            time.sleep(0.05)


def run(what: str, command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> Cost:
    """Run a command in a directory, with its output in `output.log` there. Raises CommandError when it fails."""
    log = directory / "output.log"
    load = os.getloadavg()[0]
    before = cpu_of(cloud_processes())
    tree, own, children, busy = Tree(), _own(), _children(), machine_busy()
    begun = time.monotonic()
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this program, see _let_end
        )
        try:
            _watch(what, process, tree)
        except BaseException:
            _let_end(what, process)
            raise
        finally:
            wall = time.monotonic() - begun
            _collect_orphans()
    if process.returncode != 0:
        last = "\n  ".join(log.read_text(errors="replace").splitlines()[-15:])
        raise CommandError(f"{what} ended with {process.returncode}:\n  {last}")
    cpu = _children() - children
    others = machine_busy() - busy - cpu - (_own() - own)
    cloud = sum(seconds - before.get(pid, 0.0) for pid, seconds in cpu_of(cloud_processes()).items())
    return Cost(
        wall=round(wall, 2),
        cpu=round(cpu, 2),
        programs=tree.programs(),
        cloud=round(cloud, 2),
        others=round(max(others - cloud, 0.0), 2),
        peak_mib=round(tree.peak_mib, 1),
        load=round(load, 2),
    )


def _let_end(what: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for a command: one that is interrupted leaves behind what it has asked the cloud for at that moment."""
    print(f"  stopping: waiting at most {STOPPING:.0f} s until {what} has ended", file=sys.stderr, flush=True)
    try:
        process.wait(STOPPING)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait(STOPPING)


def _watch(what: str, process: subprocess.Popen[bytes], tree: Tree) -> None:
    begun = said = time.monotonic()
    while process.poll() is None:
        tree.look()
        now = time.monotonic()
        if now - said > PROGRESS:
            said = now
            print(f"  {what}: {now - begun:.0f} s", file=sys.stderr, flush=True)
        try:
            process.wait(INTERVAL)
        except subprocess.TimeoutExpired:
            continue

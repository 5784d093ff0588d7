"""How much memory and processor a host may use, and the control groups that see to it.

Works with the old hierarchies (one mount per controller, with or without a unified one beside them) and with the
unified one alone, which Debian has.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
# One host leaves this share of the machine's memory to the control plane and to the others.
LARGEST_SHARE = 0.75
PERIOD = 100_000  # microseconds: the kernel's default
MOUNTS = Path("/proc/self/mounts")
# A new group of the old hierarchy cpuset accepts no process until it has been given these: all that there are.
CPUSET = ("cpuset.cpus", "cpuset.mems")


@dataclass(frozen=True)
class Bounds:
    """Limits in bytes of memory and in processors."""

    memory: int
    processors: float

    @classmethod
    def of_flavor(cls, ram_mib: int, vcpus: int) -> "Bounds":
        """The flavor's RAM and processors, or as much of them as this machine has to give."""
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(min(ram_mib * MIB, int(machine * LARGEST_SHARE)), min(vcpus, os.cpu_count() or 1))


@dataclass(frozen=True)
class Hierarchy:
    """One mounted tree of control groups."""

    path: Path
    controllers: frozenset[str]
    unified: bool


def hierarchies(mounts: str) -> list[Hierarchy]:
    """The trees in a text like /proc/self/mounts."""
    found = []
    for line in mounts.splitlines():
        _, path, kind, options = line.split()[:4]
        if kind == "cgroup2":
            found.append(Hierarchy(Path(path), frozenset(), True))
        elif kind == "cgroup":
            names = frozenset(options.split(",")) - {"rw", "ro", "relatime", "nosuid", "nodev", "noexec", "xattr"}
            found.append(Hierarchy(Path(path), names, False))
    return found


class ControlGroup:
    """The groups named PARENT/NAME in every hierarchy: systemd wants one of its own in each.

    So does kubelet: nodes that shared one would take the groups of each other's pods for left over.
    """

    def __init__(self, parent: str, name: str) -> None:
        self._trees = hierarchies(MOUNTS.read_text())
        self._alone = all(tree.unified for tree in self._trees)
        self._parent, self._name = parent, name

    @property
    def paths(self) -> list[Path]:
        return [tree.path / self._parent / self._name for tree in self._trees]

    def create(self, bounds: Bounds) -> None:
        for tree, path in zip(self._trees, self.paths, strict=True):
            if tree.unified and self._alone:
                path.parent.mkdir(exist_ok=True)
                for above in (tree.path, path.parent):
                    (above / "cgroup.subtree_control").write_text("+memory +cpu +pids")
            path.mkdir(parents=True, exist_ok=True)
            if "cpuset" in tree.controllers:
                _give_processors(tree.path, path.parent, path)
            self._bound(tree, path, bounds)

    def _bound(self, tree: Hierarchy, path: Path, bounds: Bounds) -> None:
        quota = int(bounds.processors * PERIOD)
        if tree.unified and self._alone:
            (path / "memory.max").write_text(str(bounds.memory))
            (path / "cpu.max").write_text(f"{quota} {PERIOD}")
        if "memory" in tree.controllers:
            (path / "memory.limit_in_bytes").write_text(str(bounds.memory))
        if "cpu" in tree.controllers:
            (path / "cpu.cfs_period_us").write_text(str(PERIOD))
            (path / "cpu.cfs_quota_us").write_text(str(quota))

    def processes(self) -> set[int]:
        """The ids of all processes in the groups and below them."""
        found: set[int] = set()
        for top in self.paths:
            for directory, _, _ in os.walk(top):
                try:
                    found.update(int(pid) for pid in Path(directory, "cgroup.procs").read_text().split())
                except OSError:  # gone meanwhile
                    continue
        return found

    def remove(self) -> None:
        """Remove the groups; one whose last process is just ending is waited for."""
        deadline = time.monotonic() + 2
        while any(not _remove_tree(path) for path in self.paths) and time.monotonic() < deadline:
            time.sleep(0.02)


def _give_processors(top: Path, *groups: Path) -> None:
    """To these groups, in this order, and to all that will be made below them."""
    for group in groups:
        for name in CPUSET:
            (group / name).write_text((top / name).read_text())
        (group / "cgroup.clone_children").write_text("1")


def _remove_tree(top: Path) -> bool:
    """Remove a group with those below it; false if one of them still has a process."""
    for directory, _, _ in os.walk(top, topdown=False):
        try:
            Path(directory).rmdir()
        except OSError:
            return False
    return True

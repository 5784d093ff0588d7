"""What a sandbox can leave in the kernel: processes, mounts, loop devices, control groups, namespaces."""

from pathlib import Path

from sandbox import namespaces, processes
from sandbox.layout import Layout
from sandbox.processes import DaemonError, run


def find(layout: Layout) -> list[str]:
    """One line for each trace of this sandbox."""
    found = [f"process {process.pid}" for process in processes.marked(layout)]
    found += [f"mount {path}" for path in _mounts(layout)]
    found += [f"loop device {device}" for device in _loops(layout)]
    found += [f"control group {path}" for path in _groups(layout)]
    return found + [f"network namespace {name}" for name in namespaces.existing(layout)]


def remove(layout: Layout) -> None:
    """Remove the mounts and loop devices that their makers could not.

    Raises DaemonError if a mount stays: who deletes directories afterwards must not delete through it.
    """
    for path in reversed(_mounts(layout)):
        run(["umount", "--lazy", "--no-canonicalize", path], check=False)  # a dead ceph-fuse does not answer
    for device in _loops(layout):
        run(["losetup", "--detach", device], check=False)
    if left := _mounts(layout):
        raise DaemonError(f"these mounts cannot be removed, so nothing is deleted: {' '.join(left)}")


def _mounts(layout: Layout) -> list[str]:
    """Mounts below the sandbox's directory, in the order in which they were made."""
    own = f"{layout.state.parent}/"
    lines = Path("/proc/self/mounts").read_text().splitlines()
    paths = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    return [path for path in paths if path.startswith(own)]


def _loops(layout: Layout) -> list[str]:
    own = f"{layout.state.parent}/"
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    return [f"/dev/{file.parts[3]}" for file in files if _text(file).startswith(own)]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # detached meanwhile
        return ""


def _groups(layout: Layout) -> list[str]:
    return [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{layout.namespace}*") if path.is_dir()]

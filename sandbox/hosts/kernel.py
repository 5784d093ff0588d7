"""What the machine's kernel has to allow so that many hosts run at once, and how it is put back.

The limits belong to the machine, and several sandboxes may run on it: what a limit was before is kept beside them
(`REGISTER`, gone after a boot as the limits are), and the last sandbox that goes down puts it back.
"""

import fcntl
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.processes import NAMESPACES

# A booted host holds about six inotify instances and forty watches; Debian allows root 128 instances in all, which is
# enough for twenty hosts. Entries of the neighbour tables are counted over all network namespaces together.
LIMITS = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
    "net/ipv4/neigh/default/gc_thresh1": 4096,
    "net/ipv4/neigh/default/gc_thresh2": 8192,
    "net/ipv4/neigh/default/gc_thresh3": 16384,
}
MODULES = ("overlay", "loop", "fuse", "br_netfilter", "nf_conntrack")
SYSCTL = Path("/proc/sys")
REGISTER = Path("/run/gaia-sandbox")  # a file per limit: what it was
SANDBOX = re.compile(r"gaia-[0-9a-f]{4}")  # the namespace of a sandbox, of whichever checkout


def raise_kernel_limits() -> None:
    """Load the modules and raise the limits that hosts need; nothing is ever lowered.

    Its sandbox has a namespace already: so another that goes down meanwhile puts nothing back.
    """
    # a module that is built in, or is not to be loaded from here, is no failure: what needs it says so
    for module in MODULES if shutil.which("modprobe") else ():
        subprocess.run(["modprobe", "-q", module], check=False, capture_output=True)
    with _register():
        for name, least in LIMITS.items():
            path = SYSCTL / name
            if path.exists() and int(before := path.read_text()) < least:
                (REGISTER / name.replace("/", ".")).write_text(before)
                path.write_text(str(least))


def restore_kernel_limits() -> None:
    """Put back what was raised, unless another sandbox runs or somebody has changed it since."""
    with _register():
        if NAMESPACES.is_dir() and any(SANDBOX.fullmatch(entry.name) for entry in NAMESPACES.iterdir()):
            return
        for name, least in LIMITS.items():
            before, path = REGISTER / name.replace("/", "."), SYSCTL / name
            if before.exists():
                if int(path.read_text()) == least:
                    path.write_text(before.read_text())
                before.unlink()


@contextmanager
def _register() -> Iterator[None]:
    """The register, for one sandbox at a time."""
    REGISTER.mkdir(mode=0o700, exist_ok=True)
    with (REGISTER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

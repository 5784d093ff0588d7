"""What the machine's kernel has to allow so that many hosts run at once."""

import shutil
import subprocess
from pathlib import Path

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


def raise_kernel_limits() -> None:
    """Load the modules and raise the limits that hosts need; nothing is ever lowered.

    The neighbour tables' thresholds belong to the machine's first network namespace: elsewhere they are not there,
    and left alone.
    """
    # a module that is built in, or is not to be loaded from here, is no failure: what needs it says so
    for module in MODULES if shutil.which("modprobe") else ():
        subprocess.run(["modprobe", "-q", module], check=False, capture_output=True)
    for name, least in LIMITS.items():
        path = SYSCTL / name
        if path.exists() and int(path.read_text()) < least:
            path.write_text(str(least))

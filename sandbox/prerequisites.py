"""What the machine must have: checked first, each lack with one sentence that says what to do about it.

Debian packages that are missing are named and installed; no service of theirs gets started and nothing else of the
machine is changed.
"""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.layout import LONGEST_ROOT, MARKER, Layout
from sandbox.processes import CommandError, Process, run

GIB = 2**30
# Measured: the control plane and Ceph need 2 GiB; a host of the demo about 1 GiB.
MEMORY = 6 * GIB
# Virtual environment 0.9, snapshot and state 1, packages 0.5; image and mirror 4 more.
DISK = 12 * GIB

PACKAGES = (
    "ceph-common",
    "ceph-fuse",
    "ceph-mds",
    "ceph-mgr",
    "ceph-mon",
    "ceph-osd",
    "conntrack",
    "docker-registry",
    "e2fsprogs",
    "iproute2",
    "mariadb-client-core",
    "mariadb-server-core",
    "mmdebstrap",
    "nftables",
    "openssl",
    "procps",
    "python3-ceph-argparse",
    "python3-cephfs",
    "python3-rados",
    "skopeo",
    "systemd-container",
)
# Commands that the mirror is assembled with: whatever brought them, only where they are not on PATH the package does.
COMMANDS = {"mvn": "maven", "java": "openjdk-17-jre-headless"}
# Those of them with a service of the same name, which the machine would start at its next boot
SERVICES = ("docker-registry",)
PYTHON = sys.executable or "python3"
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = """\
#!/bin/sh
# Made by a sandbox (process {0.pid}, started {0.started}) that is installing packages; it removes this file again.
exit 101
"""
DPKG_LOCK = Path("/var/lib/dpkg/lock-frontend")


class PrerequisiteError(RuntimeError):
    """The machine lacks something; the message says what to do."""


def check(layout: Layout) -> None:
    """Raise PrerequisiteError with one sentence per lack."""
    lacks = [lack for test in _tests(layout) if (lack := test())]
    if lacks:
        raise PrerequisiteError("\n".join(lacks))


def _tests(layout: Layout) -> list[Callable[[], str | None]]:
    tests: list[Callable[[], str | None]] = [
        _root,
        _system,
        _namespaces,
        lambda: _length(layout),
        lambda: _free_disk(layout),
        _memory,
    ]
    return tests + [lambda name=name: _kernel(name) for name in ("fuse", "overlay", "loop", "br_netfilter")]


def _root() -> str | None:
    return None if os.geteuid() == 0 else "The sandbox makes network namespaces and mounts: run it as root (sudo)."


def _system() -> str | None:
    if sys.platform != "linux":
        return f"The sandbox needs Linux, not {platform.system()}: run it in a Debian 12 virtual machine."
    if shutil.which("apt-get") is None:
        return "The sandbox installs Debian packages: run it on Debian 12 (or a derivative with apt-get)."
    return None


def _namespaces() -> str | None:
    missing = [name for name in ("net", "mnt", "pid", "uts") if not Path(f"/proc/self/ns/{name}").exists()]
    if missing:
        return f"The kernel has no {', '.join(missing)} namespaces: boot a kernel with CONFIG_NAMESPACES."
    capabilities = re.search(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())
    needed = 1 << 12 | 1 << 21  # CAP_NET_ADMIN, CAP_SYS_ADMIN
    if os.geteuid() == 0 and capabilities and int(capabilities[1], 16) & needed != needed:
        return "root may not administer the network or mount here: use a virtual machine or a privileged container."
    return None


def _length(layout: Layout) -> str | None:
    length = len(str(layout.root))
    if length <= LONGEST_ROOT:
        return None
    return (
        f"The path of the checkout has {length} characters and unix sockets below it allow {LONGEST_ROOT}: "
        "move it to a shorter path."
    )


def _free_disk(layout: Layout) -> str | None:
    if (layout.state / "ready").exists():
        return None  # its space is taken already
    needed = DISK if not layout.venv.exists() else DISK // 4
    free = shutil.disk_usage(layout.root).free
    if free >= needed:
        return None
    return f"{free / GIB:.1f} GiB are free where the checkout lies and {needed / GIB:.0f} are needed: free some."


def _memory() -> str | None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total >= MEMORY * 0.95:  # the kernel keeps some of it
        return None
    needed = MEMORY // GIB
    return f"The machine has {total / GIB:.1f} GiB of memory and the sandbox needs {needed}: give it more."


def _kernel(feature: str) -> str | None:
    device = {"fuse": "/dev/fuse", "loop": "/dev/loop-control", "br_netfilter": "/proc/sys/net/bridge"}.get(feature)
    ready = Path(device).exists() if device else feature in Path("/proc/filesystems").read_text()
    if ready or subprocess.run(["modprobe", "-q", feature], check=False, capture_output=True).returncode == 0:
        return None
    return f"The kernel offers no {feature}: load the module (modprobe {feature}) or boot a kernel that has it."


def check_packet_filter() -> None:
    """Raise PrerequisiteError if the kernel has no nftables; needs the package of that name."""
    try:
        run(["nft", "list", "tables"])
    except CommandError as problem:
        raise PrerequisiteError(
            f"The kernel refuses packet filters ({problem}): load the module (modprobe nf_tables) or boot another."
        ) from None


def missing_packages() -> list[str]:
    """The Debian packages that are needed and not installed."""
    known = run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES], check=False)
    installed = {line.split()[0] for line in known.splitlines() if line.endswith(" installed")}
    absent = [package for command, package in COMMANDS.items() if shutil.which(command) is None]
    return [name for name in PACKAGES if name not in installed] + absent


def install_packages(names: list[str]) -> None:
    """Install exactly these packages and what they depend on; none of their services starts, now or at a boot."""
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    environment.pop(MARKER, None)  # `down` must not end it: packages would be left half installed
    install = [*apt, "install", "--no-install-recommends", *names]
    with _no_service_starts():
        try:
            run(install, environment=environment)
        except RuntimeError:  # the package lists may be old or absent: once more with new ones
            run([*apt, "update"], environment=environment)
            run(install, environment=environment)
        finally:
            for service in set(names) & set(SERVICES):
                run(["systemctl", "disable", service], check=False)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian's own guard: while it is there, packages do not start their services. One that is there stays."""
    remove_stale_guard()
    if POLICY.exists():
        yield
        return
    POLICY.write_text(POLICY_TEXT.format(Process.of(os.getpid())))
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def remove_stale_guard() -> None:
    """Remove the guard that a killed installation left: with it none of the machine's services would ever start."""
    text = POLICY.read_text() if POLICY.exists() else ""
    made = re.search(r"Made by a sandbox \(process (\d+), started (\d+)\)", text)
    if made and not Process(int(made[1]), int(made[2])).alive and not _installing():
        POLICY.unlink(missing_ok=True)


def _installing() -> bool:
    """Whether packages are being installed: apt outlives a sandbox that is killed."""
    try:
        with DPKG_LOCK.open("a") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False

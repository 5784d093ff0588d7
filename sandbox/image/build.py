"""Build the hosts' image with mmdebstrap from the Debian mirror that this machine's own apt uses.

`root` is there only when it is complete: it is built beside and renamed, and the stamp has the hash of all that
decides its content. So an interrupted build starts over, and a changed list of packages builds anew.
"""

import fcntl
import hashlib
import shutil
import subprocess
import time
from pathlib import Path

from sandbox.processes import CommandError, run

SUITE = "bookworm"
FILES = Path(__file__).with_name("files")
PACKAGES = (
    # what a cloud's Debian image has
    *("systemd", "systemd-sysv", "systemd-resolved", "dbus", "cloud-init", "openssh-server", "sudo"),
    *("ca-certificates", "iproute2", "iputils-ping", "procps", "less", "curl", "netcat-openbsd", "tzdata"),
    # what a platform installs: hosts have no way to Debian's mirrors
    *("python3", "python3-venv", "python3-pip", "openjdk-17-jre-headless", "git"),
    *("btrfs-progs", "nftables", "ceph-fuse", "fdisk", "e2fsprogs"),
)
# Useless or harmful in a container without hardware, consoles to log in at, and internet.
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap.service", "getty.target", "console-getty.service", "systemd-timesyncd.service"),
    *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-pstore.service", "rpcbind.service"),
    *("systemd-hwdb-update.service", "ldconfig.service", "dev-hugepages.mount", "sys-kernel-debug.mount"),
    *("sys-kernel-tracing.mount", "cloud-init-hotplugd.socket", "networking.service", "systemd-rfkill.socket"),
)
ENABLED = ("systemd-networkd.service", "systemd-resolved.service", "ssh.service")
REMOVED = (
    *("etc/ssh/ssh_host_*", "var/lib/dbus/machine-id", "etc/hostname", "var/log/*.log", "var/log/apt/*"),
    *("var/lib/apt/lists/*", "var/cache/apt/*.bin", "etc/network/interfaces.d/*"),
    *("etc/apt/apt.conf.d/99mmdebstrap", "usr/share/doc/*", "usr/share/man/*"),
)
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
INTERFACES = 8  # of a host, at most
# cloud-init's networkd files leave IPv6 router discovery on: the boot would wait 13 s for a router.
IPV4_ONLY = "[Network]\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"


class Image:
    """The image in `directory`: its tree is `directory/root`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self._stamp = directory / "done"

    def content_hash(self) -> str:
        """Over all that decides what is in the tree."""
        decisions = (SUITE, PACKAGES, MASKED, ENABLED, REMOVED, EXCLUDED, INTERFACES, IPV4_ONLY)
        total = hashlib.sha256(repr(decisions).encode())
        for path in sorted(FILES.rglob("*")):
            if path.is_file():
                total.update(str(path.relative_to(FILES)).encode() + path.read_bytes())
        return total.hexdigest()

    def is_current(self) -> bool:
        return self._stamp.is_file() and self._stamp.read_text().strip() == self.content_hash()

    def build(self) -> None:
        """Make the tree, unless it is there already; wait for another that is making it. Raises CommandError."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with self.directory.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.is_current():
                print(f"image: {self.root} is current", flush=True)
            else:
                self._build()

    def _build(self) -> None:
        start = time.monotonic()
        self._stamp.unlink(missing_ok=True)
        if self._in_use():
            raise CommandError("hosts run on the present image: run `sandbox/cloud down` first")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        new = self.directory / "new"
        _bootstrap(new, self.directory / "build.log")
        _finish(new)
        new.rename(self.root)
        self._stamp.write_text(self.content_hash() + "\n")
        size, seconds = run(["du", "-sm", self.root]).split()[0], time.monotonic() - start
        print(f"image: {len(PACKAGES)} packages and what they need, {size} MB, {seconds:.0f} s", flush=True)

    def _in_use(self) -> bool:
        """Whether it is the lower layer of a mounted root."""
        return f"lowerdir={self.root}," in Path("/proc/self/mounts").read_text()


def apt_sources() -> str:
    """One line for each Debian index that this machine's apt has for this suite, with the same mirror."""
    form = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(LABEL)"
    lines = []
    for row in run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).splitlines():
        uri, release, component, label = row.split("|")
        if label.startswith("Debian") and release.split("-")[0] == SUITE:
            lines.append(f"deb {uri} {release} {component}")
    if not any(f" {SUITE} " in line for line in lines):
        raise CommandError(
            f"apt on this machine has no index of Debian {SUITE}: name a mirror of it in its sources, then "
            "run `apt-get update`"
        )
    return "\n".join(lines) + "\n"


def apt_options() -> list[str]:
    """How this machine's apt reaches its mirror (proxy, timeouts, validity), without any file names."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    return [line for line in run(["apt-config", "dump", "Acquire"]).splitlines() if line.startswith(wanted)]


def _bootstrap(root: Path, log: Path) -> None:
    """Run mmdebstrap; its output goes to `log`, one line in ten to the terminal's progress."""
    command = ["mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(PACKAGES)}"]
    command += [f"--aptopt={option}" for option in [*apt_options(), 'APT::Install-Recommends "false"']]
    command += [f"--dpkgopt=path-exclude={path}" for path in EXCLUDED]
    # openjdk's alternatives fail without the directory that the excluded manual pages would have made
    command += ['--essential-hook=mkdir -p "$1/usr/share/man/man1"', SUITE, str(root), "-"]
    print("image: Debian packages are fetched and unpacked (a minute or two)", flush=True)
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out)
        assert child.stdin is not None
        child.stdin.write(apt_sources().encode())
        child.stdin.close()
        start = time.monotonic()
        while child.poll() is None:
            _wait(child, 5)
            print(f"image: {time.monotonic() - start:4.0f} s, {_last_step(log)}", flush=True)
    if child.returncode:
        raise CommandError(f"mmdebstrap failed; the end of {log}:\n" + log.read_text()[-1500:])


def _wait(child: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _last_step(log: Path) -> str:
    """mmdebstrap's last message that says what it does now."""
    steps = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("I: ")]
    return steps[-1][3:] if steps else "starting"


def _finish(root: Path) -> None:
    """Turn a tree of packages into an image: our files, the units, no identity of its own."""
    for pattern in REMOVED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.copytree(FILES, root, dirs_exist_ok=True)
    for number in range(INTERFACES):
        extra = root / f"etc/systemd/network/10-cloud-init-eth{number}.network.d/ipv4.conf"
        extra.parent.mkdir(parents=True)
        extra.write_text(IPV4_ONLY)
    (root / "etc/machine-id").write_text("")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("../run/systemd/resolve/stub-resolv.conf")
    run(["systemctl", f"--root={root}", "enable", *ENABLED])
    run(["systemctl", f"--root={root}", "mask", *MASKED])

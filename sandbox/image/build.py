"""Build the hosts' image from the Debian mirror that this machine's own apt uses, in two parts.

`bare` is what a cloud's Debian image has, made by mmdebstrap. `platform` is an overlay over it with the packages that
the platform installs. They come from a repository that the mirror goes on serving: hosts that boot the bare tree alone
can install them too. Each part is built beside and renamed, and the stamp has the hash of all that decides its content:
an interrupted build starts over, and a changed list of packages builds anew.
"""

import fcntl
import hashlib
import shutil
import time
from pathlib import Path

from sandbox.image import layer, repository
from sandbox.image.debian import EXCLUDED, SUITE, apt_sources, bootstrap
from sandbox.layout import MIRROR, Layout
from sandbox.processes import CommandError, run

FILES = Path(__file__).with_name("files")
# What a cloud's Debian image has
BARE = (
    *("systemd", "systemd-sysv", "systemd-resolved", "dbus", "cloud-init", "openssh-server", "sudo", "python3"),
    *("ca-certificates", "iproute2", "iputils-ping", "procps", "less", "curl", "netcat-openbsd", "tzdata"),
    *("fdisk", "e2fsprogs"),
)
# What a platform installs: hosts have no way to Debian's mirrors, only to this sandbox's
PLATFORM = (
    *("python3-venv", "python3-pip", "openjdk-17-jre-headless", "git"),
    *("btrfs-progs", "nftables", "ceph-fuse"),
)
SOURCES = f"deb [trusted=yes] http://{MIRROR} debian/\n"  # of hosts; the repository is not signed
# Useless or harmful in a container without hardware, consoles to log in at, and internet.
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap.service", "getty.target", "console-getty.service", "systemd-timesyncd.service"),
    *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-pstore.service", "rpcbind.service"),
    *("systemd-hwdb-update.service", "ldconfig.service", "dev-hugepages.mount", "sys-kernel-debug.mount"),
    *("sys-kernel-tracing.mount", "cloud-init-hotplugd.socket", "networking.service", "systemd-rfkill.socket"),
)
ENABLED = ("systemd-networkd.service", "systemd-resolved.service", "ssh.service")
INTERFACES = 8  # of a host, at most
# cloud-init's networkd files leave IPv6 router discovery on: the boot would wait 13 s for a router.
IPV4_ONLY = "[Network]\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"


class Image:
    """The image of a sandbox, and the repository of its packages."""

    def __init__(self, layout: Layout) -> None:
        self.directory = layout.image
        self.packages = layout.packages
        self._stamp = self.directory / "done"

    def content_hash(self) -> str:
        """Over all that decides what is in the trees."""
        decisions = (SUITE, BARE, PLATFORM, SOURCES, MASKED, ENABLED, layer.REMOVED, EXCLUDED, INTERFACES, IPV4_ONLY)
        total = hashlib.sha256(repr(decisions).encode())
        for path in sorted(FILES.rglob("*")):
            if path.is_file():
                total.update(str(path.relative_to(FILES)).encode() + path.read_bytes())
        return total.hexdigest()

    def is_current(self) -> bool:
        made = self._stamp.is_file() and self._stamp.read_text().strip() == self.content_hash()
        return made and (self.packages / "Packages").exists()

    def build(self) -> None:
        """Make the trees, unless they are there; wait for another that is making them. Raises CommandError."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with self.directory.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.is_current():
                print(f"image: {self.directory} is current", flush=True)
            else:
                self._build()

    def _build(self) -> None:
        start = time.monotonic()
        self._stamp.unlink(missing_ok=True)
        if f"{self.directory}/" in Path("/proc/self/mounts").read_text():
            raise CommandError(f"{self.directory} is in use: run `sandbox/cloud down` first")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        new = self.directory / "new"
        bootstrap(new, "apt", BARE, self.directory / "build.log")
        _finish(new)
        new.rename(self.directory / "bare")
        print(f"image: {time.monotonic() - start:4.0f} s, the packages of the platform", flush=True)
        repository.make(self.packages, self.directory, apt_sources(), PLATFORM)
        layer.install(self.directory, self.packages, PLATFORM).rename(self.directory / "platform")
        self._stamp.write_text(self.content_hash() + "\n")
        size, seconds = run(["du", "-sm", self.directory]).split()[0], time.monotonic() - start
        print(f"image: {len(BARE + PLATFORM)} packages and what they need, {size} MB, {seconds:.0f} s", flush=True)


def _finish(root: Path) -> None:
    """Turn a tree of packages into an image: our files, the units, no identity of its own."""
    layer.remove_needless(root)
    (root / "etc/apt/sources.list").write_text(SOURCES)
    # openjdk's alternatives fail without the directory that the excluded manual pages would have made
    (root / "usr/share/man/man1").mkdir(parents=True)
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

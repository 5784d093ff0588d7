"""The program that applies a bundle on a host: run there as root by `python3 -`, with the bundle as its argument.

Standard library only (Python 3.9 or newer), one file, idempotent: it changes what differs, restarts exactly the units
whose text or watched files changed, removes what an earlier bundle had and this one has not, and reports on standard
output. It ends with status 1 and one message that names the host and what failed.

It leaves itself on the host, with the part of the bundle that a boot needs: `volumes` puts right the names and the
volumes before any daemon starts, `shares` mounts the shares. Both are units of systemd that try again until they can.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import hashlib
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STATE = Path("/var/lib/gaia")
MANIFEST = STATE / "manifest.json"
PENDING = STATE / "pending.json"
BOOT = STATE / "boot.json"  # what the boot needs of the last bundle
PROGRAM = Path("/usr/local/lib/gaia/host.py")  # this program, for the boot
RUN = Path("/run")
LOCK = RUN / "gaia-configure.lock"
FSTAB = Path("/etc/fstab")
HOSTS = Path("/etc/hosts")
BY_ID = Path("/dev/disk/by-id")
UNITS = Path("/etc/systemd/system")
CLOUD_INIT = Path("/etc/cloud/cloud.cfg.d/99-gaia.cfg")
DISK_WAIT, DOWNLOAD_TRIES, UNIT_WAIT = 90, 5, 240  # seconds, tries, seconds
# Seconds for one command, for commands that install over a network, and for a whole run.
COMMAND_LIMIT, INSTALL_LIMIT, RUN_LIMIT = 300, 1200, 2700

Bundle = dict[str, Any]
SOURCE = ""  # this program's own text, which whoever pushes it sets


class Failed(Exception):
    """The configuration cannot be applied; its text tells the operator what failed and what to look at."""


def output(*argv: str, limit: float = COMMAND_LIMIT) -> tuple[int, str]:
    """Run a command: its status and all that it printed. Raises Failed when it does not end within `limit` seconds."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        raise Failed(f"{' '.join(argv[:4])} did not end within {limit:.0f} s:\n{tail(said)}") from None
    return done.returncode, done.stdout


def run(*argv: str, limit: float = COMMAND_LIMIT) -> str:
    """Run a command and return its output. Raises Failed with the end of what it printed."""
    status, said = output(*argv, limit=limit)
    if status:
        raise Failed(f"{' '.join(argv[:4])} ended with status {status}:\n{tail(said)}")
    return said


def succeeds(*argv: str) -> bool:
    """Whether a command ends with status 0."""
    return output(*argv)[0] == 0


def tail(text: str, lines: int = 15) -> str:
    """The last lines of a text, indented."""
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])


def say(text: str) -> None:
    """A line of progress, for the engine's log."""
    print(f"{socket.gethostname()}: {text}", file=sys.stderr, flush=True)


class Changes:
    """What this run changed: paths, for the units that watch them, and lines for the report.

    The paths are kept in a file until the run has ended well: after a run that was killed between writing a file and
    restarting its unit, the next one still knows that the unit has to be restarted.
    """

    def __init__(self, pending: Path) -> None:
        self.pending = pending
        self.paths: set[str] = set(json.loads(pending.read_text())) if pending.exists() else set()
        self.lines: list[str] = []

    def add(self, path: str, line: str) -> None:
        """Note that `path` is not what it was."""
        self.lines.append(line)
        if path not in self.paths:
            self.paths.add(path)
            write(self.pending, json.dumps(sorted(self.paths)), 0o600, 0, 0)

    def done(self) -> None:
        """Every unit works with what was changed."""
        self.pending.unlink(missing_ok=True)

    def touch(self, watches: list[str]) -> bool:
        """Whether a changed path is one of `watches`, or lies below one."""
        return any(
            path == watch or path.startswith(watch.rstrip("/") + "/") for path in self.paths for watch in watches
        )


def free(uid: int) -> bool:
    """Whether nobody has this user id yet."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return True
    return False


def owner(entry: Bundle) -> tuple[int, int]:
    """The numeric owner and group of a file or directory of the bundle."""
    return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid


def write(path: Path, content: str, mode: int, uid: int, gid: int) -> bool:
    """Make a file have this content, mode and owner, atomically. Returns whether anything changed."""
    with contextlib.suppress(FileNotFoundError):
        now = path.stat()
        same = not path.is_symlink() and path.read_text(encoding="utf-8") == content
        if same and (now.st_mode & 0o7777, now.st_uid, now.st_gid) == (mode, uid, gid):
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(content)
        os.fchmod(out.fileno(), mode)
        os.fchown(out.fileno(), uid, gid)
    Path(name).replace(path)
    return True


# ---- names and packages


def first_boot(_bundle: Bundle, _changes: Changes) -> None:
    """Let cloud-init finish: it makes accounts and holds package locks. Its own failures show in what follows."""
    if shutil.which("cloud-init"):
        output("cloud-init", "status", "--wait", limit=600)


def hosts_file(bundle: Bundle, changes: Changes) -> None:
    """Every host of the platform by name, the same on each of them.

    Images of distributions let cloud-init write the file anew at each boot: it is told to leave it alone.
    """
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{address} {name}" for address, name in bundle["hosts_file"]]
    if write(HOSTS, "\n".join(lines) + "\n", 0o644, 0, 0):
        changes.add(str(HOSTS), f"wrote {HOSTS}")
    if CLOUD_INIT.parent.is_dir():
        write(CLOUD_INIT, "manage_etc_hosts: false\n", 0o644, 0, 0)


def packages(bundle: Bundle, changes: Changes) -> None:
    """Install the packages that are missing; a host whose image has them all needs no package mirror."""
    debian = shutil.which("dpkg-query") is not None
    missing = [name for name in bundle["packages"] if not installed(name, debian)]
    if not missing:
        return
    say(f"installing {', '.join(missing)}")
    if debian:
        apt = ("apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300")
        run(*apt, "update", limit=INSTALL_LIMIT)
        run(*apt, "install", "--no-install-recommends", *missing, limit=INSTALL_LIMIT)
    else:
        run("dnf", "-qy", "install", "--setopt=install_weak_deps=False", *missing, limit=INSTALL_LIMIT)
    changes.add("packages", f"installed {', '.join(missing)}")


def installed(package: str, debian: bool) -> bool:
    """Whether the distribution's package manager has the package."""
    if debian:
        return output("dpkg-query", "-W", "-f", "${db:Status-Status}", package) == (0, "installed")
    return succeeds("rpm", "-q", package)


def accounts(bundle: Bundle, changes: Changes) -> None:
    """Login and service accounts, their keys and what they may do."""
    for account in bundle["accounts"]:
        name, home = account["name"], Path(account["home"])
        try:
            pwd.getpwnam(name)
        except KeyError:
            login = bool(account["authorized_keys"])
            kind = ["--create-home"] if login else ["--system", "--no-create-home"]
            kind += ["--uid", str(account["uid"])] if account["uid"] and free(account["uid"]) else []
            run("useradd", "--user-group", *kind, "--home-dir", str(home), "--shell", account["shell"], name)
            changes.add(f"account:{name}", f"added account {name}")
        for group in account["groups"]:
            run("groupadd", "--system", "--force", group)
        if account["groups"]:
            run("usermod", "--append", "--groups", ",".join(account["groups"]), name)
        user = pwd.getpwnam(name)
        if account["authorized_keys"]:
            keys = home / ".ssh" / "authorized_keys"
            keys.parent.mkdir(mode=0o700, exist_ok=True)
            os.chown(keys.parent, user.pw_uid, user.pw_gid)
            if write(keys, "\n".join(account["authorized_keys"]) + "\n", 0o600, user.pw_uid, user.pw_gid):
                changes.add(str(keys), f"wrote the keys of {name}")
        if account["sudo"] and write(
            Path(f"/etc/sudoers.d/gaia-{name}"), f"{name} ALL=(ALL) NOPASSWD:ALL\n", 0o440, 0, 0
        ):
            changes.add(f"sudo:{name}", f"{name} may use sudo")


# ---- disks and shares


def fstab(mount: str, line: str) -> bool:
    """Make our line for this mount point the only one in fstab (an empty line removes it). Whether it changed."""
    rows = FSTAB.read_text(encoding="utf-8").splitlines() if FSTAB.exists() else []
    kept = [row for row in rows if row.startswith("#") or row.split()[1:2] != [mount]]
    wanted = [line] if line else []
    if [row for row in rows if row not in kept] == wanted:  # wherever it stands among others
        return False
    write(FSTAB, "\n".join([*kept, *wanted]) + "\n", 0o644, 0, 0)
    run("systemctl", "daemon-reload")
    return True


def disks(bundle: Bundle, changes: Changes) -> None:
    """Volumes by id; a file system only on a blank one that this host never mounted, and as large as the volume."""
    for disk in bundle["disks"]:
        device, mount, kind = find_device(disk), disk["mount"], disk["filesystem"]
        if blank(device):
            if str(device) in (FSTAB.read_text(encoding="utf-8").split() if FSTAB.exists() else []):
                raise Failed(f"{device} was mounted at {mount} before, and no file system is found on it: look at it; "
                             "nothing was formatted")  # fmt: skip
            run(f"mkfs.{kind}", "-q", str(device))
            changes.lines.append(f"made {kind} on the blank volume for {mount}")
        # not at boot by itself: the volume may come late, and daemons must not start without it
        fstab(mount, f"{device} {mount} {kind} defaults,noauto,noatime 0 0")
        if not os.path.ismount(mount):
            Path(mount).mkdir(parents=True, exist_ok=True)
            run("mount", mount)
            changes.add(mount, f"mounted {mount}")
        grow(device, disk, changes)


def find_device(disk: Bundle) -> Path:
    """The volume's device: virtio shows the first 20 characters of its id, virtio-scsi the whole."""
    names = [f"virtio-{disk['volume_id'][:20]}", f"scsi-0QEMU_QEMU_HARDDISK_{disk['volume_id']}"]
    deadline = time.monotonic() + DISK_WAIT
    while True:
        for name in names:
            if (BY_ID / name).exists():
                return BY_ID / name
        if time.monotonic() > deadline:
            raise Failed(
                f"the volume {disk['volume_id']} for {disk['mount']} did not appear in {BY_ID} within {DISK_WAIT} s, "
                f"as none of {', '.join(names)}: is it attached in Nova?"
            )
        time.sleep(0.5)


def blank(device: Path) -> bool:
    """Whether nothing at all is recognised on a device. It must be readable: blkid says 2 to both."""
    try:
        with device.open("rb") as begin:
            begin.read(1 << 20)
    except OSError as problem:
        raise Failed(f"{device} cannot be read, so nobody knows what is on it: {problem}") from None
    status, said = output("blkid", "-p", str(device))
    if status not in (0, 2):
        raise Failed(f"blkid could not read {device} (status {status}): {said.strip()}")
    return status == 2


def size_of(device: Path) -> int:
    """The size of a block device in bytes."""
    with device.open("rb") as opened:
        return opened.seek(0, os.SEEK_END)


def grow(device: Path, disk: Bundle, changes: Changes) -> None:
    """Make the file system as large as the volume. A volume that grew shows its size to the host a little later."""
    mount, wanted, deadline = disk["mount"], disk["size_gib"] << 30, time.monotonic() + DISK_WAIT
    while size_of(device) < wanted:
        if time.monotonic() > deadline:
            raise Failed(
                f"the volume for {mount} has {disk['size_gib']} GiB in Cinder, but its device {device} still shows "
                f"{size_of(device) / 2**30:.0f} GiB: this cloud may not grow attached volumes; a reboot shows the size"
            )
        time.sleep(1)
    before = os.statvfs(mount)
    run(*(("btrfs", "filesystem", "resize", "max", mount) if disk["filesystem"] == "btrfs" else ("resize2fs", device)))
    after = os.statvfs(mount)
    if after.f_blocks * after.f_frsize > before.f_blocks * before.f_frsize:
        changes.lines.append(f"{mount} has {after.f_blocks * after.f_frsize / 2**30:.0f} GiB now")


def ceph_mounts(bundle: Bundle, changes: Changes) -> None:
    """Catalogue and user shares by ceph-fuse, through fstab."""
    for share in bundle["ceph_mounts"]:
        identity, mount = share["identity"], share["mount"]
        conf, keyring = Path(f"/etc/ceph/{identity}.conf"), Path(f"/etc/ceph/{identity}.keyring")
        text = f"[global]\nmon host = {share['monitors']}\n[client]\nclient quota = true\nkeyring = {keyring}\n"
        changed = write(conf, text, 0o644, 0, 0)
        changed |= write(keyring, f"[client.{identity}]\n    key = {share['key']}\n", 0o600, 0, 0)
        options = (
            f"ceph.id={identity},ceph.client_mountpoint={share['path']},ceph.conf={conf},"
            f"_netdev,noauto,nodev,nosuid,noexec,{'ro' if share['read_only'] else 'rw'},x-systemd.mount-timeout=60"
        )
        changed |= fstab(mount, f"none {mount} fuse.ceph {options} 0 0")
        if changed or dead(mount):
            unmount(mount)
        if not os.path.ismount(mount):
            Path(mount).mkdir(parents=True, exist_ok=True)
            mount_share(mount, share["monitors"])
            changes.add(mount, f"mounted the share at {mount}")


def dead(mount: str) -> bool:
    """Whether the program behind a FUSE mount is gone: then nobody can even look at the mount point."""
    try:
        Path(mount).stat()
    except OSError as problem:
        return problem.errno == errno.ENOTCONN
    return False


def unmount(mount: str) -> None:
    """Take a share away from its mount point, whoever still uses it."""
    if os.path.ismount(mount) or dead(mount):
        run("umount", "--lazy", mount)


def mount_share(mount: str, monitors: str) -> None:
    """Mount by systemd's unit of the line in fstab, so that ceph-fuse ends with nobody's session.

    `mount` ends with 0 even where ceph-fuse failed, so look at the result.
    """
    unit = run("systemd-escape", "--path", "--suffix=mount", mount).strip()
    _, said = output("systemctl", "restart", unit)
    if not os.path.ismount(mount):
        journal = output("journalctl", "-u", unit, "-n", "10", "-o", "cat", "--no-pager")[1]
        raise Failed(
            f"{mount} could not be mounted from {monitors}: is the CephFS router up, is the grant active?\n"
            f"{tail(said + journal)}"
        )


# ---- directories, archives, Python, links, files


def directories(bundle: Bundle, changes: Changes) -> None:
    """Directories with their owners; parents that are missing belong to root."""
    for entry in bundle["directories"]:
        path, mode, (uid, gid) = Path(entry["path"]), int(entry["mode"], 8), owner(entry)
        if not path.is_dir():
            path.mkdir(parents=True)
            changes.lines.append(f"made {path}")
        now = path.stat()
        if (now.st_mode & 0o7777, now.st_uid, now.st_gid) != (mode, uid, gid):
            os.chown(path, uid, gid)
            path.chmod(mode)


def archives(bundle: Bundle, changes: Changes) -> None:
    """Download, verify, unpack beside what is in use, and switch at once; one that is there already is left alone.

    What is in use is a link, `/opt/spark` to `/opt/.gaia/spark-3.5.7-0123456789ab`: daemons that run keep the files
    that they were started with until they are restarted.
    """
    for archive in bundle["archives"]:
        link, kept = Path(archive["directory"]), Path(archive["keep"]) if archive["keep"] else None
        fresh = link.parent / ".gaia" / f"{archive['name']}-{archive['sha512'][:12]}"
        if kept and not kept.exists():
            obtain(archive, kept)
        if not (fresh / ".complete").exists():
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
                unpack(kept or obtain(archive, Path(directory, "archive")), fresh)
            (fresh / ".complete").touch()
        if switch(link, fresh):
            changes.add(str(link), f"unpacked {archive['name']} for {link}")


def obtain(archive: Bundle, target: Path) -> Path:
    """Download an archive; its file is there once it is verified, and not before."""
    say(f"fetching {archive['name']}")
    part = target.with_name(f".{target.name}.part")
    download(archive["url"], archive["sha512"], part)
    part.chmod(0o644)
    return part.replace(target)


def unpack(file: Path, directory: Path) -> None:
    """Unpack an archive, whose one top-level directory is stripped."""
    tar = ["tar", "--extract", "--no-same-owner", f"--file={file}", f"--directory={directory}"]
    run(*tar, "--strip-components=1", limit=INSTALL_LIMIT)


def switch(link: Path, target: Path) -> bool:
    """Let a path lead to `target` from one moment to the next. Whether it did not before."""
    if link.is_symlink() and link.readlink() == target:
        return False
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    if link.is_dir() and not link.is_symlink():  # made by an older version of this program
        link.rename(link.with_name(f".{link.name}.old"))
        shutil.rmtree(link.with_name(f".{link.name}.old"), ignore_errors=True)
    fresh.replace(link)
    return True


def download(url: str, sha512: str, target: Path) -> None:
    """Fetch a URL into a file and verify it.

    A network error, or an answer that ends early, is tried again; a complete one with a wrong checksum is final.
    """
    for attempt in range(1, DOWNLOAD_TRIES + 1):
        try:
            digest = fetch(url, target)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as problem:
            if attempt == DOWNLOAD_TRIES:
                raise Failed(f"{url} could not be downloaded ({DOWNLOAD_TRIES} tries): {problem}") from None
            time.sleep(2 * attempt)
            continue
        if digest != sha512:
            raise Failed(
                f"{url} has the SHA-512 {digest}, but gaia:archives says {sha512}: "
                "the download is not what was chosen; compare both with what the publisher states"
            )
        return


def fetch(url: str, target: Path) -> str:
    """One try to get a URL into a file; its SHA-512. Raises OSError when the answer is shorter than it says itself."""
    digest, had = hashlib.sha512(), 0
    with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as out:
        while piece := answer.read(1 << 20):
            digest.update(piece)
            had += out.write(piece)
        expected = answer.headers.get("Content-Length")
    if expected is not None and had != int(expected):
        raise OSError(f"the answer ended after {had} of {expected} bytes")
    return digest.hexdigest()


def python_environment(bundle: Bundle, changes: Changes) -> None:
    """A virtual environment with exactly these requirements, made beside the one in use, which is switched at once.

    A virtual environment holds its own path, so each has one of its own: what runs keeps the one it was started with.
    """
    wanted = bundle["python"]
    if not wanted or not wanted["requirements"]:
        return
    link = Path(wanted["path"])
    digest = hashlib.sha512(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    fresh = link.with_name(f"{link.name}-{digest[:12]}")
    if not (fresh / ".complete").exists():
        say(f"installing {len(wanted['requirements'])} Python requirements into {link}")
        run("python3", "-m", "venv", "--clear", str(fresh))
        source = ["--no-index", "--find-links", wanted["find_links"]] if wanted["find_links"] else []
        trusted = ["--trusted-host", wanted["find_links"].split("/")[2]] if source else []
        quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile"]
        pip, uv = str(fresh / "bin" / "pip"), str(fresh / "bin" / "uv")
        run(pip, "install", *quiet, *source, *trusted, f"uv=={wanted['uv']}", limit=INSTALL_LIMIT)
        install = [uv, "pip", "install", "--quiet", "--no-cache", "--python", str(fresh)]
        run(*install, *source, *wanted["requirements"], limit=INSTALL_LIMIT)
        (fresh / ".complete").touch()
    if switch(link, fresh):
        changes.add(str(link), f"installed the Python libraries in {link}")


def trees(bundle: Bundle) -> dict[str, str]:
    """What is in use of what is made beside it: link -> directory."""
    places = [archive["directory"] for archive in bundle["archives"]]
    if bundle["python"] and bundle["python"]["requirements"]:
        places.append(bundle["python"]["path"])
    return {place: str(Path(place).readlink()) for place in places}


def sweep(bundle: Bundle, before: dict[str, Any]) -> dict[str, list[str]]:
    """Remove what is neither in use nor was until the last change: what runs may have been started with that.

    Also what was never finished. Returns what is kept: link -> directories, the one in use first.
    """
    known: dict[str, list[str]] = before.get("trees", {})
    kept = {link: [now, *(old for old in known.get(link, []) if old != now)][:2] for link, now in trees(bundle).items()}
    needed = {directory for directories in kept.values() for directory in directories}
    for place in {Path(directory).parent for directory in needed}:
        for tree in place.iterdir():
            if tree.is_dir() and not tree.is_symlink() and str(tree) not in needed:
                shutil.rmtree(tree, ignore_errors=True)
    files = {Path(archive["keep"]) for archive in bundle["archives"] if archive["keep"]}
    for directory in {file.parent for file in files}:
        for file in set(directory.iterdir()) - files:
            file.unlink()
    return kept


def links(bundle: Bundle, changes: Changes) -> None:
    """Symbolic links, replaced atomically."""
    for link in bundle["links"]:
        if switch(Path(link["path"]), Path(link["target"])):
            changes.add(link["path"], f"{link['path']} -> {link['target']}")


def files(bundle: Bundle, changes: Changes) -> None:
    """Configuration files."""
    for entry in bundle["files"]:
        if write(Path(entry["path"]), entry["content"], int(entry["mode"], 8), *owner(entry)):
            changes.add(entry["path"], f"wrote {entry['path']}")


# ---- units


def units(bundle: Bundle, changes: Changes) -> None:
    """Install, enable and start the units; restart just those that something changed for; wait until they work."""
    for unit in bundle["units"]:
        if write(unit_path(unit), unit["content"], 0o644, 0, 0):
            changes.add(str(unit_path(unit)), f"wrote {unit_path(unit)}")
    run("systemctl", "daemon-reload")
    names = [unit["name"] for unit in bundle["units"]]
    if names:
        run("systemctl", "enable", "--quiet", *names)
    restart = [unit["name"] for unit in bundle["units"] if changes.touch([str(unit_path(unit)), *unit["watches"]])]
    start = [name for name in names if name not in restart and not succeeds("systemctl", "is-active", "-q", name)]
    for verb, which in (("restart", restart), ("start", start)):
        if which:
            run("systemctl", "reset-failed", *which)
            run("systemctl", verb, "--no-block", *which)
            changes.lines.append(f"{verb}ed {', '.join(which)}")
    for unit in bundle["units"]:
        if unit["name"] in restart or unit["name"] in start:
            await_unit(unit)


def unit_path(unit: Bundle) -> Path:
    """Where a unit's file lies."""
    return UNITS / str(unit["name"])


def await_unit(unit: Bundle) -> None:
    """Wait until a unit is active and its addresses accept connections. Raises Failed with its journal otherwise."""
    name, deadline = unit["name"], time.monotonic() + UNIT_WAIT
    while True:
        shown = run("systemctl", "show", "-p", "ActiveState,NRestarts,Result", name)
        state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if state["ActiveState"] == "failed" or int(state.get("NRestarts", 0)) > 3:
            reason = f"failed ({state['Result']})"
        elif time.monotonic() > deadline:
            reason = f"is {state['ActiveState']} and does not answer on {', '.join(unit['ready'])} after {UNIT_WAIT} s"
        elif state["ActiveState"] == "active" and all(map(accepts, unit["ready"])):
            return
        else:
            time.sleep(0.5)
            continue
        _, journal = output("journalctl", "-u", name, "-n", "25", "-o", "cat", "--no-pager")
        raise Failed(f"unit {name} {reason}. Its last log lines:\n{tail(journal, 25)}")


def accepts(address: str) -> bool:
    """Whether something accepts TCP connections at host:port."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
    except OSError:
        return False
    return True


# ---- the boot

# Names and volumes come before every daemon, shares before those that read them; both try again until they can.
BOOT_UNIT = """\
[Unit]
Description={what}
After=local-fs.target network-online.target cloud-init.service cloud-init-network.service {after}
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 {program} {verb}
TimeoutStartSec=15min
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""
BOOT_UNITS = {
    "gaia-volumes.service": {"what": "Names and volumes of the host", "verb": "volumes", "after": ""},
    "gaia-shares.service": {"what": "Shares of the host", "verb": "shares", "after": "gaia-volumes.service"},
}


def boot(bundle: Bundle, _changes: Changes) -> None:
    """Leave on the host what its next boot needs: this program, the part of the bundle that it reads, its units."""
    parts = {key: bundle[key] for key in ("host", "hosts_file", "disks", "ceph_mounts")}
    parts["units"] = [unit["name"] for unit in bundle["units"]]
    write(PROGRAM, SOURCE, 0o644, 0, 0)
    write(BOOT, json.dumps(parts), 0o600, 0, 0)
    for name, words in BOOT_UNITS.items():
        write(UNITS / name, BOOT_UNIT.format(program=PROGRAM, **words), 0o644, 0, 0)
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "--quiet", *BOOT_UNITS)
    # daemons wait for them: they count as done from here on, and find that all is as it should be
    run("systemctl", "start", "--no-block", *BOOT_UNITS)


def booted(verb: str) -> int:
    """One of the two steps of a boot; the exit status. Daemons that did not start for want of a volume start then."""
    bundle, changes = json.loads(BOOT.read_text(encoding="utf-8")), Changes(RUN / f"gaia-{verb}.json")
    try:
        with exclusive(wait=False):
            if verb == "volumes":
                hosts_file(bundle, changes)
                disks(bundle, changes)
                if bundle["units"]:
                    output("systemctl", "start", "--no-block", *bundle["units"])
            else:
                ceph_mounts(bundle, changes)
    except BlockingIOError:
        print("a bundle is being applied, which does the same")
        return 0
    except Failed as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        changes.done()
    print(*changes.lines or ["all is as it should be"], sep="\n")
    return 0


# ---- what an earlier bundle left


def manifest(bundle: Bundle) -> dict[str, Any]:
    """What this bundle puts on the host, to be removed when a later one has it no longer."""
    return {
        "units": [unit["name"] for unit in bundle["units"]],
        "files": [entry["path"] for entry in bundle["files"]],
        "links": [link["path"] for link in bundle["links"]],
        "shares": [share["mount"] for share in bundle["ceph_mounts"]],
        "identities": [share["identity"] for share in bundle["ceph_mounts"]],
        "logins": [account["name"] for account in bundle["accounts"] if account["authorized_keys"]],
    }


def last_manifest() -> dict[str, Any]:
    """The manifest of the last bundle that was applied to its end; empty where there was none."""
    found: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}
    return found


def remove_stale(bundle: Bundle, changes: Changes) -> None:
    """Remove what the last bundle had and this one has not. Volumes and home directories are never removed."""
    old, new = last_manifest(), manifest(bundle)
    gone = {kind: [name for name in old.get(kind, []) if name not in new[kind]] for kind in new}
    for name in gone["units"]:
        output("systemctl", "disable", "--now", name)
        unit_path({"name": name}).unlink(missing_ok=True)
    for mount in gone["shares"]:
        fstab(mount, "")
        unmount(mount)
    paths = [*gone["files"], *gone["links"]]
    paths += [f"/etc/ceph/{identity}.{kind}" for identity in gone["identities"] for kind in ("conf", "keyring")]
    for path in paths:
        Path(path).unlink(missing_ok=True)
    for name in gone["logins"]:
        remove_login(name)
    for kind, names in gone.items():
        for name in names:
            changes.add(name, f"removed {kind.rstrip('s')} {name}")


def remove_login(name: str) -> None:
    """Take a person's login away, whatever they are running. Their home directory stays."""
    Path(f"/etc/sudoers.d/gaia-{name}").unlink(missing_ok=True)
    try:
        person = pwd.getpwnam(name)
    except KeyError:
        return
    # first of all nothing new can begin: no key, no password, no cron job
    run("usermod", "--lock", "--expiredate", "1", "--shell", "/usr/sbin/nologin", name)
    (Path(person.pw_dir) / ".ssh" / "authorized_keys").unlink(missing_ok=True)
    output("loginctl", "disable-linger", name)
    output("loginctl", "terminate-user", name)
    deadline = time.monotonic() + 30
    while running := processes_of(person.pw_uid):
        if time.monotonic() > deadline:
            raise Failed(f"{name} is no operator any more, and locked, but processes {running} do not end")
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
    run("userdel", name)


def processes_of(uid: int) -> list[int]:
    """The ids of a user's processes; those that have ended and wait for their parent do not count."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if int(fields["Uid"].split()[0]) == uid and not fields["State"].startswith("Z"):
                found.append(int(status.parent.name))
    return found


@contextlib.contextmanager
def exclusive(wait: bool = True) -> Iterator[None]:
    """One run at a time: a run whose engine was killed may still be at work. Raises BlockingIOError or waits."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def within(limit: int) -> Iterator[None]:
    """Raises Failed wherever the program is when `limit` seconds are over: an engine waits for ever otherwise."""

    def late(*_: object) -> None:
        raise Failed(f"not done within {limit} s: another run may hold {LOCK}, or the host is too slow")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


STEPS = (
    first_boot, remove_stale, hosts_file, packages, accounts, disks, ceph_mounts, directories,
    archives, python_environment, links, files, boot, units,
)  # fmt: skip


def main(bundle: Bundle) -> int:
    """Apply a bundle (`Bundle.as_dict()`); the exit status."""
    os.umask(0o022)
    begun = time.monotonic()
    STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        with within(RUN_LIMIT), exclusive():
            changes = Changes(PENDING)
            for step in STEPS:
                step(bundle, changes)
            kept = sweep(bundle, last_manifest())
            write(MANIFEST, json.dumps({**manifest(bundle), "trees": kept}, indent=1), 0o644, 0, 0)
            changes.done()
    except Failed as problem:
        print(f"{bundle['host']}: {problem}", file=sys.stderr)
        return 1
    for line in changes.lines or ["nothing to change"]:
        print(line)
    say(f"configured in {time.monotonic() - begun:.0f} s, {len(changes.lines)} changes")
    return 0


if __name__ == "__main__":
    sys.exit(booted(sys.argv[1]))

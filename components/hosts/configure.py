"""The program that applies a bundle on a host: run there as root by `python3 -`, with the bundle as its argument.

Standard library only (Python 3.9 or newer), one file, idempotent: it changes what differs, restarts exactly the units
whose text or watched files changed, removes what an earlier bundle had and this one has not, and reports on standard
output. It ends with status 1 and one message that names the host and what failed.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import hashlib
import json
import os
import pwd
import shutil
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
LOCK = Path("/run/gaia-configure.lock")
FSTAB = Path("/etc/fstab")
MARK = "# gaia"
DISK_WAIT, DOWNLOAD_TRIES, UNIT_WAIT = 90, 5, 240  # seconds, tries, seconds

Bundle = dict[str, Any]


class Failed(Exception):
    """The configuration cannot be applied; its text tells the operator what failed and what to look at."""


def run(*argv: str, stdin: str | None = None) -> str:
    """Run a command and return its output. Raises Failed with the end of what it printed."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv, input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=False
    )
    if done.returncode:
        raise Failed(f"{' '.join(argv[:4])} ended with status {done.returncode}:\n{tail(done.stdout)}")
    return done.stdout


def succeeds(*argv: str) -> bool:
    """Whether a command ends with status 0."""
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


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
        subprocess.run(["cloud-init", "status", "--wait"], capture_output=True, check=False, timeout=600)


def hosts_file(bundle: Bundle, changes: Changes) -> None:
    """Every host of the platform by name, the same on each of them."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{address} {name}" for address, name in bundle["hosts_file"]]
    if write(Path("/etc/hosts"), "\n".join(lines) + "\n", 0o644, 0, 0):
        changes.add("/etc/hosts", "wrote /etc/hosts")


def packages(bundle: Bundle, changes: Changes) -> None:
    """Install the packages that are missing; a host whose image has them all needs no package mirror."""
    debian = shutil.which("dpkg-query") is not None
    missing = [name for name in bundle["packages"] if not installed(name, debian)]
    if not missing:
        return
    say(f"installing {', '.join(missing)}")
    if debian:
        run("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update")
        run("apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends", *missing)
    else:
        run("dnf", "-qy", "install", "--setopt=install_weak_deps=False", *missing)
    changes.add("packages", f"installed {', '.join(missing)}")


def installed(package: str, debian: bool) -> bool:
    """Whether the distribution's package manager has the package."""
    if debian:
        found = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True, check=False
        )
        return found.stdout == "installed"
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
            kind += ["--uid", str(account["uid"])] if account["uid"] else []
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
    old = FSTAB.read_text(encoding="utf-8") if FSTAB.exists() else ""
    kept = [row for row in old.splitlines() if row.startswith("#") or row.split()[1:2] != [mount]]
    new = "\n".join([*kept, line] if line else kept) + "\n"
    if new == old:
        return False
    write(FSTAB, new, 0o644, 0, 0)
    run("systemctl", "daemon-reload")
    return True


def disks(bundle: Bundle, changes: Changes) -> None:
    """Volumes by id; a file system only on a blank one."""
    for disk in bundle["disks"]:
        device, mount = Path("/dev/disk/by-id") / f"virtio-{disk['serial']}", disk["mount"]
        deadline = time.monotonic() + DISK_WAIT
        while not device.exists():
            if time.monotonic() > deadline:
                raise Failed(
                    f"the volume {device} for {mount} did not appear within {DISK_WAIT} s: is it attached in Nova?"
                )
            time.sleep(0.5)
        if blank(device):
            run(f"mkfs.{disk['filesystem']}", "-q", str(device))
            changes.lines.append(f"made {disk['filesystem']} on the blank volume for {mount}")
        fstab(mount, f"{device} {mount} {disk['filesystem']} defaults,nofail,noatime 0 0")
        if not os.path.ismount(mount):
            Path(mount).mkdir(parents=True, exist_ok=True)
            run("mount", mount)
            changes.add(mount, f"mounted {mount}")
        if disk["filesystem"] == "btrfs":  # a volume that grew
            run("btrfs", "filesystem", "resize", "max", mount)


def blank(device: Path) -> bool:
    """Whether nothing at all is recognised on a device. Status 2 of blkid means just that; any other is an error."""
    done = subprocess.run(["blkid", "-p", str(device)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):
        raise Failed(f"blkid could not read {device} (status {done.returncode}): {done.stderr.strip()}")
    return done.returncode == 2


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
            f"_netdev,nofail,nodev,nosuid,noexec,{'ro' if share['read_only'] else 'rw'},x-systemd.mount-timeout=60"
        )
        changed |= fstab(mount, f"none {mount} fuse.ceph {options} 0 0")
        if changed and os.path.ismount(mount):
            run("umount", "--lazy", mount)
        if not os.path.ismount(mount):
            Path(mount).mkdir(parents=True, exist_ok=True)
            mount_share(mount, share["monitors"])
            changes.add(mount, f"mounted the share at {mount}")


def mount_share(mount: str, monitors: str) -> None:
    """Mount by fstab. `mount` ends with 0 even where ceph-fuse failed, so look at the result."""
    try:
        done = subprocess.run(["mount", mount], capture_output=True, text=True, timeout=90, check=False)
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        said = "no answer within 90 s"
    if not os.path.ismount(mount):
        raise Failed(
            f"{mount} could not be mounted from {monitors}: is the CephFS router up, is the grant active?\n{tail(said)}"
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
    """Download, verify, unpack; one that is there with the same checksum is left alone."""
    for archive in bundle["archives"]:
        directory = Path(archive["directory"])
        stamp = directory / ".sha512"
        if stamp.exists() and stamp.read_text() == archive["sha512"]:
            continue
        say(f"fetching {archive['name']}")
        fresh = directory.with_name(directory.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        with tempfile.NamedTemporaryFile(dir=directory.parent) as file:
            download(archive["url"], archive["sha512"], Path(file.name))
            run(
                "tar",
                "--extract",
                "--no-same-owner",
                f"--file={file.name}",
                f"--directory={fresh}",
                "--strip-components=1",
            )
        (fresh / ".sha512").write_text(archive["sha512"])
        shutil.rmtree(directory, ignore_errors=True)
        fresh.rename(directory)
        changes.add(str(directory), f"unpacked {archive['name']} into {directory}")


def download(url: str, sha512: str, target: Path) -> None:
    """Fetch a URL into a file and verify it. A wrong checksum is final; a network error is tried again."""
    for attempt in range(1, DOWNLOAD_TRIES + 1):
        digest = hashlib.sha512()
        try:
            with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as out:
                while piece := answer.read(1 << 20):
                    digest.update(piece)
                    out.write(piece)
        except (urllib.error.URLError, OSError) as problem:
            if attempt == DOWNLOAD_TRIES:
                raise Failed(f"{url} could not be downloaded ({DOWNLOAD_TRIES} tries): {problem}") from None
            time.sleep(2 * attempt)
            continue
        if digest.hexdigest() != sha512:
            raise Failed(
                f"{url} has the SHA-512 {digest.hexdigest()}, but gaia:archives says {sha512}: "
                "the download is not what was chosen; compare both with what the publisher states"
            )
        return


def python_environment(bundle: Bundle, changes: Changes) -> None:
    """A virtual environment with exactly these requirements, made anew when they change."""
    wanted = bundle["python"]
    if not wanted or not wanted["requirements"]:
        return
    path, text = Path(wanted["path"]), json.dumps(wanted, sort_keys=True)
    stamp = path / ".requirements"
    if stamp.exists() and stamp.read_text() == text:
        return
    say(f"installing {len(wanted['requirements'])} Python requirements into {path}")
    # a virtual environment holds its own path: it is made in place, and its stamp is written last
    run("python3", "-m", "venv", "--clear", str(path))
    source = ["--no-index", "--find-links", wanted["find_links"]] if wanted["find_links"] else []
    trusted = ["--trusted-host", wanted["find_links"].split("/")[2]] if source else []
    quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile"]
    run(str(path / "bin" / "pip"), "install", *quiet, *source, *trusted, f"uv=={wanted['uv']}")
    install = [str(path / "bin" / "uv"), "pip", "install", "--quiet", "--no-cache", "--python", str(path)]
    run(*install, *source, *wanted["requirements"])
    stamp.write_text(text)
    changes.add(str(path), f"installed the Python libraries in {path}")


def links(bundle: Bundle, changes: Changes) -> None:
    """Symbolic links, replaced atomically."""
    for link in bundle["links"]:
        path = Path(link["path"])
        if path.is_symlink() and str(path.readlink()) == link["target"]:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(link["target"])
        fresh.replace(path)
        changes.add(str(path), f"{path} -> {link['target']}")


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
    return Path("/etc/systemd/system") / str(unit["name"])


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
        journal = subprocess.run(
            ["journalctl", "-u", name, "-n", "25", "-o", "cat", "--no-pager"],
            capture_output=True,
            text=True,
            check=False,
        )
        raise Failed(f"unit {name} {reason}. Its last log lines:\n{tail(journal.stdout, 25)}")


def accepts(address: str) -> bool:
    """Whether something accepts TCP connections at host:port."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
    except OSError:
        return False
    return True


# ---- what an earlier bundle left


def manifest(bundle: Bundle) -> dict[str, list[str]]:
    """What this bundle puts on the host, to be removed when a later one has it no longer."""
    return {
        "units": [unit["name"] for unit in bundle["units"]],
        "files": [entry["path"] for entry in bundle["files"]],
        "links": [link["path"] for link in bundle["links"]],
        "shares": [share["mount"] for share in bundle["ceph_mounts"]],
        "identities": [share["identity"] for share in bundle["ceph_mounts"]],
        "logins": [account["name"] for account in bundle["accounts"] if account["authorized_keys"]],
    }


def remove_stale(bundle: Bundle, changes: Changes) -> None:
    """Remove what the last bundle had and this one has not. Volumes and home directories are never removed."""
    if not MANIFEST.exists():
        return
    old, new = json.loads(MANIFEST.read_text()), manifest(bundle)
    gone = {kind: [name for name in old.get(kind, []) if name not in new[kind]] for kind in new}
    for name in gone["units"]:
        subprocess.run(["systemctl", "disable", "--now", name], capture_output=True, check=False)
        unit_path({"name": name}).unlink(missing_ok=True)
    for mount in gone["shares"]:
        fstab(mount, "")
        if os.path.ismount(mount):
            run("umount", "--lazy", mount)
    paths = [*gone["files"], *gone["links"]]
    paths += [f"/etc/ceph/{identity}.{kind}" for identity in gone["identities"] for kind in ("conf", "keyring")]
    for path in paths:
        Path(path).unlink(missing_ok=True)
    for name in gone["logins"]:
        Path(f"/etc/sudoers.d/gaia-{name}").unlink(missing_ok=True)
        if succeeds("id", name):
            subprocess.run(["loginctl", "terminate-user", name], capture_output=True, check=False)
            run("userdel", name)
    for kind, names in gone.items():
        for name in names:
            changes.add(name, f"removed {kind.rstrip('s')} {name}")


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """One run at a time: a run whose engine was killed may still be at work."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


STEPS = (
    first_boot, remove_stale, hosts_file, packages, accounts, disks, ceph_mounts, directories,
    archives, python_environment, links, files, units,
)  # fmt: skip


def main(bundle: Bundle) -> int:
    """Apply a bundle (`Bundle.as_dict()`); the exit status."""
    os.umask(0o022)
    begun = time.monotonic()
    STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        with exclusive():
            changes = Changes(PENDING)
            for step in STEPS:
                step(bundle, changes)
            write(MANIFEST, json.dumps(manifest(bundle), indent=1), 0o644, 0, 0)
            changes.done()
    except Failed as problem:
        print(f"{bundle['host']}: {problem}", file=sys.stderr)
        return 1
    for line in changes.lines or ["nothing to change"]:
        print(line)
    say(f"configured in {time.monotonic() - begun:.0f} s, {len(changes.lines)} changes")
    return 0

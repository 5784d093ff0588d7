"""The part of `ops fill` that has the share mounted: `python -m ops.loader SOCKET`, run by ops/catalogue.py only.

It is the first process of a process and a mount namespace of its own. So nothing outside can reach the mount, by
accident or for cleaning up, and whatever ends this process (or its parent: `unshare --kill-child`) ends the command
and ceph-fuse too, and the mount with them. The directory that the share is mounted on is empty for everybody else.

The order comes over a socket, because the cephx key is part of it; the answer goes back the same way.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.listing import Listing, ListingError, record, recorded, survey

PLACE = Path("/run/gaia-fill")  # where the namespace's own tmpfs lies: keyring, configuration, mount point
MOUNT_LIMIT = 90  # seconds
BUSY_LIMIT = 10  # seconds for what is killed to let go of the share
FLUSH_LIMIT = 1800  # seconds for ceph-fuse to write what it holds in memory


class LoadError(Exception):
    """The share is not filled, or not as it was; the text says why and what to do."""


@dataclass(frozen=True)
class Order:
    """What to mount, with which key, and the command that fills it."""

    share: str
    monitors: str
    path: str
    identity: str
    key: str
    command: list[str]


def _prepare(order: Order) -> list[str]:
    """Keyring and configuration in memory; the command line of ceph-fuse."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "gaia-fill", str(PLACE)], check=True)
    keyring, conf, mount = PLACE / "keyring", PLACE / "ceph.conf", PLACE / "share"
    keyring.touch(mode=0o600)
    keyring.write_text(f"[client.{order.identity}]\n    key = {order.key}\n", encoding="utf-8")
    conf.write_text(
        f"[global]\nmon host = {order.monitors}\n[client]\nkeyring = {keyring}\nlog file =\n", encoding="utf-8"
    )
    mount.mkdir()
    return [
        *("ceph-fuse", "-f", f"--id={order.identity}", f"--conf={conf}"),
        *(f"--client_mountpoint=/{order.path}", str(mount)),
    ]


@contextlib.contextmanager
def mounted(ceph_fuse: list[str]) -> Iterator[Path]:
    """The share, mounted; at the end all that was written has reached Ceph, also when the context fails with LoadError.

    Raises LoadError when it cannot be mounted, when something still used it at the end, or ceph-fuse failed.
    """
    mount, log = Path(ceph_fuse[-1]), PLACE / "ceph-fuse.log"
    with log.open("w", encoding="utf-8") as said:
        client = subprocess.Popen(ceph_fuse, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    deadline = time.monotonic() + MOUNT_LIMIT
    while not mount.is_mount():
        if client.poll() is not None or time.monotonic() > deadline:
            raise LoadError(f"the share could not be mounted: {log.read_text(errors='replace')[-500:].strip()}")
        time.sleep(0.05)
    problems = []
    try:
        yield mount
    except LoadError as problem:
        problems.append(str(problem))
    if users := _unmount(mount):
        problems.append(f"the command left processes at work in the share, which were ended: {', '.join(users)}")
    try:
        if status := client.wait(FLUSH_LIMIT):
            problems.append(f"ceph-fuse ended with status {status}: {log.read_text(errors='replace')[-500:].strip()}")
    except subprocess.TimeoutExpired:
        problems.append(f"ceph-fuse did not write everything to Ceph within {FLUSH_LIMIT} s")
    if problems:
        raise LoadError("; ".join(problems))


def _unmount(mount: Path) -> list[str]:
    """Unmount the share; the processes that still used it, by number and command: they are killed first."""
    ended: dict[int, str] = {}
    deadline = time.monotonic() + BUSY_LIMIT
    while (done := subprocess.run(["umount", str(mount)], capture_output=True, text=True, check=False)).returncode:
        if time.monotonic() > deadline:
            raise LoadError(f"the share cannot be unmounted: {done.stderr.strip()}")
        for pid, words in _users(mount):
            ended[pid] = words
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    return [f"{pid} ({words})" for pid, words in ended.items()]


def _users(mount: Path) -> Iterator[tuple[int, str]]:
    """The processes of this namespace that have something of the mount open, with their command lines."""
    for process in sorted(Path("/proc").glob("[0-9]*")):
        with contextlib.suppress(OSError):
            links = [process / "cwd", process / "root", process / "exe", *(process / "fd").iterdir()]
            if any(_leads_to(link, mount) for link in links):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                yield int(process.name), words[:80]


def _leads_to(link: Path, mount: Path) -> bool:
    with contextlib.suppress(OSError):
        return link.readlink().is_relative_to(mount)
    return False


def load(order: Order) -> str:
    """Fill the share, or check it against its record if it was filled before; a line for the operator.

    Raises LoadError. The record is written last: when the command has succeeded, all that it wrote has reached Ceph,
    and a second mount shows it just as the first one did.
    """
    ceph_fuse = _prepare(order)
    with mounted(ceph_fuse) as mount:
        before, now = recorded(mount), survey(mount)
        if before is None:
            now = _run(order, mount, now)
    if before is not None:
        return _checked(order, before, now)
    with mounted(ceph_fuse) as mount:
        kept = survey(mount)
        if kept != now:
            raise LoadError(f"{order.share} shows {kept}, but {now} were written: run the same command again")
        record(mount, kept)
    return f"{order.share} filled: {kept}"


def _run(order: Order, mount: Path, now: Listing) -> Listing:
    if now.files:
        print(f"{order.share} is not complete: going on with {now}", file=sys.stderr, flush=True)
    try:
        status = subprocess.run([*order.command, str(mount)], check=False).returncode
    except OSError as problem:
        raise LoadError(f"{order.command[0]} cannot be run: {problem.strerror}") from None
    if status:
        raise LoadError(
            f"{order.command[0]} ended with status {status}: {order.share} is not complete; the same command goes on"
        )
    written = survey(mount)
    if not written.files:
        raise LoadError(f"{order.command[0]} ended well, but {order.share} has no file: is it the right command?")
    return written


def _checked(order: Order, before: Listing, now: Listing) -> str:
    if now != before:
        raise LoadError(
            f"{order.share} is not as it was when it was filled: it had {before}, it has {now}. Find out what changed "
            "it; if that was meant, remove .gaia-fill.json from the share and run this again"
        )
    return f"{order.share} is complete and as it was filled ({now}): left alone"


def main(descriptor: int) -> None:
    """Take the order, carry it out, answer with `line` or `error`."""
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal tells the parent too, and that ends everything
    with socket.socket(fileno=descriptor) as link, link.makefile("rw", encoding="utf-8") as talk:
        link.set_inheritable(False)
        # only now: from here on this process ends with its parent, so that an order is never carried out by an orphan
        print("ready", file=talk, flush=True)
        try:
            answer = {"line": load(Order(**json.loads(talk.readline())))}
        except (LoadError, ListingError) as problem:
            answer = {"error": str(problem)}
        except (OSError, subprocess.SubprocessError) as problem:
            answer = {"error": f"the share is not filled: {problem}"}
        print(json.dumps(answer), file=talk, flush=True)
    os._exit(0)  # the end of the namespace: whatever still runs in it ends with its first process


def order_line(order: Order) -> str:
    """An order as it goes over the socket."""
    return json.dumps(asdict(order)) + "\n"


if __name__ == "__main__":
    main(int(sys.argv[1]))

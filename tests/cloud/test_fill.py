"""`ops fill` with a real CephFS: killed, with a busy mount, beside a mount that an earlier version left; run again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.listing import RECORD
from sandbox import processes
from sandbox.layout import Layout
from sandbox.namespaces import inside
from sandbox.services.api import Api
from tests.cloud.test_sandbox_apis import Share
from tests.conftest import OPS, ROOT, Sandbox
from tests.leftovers import everything

LAYOUT = Layout(ROOT)
CLOUD = "iris-gaia-data"
# Writes two files with a sign of life after each; the second part is a plain copy that goes on where it is told to.
FIRST = 'cp "$0" "$1/one"; cp "$0" "$1/two"; sync "$1/one" "$1/two"; echo two files are there; exec sleep 10000'
REST = 'test -f "$1/one" && test -f "$1/two" && cp "$0" "$1/three"'
LEAVES_A_PROCESS = 'cp "$0" "$1/three"; cd "$1"; sleep 10000 & exit 0'


class Fill:
    """A share of the data project and `ops fill` for it; `files` are seen by a client of their own."""

    def __init__(self, sandbox: Sandbox, share: Share, name: str, directory: Path) -> None:
        self.sandbox, self.share, self.name, self.directory = sandbox, share, name, directory
        self.source = directory / "source"
        self.source.write_bytes(os.urandom(5 << 20))
        self.mounts = 0

    def words(self, script: str) -> list[str]:
        ops = [*OPS, "fill", "--cloud", CLOUD, "--share", self.name, "--"]
        return [*ops, "sh", "-c", script, str(self.source)]

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return self.sandbox.run(*self.words(script), check=False, timeout=120)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[subprocess.Popen[str]]:
        """A fill whose command was seen to have written two of three files. It is killed at the end of the context."""
        words = [self.sandbox.cloud, "run", *self.words(FIRST)]
        with subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE) as engine:
            try:
                assert engine.stdout is not None
                assert engine.stdout.readline() == "two files are there\n"
                yield engine
            finally:
                engine.kill()

    def files(self) -> dict[str, bytes]:
        """What the share holds, with its content, by a grant and a mount that have nothing to do with `fill`."""
        self.mounts += 1
        identity = f"{self.name}-{self.mounts}"
        place = self.directory / identity
        with inside(LAYOUT.namespace):
            self.share.mount(identity, self.share.allow(identity, "ro"), place)
        try:
            return {path.name: path.read_bytes() for path in place.iterdir() if path.name != RECORD}
        finally:
            subprocess.run(["umount", place], check=True)

    def change(self, script: str) -> None:
        """Change the share behind the back of `fill`."""
        place = self.directory / "rw"
        with inside(LAYOUT.namespace):
            self.share.mount("somebody", self.share.allow("somebody", "rw"), place)
        try:
            subprocess.run(["sh", "-c", script], cwd=place, check=True)
        finally:
            subprocess.run(["umount", place], check=True)


def clients() -> list[int]:
    """The processes of the loader's ceph-fuse, wherever they are; another checkout's sandbox may have some too."""
    found = []
    for process in processes.marked(LAYOUT):
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if words[0] == b"ceph-fuse" and b"--id=gaia_data_loader" in words:
            found.append(process.pid)
    return found


def mount_points() -> str:
    return Path("/proc/self/mountinfo").read_text()


def until(condition: Callable[[], bool], what: str, limit: float = 30) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def fill(cloud: Sandbox, tmp_path: Path) -> Iterator[Fill]:
    name = f"fill-{uuid.uuid4().hex[:8]}"
    with inside(LAYOUT.namespace):
        share = Share(Api(LAYOUT, CLOUD), name)
    yield Fill(cloud, share, name, tmp_path)
    with inside(LAYOUT.namespace):
        share.delete()


def killed_in_the_middle(fill: Fill) -> None:
    """A fill that was killed when its command had written two of three files, and was seen to have done so."""
    with fill.at_work():
        assert len(clients()) == 1
        assert "gaia-fill" not in mount_points(), "the share is mounted where others can reach it"
        assert list(Path("/run/gaia-fill").glob("*")) == list(Path("/run/gaia-fill").glob("*.lock"))


def test_a_fill_that_is_killed_loses_nothing_leaves_nothing_and_the_next_one_completes_it(fill: Fill) -> None:
    killed_in_the_middle(fill)
    until(lambda: not clients(), "ceph-fuse outlived the fill")
    content = fill.source.read_bytes()

    again = fill.run(REST)
    assert again.returncode == 0, again.stdout
    assert "is not complete: going on with 2 files" in again.stdout
    assert "filled: 3 files, 15728640 bytes" in again.stdout
    assert fill.files() == {"one": content, "two": content, "three": content}

    third = fill.run("exit 1")  # not even run
    assert third.returncode == 0, third.stdout
    assert "is complete and as it was filled (3 files" in third.stdout

    fill.change("rm two")
    changed = fill.run("exit 1")
    assert changed.returncode == 1
    assert "is not as it was when it was filled: it had 3 files" in changed.stdout
    assert set(fill.files()) == {"one", "three"}


def test_a_command_that_fails_writes_nothing_or_is_still_at_work_is_no_success_and_nothing_is_lost(fill: Fill) -> None:
    nothing = fill.run("true")
    assert nothing.returncode == 1
    assert "has no file" in nothing.stdout
    failed = fill.run('cp "$0" "$1/one"; cp "$0" "$1/two"; exit 23')
    assert failed.returncode == 1
    assert "sh ended with status 23" in failed.stdout
    busy = fill.run(LEAVES_A_PROCESS)
    assert busy.returncode == 1
    assert "left processes at work in the share" in busy.stdout
    assert "sleep 10000" in busy.stdout  # or the shell that is just becoming it
    until(lambda: not clients(), "ceph-fuse outlived the fill")
    assert "filled: 3 files" in fill.run(REST).stdout
    content = fill.source.read_bytes()
    assert fill.files() == {"one": content, "two": content, "three": content}


@pytest.mark.parametrize("dead", [False, True])
def test_a_mount_that_an_earlier_version_left_is_taken_away_and_never_walked_into(fill: Fill, dead: bool) -> None:
    left = Path(f"/tmp/gaia-load-{uuid.uuid4().hex[:8]}")
    left.mkdir(mode=0o700)
    with inside(LAYOUT.namespace):
        fill.share.mount("gaia_data_loader", fill.share.allow("gaia_data_loader", "rw"), left / "share")
    (left / "share.keyring").rename(left / "keyring")
    (left / "share.conf").rename(left / "ceph.conf")
    (left / "share" / "one").write_bytes(fill.source.read_bytes())
    (left / "share" / "two").write_bytes(b"two")
    subprocess.run(["sync", left / "share" / "one", left / "share" / "two"], check=True)
    if dead:
        [client] = mounters(left / "share")
        os.kill(client, signal.SIGKILL)
        until(lambda: not mounters(left / "share"), "ceph-fuse did not end")
    done = fill.run(REST)
    assert done.returncode == 0, done.stdout
    assert f"taking away {left}/share, which a killed run left" in done.stdout
    assert str(left) not in mount_points()
    assert not left.exists(), "its key lies about"
    until(lambda: not mounters(left / "share"), "ceph-fuse of the mount that was left runs on")
    assert fill.files() == {
        name: (fill.source.read_bytes() if name != "two" else b"two") for name in ("one", "two", "three")
    }


def mounters(place: Path) -> list[int]:
    """The ceph-fuse of a mount."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"ceph-fuse" and str(place).encode() in words:
            found.append(int(file.parent.name))
    return found


def test_two_fills_of_one_share_do_not_take_each_others_grant_away(fill: Fill) -> None:
    with fill.at_work() as first:
        second = fill.run(REST)
        assert second.returncode == 1
        assert "another `ops fill` of this share is at work" in second.stdout
        assert first.poll() is None
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 1
    assert not [rule for rule in everything(fill.sandbox, CLOUD)["access_rules"] if "gaia_data_loader" in rule]

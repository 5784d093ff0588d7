"""Starting, killing and stopping a sandbox: a second one, of a copy of this checkout, beside the first."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import processes, traces
from sandbox.layout import Layout, Port
from sandbox.namespaces import inside
from sandbox.services.api import Api
from tests.conftest import ROOT, Sandbox

KILLED = ("mariadb", "ceph-osd", "nova")
INTERRUPTED_AFTER = 4.0  # seconds: some daemons run, some do not


@pytest.fixture(scope="module")
def copy(cloud: Sandbox) -> Iterator[Sandbox]:
    """A second checkout with a short path (unix sockets) and its own state, sharing the installed packages."""
    assert cloud.root == ROOT
    root = Path(tempfile.mkdtemp(prefix="gaia-"))
    shutil.copytree(ROOT / "sandbox", root / "sandbox")
    for file in (ROOT / "versions.toml", *Layout(ROOT).locks):  # the mirror, which both share, serves what these name
        shutil.copy(file, root)
    (root / ".sandbox").mkdir()
    (root / ".sandbox/cache").symlink_to(ROOT / ".sandbox/cache")
    (root / ".tools").symlink_to(ROOT / ".tools")
    sandbox = Sandbox(root)
    yield sandbox
    sandbox.down()
    shutil.rmtree(root)


def networks(layout: Layout) -> int:
    with inside(layout.namespace):
        return len(Api(layout).get(Port.NEUTRON, "/v2.0/networks")["networks"])


def test_two_sandboxes_live_side_by_side_and_are_repaired_after_kills(copy: Sandbox) -> None:
    first, second = Layout(ROOT), Layout(copy.root)
    copy.up()
    assert first.namespace != second.namespace
    assert networks(first) == networks(second) == 2
    for name in KILLED:
        copy.kill(name)
    copy.up()
    assert networks(second) == 2


def left_by_commands(layout: Layout, name: str) -> list[processes.Process]:
    return [found for found in processes.marked(layout) if f"({name})" in Path(f"/proc/{found.pid}/stat").read_text()]


def test_down_ends_and_unmounts_what_commands_left_whatever_their_environment_and_network_also_where_ceph_fuse_is_dead(
    copy: Sandbox,
) -> None:
    layout = Layout(copy.root)
    copy.up()
    quiet = "sleep 1000 >/dev/null 2>&1 &"
    copy.run("sh", "-c", f"{quiet} env -i /bin/{quiet} unshare --net {quiet}")
    limit = time.monotonic() + 10
    while len(left := left_by_commands(layout, "sleep")) < 3:
        assert time.monotonic() < limit
        time.sleep(0.1)
    mount = f"p=$(mktemp -d) && ceph-fuse -n client.admin -c {layout.etc}/ceph/ceph.conf $p >/dev/null 2>&1 && echo $p"
    places = [copy.run("sh", "-c", mount).stdout.strip() for _ in range(2)]
    left_by_commands(layout, "ceph-fuse")[0].signal(signal.SIGKILL)
    mounts = Path("/proc/self/mounts")
    assert all(place in mounts.read_text() for place in places)
    copy.down()
    assert not any(process.alive for process in left)
    assert not any(place in mounts.read_text() for place in places)
    assert traces.find(layout) == []
    assert not layout.tmp.exists()


def test_down_within_run_ends_everything_but_the_command_that_said_it(copy: Sandbox) -> None:
    copy.up()
    assert "is down" in copy.run("sh", "-c", f"{copy.cloud} down && echo well").stdout
    assert traces.find(Layout(copy.root)) == []


def test_a_start_that_is_killed_leaves_nothing_after_down(copy: Sandbox) -> None:
    layout = Layout(copy.root)
    interrupted = subprocess.Popen([copy.cloud, "up"])
    time.sleep(INTERRUPTED_AFTER)
    interrupted.kill()
    interrupted.wait()
    copy.down()
    assert traces.find(layout) == []
    copy.up()
    assert networks(layout) == 2


def test_reset_leaves_nothing_and_the_other_sandbox_alone(copy: Sandbox) -> None:
    layout = Layout(copy.root)
    copy.reset()
    assert traces.find(layout) == []
    assert not layout.state.exists()
    assert networks(Layout(ROOT)) == 2

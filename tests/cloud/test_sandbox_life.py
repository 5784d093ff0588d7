"""Starting, killing and stopping a sandbox: a second one, of a copy of this checkout, beside the first."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import traces
from sandbox.layout import Layout, Port
from sandbox.services.api import Api
from tests.conftest import ROOT, Sandbox
from tests.namespace import inside

KILLED = ("mariadb", "ceph-osd", "nova")
INTERRUPTED_AFTER = 4.0  # seconds: some daemons run, some do not


@pytest.fixture
def copy(cloud: Sandbox) -> Iterator[Sandbox]:
    """A second checkout with a short path (unix sockets) and its own state, sharing the installed packages."""
    assert cloud.root == ROOT
    root = Path(tempfile.mkdtemp(prefix="gaia-"))
    shutil.copytree(ROOT / "sandbox", root / "sandbox")
    shutil.copy(ROOT / "versions.toml", root)
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


def test_two_sandboxes_live_side_by_side_survive_kills_and_leave_nothing(copy: Sandbox) -> None:
    first, second = Layout(ROOT), Layout(copy.root)
    copy.up()
    assert first.namespace != second.namespace
    assert networks(first) == networks(second) == 2

    for name in KILLED:
        copy.kill(name)
    copy.up()
    assert networks(second) == 2

    copy.down()
    assert traces.find(second) == []
    interrupted = subprocess.Popen([copy.cloud, "up"])
    time.sleep(INTERRUPTED_AFTER)
    interrupted.kill()
    interrupted.wait()
    copy.down()
    assert traces.find(second) == []

    copy.up()
    assert networks(second) == 2
    copy.reset()
    assert traces.find(second) == []
    assert not second.state.exists()
    assert networks(first) == 2

"""How the sandbox knows its processes and its directories."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import prerequisites, processes, traces
from sandbox.configuration import Ini, text
from sandbox.layout import MARKER, Layout
from sandbox.lifecycle import Stamp
from sandbox.prerequisites import PrerequisiteError, check
from sandbox.processes import CommandError, Process
from tests.conftest import Sandbox

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.run.mkdir(parents=True)
    return made


def test_a_daemon_is_found_again_and_not_started_twice(layout: Layout) -> None:
    first = processes.start(layout, "sleeper", SLEEP)
    assert processes.find(layout, "sleeper") == first
    assert processes.start(layout, "sleeper", SLEEP) == first
    assert first in processes.marked(layout)
    processes.stop(layout, ["sleeper"])
    assert not first.alive
    assert processes.find(layout, "sleeper") is None
    assert traces.find(layout) == []


def test_a_process_that_got_the_id_of_a_dead_daemon_is_left_alone(layout: Layout) -> None:
    other = subprocess.Popen(SLEEP)
    now = Process.of(other.pid)
    assert now
    processes.pid_file(layout, "gone").write_text(f"{other.pid} {now.started - 1}\n")
    assert processes.find(layout, "gone") is None
    processes.stop(layout, ["gone"])
    Process(other.pid, now.started - 1).signal(signal.SIGKILL)
    assert now.alive
    other.kill()
    other.wait()


def test_a_daemon_that_does_not_end_when_asked_is_killed(layout: Layout) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    process = processes.start(layout, "deaf", [sys.executable, "-c", deaf])
    log = layout.log / "deaf.log"
    while "deaf" not in log.read_text():
        pass
    processes.stop(layout, ["deaf"], patience=0.2)
    assert not process.alive


def test_a_failed_command_says_what_it_said() -> None:
    with pytest.raises(
        CommandError, match=r"`sh -c echo no such network >&2; exit 3` failed with status 3: no such network"
    ):
        processes.run(["sh", "-c", "echo no such network >&2; exit 3"])
    with pytest.raises(CommandError, match="no-such-program is not installed"):
        processes.run(["no-such-program"])


def test_two_checkouts_have_different_names_and_each_keeps_its_own(tmp_path: Path) -> None:
    first, second = Layout(tmp_path / "a"), Layout(tmp_path / "b")
    assert first.namespace != second.namespace
    assert first.namespace == Layout(tmp_path / "a").namespace
    assert first.environment()[MARKER] == first.namespace
    assert first.host_namespace("0123456789ab") == f"{first.namespace}-h-01234567"


def test_a_checkout_whose_path_is_too_long_for_unix_sockets_is_refused(tmp_path: Path) -> None:
    root = tmp_path / ("x" * 60)
    root.mkdir()
    with pytest.raises(PrerequisiteError, match="move it to a shorter path"):
        check(Layout(root))


def test_maven_is_installed_only_where_nobody_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = prerequisites.PACKAGES
    monkeypatch.setattr(prerequisites, "run", lambda *_, **__: "".join(f"{name} installed\n" for name in packages))
    on_path = {"mvn": None, "java": "/opt/jdk/bin/java"}
    monkeypatch.setattr("shutil.which", on_path.__getitem__)
    assert prerequisites.missing_packages() == ["maven"]


def test_configuration_is_written_as_oslo_reads_it() -> None:
    sections: Ini = {"DEFAULT": {"debug": False, "workers": 1}, "database": {"path": Path("/x")}}
    assert text(sections) == "[DEFAULT]\ndebug = false\nworkers = 1\n\n[database]\npath = /x\n"


def test_the_tests_refuse_a_cloud_that_is_not_theirs_and_no_other(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    sandbox = Sandbox(layout.root)
    layout.clouds_yaml.touch()
    sandbox.refuse_another()  # a start that was interrupted has made nobody's cloud
    Stamp("tests", "now").write(layout)
    sandbox.refuse_another()
    Stamp("", "now").write(layout)
    with pytest.raises(pytest.fail.Exception, match="make demo-down"):
        sandbox.refuse_another()

"""How the sandbox knows its processes and its directories."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import lifecycle, prerequisites, processes, traces
from sandbox.configuration import Ini, text
from sandbox.hosts import bounds, kernel
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
    end = time.monotonic() + 10
    while first not in processes.marked(layout):  # the kernel shows an environment a moment after the program has begun
        assert time.monotonic() < end
    processes.stop(layout, ["sleeper"])
    assert not first.alive
    assert processes.find(layout, "sleeper") is None
    assert traces.find(layout) == []


def test_daemons_that_come_and_go_are_found_again_and_stopped_with_the_rest(layout: Layout) -> None:
    """A daemon that follows a service's tables starts and stops others: whoever comes after it knows them."""
    for name in ("cluster-1", "cluster-2"):
        processes.start(layout, name, SLEEP)
    killed = processes.find(layout, "cluster-1")
    assert killed
    assert lifecycle.passing(layout) == ["cluster-1", "cluster-2"]
    killed.signal(signal.SIGKILL)
    while killed.alive:
        pass
    assert lifecycle.passing(layout) == ["cluster-2"]
    processes.stop(layout, lifecycle.passing(layout))
    assert lifecycle.passing(layout) == []


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


def test_a_service_of_an_installed_package_does_not_start_at_the_machines_next_boot_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prerequisites, "POLICY", tmp_path / "policy-rc.d")
    called: list[list[str]] = []

    def fails(argv: list[str], **_: object) -> str:
        called.append(argv)
        if argv[0] == "apt-get":
            raise CommandError("interrupted")
        return ""

    monkeypatch.setattr(prerequisites, "run", fails)
    with pytest.raises(CommandError):
        prerequisites.install_packages(["docker-registry", "skopeo"])
    assert called[-1] == ["systemctl", "disable", "docker-registry"]


def guard(path: Path, maker: Process) -> None:
    path.write_text(prerequisites.POLICY_TEXT.format(maker))


def test_the_guard_of_a_killed_installation_is_removed_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it, none of the machine's services would ever start when its package is installed."""
    policy, now = tmp_path / "policy-rc.d", Process.of(os.getpid())
    assert now
    monkeypatch.setattr(prerequisites, "POLICY", policy)
    monkeypatch.setattr(prerequisites, "DPKG_LOCK", tmp_path / "lock")
    prerequisites.remove_stale_guard()
    policy.write_text("#!/bin/sh\nexit 101\n")  # the machine's own
    prerequisites.remove_stale_guard()
    assert policy.exists()
    guard(policy, now)
    prerequisites.remove_stale_guard()
    assert policy.exists()
    guard(policy, Process(now.pid, now.started - 1))
    prerequisites.remove_stale_guard()
    assert not policy.exists()


def test_the_guard_stays_while_the_packages_of_a_killed_sandbox_are_still_being_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, lock = tmp_path / "policy-rc.d", tmp_path / "lock"
    monkeypatch.setattr(prerequisites, "POLICY", policy)
    monkeypatch.setattr(prerequisites, "DPKG_LOCK", lock)
    guard(policy, Process(os.getpid(), 1))
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as apt:
        assert apt.stdout
        apt.stdout.readline()
        prerequisites.remove_stale_guard()
        assert policy.exists()
        apt.communicate("\n")
    prerequisites.remove_stale_guard()
    assert not policy.exists()


def test_the_last_sandbox_that_goes_down_puts_the_machines_limits_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SYSCTL", "REGISTER", "NAMESPACES"):
        monkeypatch.setattr(kernel, name, tmp_path / name)
    monkeypatch.setattr(kernel, "MODULES", ())
    own, raised = "fs/inotify/max_user_instances", "fs/inotify/max_user_watches"
    for name, value in ((own, 128), (raised, 1 << 20)):
        (tmp_path / "SYSCTL" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "SYSCTL" / name).write_text(f"{value}\n")
    (tmp_path / "NAMESPACES/gaia-0123").mkdir(parents=True)

    def limits() -> list[int]:
        return [int((tmp_path / "SYSCTL" / name).read_text()) for name in (own, raised)]

    kernel.raise_kernel_limits()
    assert limits() == [8192, 1 << 20]
    kernel.restore_kernel_limits()
    assert limits() == [8192, 1 << 20], "the other sandbox still runs"
    (tmp_path / "NAMESPACES/gaia-0123").rmdir()
    kernel.restore_kernel_limits()
    assert limits() == [128, 1 << 20]


def test_a_host_is_bounded_also_where_the_machine_has_the_unified_control_groups_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(f"cgroup2 {tmp_path} cgroup2 rw,nosuid 0 0\n")
    monkeypatch.setattr(bounds, "MOUNTS", tmp_path / "mounts")
    group = bounds.ControlGroup("gaia-0123", "gaia-0123-h-1")
    assert group.paths == [tmp_path / "gaia-0123/gaia-0123-h-1"]
    group.create(bounds.Bounds(2**30, 1.5))
    for above in (tmp_path, tmp_path / "gaia-0123"):
        assert (above / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    assert (group.paths[0] / "memory.max").read_text() == str(2**30)
    assert (group.paths[0] / "cpu.max").read_text() == "150000 100000"

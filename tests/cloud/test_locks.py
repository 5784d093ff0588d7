"""Locks of real engines of the pinned CLI, as `ops recover` reads, holds and removes them; no cloud."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops import locks
from ops.cloud import OpsError
from tests.conftest import ROOT
from tests.stack import descendants, tools

# Waits until a file appears, so that its engine is at work as long as a test wants.
PROGRAM = "import os, time\nwhile not os.path.exists(os.environ['GO_ON']):\n    time.sleep(0.1)\n"


class Engines:
    """Engines at work on the stack `held` of a project of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.go_on = directory / "go-on"
        self.folder = directory / "state/.pulumi/locks/organization/locks/held"

    def pulumi(self, *argv: str) -> subprocess.CompletedProcess[str]:
        words = ["pulumi", *argv, "--stack", "held", "--non-interactive"]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)

    def start(self) -> subprocess.Popen[bytes]:
        """An engine that has its lock."""
        there = set(self.objects())
        engine = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "held"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: set(self.objects()) > there, "the engine made no lock")
        return engine

    def kill(self, engine: subprocess.Popen[bytes]) -> None:
        for pid in [engine.pid, *descendants(engine.pid)]:
            os.kill(pid, signal.SIGKILL)
        engine.wait()

    def objects(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    runtime = "{name: python, options: {toolchain: pip, virtualenv: " + str(ROOT / ".venv") + "}}"
    (tmp_path / "Pulumi.yaml").write_text(f"name: locks\nruntime: {runtime}\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "state").mkdir()
    made = Engines(tmp_path)
    monkeypatch.chdir(tmp_path)
    for key, value in {**tools(tmp_path), "GO_ON": str(made.go_on)}.items():
        monkeypatch.setenv(key, value)
    subprocess.run(["pulumi", "stack", "init", "held", "--non-interactive"], check=True, capture_output=True)
    yield made


def test_a_killed_engines_lock_is_removed_and_a_living_ones_beside_it_is_not(engines: Engines) -> None:
    killed = engines.start()
    engines.kill(killed)
    [dead] = engines.objects()
    aside = dead.rename(engines.directory / dead.name)  # a second engine would not begin beside it
    living = engines.start()
    try:
        aside.rename(dead)
        [other] = [path for path in engines.objects() if path != dead]
        found = {lock.pid: lock for lock in locks.of("held").listed()}
        assert found[killed.pid].dead()
        assert not found[living.pid].dead()

        stack = locks.of("held")
        with pytest.raises(OpsError, match=rf"pid {living.pid}\) .*Wait until it has ended"), stack.held():
            pytest.fail("it was held beside a living engine")
        assert other in engines.objects()
        engines.go_on.touch()
        assert living.wait(60) == 0
    finally:
        living.kill()
        living.wait()
    with locks.of("held").held():
        pass
    assert engines.objects() == []


def test_no_engine_begins_while_the_stack_is_held_and_the_next_one_does(engines: Engines) -> None:
    engines.go_on.touch()
    with locks.of("held").held():
        refused = engines.pulumi("up", "--yes", "--skip-preview")
        preview = engines.pulumi("preview", "--json")
    assert refused.returncode != 0
    assert f"(pid {os.getpid()})" in refused.stderr
    assert json.loads(preview.stdout)["changeSummary"]
    assert engines.pulumi("up", "--yes", "--skip-preview").returncode == 0


def test_what_pulumi_says_of_a_lock_in_words_is_what_its_object_says(engines: Engines) -> None:
    engine = engines.start()
    try:
        [said] = locks.Refusals("held").listed()
        [written] = locks.of("held").listed()
        assert (said.pid, said.user, said.host) == (written.pid, written.user, written.host)
        assert said.pid == engine.pid
        assert said.since[:19] == written.since[:19]
        assert not said.dead()
    finally:
        engines.kill(engine)
    assert locks.Refusals("held").listed()[0].dead()
    engines.objects()[0].unlink()
    assert locks.Refusals("held").listed() == []

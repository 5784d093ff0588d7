"""What starts a note's interpreter: no more Spark sessions than the gateway has memory for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.hosts.configuration import ON_HOST

OPTIONS = ["-d", "/opt/zeppelin/interpreter/spark", "-i", "spark-2J", "-g"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """In the place of Zeppelin's own."""
    path = tmp_path / "interpreter.sh"
    path.write_text('#!/bin/sh\necho "began $*"; cat /proc/self/oom_score_adj\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def session() -> Iterator[None]:
    """A process that looks like a note's driver."""
    words = ["sleep 60 # RemoteInterpreterServer 127.0.0.1 12320 spark-2K", "note"]
    running = subprocess.Popen(["bash", "-c", "sleep 60; :", *words])
    yield
    running.kill()
    running.wait()


def start(program: Path, sessions: int, group: str) -> subprocess.CompletedProcess[str]:
    words = ["bash", str(ON_HOST / "note_process.sh"), str(sessions), str(program), *OPTIONS, group]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_it_becomes_the_interpreter_and_is_the_first_to_go_where_memory_runs_out(program: Path) -> None:
    done = start(program, 1, "python")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f"began {' '.join([*OPTIONS, 'python'])}", "500"]


@pytest.mark.usefixtures("session")
def test_one_session_more_than_there_is_memory_for_is_refused_in_a_sentence_and_other_interpreters_are_not(
    program: Path,
) -> None:
    refused = start(program, 1, "spark")
    assert refused.returncode == 1
    assert refused.stdout.startswith("1 notes have a Spark session, as many as the gateway has memory for.")
    assert "began" not in refused.stdout
    assert start(program, 2, "spark").returncode == 0
    assert start(program, 1, "python").returncode == 0

"""What takes a worker out of YARN, and what it says then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.on_host import node_health


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The program's arguments on a worker on which all is well: a volume of 10 % and a share."""
    for name in ("volume", "share"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: not Path(path, "unmounted").exists())
    monkeypatch.setattr(node_health, "used", lambda _: 10)
    return ["node-health", "90", f"{tmp_path}/volume", f"{tmp_path}/share"]


def test_a_worker_on_which_all_is_well_says_nothing(worker: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert node_health.main(worker) == 0
    assert capsys.readouterr().out == ""


def test_all_that_is_wrong_is_said_in_one_line_that_yarn_knows(
    worker: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_health, "used", lambda _: 90)
    Path(worker[3]).rmdir()
    assert node_health.main(worker) == 0
    said = capsys.readouterr().out
    assert said == f"ERROR {worker[2]} is 90 % full; {worker[3]} cannot be read (No such file or directory)\n"


def test_a_volume_that_is_not_mounted_is_named(worker: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(worker[2], "unmounted").touch()
    node_health.main(worker)
    assert capsys.readouterr().out == f"ERROR {worker[2]} is not mounted\n"


def test_what_is_taken_of_a_file_system_is_what_df_says(tmp_path: Path) -> None:
    assert 0 <= node_health.used(str(tmp_path)) <= 100

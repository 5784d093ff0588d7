"""How a host holds its configuration, and goes back to it: the parts that need no host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.hosts.bundle import Bundle, Link
from components.on_host.host import apply, files, guard, hold, last, places, units
from components.on_host.host.changes import Changes
from components.on_host.host.commands import Failed


def as_pushed(bundle: Bundle) -> dict[str, Any]:
    """What comes over the line."""
    made: dict[str, Any] = json.loads(json.dumps(bundle.as_dict()))
    return made


GOOD, NEW = as_pushed(Bundle(host="worker01")), as_pushed(Bundle(host="worker01", packages=("no-such",)))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's directories."""
    for name in ("BUNDLE", "MANIFEST", "PENDING", "REPORT", "LOCK", "STATE", "RUN"):
        monkeypatch.setattr(places, name, tmp_path / name.lower() if name not in ("STATE", "RUN") else tmp_path)
    return tmp_path


def state_of(active: str, sub: str = "", result: str = "success", ever: bool = True) -> dict[str, str]:
    return {
        "ActiveState": active,
        "SubState": sub,
        "Result": result,
        "NRestarts": "7",
        "ActiveEnterTimestampMonotonic": "123" if ever else "0",
    }


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (state_of("active", "running"), ""),
        (state_of("activating", "start"), ""),
        (state_of("failed", result="exit-code"), "start"),
        (state_of("inactive", ever=False), "start"),
        (state_of("inactive"), "stopped"),
        (state_of("activating", "auto-restart"), ""),
    ],
)
def test_what_failed_is_started_and_what_somebody_stopped_is_not(state: dict[str, str], verdict: str) -> None:
    assert hold.judged(state) == verdict


def test_a_timer_is_a_unit_without_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "run", lambda *_: "ActiveState=active\nSubState=waiting\nResult=success\n")
    assert hold.judged(state := units.shown("hdfs-checkpoint.timer")) == ""
    assert state["NRestarts"] == "0"


def test_daemons_are_put_right_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    states = {
        "datanode.service": state_of("failed", result="oom-kill"),
        "nodemanager.service": state_of("inactive"),
        "archives.service": state_of("activating", "auto-restart"),
        "namenode.service": state_of("active"),
    }
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(hold, "shown", states.__getitem__)
    monkeypatch.setattr(hold, "run", lambda *argv: commands.append(argv))
    changes = Changes(tmp_path / "pending")
    wrong = list(hold.daemons({"units": [{"name": name} for name in states]}, changes))
    assert wrong == [
        "datanode.service had failed (oom-kill): journalctl -u datanode.service",
        "nodemanager.service was stopped by somebody: systemctl start nodemanager.service",
        "archives.service has ended 7 times and is started again: journalctl -u archives.service",
    ]
    assert commands == [
        ("systemctl", "reset-failed", "datanode.service"),
        ("systemctl", "start", "--no-block", "datanode.service"),
    ]
    assert changes.lines == ["started datanode.service, which had failed"]


def test_the_metadata_service_is_guarded_again_only_when_it_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: Path
) -> None:
    calls: list[str] = []
    tables: set[str] = set()

    def run(*argv: str) -> None:
        calls.append(" ".join(argv))
        tables.add(argv[-1])

    monkeypatch.setattr(guard, "RULES_FILE", tmp_path / "rules")
    monkeypatch.setattr(places, "UNITS", state)
    monkeypatch.setattr(guard, "run", run)
    monkeypatch.setattr(guard, "succeeds", lambda *argv: argv[0] == "nft" and str(tmp_path / "rules") in tables)
    guard.metadata_guard({}, changes := Changes(state / "changes"))
    assert calls[-1] == f"nft -f {tmp_path / 'rules'}"
    assert changes.lines == ["guarded the metadata service"]
    guard.metadata_guard({}, again := Changes(state / "changes"))
    assert not again.lines
    tables.clear()  # somebody flushed them
    guard.metadata_guard({}, after := Changes(state / "changes"))
    assert after.lines == ["guarded the metadata service"]


def test_a_volume_without_room_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = {"/full": 0.96, "/half": 0.5, "/gone": 0.99}
    monkeypatch.setattr(hold, "used", lambda mount: {"used": taken[mount]})
    monkeypatch.setattr("os.path.ismount", lambda mount: mount != "/gone")
    bundle = {"disks": [{"mount": mount} for mount in taken]}
    said = list(hold.room(bundle, Changes(tmp_path / "pending")))
    assert said == ["/full is 96% full: make room, or let the volume grow (gaia:hosts, volume_gib)"]


def test_a_step_that_fails_is_told_and_the_others_are_taken(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_bundle: Any, _changes: Changes) -> None:
        raise Failed("the volume did not appear")

    def works(_bundle: Any, changes: Changes) -> None:
        changes.add("/data", "mounted the share at /data")

    (state / "bundle").write_text(json.dumps(GOOD))
    monkeypatch.setattr(hold, "write", lambda file, text, *_: file.write_text(text))
    monkeypatch.setattr("components.on_host.host.changes.write", lambda file, text, *_: file.write_text(text))
    monkeypatch.setattr(hold, "STEPS", (fails, works))
    for _ in range(2):
        assert hold.hold() == 0
    assert "mounted the share at /data\nthe volume did not appear" in capsys.readouterr().out
    report = json.loads((state / "report").read_text())
    assert report["wrong"] == ["the volume did not appear"]
    assert [repair["what"] for repair in report["repaired"]] == ["mounted the share at /data"] * 2


def test_only_the_last_repairs_are_remembered() -> None:
    report: hold.Report = {}
    for number in range(hold.REMEMBERED + 3):
        report = hold.noted(report, [f"repair {number}"], [], float(number))
    assert len(report["repaired"]) == hold.REMEMBERED
    assert report["repaired"][-1] == {"at": hold.REMEMBERED + 2.0, "what": f"repair {hold.REMEMBERED + 2}"}


# ---- a push that fails


@pytest.fixture
def pushed(state: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was put in force; NEW cannot be."""
    tried: list[Any] = []

    def put_in_force(bundle: Any, _changes: Changes) -> None:
        tried.append(bundle)
        if bundle == NEW:
            raise Failed("no package no-such")

    assert state
    monkeypatch.setattr(apply, "put_in_force", put_in_force)
    return tried


def test_a_push_that_fails_puts_the_last_good_one_in_force_again(
    state: Path, pushed: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "bundle").write_text(json.dumps(GOOD))
    assert apply.apply(NEW) == 1
    assert pushed == [NEW, GOOD]
    said = capsys.readouterr().err
    assert "worker01: no package no-such\n    the host is again as it was before\n" in said


def test_a_host_that_had_nothing_before_says_so(pushed: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert apply.apply(NEW) == 1
    assert len(pushed) == 1
    assert "the host had no configuration before" in capsys.readouterr().err


def test_a_host_that_cannot_go_back_says_both(
    state: Path, pushed: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "bundle").write_text(json.dumps(NEW))
    assert apply.apply(NEW) == 1
    assert len(pushed) == 2
    assert "could not go back to what was in force before: no package no-such" in capsys.readouterr().err


def test_what_came_with_a_push_that_failed_goes_when_the_last_good_one_is_put_in_force_again(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link(path=f"{state}/new", target="/")
    first, second = as_pushed(Bundle(host="w")), as_pushed(Bundle(host="w", links=(link,)))

    def fails(bundle: Any, _changes: Changes) -> None:
        if bundle == second:
            raise Failed("no")

    for module in (apply, "components.on_host.host.changes"):
        name = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{name}.write", lambda file, text, *_: file.write_text(text))
    monkeypatch.setattr(apply, "STEPS", (last.remove_stale, files.links, fails))
    assert apply.apply(first) == 0
    assert apply.apply(second) == 1
    assert not (state / "new").is_symlink()
    monkeypatch.setattr(apply, "STEPS", (last.remove_stale, files.links))
    assert apply.apply(second) == 0
    assert (state / "new").is_symlink()

"""The health check that `up` ends with: what it says is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.on_host import health

CHECK = {
    "master": "master01",
    "workers": ["worker01", "worker02"],
    "namenode": "http://n",
    "resourcemanager": "http://r",
    "zeppelin": "http://z",
}


def answers(live: list[str], running: list[str], safemode: str = "", zeppelin: str = "OK") -> dict[str, Any]:
    nodes = {"node": [{"nodeHostName": name} for name in running]} if running else None
    info = {"Safemode": safemode, "LiveNodes": json.dumps({f"{name}:9866": {} for name in live})}
    return {"http://n": {"beans": [info]}, "http://r": {"nodes": nodes}, "http://z": {"status": zeppelin}}


def missing(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]) -> list[str]:
    def get(url: str) -> Any:
        found = given[url[: len("http://n")]]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(health, "get", get)
    return health.missing(CHECK)


def test_a_platform_with_all_its_workers_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["worker01", "worker02"]
    assert missing(monkeypatch, answers(both, both)) == []


def test_a_worker_is_named_with_the_unit_that_is_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    said = missing(monkeypatch, answers(["worker01"], ["worker02"]))
    assert said == [
        "worker02: datanode.service is not registered with HDFS",
        "worker01: nodemanager.service is not running in YARN",
    ]


def test_yarn_without_any_node_is_not_an_error_of_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(missing(monkeypatch, answers(["worker01", "worker02"], []))) == 2


def test_safe_mode_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["worker01", "worker02"]
    assert "safe mode" in missing(monkeypatch, answers(both, both, safemode="Safe mode is ON."))[0]


def test_a_service_that_does_not_answer_is_named_with_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["worker01", "worker02"]
    given = answers(both, both) | {"http://r": OSError("refused"), "http://z": OSError("refused")}
    said = missing(monkeypatch, given)
    assert said[0].startswith("master01: resourcemanager.service does not answer at http://r")
    assert said[1].startswith("zeppelin: zeppelin.service does not answer at http://z")


def test_the_check_gives_up_after_its_time_and_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(health, "missing", lambda _: ["worker02: datanode.service is not registered with HDFS"])
    assert health.main(CHECK) == 1
    said = capsys.readouterr().err
    assert "worker02: datanode.service" in said
    assert "journalctl -u UNIT" in said

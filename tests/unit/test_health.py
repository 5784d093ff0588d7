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
    "program": "/usr/local/lib/gaia/host.pyz",
    "account": "zeppelin",
}
BOTH = ["worker01", "worker02"]
WELL = (0, json.dumps({"wrong": []}), "")


def answers(live: list[str], running: list[str], safemode: str = "", zeppelin: str = "OK") -> dict[str, Any]:
    nodes = {"node": [{"nodeHostName": name, "state": "RUNNING"} for name in running]} if running else None
    info = {"Safemode": safemode, "LiveNodes": json.dumps({f"{name}:9866": {} for name in live})}
    return {"http://n": {"beans": [info]}, "http://r": {"nodes": nodes}, "http://z": {"status": zeppelin}}


def missing(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], gateway: tuple[int, str, str] = WELL) -> list[str]:
    def get(url: str) -> Any:
        found = given[url[: len("http://n")]]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(health, "get", get)
    monkeypatch.setattr(health, "output", lambda *_: gateway)
    return health.missing(CHECK)


def test_a_platform_with_all_its_workers_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing(monkeypatch, answers(BOTH, BOTH)) == []


def test_a_worker_is_named_with_the_unit_that_is_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    said = missing(monkeypatch, answers(["worker01"], ["worker02"]))
    assert said == [
        "worker02: datanode.service is not registered with HDFS",
        "worker01: nodemanager.service is not running in YARN",
    ]


def test_yarn_without_any_node_is_not_an_error_of_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(missing(monkeypatch, answers(["worker01", "worker02"], []))) == 2


def test_safe_mode_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "safe mode" in missing(monkeypatch, answers(BOTH, BOTH, safemode="Safe mode is ON."))[0]


def test_a_service_that_does_not_answer_is_named_with_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    given = answers(BOTH, BOTH) | {"http://r": OSError("refused"), "http://z": OSError("refused")}
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


def test_a_worker_that_yarn_takes_no_work_to_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    given = answers(BOTH, BOTH)
    given["http://r"]["nodes"]["node"][1] |= {
        "state": "UNHEALTHY",
        "healthReport": "ERROR /data/gaia/GDR3 is not mounted\n",
    }
    said = missing(monkeypatch, given)
    assert said == ["worker02: YARN gives it no work: ERROR /data/gaia/GDR3 is not mounted"]


def test_what_the_gateway_says_of_itself_is_wrong_with_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = "archives.service was stopped by somebody"
    said = missing(monkeypatch, answers(BOTH, BOTH), (0, json.dumps({"wrong": [stopped]}), ""))
    assert said == [f"zeppelin: {stopped}"]
    said = missing(monkeypatch, answers(BOTH, BOTH), (1, "", "no such file"))
    assert said == ["zeppelin: /usr/local/lib/gaia/host.pyz does not run: no such file"]


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ((0, "computed 14\n", ""), 0, "2 workers in HDFS and YARN, Zeppelin answers, a Spark job has computed"),
        ((1, "", "a\nno such queue"), 1, "zeppelin: a Spark job ended with status 1:\n    a\n    no such queue"),
        ((124, "", ""), 1, "zeppelin: a Spark job did not end within 180 s:"),
        ((0, "computed 13\n", ""), 1, "zeppelin: a Spark job ended with status 0:"),
    ],
)
def test_a_spark_job_has_to_compute_what_it_should(
    answer: tuple[int, str, str], status: int, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(health, "missing", lambda _: [])
    monkeypatch.setattr(health, "output", lambda *_: answer)
    assert health.main(CHECK) == status
    printed = capsys.readouterr()
    assert (printed.err if status else printed.out).strip() == said

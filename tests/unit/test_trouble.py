"""What is said of a release that does not get ready, from objects as a cluster's API gives them. (That a real cluster
gives them so, and that `up` says it: tests/kubernetes/test_releases.py.)"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pulumi
import pytest
from urllib3.exceptions import HTTPError

from components.kubernetes import rollout, trouble
from components.kubernetes.trouble import Evidence, Object, lines
from tests.unit.test_components import Recorder, record

IMAGE = "registry.example.org/driver:v9"
ABSENT = f'Back-off pulling image "{IMAGE}": ErrImagePull: {IMAGE}: not found'


def status(name: str, state: Object, last: Object | None = None, *, ready: bool = False) -> Object:
    return {"name": name, "image": IMAGE, "ready": ready, "state": state, "lastState": last or {}}


def pod(name: str, *statuses: Object, owner: str = "set", ready: bool = False, phase: str = "Running") -> Object:
    return {
        "metadata": {"name": name, "uid": name, "ownerReferences": [{"uid": owner}], "labels": {"app": "driver"}},
        "spec": {"nodeName": "node-0"},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": list(statuses),
        },
    }


def event(uid: str, reason: str, message: str, at: str = "2026-01-01T00:00:00Z", kind: str = "Warning") -> Object:
    involved = {"uid": uid}
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": at, "involvedObject": involved}


def said(*pods: Object, events: tuple[Object, ...] = (), logs: dict[tuple[str, str], str] | None = None) -> list[str]:
    workload = {"metadata": {"name": "driver", "uid": "set"}}
    return lines(Evidence(workloads=[workload], replica_sets=[], pods=list(pods), events=list(events), logs=logs or {}))


def test_an_image_that_is_not_there_is_named_with_its_pod_and_container() -> None:
    waits = status("driver", {"waiting": {"reason": "ImagePullBackOff", "message": ABSENT}})
    assert said(pod("driver-1", waits)) == [
        "  pod driver-1 on node-0 is not ready",
        f"    container driver ({IMAGE}): ImagePullBackOff: {ABSENT}",
    ]


def test_a_container_that_crashes_says_how_it_ended_and_its_last_words() -> None:
    ended = {"terminated": {"exitCode": 2, "reason": "Error"}}
    crashed = status("driver", {"waiting": {"reason": "CrashLoopBackOff"}}, ended)
    words = "\n".join(f"line {n}" for n in range(100))
    found = said(pod("driver-1", crashed), logs={("driver-1", "driver"): words})
    assert found[1] == f"    container driver ({IMAGE}): CrashLoopBackOff, ended with 2 (Error)"
    assert found[2:] == [f"      | line {n}" for n in range(100 - trouble.LOG_LINES, 100)]


def test_a_container_between_two_crashes_and_one_that_only_runs_are_told_apart() -> None:
    ended = status("a", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    _, first, second = said(pod("driver-1", ended, status("b", {"running": {}})))
    assert first.endswith(": ended with 137 (OOMKilled)")
    assert second.endswith(": runs, but is not ready")


def test_what_is_ready_has_ended_well_or_is_being_deleted_is_not_told() -> None:
    leaving = pod("driver-3", status("driver", {"running": {}}))
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert said(pod("driver-1", ready=True), pod("job-1", phase="Succeeded"), leaving) == []


def test_of_pods_that_are_alike_the_first_speaks_for_the_others() -> None:
    found = said(pod("a-1"), pod("a-2"), pod("b-1", owner="other"))
    assert found == ["  pod a-1 on node-0 is not ready, nor a-2", "  pod b-1 on node-0 is not ready"]


def test_a_pods_last_warnings_are_told_each_once_and_no_other_events() -> None:
    warnings = [event("driver-1", "BackOff", f"message {n}", f"2026-01-01T00:00:0{n}Z") for n in range(5)]
    others = (event("driver-2", "BackOff", "of another"), event("driver-1", "Pulled", "all is well", kind="Normal"))
    found = said(pod("driver-1"), events=(*reversed(warnings), *warnings, *others))
    assert found[1:] == [f"    warning BackOff: message {n}" for n in (2, 3, 4)]


def test_a_pod_without_a_node_says_what_the_scheduler_says() -> None:
    waits = pod("driver-1")
    del waits["spec"]["nodeName"]
    found = said(waits, events=(event("driver-1", "FailedScheduling", "0/2 nodes are available: Insufficient cpu"),))
    assert found == [
        "  pod driver-1 on no node yet is not ready",
        "    warning FailedScheduling: 0/2 nodes are available: Insufficient cpu",
    ]


def test_a_workload_whose_pods_are_refused_says_why() -> None:
    refused = event("set", "FailedCreate", 'violates PodSecurity "restricted"')
    assert said(events=(refused,)) == [
        "  driver gets no pods",
        '    warning FailedCreate: violates PodSecurity "restricted"',
    ]


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which clusters were asked, by their kubeconfig; the client is a text."""
    found: list[str] = []

    @contextmanager
    def connect(kubeconfig: str) -> Iterator[str]:
        found.append(kubeconfig)
        yield "client"

    monkeypatch.setattr(trouble, "connect", connect)
    return found


def failed(operation: Literal["create", "delete"]) -> pulumi.ErrorHookArgs:
    return pulumi.ErrorHookArgs(urn="", id="", name="web", type="", failed_operation=operation, errors=["timed out"])


@pytest.mark.parametrize("found", [["  pod a is not ready"], []])
def test_what_failed_says_why_once_and_is_not_tried_again(
    found: list[str], reached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    logged: list[str] = []

    def look(*where: str) -> list[str]:
        asked.append(where)
        return found

    monkeypatch.setattr(pulumi.log, "error", logged.append)
    recorder = Recorder()
    record(lambda: trouble.told("release web", look, "web", "default", pulumi.Output.secret("a kubeconfig")), recorder)
    assert asyncio.run(recorder.hooks["trouble of release web"](failed("create"))) is False
    assert (asked, reached) == ([("client", "web", "default")], ["a kubeconfig"])
    assert logged == (["release web:\n  pod a is not ready"] if found else [])


def test_a_cluster_that_does_not_answer_is_told_as_that(reached: list[str]) -> None:
    def look(*_: str) -> list[str]:
        raise HTTPError("connection refused")

    assert trouble.asked(look, "web", "a kubeconfig") == ["  its cluster could not be asked: connection refused"]
    assert reached == ["a kubeconfig"]


def test_a_failed_deletion_does_not_wait_for_the_cluster_that_takes_the_place_of_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its kubeconfig is not known before everything in the first is deleted: the engine would wait for the hook."""

    class Unknown:
        async def future(self) -> None:
            await asyncio.sleep(60)

    monkeypatch.setattr(pulumi.Output, "all", lambda *_: Unknown())
    recorder = Recorder()
    record(lambda: trouble.told("release web", trouble.of_release, "unknown"), recorder)
    tell = recorder.hooks["trouble of release web"]
    assert asyncio.run(asyncio.wait_for(tell(failed("delete")), 5)) is False


@pytest.mark.parametrize(
    ("revision", "ready", "gone"), [("old", False, ["db-0"]), ("old", True, []), ("new", False, [])]
)
def test_of_a_stateful_set_only_pods_of_an_older_revision_that_are_not_ready_stand_in_the_way(
    revision: str, ready: bool, gone: list[str]
) -> None:
    own, foreign = pod("db-0", ready=ready), pod("driver-1", owner="other")
    own["metadata"]["labels"]["controller-revision-hash"] = revision
    stateful = {"metadata": {"name": "db", "uid": "set"}, "status": {"updateRevision": "new"}}
    assert rollout.outdated([stateful], [own, foreign]) == gone


def test_what_stands_in_the_way_is_cleared_as_long_as_an_upgrade_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def clear(*where: str) -> list[str]:
        asked.append(where)
        return []

    monkeypatch.setattr(rollout, "clear", clear)
    monkeypatch.setattr(rollout, "INTERVAL", 0.01)
    recorder = Recorder()
    record(lambda: rollout.unblocked("web", "default", pulumi.Output.secret("a kubeconfig")), recorder)

    async def upgraded() -> int:
        recorder.hooks["rollout-web-begins"](None)
        await asyncio.sleep(0.2)
        recorder.hooks["rollout-web-ends"](None)
        await asyncio.sleep(0.1)
        before = len(asked)
        await asyncio.sleep(0.2)
        return before

    assert 0 < asyncio.run(upgraded()) == len(asked)
    assert set(asked) == {("web", "default", "a kubeconfig")}

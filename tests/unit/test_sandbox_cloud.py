"""What the sandbox's cloud is like: its quotas, the names of its disks, the faults that a test asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.hosts import disks
from sandbox.layout import FLAVORS, QUOTAS, SCSI, Layout
from sandbox.services import faults
from sandbox.services.faults import Fault, Faulty
from sandbox.services.swift_cache import Memory
from tests.conftest import ROOT

SIZES = {flavor.name: flavor for flavor in FLAVORS}


def stacks() -> dict[str, dict[str, Any]]:
    """Every committed stack file that has hosts: its name and its `hosts`."""
    configs = {file.name: yaml.safe_load(file.read_text())["config"] for file in ROOT.glob("Pulumi.*.yaml")}
    return {name: config["gaia:hosts"] for name, config in configs.items() if "gaia:hosts" in config}


@pytest.mark.parametrize("name", stacks())
def test_every_committed_stack_has_room_in_a_projects_quota(name: str) -> None:
    roles = [role for role in stacks()[name].values() if isinstance(role, dict) and role.get("flavor") in SIZES]
    assert roles
    needs = [(role.get("count", 1), SIZES[role["flavor"]], role["volume_gib"]) for role in roles]
    assert sum(count for count, _, _ in needs) <= QUOTAS["nova"]["instances"]
    assert sum(count * flavor.vcpus for count, flavor, _ in needs) <= QUOTAS["nova"]["cores"]
    assert sum(count * flavor.ram for count, flavor, _ in needs) <= QUOTAS["nova"]["ram"]
    assert sum(count * gib for count, _, gib in needs) <= QUOTAS["cinder"]["gigabytes"]


def test_disks_have_the_names_that_udev_gives_those_of_kvm() -> None:
    volume = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    assert disks.by_id(volume, "") == "virtio-0f1e2d3c-4b5a-6978-8"
    assert disks.by_id(volume, SCSI) == f"scsi-0QEMU_QEMU_HARDDISK_{volume}"
    assert disks.device_links(SCSI).splitlines()[0] == "L /dev/sdb - - - - disk/sdb"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.run.mkdir(parents=True)
    return made


def ask(layout: Layout, method: str, path: str) -> tuple[str, dict[str, str]]:
    """Status and headers of an answer of Neutron, which says 200 by itself."""
    answers: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        answers.append((status, dict(headers)))

    def application(_: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [])
        return [b"well"]

    body = Faulty(layout, "neutron", application)({"REQUEST_METHOD": method, "PATH_INFO": path}, start_response)
    assert b"".join(body)
    return answers[0]


def test_a_fault_happens_as_often_as_was_asked_for_to_the_requests_that_fit(layout: Layout) -> None:
    assert ask(layout, "POST", "/v2.0/ports")[0] == "200 OK"
    faults.add(layout, Fault("neutron", 429, 0, "POST", "/ports$"), 2)
    faults.add(layout, Fault("nova", 503, 0, "", ""), 1)
    assert ask(layout, "GET", "/v2.0/ports")[0] == "200 OK"
    assert ask(layout, "POST", "/v2.0/networks")[0] == "200 OK"
    for _ in range(2):
        status, headers = ask(layout, "POST", "/v2.0/ports")
        assert status == "429 Too Many Requests"
        assert headers["Retry-After"] == "1"
    assert ask(layout, "POST", "/v2.0/ports")[0] == "200 OK"
    assert [str(fault) for _, fault in faults.left(layout)] == ["nova answers 503: any method any path"]
    faults.clear(layout)
    assert faults.left(layout) == []


def test_a_slow_answer_is_the_apis_own_and_is_of_what_is_done_already(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str | float] = []

    def application(*_: Any) -> list[bytes]:
        done.append("made")
        return []

    monkeypatch.setattr("time.sleep", done.append)
    faults.add(layout, Fault("neutron", 0, 7.5, "", ""), 1)
    Faulty(layout, "neutron", application)({"REQUEST_METHOD": "POST", "PATH_INFO": "/"}, lambda *_: None)
    assert done == ["made", 7.5]


def test_swifts_cache_keeps_copies_for_as_long_as_it_was_told() -> None:
    now = 100.0
    cache = Memory(lambda: now)
    info = {"status": 204, "acl": ("a", "b")}
    cache.set("container/a", info, time=60)
    cache.set("for ever", 1)
    info["status"] = 404
    assert cache.get("container/a") == {"status": 204, "acl": ["a", "b"]}
    now += 61
    assert cache.get("container/a") is None
    assert cache.get("for ever") == 1
    cache.delete("for ever")
    assert cache.get("for ever") is None

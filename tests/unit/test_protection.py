"""What a change of config would lose, and what is said then."""

from __future__ import annotations

from typing import Any

import pytest

from components.hadoop import infrastructure, protection
from tests.unit.test_settings import hadoop, hosts

SIZES = {"zeppelin": 512, "master01": 64, "worker01": 1024, "worker02": 1024, "worker03": 1024, "worker04": 1024}
TYPES = f"gaia:hosts:Host$gaia:storage:AttachedVolume${protection.VOLUME_TYPE}"
STATE = {f"urn:pulumi:gaia-prod::gaia::{TYPES}::{host}": {"size": size} for host, size in SIZES.items()}
STATE |= {"urn:pulumi:gaia-prod::gaia::gaia:hosts:Host$openstack:compute/instance:Instance::worker09": {}}


def workers(count: int, volume_gib: int = 1024) -> dict[str, Any]:
    return hosts(worker={"flavor": "general.v1.medium", "volume_gib": volume_gib, "count": count})


def refused(**changes: Any) -> list[str]:
    settings = hadoop(**changes)
    return list(protection.refused(settings, infrastructure.plan("gaia-prod", settings), STATE))


def protected(**changes: Any) -> list[str]:
    settings = hadoop(**changes)
    planned = infrastructure.plan("gaia-prod", settings)
    return [host.name for host in planned if protection.protected(settings, host)]


def test_what_there_is_only_one_of_is_protected_in_a_live_stack_and_only_there() -> None:
    assert protected(live=True) == ["zeppelin", "master01"]
    assert protected() == []
    assert protected(live=True, let_go=["zeppelin"]) == ["master01"]
    assert protected(live=True, let_go=["all"]) == []


def test_fewer_workers_of_a_live_stack_are_refused_with_what_would_go_and_how_it_is_let_go() -> None:
    [said] = refused(live=True, hosts=workers(2))
    assert said.startswith("hosts.worker.count is 2: worker03, worker04 would go, each with its volume")
    assert "all its 2 copies" in said
    assert "pulumi config set --path 'gaia:let_go[0]' worker03" in said
    assert refused(live=True, hosts=workers(2), let_go=["worker03", "worker04"]) == []
    assert "worker04 would go" in refused(live=True, hosts=workers(2), let_go=["worker03"])[0]
    assert refused(hosts=workers(2)) == []
    assert refused(live=True, hosts=workers(5)) == []


def test_a_volume_that_would_shrink_is_refused_in_every_stack() -> None:
    said = refused(hosts=workers(4, volume_gib=512))
    assert [line.split(",")[0] for line in said] == ["hosts.worker.volume_gib is 512"] * 4
    assert "the volume of worker01 has 1024 GiB" in said[0]


def test_a_name_that_is_no_host_is_no_permission() -> None:
    assert refused(let_go=["worker9"]) == ["let_go names worker9, which is no host of this deployment"]


@pytest.mark.parametrize(("names", "said"), [([], ""), (["worker04"], "gaia:let_go lets worker04 go:")])
def test_a_permission_that_is_left_in_the_config_is_told(names: list[str], said: str) -> None:
    assert protection.reminder(hadoop(let_go=names)).startswith(said)
    assert bool(protection.reminder(hadoop(let_go=names))) == bool(said)

"""What of the cloud a sweep takes for the deployment's. (That it is removed: tests/kubernetes.)"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from openstack.exceptions import ForbiddenException

from ops import sweep
from ops.cloud import OpsError

MARK = {sweep.CLUSTER_OF_SHARE: "gaia-dev"}


def share(name: str, metadata: dict[str, str] | None) -> SimpleNamespace:
    return SimpleNamespace(id=f"id-{name}", name=name, metadata=metadata, size=1, created_at="today")


def balancer(name: str, network: str, description: str) -> SimpleNamespace:
    return SimpleNamespace(id=f"id-{name}", name=name, vip_network_id=network, description=description)


def cloud(status: str = "") -> Any:
    """A project with another deployment in it, and things that people made by hand."""
    shares = [
        share("pvc-ours", MARK),
        share("pvc-theirs", {sweep.CLUSTER_OF_SHARE: "gaia-dev-2"}),
        share("gaia-dev-notebooks", {}),
        share("by-hand", None),
    ]
    service = f"{sweep.OF_A_SERVICE}default/web from cluster 0123"
    balancers = [balancer("ours", "n1", service), balancer("by-hand", "n1", ""), balancer("theirs", "n2", service)]
    networks = {"gaia-dev": SimpleNamespace(id="n1"), "gaia-dev-2": SimpleNamespace(id="n2")}
    clusters = [SimpleNamespace(name="gaia-dev", status=status)] if status else []
    return SimpleNamespace(
        current_project_id="p",
        shared_file_system=SimpleNamespace(shares=lambda **_: shares),
        load_balancer=SimpleNamespace(load_balancers=lambda: balancers),
        network=SimpleNamespace(networks=lambda name, **_: [networks[name]]),
        container_infrastructure_management=SimpleNamespace(clusters=lambda: clusters),
    )


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sweep, "whose", lambda _: ("a-cloud", "gaia-dev"))
    return "gaia-dev"


def test_only_what_carries_the_deployments_mark_is_listed(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "connect", lambda _: cloud())
    first, second, how = sweep.sweep(stack, remove=False)
    assert first == "load balancer ours (id-ours): default/web from cluster 0123"
    assert second.startswith("share pvc-ours (id-pvc-ours): 1 GiB")
    assert "--remove" in how


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "CREATE_FAILED"])
def test_nothing_is_removed_while_there_is_a_cluster(stack: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "connect", lambda _: cloud(status))
    monkeypatch.setattr(sweep, "REMOVE", {})
    with pytest.raises(OpsError, match=f"gaia-dev is {status}: what it made is in use"):
        sweep.sweep(stack, remove=True)
    assert status in sweep.sweep(stack, remove=False)[0]


def test_what_a_cluster_has_left_whose_deletion_failed_is_removed(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    monkeypatch.setattr(sweep, "connect", lambda _: cloud("DELETE_FAILED"))
    monkeypatch.setattr(sweep, "REMOVE", dict.fromkeys(sweep.REMOVE, lambda _, found: removed.append(found.name)))
    sweep.sweep(stack, remove=True)
    assert removed == ["ours", "pvc-ours"]


def test_what_the_cloud_does_not_let_go_is_told_after_the_rest_was_removed(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any, found: sweep.Left) -> None:
        raise ForbiddenException(f"the status of {found.name} is extending")

    monkeypatch.setattr(sweep, "connect", lambda _: cloud())
    monkeypatch.setattr(sweep, "REMOVE", {"load balancer": refuse, "share": lambda *_: None})
    with pytest.raises(OpsError) as said:
        sweep.sweep(stack, remove=True)
    removed, still = str(said.value).splitlines()
    assert removed.startswith("removed share pvc-ours")
    assert still.startswith("still there: load balancer ours")
    assert "is extending" in still

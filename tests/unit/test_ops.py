"""What pulumi has no verb for: the parts that need no cloud."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops import recover, state
from ops.cloud import OpsError


def test_the_backends_address_is_what_pulumi_wants_of_an_s3_compatible_store() -> None:
    assert (
        state.backend_url("gaia-state", "http://127.0.0.1:8080", "us-east-1")
        == "s3://gaia-state?endpoint=http%3A%2F%2F127.0.0.1%3A8080&s3ForcePathStyle=true&region=us-east-1"
    )


def test_the_environment_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "new" / "state.env"
    for secret in ("one", "two"):
        state.write_environment(file, {"AWS_SECRET_ACCESS_KEY": secret})
        assert file.read_text() == f"AWS_SECRET_ACCESS_KEY={secret}\n"
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_shell_reads_the_environment_file_as_it_was_meant(tmp_path: Path) -> None:
    file, url = tmp_path / "state.env", state.backend_url("gaia-state", "http://127.0.0.1:8080", "us-east-1")
    state.write_environment(file, {"PULUMI_BACKEND_URL": url})
    script = f'set -a; . {file}; exec printenv PULUMI_BACKEND_URL'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip() == url


class Network:
    """A cloud's networks, by id and name; a delete takes two looks to show."""

    def __init__(self, found: dict[str, str]) -> None:
        self.found = found
        self.deleted: list[str] = []
        self.fading: dict[str, int] = {}

    def networks(self, name: str, project_id: str) -> list[Any]:
        assert project_id == "project"
        for key in [key for key, looks in self.fading.items() if looks == 0]:
            self.found.pop(key)
            self.fading.pop(key)
        self.fading = {key: looks - 1 for key, looks in self.fading.items()}
        return [SimpleNamespace(id=key, name=value) for key, value in self.found.items() if value == name]

    def delete_network(self, network: Any) -> None:
        self.deleted.append(network.id)
        self.fading[network.id] = 1


def pending(kind: str, name: str, inputs: dict[str, Any], operation: str = "creating") -> dict[str, Any]:
    resource = {"urn": f"urn:pulumi:s::gaia::{kind}::{name}", "type": kind, "inputs": inputs, "provider": "urn:p::id"}
    return {"resource": resource | {"custom": kind.startswith("openstack:")}, "type": operation}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Recover a stack whose state is given, against a cloud whose networks are given."""

    def recovered(deployment: dict[str, Any], network: Network) -> tuple[list[str], dict[str, Any] | None]:
        imported: list[dict[str, Any]] = []
        provider = {"urn": "urn:p", "id": "id", "type": "pulumi:providers:openstack", "inputs": {"cloud": "c"}}
        resources = [provider, *deployment.pop("resources", [])]
        state_now = {"version": 3, "deployment": {**deployment, "resources": resources}}

        def pulumi(_stack: str, *argv: str, stdin: str | None = None) -> str:
            if argv[1] == "rename":
                raise OpsError("a stack named gaia-test already exists")
            if argv[1] == "import":
                assert stdin is not None
                imported.append(json.loads(stdin))
            return json.dumps(state_now)

        monkeypatch.setattr(recover, "_pulumi", pulumi)
        connection = SimpleNamespace(network=network, current_project_id="project")
        monkeypatch.setattr(recover, "connect", lambda _: connection)
        monkeypatch.setattr("time.sleep", lambda _: None)
        return recover.recover("gaia-test"), imported[0] if imported else None

    return recovered


KIND = "openstack:networking/network:Network"


class Routers(Network):
    """A cloud whose router has one port; removing the interface removes the port."""

    def ports(self, device_id: str) -> list[Any]:
        assert device_id == "router"
        ips = [{"subnet_id": "subnet"}]
        return [SimpleNamespace(id=key, name=name, fixed_ips=ips) for key, name in self.found.items()]

    def get_router(self, _: str) -> Any:
        return SimpleNamespace(remove_interface=lambda _cloud, port_id: self.deleted.append(self.found.pop(port_id)))


def test_a_router_interface_takes_its_port_along_in_the_cloud_and_in_the_state(run: Any) -> None:
    network = Routers({"port": "gaia-test-cephfs"})
    port = {"urn": "urn:x", "id": "port", "type": "openstack:networking/port:Port", "inputs": {}}
    kind = "openstack:networking/routerInterface:RouterInterface"
    inputs = {"routerId": "router", "portId": "port"}
    deployment = {"pending_operations": [pending(kind, "cephfs", inputs)], "resources": [port]}
    _, imported = run(deployment, network)
    assert network.deleted == ["gaia-test-cephfs"]
    assert [resource["type"] for resource in imported["deployment"]["resources"]] == ["pulumi:providers:openstack"]


def test_what_a_killed_engine_left_is_removed_and_the_state_is_cleared(run: Any) -> None:
    network = Network({"orphan": "gaia-test", "other": "somebody-elses"})
    deployment = {"pending_operations": [pending(KIND, "net", {"name": "gaia-test"})]}
    lines, imported = run(deployment, network)
    assert network.deleted == ["orphan"]
    assert network.found == {"other": "somebody-elses"}
    assert "removed orphan" in lines[0]
    assert "pending_operations" not in imported["deployment"]


def test_a_resource_that_the_state_owns_is_never_removed(run: Any) -> None:
    network = Network({"mine": "gaia-test"})
    deployment = {
        "pending_operations": [pending(KIND, "net", {"name": "gaia-test"})],
        "resources": [{"urn": "urn:x", "id": "mine", "type": KIND, "inputs": {}}],
    }
    lines, _ = run(deployment, network)
    assert network.deleted == []
    assert "was never made" in lines[0]


def test_a_pending_delete_is_left_to_pulumi(run: Any) -> None:
    network = Network({"mine": "gaia-test"})
    deployment = {"pending_operations": [pending(KIND, "net", {"name": "gaia-test"}, "deleting")]}
    run(deployment, network)
    assert network.deleted == []


def test_a_pending_share_is_never_removed_because_it_may_hold_data(run: Any) -> None:
    kind = "openstack:sharedfilesystem/share:Share"
    with pytest.raises(OpsError, match="import or remove it by hand"):
        run({"pending_operations": [pending(kind, "catalogue", {"name": "dr3"})]}, Network({}))


def test_a_pending_component_is_nothing_in_the_cloud(run: Any) -> None:
    lines, imported = run({"pending_operations": [pending("gaia:hosts:Host", "worker02", {})]}, Network({}))
    assert lines == ["worker02: creating gaia:hosts: can be made again"]
    assert "pending_operations" not in imported["deployment"]


def locked(pid: int, host: str) -> str:
    return (
        "the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock "
        "file with `pulumi cancel`.\n  file:///state/.pulumi/locks/organization/gaia/gaia-test/1.json: "
        f"created by stv@{host} (pid {pid}) at 2026-11-24T03:00:00Z"
    )


def unlock(monkeypatch: pytest.MonkeyPatch, lock: str) -> tuple[list[str], list[str]]:
    """What is said of a lock, and the pulumi commands that changed something."""
    commands: list[str] = []

    def pulumi(_stack: str, *argv: str) -> str:
        if argv[1] == "rename":
            raise OpsError(lock)
        commands.append(" ".join(argv))
        return ""

    monkeypatch.setattr(recover, "_pulumi", pulumi)
    return recover._unlock("gaia-test"), commands


def test_the_lock_of_an_engine_that_is_gone_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    lines, commands = unlock(monkeypatch, locked(ended.pid, socket.gethostname()))
    assert commands == ["cancel --yes"]
    assert f"(pid {ended.pid})" in lines[0]


@pytest.mark.parametrize("host", [socket.gethostname(), "another-machine"])
def test_the_lock_of_an_engine_that_may_be_alive_is_left_alone(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OpsError, match=r"created by stv@.* Wait until it has ended"):
        unlock(monkeypatch, locked(os.getpid(), host))


def test_what_is_neither_a_lock_nor_a_taken_name_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OpsError, match="no such stack"):
        unlock(monkeypatch, "no such stack")


def test_nothing_pending_changes_nothing(run: Any) -> None:
    lines, imported = run({}, Network({}))
    assert lines == ["gaia-test: nothing is pending"]
    assert imported is None

"""What recovery removes after an `up` that was cut off, and what it leaves alone; a cloud and pulumi are played."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openstack.exceptions
import pytest

from ops import locks, recover
from ops.cloud import OpsError
from ops.orphans import UNKNOWN

NETWORK, PORT = "openstack:networking/network:Network", "openstack:networking/port:Port"
SERVER, SHARE = "openstack:compute/instance:Instance", "openstack:sharedfilesystem/share:Share"
GROUP = "openstack:networking/secGroup:SecGroup"
RULE = "openstack:networking/secGroupRule:SecGroupRule"
ATTACHMENT = "openstack:compute/volumeAttach:VolumeAttach"
INTERFACE = "openstack:networking/routerInterface:RouterInterface"
PROVIDER = {"urn": "urn:p", "id": "id", "type": "pulumi:providers:openstack", "inputs": {"cloud": "c"}}


def resource(kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """A resource as pulumi tells of one that is not in the state."""
    custom = kind.startswith("openstack:")
    return {"urn": f"urn:{kind}::{name}", "type": kind, "inputs": inputs, "provider": "urn:p::id", "custom": custom}


def pending(kind: str, name: str, inputs: dict[str, Any], operation: str = "creating") -> dict[str, Any]:
    return {"resource": resource(kind, name, inputs), "type": operation}


@dataclass
class World:
    """The cloud's things by id, the state, what a preview says; what was removed and what was imported."""

    networks: dict[str, str] = field(default_factory=dict)
    subnets_of: dict[str, list[str]] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)
    servers: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)  # of servers that are not ACTIVE
    groups: dict[str, str] = field(default_factory=dict)
    ingress: list[str] = field(default_factory=list)  # security groups that let something in
    used: list[str] = field(default_factory=list)  # security groups that a port has
    attached: list[str] = field(default_factory=list)  # volumes
    attaching: dict[str, list[str]] = field(default_factory=dict)  # volume -> Cinder's attachments
    busy: int = 0  # removals that are refused at first
    shares: dict[str, str] = field(default_factory=dict)
    pending: list[dict[str, Any]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    creates: list[dict[str, Any]] = field(default_factory=list)
    backend: str = ""
    refusal: str = "a stack named gaia-test already exists"
    at_preview: Callable[[], None] = lambda: None

    removed: list[str] = field(default_factory=list)
    imported: dict[str, Any] | None = None
    commands: list[str] = field(default_factory=list)
    fading: dict[str, int] = field(default_factory=dict)

    def pulumi(self, *argv: str, stack: str = "", stdin: str | None = None) -> str:
        if "whoami" in argv:
            return json.dumps({"user": "stv", "url": self.backend})
        assert stack == "gaia-test"
        if "--show-name" in argv:
            return "organization/gaia/gaia-test\n"
        self.commands.append(" ".join(argv[:2] if argv[0] != "refresh" else argv))
        if "rename" in argv:
            raise OpsError(self.refusal)
        if "import" in argv:
            assert stdin is not None
            self.imported = json.loads(stdin)["deployment"]
        if "preview" in argv:
            self.at_preview()
            return json.dumps({"steps": [{"op": "create", "newState": create} for create in self.creates]})
        resources = [PROVIDER, *self.resources] if self.resources or self.pending else []
        return json.dumps({"deployment": {"pending_operations": self.pending, "resources": resources}})

    def remove(self, things: dict[str, str]) -> Callable[[Any], None]:
        """A removal that takes two looks to show."""

        def act(thing: Any) -> None:
            if self.busy:
                self.busy -= 1
                raise openstack.exceptions.ConflictException("it is still being made")
            self.removed.append(thing.id)
            self.fading[thing.id] = 2

        assert things is not None
        return act

    def listed(self, things: dict[str, str], name: str) -> Iterator[Any]:
        for key, looks in list(self.fading.items()):
            self.fading[key] = looks - 1
            if looks == 0:
                things.pop(key, None)
        for key, called in list(things.items()):
            if called == name:
                subnets = self.subnets_of.get(key, [])
                yield SimpleNamespace(id=key, name=called, subnet_ids=subnets, device_id="")

    def connection(self) -> Any:
        def detach(_server: Any, volume: str) -> None:
            self.attached.remove(volume)
            self.removed.append(volume)

        def delete_server(server: Any) -> None:
            self.statuses.pop(server.id, None)
            self.remove(self.servers)(server)

        def unplug(_cloud: Any, port_id: str) -> None:
            self.ports.pop(port_id)
            self.removed.append(port_id)

        def ports(**query: str) -> Iterator[Any]:
            if "security_group_ids" in query:
                return (group for group in query["security_group_ids"] if group in self.used)
            if "device_id" in query:
                return (SimpleNamespace(id=key, name=name, fixed_ips=[]) for key, name in list(self.ports.items()))
            return self.listed(self.ports, query["name"])

        def find_group(key: str) -> Any:
            rules = [{"direction": "egress"}, *([{"direction": "ingress"}] if key in self.ingress else [])]
            return SimpleNamespace(id=key, security_group_rules=rules)

        network = SimpleNamespace(
            security_groups=lambda name: self.listed(self.groups, name),
            find_security_group=find_group,
            delete_security_group=self.remove(self.groups),
            networks=lambda name, project_id: self.listed(self.networks, name) if project_id == "project" else iter(()),
            delete_network=self.remove(self.networks),
            ports=ports,
            delete_port=self.remove(self.ports),
            get_router=lambda _: SimpleNamespace(remove_interface=unplug),
        )
        compute = SimpleNamespace(
            servers=lambda name: self.listed(self.servers, name.strip("^$")),
            delete_server=delete_server,
            find_server=lambda key: SimpleNamespace(id=key, status=self.statuses.get(key, "ACTIVE")),
            volume_attachments=lambda _: [SimpleNamespace(volume_id=volume) for volume in self.attached],
            delete_volume_attachment=detach,
        )
        volumes = SimpleNamespace(
            get_volume=lambda key: SimpleNamespace(status="attaching" if self.attaching.get(key) else "available"),
            attachments=lambda volume_id: list(self.attaching[volume_id]),
            delete_attachment=lambda one: self.attaching["v"].remove(one),
        )
        shares = SimpleNamespace(
            shares=lambda details: [SimpleNamespace(id=k, name=n) for k, n in self.shares.items() if details]
        )
        return SimpleNamespace(
            network=network,
            compute=compute,
            block_storage=volumes,
            shared_file_system=shares,
            current_project_id="project",
        )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[World], list[str]]:
    def recovered(world: World) -> list[str]:
        world.backend = world.backend or f"file://{tmp_path}"
        monkeypatch.setattr(recover, "pulumi", world.pulumi)
        monkeypatch.setattr(locks, "pulumi", world.pulumi)
        monkeypatch.setattr(recover, "connect", lambda _: world.connection())
        monkeypatch.setattr("time.sleep", lambda _: None)
        return recover.recover("gaia-test")

    return recovered


Run = Callable[[World], list[str]]

# ---- what the state lists as pending


def test_what_a_killed_engine_left_is_removed_and_the_state_is_cleared(run: Run) -> None:
    world = World(networks={"orphan": "gaia-test", "other": "somebody-elses"})
    world.pending = [pending(NETWORK, "net", {"name": "gaia-test"})]
    lines = run(world)
    assert world.removed == ["orphan"]
    assert world.networks == {"other": "somebody-elses"}
    assert "net: openstack:networking/network: removed orphan" in lines
    assert world.imported is not None
    assert "pending_operations" not in world.imported


def test_what_is_still_being_made_is_removed_as_soon_as_that_is_over(run: Run) -> None:
    world = World(servers={"s": "gaia-test-worker01"}, busy=2)
    world.pending = [pending(SERVER, "worker01", {"name": "gaia-test-worker01"})]
    run(world)
    assert world.removed == ["s"]


def test_a_router_interface_takes_its_port_along_in_the_cloud_and_in_the_state(run: Run) -> None:
    world = World(ports={"port": "gaia-test-cephfs"})
    world.resources = [{"urn": "urn:x", "id": "port", "type": PORT, "inputs": {}}]
    world.pending = [pending(INTERFACE, "cephfs", {"routerId": "router", "portId": "port"})]
    run(world)
    assert world.removed == ["port"]
    assert world.imported is not None
    assert [one["type"] for one in world.imported["resources"]] == ["pulumi:providers:openstack"]


def test_a_resource_that_the_state_owns_is_never_removed(run: Run) -> None:
    world = World(networks={"mine": "gaia-test"}, pending=[pending(NETWORK, "net", {"name": "gaia-test"})])
    world.resources = [{"urn": "urn:x", "id": "mine", "type": NETWORK, "inputs": {}}]
    assert "was never made" in run(world)[0]
    assert world.removed == []


def test_a_pending_delete_is_left_to_pulumi(run: Run) -> None:
    world = World(networks={"mine": "gaia-test"}, pending=[pending(NETWORK, "net", {"name": "gaia-test"}, "deleting")])
    run(world)
    assert world.removed == []


def test_a_pending_component_is_nothing_in_the_cloud(run: Run) -> None:
    world = World(pending=[pending("gaia:hosts:Host", "worker02", {})])
    assert run(world) == ["worker02: creating gaia:hosts: can be made again"]
    assert world.imported is not None


def test_a_pending_share_that_was_made_is_left_to_a_person_because_it_may_hold_data(run: Run) -> None:
    wanted = [pending(SHARE, "catalogue", {"name": "dr3"})]
    with pytest.raises(OpsError, match=r"dr3 \(share\) .* it may hold data: .* remove it by hand"):
        run(World(shares={"share": "dr3"}, pending=wanted))
    assert run(World(shares={"share": "edr3"}, pending=wanted)) == [
        "catalogue: openstack:sharedfilesystem/share: was never made"
    ]


# ---- what no state knows, because its request failed late


def unnoted(kind: str, name: str, inputs: dict[str, Any], **cloud: Any) -> World:
    """A state that has something else, and a preview that would make this."""
    world = World(**cloud)
    world.resources = [{"urn": "urn:x", "id": "mine", "type": NETWORK, "inputs": {}}]
    world.creates = [resource(kind, name, inputs)]
    return world


def test_a_volume_that_was_attached_though_the_request_failed_is_detached(run: Run) -> None:
    world = unnoted(ATTACHMENT, "worker02", {"instanceId": "s", "volumeId": "v"}, attached=["other", "v"])
    assert run(world) == ["worker02: openstack:compute/volumeAttach: removed s/v, which no state knew"]
    assert world.attached == ["other"]


def test_a_volume_that_cinder_believes_to_be_attaching_for_ever_is_freed(run: Run) -> None:
    world = unnoted(ATTACHMENT, "worker02", {"instanceId": "s", "volumeId": "v"}, attaching={"v": ["broken"]})
    assert run(world) == ["worker02: openstack:compute/volumeAttach: removed s/v, which no state knew"]
    assert world.attaching == {"v": []}


def test_a_network_that_was_made_though_the_request_failed_is_removed_unless_it_is_in_use(run: Run) -> None:
    world = unnoted(NETWORK, "net", {"name": "gaia-test"}, networks={"orphan": "gaia-test"})
    run(world)
    assert world.removed == ["orphan"]
    used = unnoted(NETWORK, "net", {"name": "gaia-test"}, networks={"o": "gaia-test"}, subnets_of={"o": ["subnet"]})
    with pytest.raises(OpsError, match=r"gaia-test \(o\) is in the cloud and not in the state.* it is in use"):
        run(used)
    assert used.removed == []


def with_error(kind: str, name: str, identity: str) -> dict[str, Any]:
    """A resource of the state whose creation was not seen to end."""
    made = resource(kind, name, {}) | {"id": identity, "initErrors": ["no answer"]}
    return made | {"urn": f"urn:x::{name}"}


def test_what_the_state_has_with_an_error_is_read_again(run: Run) -> None:
    world = World(resources=[with_error(RULE, "rule", "r")])
    assert run(world) == ["rule: openstack:networking/secGroupRule: read again"]
    assert "refresh --yes --skip-preview --target urn:x::rule" in world.commands


def test_a_server_that_the_cloud_could_not_make_is_removed_and_one_that_it_made_is_read_again(run: Run) -> None:
    world = World(resources=[with_error(SERVER, "worker01", "bad"), with_error(SERVER, "worker02", "good")])
    world.statuses = {"bad": "ERROR"}
    assert run(world) == [
        "worker01: openstack:compute/instance: was never finished: removed",
        "worker02: openstack:compute/instance: read again",
    ]
    assert world.removed == ["bad"]


def test_a_server_that_no_state_knows_is_told_and_left_alone(run: Run) -> None:
    world = unnoted(SERVER, "worker01", {"name": "gaia-test-worker01"}, servers={"s": "gaia-test-worker01"})
    with pytest.raises(OpsError, match=r"gaia-test-worker01 \(s\) .* would make a second one, and it may hold data"):
        run(world)
    assert world.removed == []


def test_a_server_that_no_state_knows_and_that_never_started_is_removed(run: Run) -> None:
    world = unnoted(SERVER, "worker01", {"name": "gaia-test-worker01"}, servers={"s": "gaia-test-worker01"})
    world.statuses = {"s": "BUILD"}
    assert run(world) == ["worker01: openstack:compute/instance: removed s, which no state knew"]


def test_a_security_group_that_no_state_knows_is_removed_unless_it_lets_something_in_or_a_port_has_it(run: Run) -> None:
    known, there = {"name": "gaia-test-workers"}, {"g": "gaia-test-workers"}
    assert run(unnoted(GROUP, "workers", known, groups={**there})) == [
        "workers: openstack:networking/secGroup: removed g, which no state knew"
    ]
    for world in (
        unnoted(GROUP, "workers", known, groups={**there}, ingress=["g"]),
        unnoted(GROUP, "workers", known, groups={**there}, used=["g"]),
    ):
        with pytest.raises(OpsError, match="is in the cloud and not in the state"):
            run(world)
        assert world.removed == []


def test_what_depends_on_something_that_is_not_made_yet_cannot_be_there(run: Run) -> None:
    world = unnoted(PORT, "worker01", {"name": "gaia-test-worker01", "networkId": UNKNOWN}, ports={"p": "p"})
    assert run(world) == ["gaia-test: nothing to recover"]


def test_an_empty_state_is_not_taken_for_a_reason_to_remove_anything(run: Run) -> None:
    world = World(networks={"running": "gaia-test"}, creates=[resource(NETWORK, "net", {"name": "gaia-test"})])
    assert run(world) == ["gaia-test: nothing to recover"]
    assert world.removed == []
    assert world.imported is None


# ---- what is of a type that recovery does not know


ZONE = "openstack:dns/zone:Zone"


def test_what_the_next_up_would_make_of_an_unknown_type_is_told_and_the_rest_is_recovered(run: Run) -> None:
    world = unnoted(NETWORK, "net", {"name": "gaia-test"}, networks={"orphan": "gaia-test"})
    world.creates.insert(0, resource(ZONE, "zone", {"name": "gaia-test"}))
    with pytest.raises(OpsError, match=r"does not know .*: zone \(openstack:dns/zone:Zone\)\. "):
        run(world)
    assert world.removed == ["orphan"]


def test_what_is_of_an_unknown_type_and_waits_for_something_else_cannot_be_there(run: Run) -> None:
    assert run(unnoted(ZONE, "zone", {"fixedNetwork": UNKNOWN})) == ["gaia-test: nothing to recover"]


def test_a_pending_request_of_an_unknown_type_is_told_with_type_and_name_and_the_state_is_left_alone(run: Run) -> None:
    world = World(pending=[pending(ZONE, "zone", {"name": "gaia-test"})])
    with pytest.raises(OpsError, match=r"the type openstack:dns/zone:Zone of zone, .* by hand"):
        run(world)
    assert world.imported is None


# ---- locks


STACKS_LOCKS = ".pulumi/locks/organization/gaia/gaia-test"


def lock(directory: Path, pid: int, host: str = "", since: str = "2026-11-24T03:00:00.805285776Z") -> Path:
    """An engine's lock as pulumi writes it."""
    values = {"pid": pid, "username": "stv", "hostname": host or socket.gethostname(), "timestamp": since}
    file = directory / STACKS_LOCKS / f"{pid}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
    file.with_name(file.name + ".attrs").touch()
    return file


def locks_of(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / STACKS_LOCKS).glob("*"))


@pytest.fixture
def ended() -> int:
    """A process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def alive() -> Iterator[tuple[int, str]]:
    """A process that runs, and a moment after its start."""
    with subprocess.Popen(["sleep", "100"]) as process:
        yield process.pid, datetime.now(UTC).isoformat()
        process.kill()


def test_the_lock_of_an_engine_that_is_gone_is_removed_and_nothing_stays_locked(
    run: Run, tmp_path: Path, ended: int
) -> None:
    lock(tmp_path, ended)
    assert f"(pid {ended})" in run(World())[0]
    assert locks_of(tmp_path) == []


def test_a_process_that_was_given_the_number_of_a_dead_engine_does_not_keep_its_lock_alive(
    run: Run, tmp_path: Path, alive: tuple[int, str]
) -> None:
    lock(tmp_path, alive[0], since="2026-11-24T03:00:00.805285776Z")  # long before the process began
    assert "removed the lock" in run(World())[0]


def test_an_engine_that_ended_and_was_not_waited_for_is_dead(run: Run, tmp_path: Path) -> None:
    zombie = subprocess.Popen(["true"])
    since = datetime.now(UTC).isoformat()
    while Path(f"/proc/{zombie.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        pass
    lock(tmp_path, zombie.pid, since=since)
    assert "removed the lock" in run(World())[0]
    zombie.wait()


@pytest.mark.parametrize("host", ["", "another-machine"])
def test_the_lock_of_an_engine_that_may_be_alive_is_left_alone(
    host: str, run: Run, tmp_path: Path, alive: tuple[int, str]
) -> None:
    file = lock(tmp_path, alive[0], host, since=alive[1])
    world = World(pending=[pending(NETWORK, "net", {"name": "gaia-test"})], networks={"o": "gaia-test"})
    with pytest.raises(OpsError, match=r"created by stv@.* Wait until it has ended"):
        run(world)
    assert world.commands == []
    assert world.removed == []
    assert file.exists()


def test_a_dead_engines_lock_is_removed_by_its_name_and_a_living_ones_beside_it_stays(
    run: Run, tmp_path: Path, ended: int, alive: tuple[int, str]
) -> None:
    lock(tmp_path, ended)
    file = lock(tmp_path, alive[0], since=alive[1])
    world = World()
    with pytest.raises(OpsError, match="Wait until it has ended"):
        run(world)
    assert file.exists()
    assert world.commands == []


def test_the_stack_is_locked_for_engines_while_the_cloud_is_looked_at_and_free_afterwards(
    run: Run, tmp_path: Path
) -> None:
    seen: list[dict[str, Any]] = []
    world = unnoted(NETWORK, "net", {"name": "gaia-test"})
    world.at_preview = lambda: seen.extend(
        json.loads(file.read_text()) for file in (tmp_path / STACKS_LOCKS).glob("*.json")
    )
    run(world)
    assert [one["pid"] for one in seen] == [os.getpid()]
    assert set(seen[0]) == {"pid", "username", "hostname", "timestamp"}
    assert locks_of(tmp_path) == []


def test_an_engine_that_begins_in_the_moment_of_locking_wins(
    run: Run, tmp_path: Path, alive: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = locks.Directory.write

    def beside(self: locks.Directory, name: str, content: bytes) -> None:
        write(self, name, content)
        lock(tmp_path, alive[0], since=alive[1])

    monkeypatch.setattr(locks.Directory, "write", beside)
    world = World(pending=[pending(NETWORK, "net", {"name": "gaia-test"})], networks={"o": "gaia-test"})
    with pytest.raises(OpsError, match="Wait until it has ended"):
        run(world)
    assert world.removed == []
    assert locks_of(tmp_path) == [f"{alive[0]}.json", f"{alive[0]}.json.attrs"]


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://state?endpoint=http%3A%2F%2F127.0.0.1%3A8080&s3ForcePathStyle=true&region=us-east-1", "state", ""),
        ("s3://state/gaia/test?endpoint=127.0.0.1:8080&disableSSL=true&region=us-east-1", "state", "gaia/test/"),
    ],
)
def test_a_buckets_url_is_read_as_pulumi_reads_it(url: str, bucket: str, prefix: str) -> None:
    found = locks.store(url)
    assert isinstance(found, locks.Bucket)
    assert (found.name, found.prefix) == (bucket, prefix)
    assert found.s3.meta.endpoint_url == "http://127.0.0.1:8080"
    assert found.s3.meta.region_name == "us-east-1"


# ---- locks of backends that only pulumi can read


def locked(pid: int, host: str) -> str:
    return (
        "the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock "
        "file with `pulumi cancel`.\n  gs://state/.pulumi/locks/organization/gaia/gaia-test/1.json: "
        f"created by stv@{host} (pid {pid}) at 2026-11-24T03:00:00Z"
    )


def test_where_locks_cannot_be_removed_one_by_one_a_person_has_to_cancel(run: Run, ended: int) -> None:
    world = World(backend="gs://state", refusal=locked(ended, socket.gethostname()))
    with pytest.raises(OpsError, match=r"that process is gone.* only all locks can be removed together: .* cancel"):
        run(world)
    assert set(world.commands) == {"stack rename"}


def test_where_locks_are_told_in_words_that_of_another_machine_is_left_alone(run: Run) -> None:
    world = World(backend="gs://state", refusal=locked(1, "another-machine"))
    with pytest.raises(OpsError, match=r"created by stv@another-machine.* Wait until it has ended"):
        run(world)
    assert set(world.commands) == {"stack rename"}


def test_what_is_neither_a_lock_nor_a_taken_name_is_told_as_it_is(run: Run) -> None:
    with pytest.raises(OpsError, match="no such stack"):
        run(World(backend="gs://state", refusal="no such stack"))

"""The sandbox's control plane: real APIs that behave as a cloud's do."""

from __future__ import annotations

import base64
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox import processes
from sandbox.configuration.secrets import secrets_of
from sandbox.layout import (
    API,
    FLAVORS,
    IDLE_IMAGE,
    IMAGES,
    PROJECTS,
    PROVIDER_NETWORKS,
    QUOTAS,
    SHARE_TYPE,
    VOLUME_TYPE,
    Layout,
    Port,
)
from sandbox.namespaces import inside
from sandbox.services.api import Api, ApiError
from tests.conftest import ROOT, Sandbox

LAYOUT = Layout(ROOT)
FIRST, SECOND = PROJECTS[0], PROJECTS[1]


@pytest.fixture(autouse=True)
def network(cloud: Sandbox) -> Iterator[None]:
    assert cloud.root == ROOT
    with inside(LAYOUT.namespace):
        yield


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


def until(get: Callable[[], Any], wanted: Any, limit: float = 60) -> None:
    deadline = time.monotonic() + limit
    while (value := get()) != wanted:
        assert time.monotonic() < deadline, f"still {value!r} after {limit:.0f} s"
        time.sleep(0.1)


def gone(get: Callable[[], Any]) -> Callable[[], bool]:
    """Whether asking for it is answered with 404."""

    def is_gone() -> bool:
        try:
            get()
        except ApiError as error:
            return error.status == 404
        return False

    return is_gone


@pytest.mark.parametrize("project", PROJECTS)
def test_every_api_shows_each_project_the_same_world(project: str) -> None:
    api = Api(LAYOUT, project)

    def names(port: Port, path: str, key: str) -> set[str]:
        return {entity["name"] for entity in api.get(port, path)[key]}

    assert names(Port.NEUTRON, "/v2.0/networks", "networks") >= {network.name for network in PROVIDER_NETWORKS}
    assert names(Port.NOVA, "/v2.1/flavors", "flavors") == {flavor.name for flavor in FLAVORS}
    assert names(Port.GLANCE, "/v2/images", "images") == {image.name for image in IMAGES}
    assert VOLUME_TYPE in names(Port.CINDER, "/v3/PROJECT/types", "volume_types")
    assert names(Port.MANILA, "/v2/types", "share_types") == {SHARE_TYPE}
    assert api.get(Port.MAGNUM, "/v1/clusters")["clusters"] == []
    api.get(Port.SWIFT, "/v1/AUTH_PROJECT")


def test_projects_do_not_see_each_others_resources(name: str) -> None:
    owner, other = Api(LAYOUT, FIRST), Api(LAYOUT, SECOND)
    network = owner.post(Port.NEUTRON, "/v2.0/networks", {"network": {"name": name}})["network"]
    volume = owner.post(Port.CINDER, "/v3/PROJECT/volumes", {"volume": {"name": name, "size": 1}})["volume"]
    owner.call("PUT", Port.SWIFT, f"/v1/AUTH_PROJECT/{name}")
    with pytest.raises(ApiError, match="404"):
        other.get(Port.NEUTRON, f"/v2.0/networks/{network['id']}")
    with pytest.raises(ApiError, match="404"):
        other.get(Port.CINDER, f"/v3/PROJECT/volumes/{volume['id']}")
    with pytest.raises(ApiError, match="403"):
        other.get(Port.SWIFT, f"/v1/AUTH_{owner.project_id}/{name}")
    path = f"/v3/PROJECT/volumes/{volume['id']}"
    until(lambda: owner.get(Port.CINDER, path)["volume"]["status"], "available")
    owner.delete(Port.CINDER, path)
    owner.delete(Port.NEUTRON, f"/v2.0/networks/{network['id']}")
    owner.delete(Port.SWIFT, f"/v1/AUTH_PROJECT/{name}")


def test_a_project_gets_no_more_than_its_quota(name: str) -> None:
    api = Api(LAYOUT, FIRST)
    with pytest.raises(ApiError, match=r"(?i)403 .*quota exceeded for cores, instances, ram"):
        idle_server(api, name, count=QUOTAS["nova"]["instances"] + 1)
    with pytest.raises(ApiError, match=r"413 .*[Qq]uota"):
        too_large = {"name": name, "size": QUOTAS["cinder"]["gigabytes"] + 1}
        api.post(Port.CINDER, "/v3/PROJECT/volumes", {"volume": too_large})
    for port, path, key in (
        (Port.NEUTRON, "/v2.0/quotas/PROJECT", "neutron"),
        (Port.MANILA, "/v2/quota-sets/PROJECT", "manila"),
    ):
        ((_, quota),) = api.get(port, path).items()
        assert {kind: quota[kind] for kind in QUOTAS[key]} == QUOTAS[key]


def test_an_api_fails_or_is_slow_when_a_test_asks_for_it(cloud: Sandbox) -> None:
    api = Api(LAYOUT, FIRST)
    api.login()

    def fault(*words: str) -> str:
        return subprocess.run([cloud.cloud, "fault", *words], check=True, capture_output=True, text=True).stdout

    fault("cinder", "--status", "429", "--method", "GET", "--path", "/volumes$")
    fault("swift", "--status", "503")
    fault("keystone", "--status", "401", "--path", "/auth/projects")
    fault("glance", "--seconds", "1")
    for port, path, status in (
        (Port.CINDER, "/v3/PROJECT/volumes", "429"),
        (Port.SWIFT, "/v1/AUTH_PROJECT", "503"),
        (Port.KEYSTONE, "/v3/auth/projects", "401"),
    ):
        with pytest.raises(ApiError, match=status):
            api.get(port, path)
        api.get(port, path)
    began = time.monotonic()
    api.get(Port.GLANCE, "/v2/images")
    assert time.monotonic() - began > 1
    assert fault() == ""


def test_a_member_may_not_administer() -> None:
    with pytest.raises(ApiError, match="403"):
        Api(LAYOUT, FIRST).post(Port.NOVA, "/v2.1/flavors", {"flavor": {"name": "x", "vcpus": 1, "ram": 1, "disk": 1}})


def idle_server(api: Api, name: str, user_data: bytes = b"#cloud-config", count: int = 1) -> str:
    """Ask for servers that boot nothing; the path of the first's resource."""
    flavors = api.get(Port.NOVA, "/v2.1/flavors")["flavors"]
    server = {
        "name": name,
        "flavorRef": next(row["id"] for row in flavors if row["name"] == "general.v1.small"),
        "imageRef": api.get(Port.GLANCE, f"/v2/images?name={IDLE_IMAGE}")["images"][0]["id"],
        "networks": "none",
        "min_count": count,
        "user_data": base64.b64encode(user_data).decode(),
    }
    return f"/v2.1/servers/{api.post(Port.NOVA, '/v2.1/servers', {'server': server})['server']['id']}"


def test_a_server_of_the_idle_image_boots_nothing_and_outlives_nova(cloud: Sandbox, name: str) -> None:
    api = Api(LAYOUT, FIRST)
    server = idle_server(api, name)

    def status() -> str:
        return str(api.get(Port.NOVA, server)["server"]["status"])

    until(status, "ACTIVE")
    assert not Path("/run/netns", LAYOUT.host_namespace(server.rpartition("/")[2])).exists()
    cloud.kill("nova")
    cloud.up()
    assert status() == "ACTIVE"
    api.post(Port.NOVA, f"{server}/action", {"os-stop": None})
    until(status, "SHUTOFF")
    api.post(Port.NOVA, f"{server}/action", {"os-start": None})
    until(status, "ACTIVE")
    api.delete(Port.NOVA, server)
    until(gone(status), True)


@pytest.mark.parametrize(("size", "accepted"), [(49149, True), (49152, False)])
def test_user_data_over_novas_limit_of_65535_characters_is_refused(name: str, size: int, accepted: bool) -> None:
    api = Api(LAYOUT, FIRST)
    if accepted:
        server = idle_server(api, name, b"#" * size)
        api.delete(Port.NOVA, server)
        until(gone(lambda: api.get(Port.NOVA, server)), True)
    else:
        with pytest.raises(ApiError, match="400"):
            idle_server(api, name, b"#" * size)


def test_objects_are_put_copied_and_deleted_by_s3(name: str) -> None:
    api = Api(LAYOUT, FIRST)
    api.login()
    made = api.post(Port.KEYSTONE, f"/v3/users/{api.user_id}/credentials/OS-EC2", {"tenant_id": api.project_id})
    key = made["credential"]
    s3 = boto3.client(
        "s3",
        endpoint_url=f"https://{API}:{int(Port.SWIFT)}",
        verify=str(LAYOUT.tls / "ca.pem"),
        region_name="us-east-1",
        aws_access_key_id=key["access"],
        aws_secret_access_key=key["secret"],
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="stacks/a.json", Body=b"1")
    s3.put_object(Bucket=name, Key="stacks/a.json", Body=b"2")
    s3.copy_object(Bucket=name, Key="stacks/a.json.bak", CopySource=f"{name}/stacks/a.json")
    assert s3.get_object(Bucket=name, Key="stacks/a.json.bak")["Body"].read() == b"2"
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=name, Prefix="stacks/")["Contents"]]
    assert listed == ["stacks/a.json", "stacks/a.json.bak"]
    for entry in listed:
        s3.delete_object(Bucket=name, Key=entry)
    s3.delete_bucket(Bucket=name)
    api.delete(Port.KEYSTONE, f"/v3/users/{api.user_id}/credentials/OS-EC2/{key['access']}")


class Share:
    """A share of a project, made and removed by Manila."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        body = {"name": name, "size": 1, "share_proto": "CEPHFS", "share_type": SHARE_TYPE}
        made = api.post(Port.MANILA, "/v2/shares", {"share": body})["share"]
        self.path = f"/v2/shares/{made['id']}"
        until(lambda: api.get(Port.MANILA, self.path)["share"]["status"], "available")
        [location] = api.get(Port.MANILA, f"{self.path}/export_locations")["export_locations"]
        self.monitors, _, self.directory = location["path"].partition(":/")

    def allow(self, identity: str, level: str) -> str:
        """Grant an identity access; returns its key."""
        rule = {"allow_access": {"access_type": "cephx", "access_to": identity, "access_level": level}}
        made = self.api.post(Port.MANILA, f"{self.path}/action", rule)["access"]
        path = f"/v2/share-access-rules/{made['id']}"
        until(lambda: self.api.get(Port.MANILA, path)["access"]["state"], "active")
        return str(self.api.get(Port.MANILA, path)["access"]["access_key"])

    def delete(self) -> None:
        self.api.delete(Port.MANILA, self.path)
        until(gone(lambda: self.api.get(Port.MANILA, self.path)), True)

    def mount(self, identity: str, key: str, place: Path) -> None:
        """Mount it with ceph-fuse, as a host does, from the namespace that reaches the monitor."""
        place.mkdir()
        keyring, config = place.with_suffix(".keyring"), place.with_suffix(".conf")
        keyring.write_text(f"[client.{identity}]\nkey = {key}\n")
        keyring.chmod(0o600)
        config.write_text(f"[global]\nmon_host = {self.monitors}\n[client]\nkeyring = {keyring}\nlog_file =\n")
        options = ["--id", identity, "-c", str(config), "-r", "/" + self.directory, str(place)]
        command = processes.in_namespace(LAYOUT.storage_namespace, ["ceph-fuse", *options])
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        assert place.is_mount()


def test_a_share_is_written_with_one_cephx_identity_and_only_read_with_another(tmp_path: Path, name: str) -> None:
    share = Share(Api(LAYOUT, FIRST), name)
    mounted = []
    try:
        for level in ("rw", "ro"):
            place, identity = tmp_path / level, f"{name}-{level}"
            share.mount(identity, share.allow(identity, level), place)
            mounted.append(place)
        (tmp_path / "rw/catalogue").write_text("gaia")
        assert (tmp_path / "ro/catalogue").read_text() == "gaia"
        with pytest.raises(OSError, match=r"Permission denied|Read-only"):
            (tmp_path / "ro/other").write_text("no")
    finally:
        for place in mounted:  # before its rule is deleted, or the client hangs
            subprocess.run(["umount", place], check=True)
        share.delete()


def test_concurrent_first_requests_after_a_restart_are_all_allowed(cloud: Sandbox, name: str) -> None:
    """Neutron loads its policy rules at the first request, not safely for threads: `up` makes that request."""
    killed = processes.find(LAYOUT, "neutron")
    assert killed
    killed.signal(signal.SIGKILL)
    subprocess.run([cloud.cloud, "up"], check=True)
    apis = [Api(LAYOUT, FIRST) for _ in range(8)]
    for api in apis:
        api.login()

    def make(numbered: tuple[int, Api]) -> str:
        number, api = numbered
        body = {"network": {"name": f"{name}-{number}"}}
        return str(api.post(Port.NEUTRON, "/v2.0/networks", body)["network"]["id"])

    with ThreadPoolExecutor(len(apis)) as pool:
        made = list(pool.map(make, enumerate(apis)))
    for network in made:
        apis[0].delete(Port.NEUTRON, f"/v2.0/networks/{network}")


def test_passwords_are_random_and_in_no_process_list() -> None:
    passwords = set(secrets_of(LAYOUT).users.values())
    assert len(passwords) == len(secrets_of(LAYOUT).users)
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue
        assert not any(password in words for password in passwords), command
    readable = (LAYOUT.clouds_yaml, LAYOUT.passphrase, LAYOUT.state / "secrets.json")
    assert {oct(path.stat().st_mode & 0o777) for path in readable} == {"0o600"}


def test_up_on_a_running_sandbox_changes_nothing_and_says_so(cloud: Sandbox) -> None:
    before = {file.name: file.read_text() for file in LAYOUT.run.glob("*.pid")}
    done = subprocess.run([cloud.cloud, "up"], check=True, capture_output=True, text=True)
    assert "up already" in done.stdout
    assert {file.name: file.read_text() for file in LAYOUT.run.glob("*.pid")} == before


def test_run_ends_with_the_commands_own_status(cloud: Sandbox) -> None:
    assert cloud.run("sh", "-c", "exit 7", check=False).returncode == 7


def test_status_names_every_service_and_the_logs(cloud: Sandbox) -> None:
    done = subprocess.run([cloud.cloud, "status"], check=True, capture_output=True, text=True)
    for word in ("keystone", "ceph-osd", "mariadb", str(LAYOUT.log), "networks", "together"):
        assert word in done.stdout

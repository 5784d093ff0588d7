"""The hadoop-yarn platform as a whole, recorded by mocks: what it asks of the cloud and pushes to its hosts."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.runtime import MockCallArgs

from components import cloud, settings
from components.hadoop.platform import HadoopYarn
from components.settings import SettingsError
from components.settings.hadoop import Hadoop
from tests.unit.test_components import Made, Recorder, record
from tests.unit.test_settings import config, lock_of

FLAVORS = {"general.v1.tiny": (2, 6144), "general.v1.small": (6, 22528), "general.v1.medium": (14, 46080)}
SHARE = {"name": "aglais-dr3", "mount": "/data/gaia/GDR3", "mode": "ro"}


class Cloud(Recorder):
    """A cloud that has the platform's flavors, one image and two networks, and what a state remembers."""

    def __init__(self, before: dict[str, Any] | None) -> None:
        super().__init__()
        self.before = before

    def new_resource(self, args: Any) -> tuple[str | None, dict[str, Any]]:
        name, outputs = super().new_resource(args)
        kind = args.typ.rpartition(":")[2]
        outputs |= {
            "FloatingIp": {"address": "203.0.113.9"},
            "ShareAccess": {"accessKey": "CEPHX"},
            "RandomPassword": {"result": "generated"},
            "RandomBytes": {"base64": "AAAAAAAAAAAAAAAAAAAAAA=="},
        }.get(kind, {})
        return name, outputs

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        if args.token == "pulumi:pulumi:readStackResourceOutputs":
            assert args.args["stackName"].endswith("/gaia/gaia-test")
            stash = {"type": "pulumi:index:Stash", "outputs": {"input": self.before, "output": self.before}}
            urn = "urn:pulumi:gaia-test::gaia::gaia:hadoop:HadoopYarn$pulumi:index:Stash::deployment"
            return {"outputs": {urn: stash} if self.before else {}}, []
        if args.token.endswith("getAuthScope"):
            return {"projectId": "0123456789abcdef", "projectName": "iris-gaia-test"}, []
        name = args.args.get("name", "")
        found: dict[str, Any] = {"id": f"id-{name}", "name": name}
        if args.token.endswith("getFlavor"):
            if name not in FLAVORS:
                return {}, [("", f"no flavor {name}")]
            found |= {"vcpus": FLAVORS[name][0], "ram": FLAVORS[name][1]}
        if args.token.endswith("getShare"):
            found["exportLocations"] = [{"path": "10.206.1.1:6789:/volumes/_nogroup/ab", "preferred": "true"}]
        return found, []


@pytest.fixture(scope="module", autouse=True)
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A clouds.yaml with the entries that the config names, and a shell without variables of OpenStack."""
    file = tmp_path_factory.mktemp("clouds") / "clouds.yaml"
    auth = {"auth_url": "http://keystone", "username": "u", "password": "p", "project_name": "n", "user_domain_id": "d"}
    entries = {name: {"auth": auth, "region_name": "r"} for name in ("iris-gaia-test", "iris-gaia-data")}
    file.write_text(json.dumps({"clouds": entries}))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("OS_")]:
            patch.delenv(name)
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
        yield


def platform(before: dict[str, Any] | None = None, **changes: Any) -> Made:
    """What the platform registers; `before` is what its state remembers."""
    parsed = settings.parse(config(shares=[SHARE], **changes), "gaia-test", Hadoop)
    return record(lambda: HadoopYarn("gaia-test", parsed), Cloud(before))


def bundle(made: Made, host: str) -> dict[str, Any]:
    """The bundle that is pushed to a host."""
    stdin = made["Command", host]["stdin"]
    text = stdin["value"] if isinstance(stdin, dict) else stdin
    literal = re.search(r", json\.loads\((.*)\)$", text, re.M)
    assert literal
    found: dict[str, Any] = json.loads(json.loads(json.loads(literal[1])))
    return found


@pytest.fixture(scope="module")
def made() -> Made:
    return platform()


def test_each_host_is_a_server_with_a_port_a_volume_and_a_configuration(made: Made) -> None:
    hosts = {"zeppelin", "master01", "worker01", "worker02", "worker03", "worker04"}
    for kind in ("Instance", "Volume", "VolumeAttach"):
        assert {name for what, name in made if what == kind} == hosts
    assert {name for what, name in made if what == "Command"} == hosts | {"health"}
    assert {name for what, name in made if what == "Port"} == hosts | {"gaia-test-cephfs"}


def test_up_asks_anew_each_time_whether_the_platform_works() -> None:
    asked = []
    for _ in range(2):
        stdin = platform()["Command", "health"]["stdin"]
        asked.append(stdin["value"] if isinstance(stdin, dict) else stdin)
    assert asked[0] != asked[1]


def test_every_host_but_the_gateway_is_configured_through_it_with_pinned_keys(made: Made) -> None:
    def connection(host: str) -> dict[str, Any]:
        found = made["Command", host]["connection"]
        inner: dict[str, Any] = found.get("value", found)
        return inner

    assert connection("zeppelin")["host"] == "203.0.113.9"
    assert "proxy" not in connection("zeppelin")
    worker = connection("worker02")
    assert worker["host"] == "10.10.1.2"
    assert worker["hostKey"] == "ssh-ed25519 worker02-hostkey"
    assert worker["proxy"]["host"] == "203.0.113.9"
    assert worker["proxy"]["hostKey"] == "ssh-ed25519 zeppelin-hostkey"


def test_a_host_gets_its_volume_its_share_and_its_roles_units(made: Made) -> None:
    worker = bundle(made, "worker02")
    assert worker["disks"] == [
        {"volume_id": "Volume-worker02", "size_gib": 1024, "mount": "/mnt/cinder/data", "filesystem": "btrfs"},
    ]
    assert worker["ceph_mounts"][0] == {
        "mount": "/data/gaia/GDR3",
        "monitors": "10.206.1.1:6789",
        "path": "/volumes/_nogroup/ab",
        "identity": "gaia_test_01234567_aglais_dr3_ro",
        "key": "CEPHX",
        "read_only": True,
    }
    assert {unit["name"] for unit in worker["units"]} == {"datanode.service", "nodemanager.service"}
    assert "zeppelin.service" in {unit["name"] for unit in bundle(made, "zeppelin")["units"]}
    assert "namenode.service" in {unit["name"] for unit in bundle(made, "master01")["units"]}


def test_only_the_gateway_gets_the_notebooks_password_and_only_as_a_hash(made: Made) -> None:
    for host in ("zeppelin", "master01", "worker01"):
        text = json.dumps(bundle(made, host))
        assert "generated" not in text
        assert ("$shiro1$SHA-256$" in text) == (host == "zeppelin")


def test_sizes_in_the_files_are_those_of_the_flavors(made: Made) -> None:
    files = {file["path"]: file["content"] for file in bundle(made, "worker01")["files"]}
    assert "<value>43008</value>" in files["/etc/hadoop/conf/yarn-site.xml"]


def test_without_configuration_there_is_the_same_infrastructure_and_no_ssh(made: Made) -> None:
    hosts = {**json.loads(config()["gaia:hosts"]), "configure": False}
    bare = platform(hosts=hosts)
    assert not [kind for kind, _ in bare if kind in ("Command", "ShareAccess")]
    for kind in ("Instance", "Port", "Volume", "SecGroupRule", "Router"):
        assert Counter(what for what, _ in bare)[kind] == Counter(what for what, _ in made)[kind]


def test_every_host_has_an_environment_for_its_programs_also_where_no_library_is_wanted(made: Made) -> None:
    empty = {"path": "/opt/gaia/python", "installer": "", "libraries": "", "find_links": ""}
    assert [bundle(made, host)["python"] for host in ("zeppelin", "master01", "worker04")] == [empty] * 3


def test_the_locked_libraries_reach_every_host() -> None:
    given = config(shares=[SHARE], python={"requirements": ["numpy", "scipy"], "find_links": "http://mirror/"})
    parsed = settings.parse(given, "gaia-test", Hadoop, lock=lock_of("numpy", "scipy"))
    made = record(lambda: HadoopYarn("gaia-test", parsed), Cloud(None))
    wanted = {
        "path": "/opt/gaia/python",
        "installer": "uv==0.13.9 --hash=sha256:cc",
        "libraries": "numpy==2.4.6 --hash=sha256:aa\nscipy==1.17.1 --hash=sha256:bb",
        "find_links": "http://mirror/",
    }
    assert [bundle(made, host)["python"] for host in ("zeppelin", "master01", "worker04")] == [wanted] * 3


def test_sizes_that_contradict_each_other_are_told_by_key() -> None:
    with pytest.raises(SettingsError, match=r"Pulumi.gaia-test.yaml: gaia:sizing.executor_memory_mib is 99999"):
        platform(sizing={"executor_memory_mib": 99999})


REMEMBERED = {"name": "gaia-test", "project": "iris-gaia-test", "project_id": "0123456789abcdef", "rebuild": {}}


def test_a_deployment_notes_where_it_was_made_as_what_and_what_was_rebuilt(made: Made) -> None:
    assert made["Stash", "deployment"]["input"] == REMEMBERED
    rebuilt = platform(hosts={**json.loads(config()["gaia:hosts"]), "rebuild": {"worker03": 1}})
    assert rebuilt["Stash", "deployment"]["input"]["rebuild"] == {"worker03": 1}


def test_a_rebuild_number_that_was_taken_out_of_the_config_is_remembered_and_rebuilds_nothing() -> None:
    hosts = {**json.loads(config()["gaia:hosts"]), "rebuild": {"worker03": 1}}
    made = platform({**REMEMBERED, "rebuild": {"worker": 1.0}}, hosts=hosts)
    assert made["Stash", "deployment"]["input"]["rebuild"] == {"worker": 1, "worker03": 1}


def test_a_stack_refuses_another_project_than_the_one_it_was_made_in_by_name() -> None:
    said = r"gaia:cloud leads to the project 'iris-gaia-test' .* was made in 'iris-gaia-prod' \(fedcba\)"
    with pytest.raises(SettingsError, match=said):
        platform({**REMEMBERED, "project": "iris-gaia-prod", "project_id": "fedcba"})


def test_a_renamed_stack_says_how_to_keep_its_hosts_and_keeps_them() -> None:
    with pytest.raises(SettingsError, match=r"`pulumi config set gaia:name gaia-old` keeps them"):
        platform({**REMEMBERED, "name": "gaia-old"})
    made = platform({**REMEMBERED, "name": "gaia-old"}, name="gaia-old")
    assert made["Instance", "worker01"]["name"] == "gaia-old-worker01"


@pytest.mark.parametrize(
    ("variables", "auth", "overruling"),
    [
        ({"OS_PROJECT_ID": "x"}, {"username": "u", "user_domain_id": "d", "project_name": "p"}, ["OS_PROJECT_ID"]),
        ({"OS_PROJECT_ID": "x"}, {"username": "u", "user_domain_id": "d", "project_id": "p"}, []),
        ({"OS_PROJECT_NAME": "x"}, {"username": "u", "user_domain_id": "d", "project_name": "p"}, []),
        ({"OS_TENANT_ID": "x"}, {"application_credential_id": "a"}, []),
        ({"OS_USER_DOMAIN_ID": "x"}, {"username": "u", "project_id": "p"}, ["OS_USER_DOMAIN_ID"]),
        ({"OS_TOKEN": "x"}, {"application_credential_id": "a"}, ["OS_TOKEN"]),
        ({"OS_APPLICATION_CREDENTIAL_ID": "x"}, {"username": "u", "project_id": "p"}, ["OS_APPLICATION_CREDENTIAL_ID"]),
        ({"OS_PASSWORD": "x", "OS_REGION_NAME": "x"}, {"username": "u", "project_id": "p"}, []),
        ({"OS_PROJECT_ID": ""}, {"username": "u", "project_name": "p"}, []),
    ],
)
def test_what_the_shell_would_overrule_of_an_entry_is_known(
    variables: dict[str, str], auth: dict[str, str], overruling: list[str]
) -> None:
    assert cloud.overruling({"auth_url": "http://keystone", **auth}, variables) == overruling


def test_variables_that_would_overrule_the_entry_are_refused_by_name_before_any_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OS_PROJECT_ID", "other")
    with pytest.raises(SettingsError, match=r"gaia:cloud is 'iris-gaia-test', but the shell sets OS_PROJECT_ID, which"):
        platform()


def test_the_region_of_the_entry_is_said_to_the_provider_whatever_the_shell_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OS_REGION_NAME", "elsewhere")
    assert platform()["openstack", "deployment"]["region"] == "r"


def test_an_entry_that_clouds_yaml_does_not_have_is_told_with_those_that_it_has() -> None:
    with pytest.raises(SettingsError, match=r"cloud names 'nowhere', .* \(it has: iris-gaia-data, iris-gaia-test\)"):
        platform(cloud="nowhere")


def test_a_changed_bundle_replaces_the_push_so_that_one_that_failed_is_not_forgotten(made: Made) -> None:
    def trigger(host: str, of: Made) -> Any:
        return of["Command", host]["triggers"]

    changed = platform(spark={"spark.sql.shuffle.partitions": "64"})
    assert trigger("zeppelin", changed) != trigger("zeppelin", made)
    assert trigger("worker01", changed) == trigger("worker01", made)

"""The hadoop-yarn platform as a whole, recorded by mocks: what it asks of the cloud and pushes to its hosts."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from pulumi.runtime import MockCallArgs

from components import settings
from components.hadoop.platform import HadoopYarn
from components.settings import Hadoop, SettingsError
from tests.unit.test_components import Made, Recorder, record
from tests.unit.test_settings import config

FLAVORS = {"general.v1.tiny": (2, 6144), "general.v1.small": (6, 22528), "general.v1.medium": (14, 46080)}
SHARE = {"name": "aglais-dr3", "mount": "/data/gaia/GDR3", "mode": "ro"}


class Cloud(Recorder):
    """A cloud that has the platform's flavors, one image and two networks."""

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
        name = args.args.get("name", "")
        found: dict[str, Any] = {"id": f"id-{name}", "name": name}
        if args.token.endswith("getFlavor"):
            if name not in FLAVORS:
                return {}, [("", f"no flavor {name}")]
            found |= {"vcpus": FLAVORS[name][0], "ram": FLAVORS[name][1]}
        if args.token.endswith("getShare"):
            found["exportLocations"] = [{"path": "10.206.1.1:6789:/volumes/_nogroup/ab", "preferred": "true"}]
        return found, []


def platform(**changes: Any) -> Made:
    parsed = settings.parse(config(shares=[SHARE], **changes), "gaia-test")
    assert isinstance(parsed, Hadoop)
    return record(lambda: HadoopYarn("gaia-test", parsed), Cloud())


def bundle(made: Made, host: str) -> dict[str, Any]:
    """The bundle that is pushed to a host."""
    stdin = made["Command", host]["stdin"]
    text = stdin["value"] if isinstance(stdin, dict) else stdin
    literal = re.search(r"sys\.exit\(main\(json\.loads\((.*)\)\)\)\n$", text)
    assert literal
    found: dict[str, Any] = json.loads(json.loads(literal[1]))
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
        {"serial": "Volume-worker02"[:20], "mount": "/mnt/cinder/data", "filesystem": "btrfs"},
    ]
    assert worker["ceph_mounts"][0] == {
        "mount": "/data/gaia/GDR3",
        "monitors": "10.206.1.1:6789",
        "path": "/volumes/_nogroup/ab",
        "identity": "gaia_test_aglais_dr3_ro",
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


def test_sizes_that_contradict_each_other_are_told_by_key() -> None:
    with pytest.raises(SettingsError, match=r"Pulumi.gaia-test.yaml: gaia:sizing.executor_memory_mib is 99999"):
        platform(sizing={"executor_memory_mib": 99999})

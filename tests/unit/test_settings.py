"""The stack's settings: what is accepted, and what each mistake says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import settings
from components.hadoop import infrastructure
from components.hosts.role import generation
from components.platforms import PLATFORMS
from components.settings import SettingsError, libraries
from components.settings.common import Operator
from components.settings.hadoop import Hadoop

ROOT = Path(__file__).parents[2]
SHA = "0" * 128


def config(**changes: Any) -> dict[str, str]:
    """A working config as Pulumi hands it over, with some keys changed; None removes a key."""
    values: dict[str, Any] = {
        "platform": "hadoop-yarn",
        "cloud": "iris-gaia-test",
        "data_cloud": "iris-gaia-data",
        "network": {"external": "internet", "storage_network": "cumulus-internal", "storage_cidr": "10.206.0.0/16"},
        "image": {"name": "Debian-12", "family": "debian"},
        "hosts": {
            "zeppelin": {"flavor": "general.v1.small", "volume_gib": 512},
            "master": {"flavor": "general.v1.tiny", "volume_gib": 64},
            "worker": {"flavor": "general.v1.medium", "volume_gib": 1024, "count": 4},
        },
        "archives": {name: {"sha512": SHA} for name in ("hadoop", "spark", "zeppelin")},
    }
    values |= changes
    return {
        f"gaia:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }


def hadoop(**changes: Any) -> Hadoop:
    return settings.parse(config(**changes), "gaia-test", Hadoop)


def complaint(**changes: Any) -> str:
    with pytest.raises(SettingsError) as wrong:
        infrastructure.plan("gaia-test", hadoop(**changes))
    return str(wrong.value)


def hosts(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(config()["gaia:hosts"])
    return made | changes


def test_a_complete_config_is_read_with_its_types() -> None:
    parsed = hadoop()
    assert parsed.hosts.worker.count == 4
    assert str(parsed.network.cidr) == "10.10.0.0/16"
    assert parsed.archives.hadoop.version == "3.5.0"


def lock_of(*requirements: str) -> str:
    """The text of a lock for these requirements."""
    packages = ("numpy==2.4.6 --hash=sha256:aa", "scipy==1.17.1 --hash=sha256:bb", "uv==0.13.9 --hash=sha256:cc")
    return libraries.Lock(packages, libraries.digest(requirements)).text("Made by hand")


def test_a_lock_that_was_made_for_the_requirements_says_what_hosts_install() -> None:
    given = config(python={"requirements": ["scipy", "numpy<3"]})
    python = settings.parse(given, "gaia-test", Hadoop, lock=lock_of("numpy<3", "scipy")).python
    assert python.lock.installer == "uv==0.13.9 --hash=sha256:cc"
    assert python.lock.libraries == "numpy==2.4.6 --hash=sha256:aa\nscipy==1.17.1 --hash=sha256:bb"
    assert settings.parse(config(), "gaia-test", Hadoop, lock=lock_of("numpy")).python.lock.libraries == ""


CHANGED = "changed since Pulumi.gaia-test.libraries.txt was made: python -m ops libraries -s gaia-test"


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (None, "have no Pulumi.gaia-test.libraries.txt, which every host is to install alike: python -m ops libraries"),
        (lock_of("numpy"), CHANGED),
        (lock_of("numpy", "scipy").replace("# requirements", "#"), CHANGED),
        (lock_of("numpy", "scipy").replace("uv==", "vu=="), CHANGED),
    ],
)
def test_requirements_without_their_lock_are_told_beside_all_else_with_what_makes_it(
    lock: str | None, said: str
) -> None:
    given = config(python={"requirements": ["numpy", "scipy"]}, cloud=None)
    with pytest.raises(SettingsError) as wrong:
        settings.parse(given, "gaia-test", Hadoop, lock=lock)
    assert f"  Pulumi.gaia-test.yaml: gaia:python.requirements {said}" in str(wrong.value)
    assert "  Pulumi.gaia-test.yaml: gaia:cloud is not set" in str(wrong.value).splitlines()


def test_keys_of_other_namespaces_are_not_ours() -> None:
    assert settings.parse(config() | {"openstack:region": "x"}, "gaia-test", Hadoop) == hadoop()


def test_an_empty_value_means_not_set() -> None:
    assert hadoop(operators=[], sizing={}, python={}) == hadoop()


def test_everything_that_is_wrong_is_told_at_once_by_file_and_key() -> None:
    said = complaint(cloud=None, image={"name": "Debian-12", "family": "suse"}, clowd="x", hosts=hosts(worker={}))
    lines = said.splitlines()
    assert all(line.startswith("  Pulumi.gaia-test.yaml: gaia:") for line in lines)
    keys = {line.split()[1] for line in lines}
    assert keys == {
        "gaia:cloud",
        "gaia:image.family",
        "gaia:clowd",
        "gaia:hosts.worker.flavor",
        "gaia:hosts.worker.volume_gib",
        "gaia:hosts.worker.count",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"site": "cumulonimbus"}, "gaia:site must be one of cumulus, arcus, somerville, sandbox; is 'cumulonimbus'"),
        ({"data_cloud": None}, "gaia:data_cloud is not set"),
        ({"colour": "blue"}, "gaia:colour is not a known key"),
        ({"hosts": hosts(worker={"flavor": "x", "volume_gib": 1, "count": 0})}, "gaia:hosts.worker.count"),
        ({"hosts": hosts(rebuild={"work01": 1})}, "hosts.rebuild names work01, which is neither a role"),
        ({"hosts": hosts(rebuild={"worker05": 1})}, "gaia:hosts.rebuild names worker05, which is neither a role (zepp"),
        ({"hosts": "four"}, "gaia:hosts"),
        ({"shares": [{"name": "a", "mount": "data"}]}, "gaia:shares.0.mount must be an absolute path"),
        ({"shares": [{"name": "a", "mount": "/etc/gaia"}]}, "must not lie in a directory of the system (/etc)"),
        (
            {"shares": [{"name": "a", "mount": "/data/gaia"}, {"name": "b", "mount": "/data/gaia/dr3"}]},
            "gaia:shares: /data/gaia/dr3 lies in another share, which is mounted on /data/gaia",
        ),
        (
            {"shares": [{"name": "a", "mount": "/d"}, {"name": "b", "mount": "/d"}]},
            "two shares are mounted on /d",
        ),
        (
            {"shares": [{"name": "a", "mount": "/data/a"}, {"name": "a", "mount": "/data/b"}]},
            "gaia:shares: a is there twice, mounted on /data/a and /data/b",
        ),
        (
            {"shares": [{"name": name, "mount": name} for name in ("/data/gaia", "/data/gaia-x", "/data/gaia/dr3")]},
            "gaia:shares: /data/gaia/dr3 lies in another share, which is mounted on /data/gaia",
        ),
        ({"operators": [{"name": "stv", "ssh_keys": ["-----BEGIN PRIVATE KEY"]}]}, "it is compromised now"),
        ({"operators": [{"name": "Stv", "ssh_keys": ["ssh-ed25519 AAAA"]}]}, "lower-case letters"),
        *(
            (
                {"operators": [{"name": name, "ssh_keys": ["ssh-ed25519 AAAA"]}]},
                f"gaia:operators.0.name {name!r} is a login of the platform itself, or of the hosts' system",
            )
            for name in ("deploy", "hdfs", "backup", "staff", "debian", "systemd-oom")
        ),
        (
            {"operators": [{"name": name, "ssh_keys": ["ssh-ed25519 AAAA"], "uid": 3000} for name in ("a", "b")]},
            "gaia:operators: a and b have the same uid 3000: set another `uid`",
        ),
        ({"sizing": {"executor_cores": 4, "node_vcores": 2}}, "gaia:sizing executor_cores is 4, must be from 1 to 2"),
        ({"spark": {"executor.memory": "1g"}}, "their names begin with 'spark.'"),
        ({"spark": {"spark.a": "b\nspark.c d"}}, "spark.a has more than one line"),
        ({"network": {"external": "i", "storage_network": "s", "storage_cidr": "10.9.0.0/16", "dns": ["ns"]}}, "dns.0"),
        ({"hdfs": {"replication": 5}}, "gaia:hdfs.replication is 5, but hosts.worker.count is 4: no block"),
        (
            {"archives": {"hadoop": {"sha512": SHA}, "spark": {"sha512": SHA}}},
            "gaia:archives.zeppelin.sha512 is not set",
        ),
        ({"archives": {"hadoop": {"sha512": "abc"}}}, "publishers offer it as URL.sha512"),
        (
            {"network": {"external": "i", "storage_network": "s", "storage_cidr": "10.10.1.0/24"}},
            "overlaps cidr 10.10.0.0/16",
        ),
        (
            {
                "network": {
                    "external": "i",
                    "storage_network": "s",
                    "storage_cidr": "10.9.0.0/16",
                    "cidr": "10.1.1.0/24",
                }
            },
            "must be a /20 or larger",
        ),
    ],
)
def test_a_mistake_is_named_with_what_is_expected(changes: dict[str, Any], said: str) -> None:
    assert said in complaint(**changes)


def test_an_unknown_platform_is_told_with_those_that_are_known() -> None:
    for platform, said in (("kubernets", "kubernets"), (None, "not set")):
        known = " or ".join(("hadoop-yarn", "kubernetes", "services", "data"))
        with pytest.raises(SettingsError, match=f"gaia:platform must be {known}; is {said}"):
            settings.platform_of(config(platform=platform), "gaia-test", PLATFORMS)


def test_a_host_is_rebuilt_by_its_own_number_or_its_roles_and_both_are_told_apart() -> None:
    assert generation("master01", "master", {}) == 0
    assert generation("zeppelin", "zeppelin", {"zeppelin": 1}) == "1.0"
    numbers: list[dict[str, int]] = [{}, {"worker": 1}, {"worker03": 1}, {"worker": 1, "worker03": 1}, {"worker": 2}]
    assert len({generation("worker03", "worker", rebuild) for rebuild in numbers}) == len(numbers)


def test_a_site_says_what_its_clouds_have_in_common_and_the_stack_the_rest() -> None:
    assert hadoop(site="arcus", network=None).network.external == "CUDN-Internet"
    own = hadoop(site="arcus", network={"external": "other"}).network
    assert (own.external, own.storage_network) == ("other", "cephfs")


def test_what_a_site_says_and_a_platform_does_not_know_is_no_mistake() -> None:
    values = {"gaia:cloud": "c", "gaia:site": "arcus", "gaia:catalogue_shares": '[{"name": "a", "size_gib": 1}]'}
    assert settings.parse(values, "gaia-data", PLATFORMS["data"].settings)


def test_of_an_unknown_site_only_the_site_is_told_and_what_no_site_says() -> None:
    with pytest.raises(SettingsError) as found:
        hadoop(site="cumulonimbus", network={"external": "mine"}, image=None, data_cloud=None)
    keys = [line.split()[1] for line in str(found.value).splitlines() if "gaia:" in line]
    assert keys == ["gaia:site", "gaia:data_cloud"], str(found.value)


@pytest.mark.parametrize("site", ["cumulus", "arcus", "somerville", "sandbox"])
def test_every_site_is_enough_for_a_stack_that_names_its_hosts(site: str) -> None:
    assert hadoop(site=site, network=None, image=None)


def test_an_operators_uid_follows_from_the_name_alone() -> None:
    first = Operator(name="stv", ssh_keys=("ssh-ed25519 AAAA",))
    assert first.user_id == Operator(name="stv", ssh_keys=("ssh-ed25519 BBBB",)).user_id
    assert 20_000 <= first.user_id <= 59_999
    assert Operator(name="stv", ssh_keys=("ssh-ed25519 AAAA",), uid=3000).user_id == 3000


def test_secret_keys_are_not_read_through_the_settings() -> None:
    assert "hunter2" not in repr(hadoop(notebook_password="hunter2" * 2))


def test_a_short_secret_is_refused_beside_all_else_and_not_shown() -> None:
    said = complaint(notebook_password="hunter2", cloud=None)
    assert said.splitlines() == [
        "  Pulumi.gaia-test.yaml: gaia:notebook_password has 7 characters, must have 12 or more",
        "  Pulumi.gaia-test.yaml: gaia:cloud is not set",
    ]
    assert "hunter2" not in said


def test_a_secret_that_stands_in_the_file_in_clear_is_refused_and_not_shown_again() -> None:
    given = config(notebook_password="hunter2" * 2)
    with pytest.raises(SettingsError) as said:
        settings.parse(given, "gaia-test", Hadoop, clear=given.keys())
    assert str(said.value).startswith("  Pulumi.gaia-test.yaml: gaia:notebook_password stands in the file in clear")
    assert "`pulumi config set --secret gaia:notebook_password`" in str(said.value)
    assert "hunter2" not in str(said.value)


@pytest.mark.parametrize("file", sorted(ROOT.glob("Pulumi.gaia-*.yaml")), ids=lambda file: file.stem)
def test_every_committed_stack_file_is_valid_or_lacks_only_what_is_not_ours_to_say(file: Path) -> None:
    values = yaml.safe_load(file.read_text())["config"]
    given = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    stack = file.name.split(".")[1]
    try:
        platform = settings.platform_of(given, stack, PLATFORMS)
        assert settings.parse(given, stack, PLATFORMS[platform].settings, lock=libraries.read(ROOT, stack))
    except SettingsError as wrong:
        # the publishers' checksums are the operator's to look up (docs/first-deployment.md)
        left = [line for line in str(wrong).splitlines() if not line.endswith(".sha512 is not set")]
        assert left == []
        assert stack in ("gaia-test", "gaia-prod")


def test_every_key_of_the_settings_is_declared_in_the_project_file() -> None:
    declared = set(yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"])
    known = {f"gaia:{key}" for platform in PLATFORMS.values() for key in platform.settings.model_fields}
    assert declared == known | {"gaia:platform"}


def test_hdfs_keeps_two_copies_where_there_are_two_workers() -> None:
    worker = {"flavor": "x", "volume_gib": 1}
    assert hadoop().replication == 2
    assert hadoop(hosts=hosts(worker=worker | {"count": 1})).replication == 1
    assert hadoop(hdfs={"replication": 3}).replication == 3


def test_a_spark_setting_may_be_a_number_or_a_boolean_as_pulumi_config_set_writes_them() -> None:
    spark = hadoop(spark={"spark.sql.shuffle.partitions": 64, "spark.speculation": True, "spark.x": "1g"}).spark
    assert spark == {"spark.sql.shuffle.partitions": "64", "spark.speculation": "true", "spark.x": "1g"}

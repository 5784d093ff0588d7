"""What is rendered for Hadoop, Spark and Zeppelin: the facts that the platform stands on."""

from __future__ import annotations

import base64
import configparser
import hashlib
import json
from dataclasses import replace
from itertools import chain
from typing import Any
from xml.etree import ElementTree

import pytest

from components.hadoop import interpreters, logins, roles, zeppelin
from components.hadoop.cluster import Cluster, Parts
from components.hadoop.ports import SECURITY_GROUPS, Port
from components.hadoop.sizing import Flavor, compute
from components.hosts.bundle import File, Unit
from components.network.ingress import ANYWHERE, Ingress
from components.notebook import shiro
from components.notebook.shiro import NotebookUser
from components.settings.hadoop import Archive, Archives

TINY = Flavor(name="general.v1.tiny", vcpus=2, ram_mib=6144)
SMALL = Flavor(name="general.v1.small", vcpus=6, ram_mib=22528)
MEDIUM = Flavor(name="general.v1.medium", vcpus=14, ram_mib=46080)
SALT = base64.b64encode(bytes(16)).decode()
HASH = shiro.password_hash("correct horse", SALT, 1000)


def cluster(**changes: Any) -> Cluster:
    """A deployment of the sizing medium-04, with these changes."""
    archive = Archive(version="1.0", url="https://archives.example/a.tar.gz", sha512="0" * 128)
    made = Cluster(
        workers=("worker01", "worker02", "worker03", "worker04"),
        gateway_flavor=SMALL,
        master_flavor=TINY,
        worker_flavor=MEDIUM,
        sizes=compute(gateway=SMALL, master=TINY, worker=MEDIUM, workers=4),
        archives=Archives(hadoop=archive, spark=archive, zeppelin=archive),
        notebook_users=(NotebookUser(name="gaia", password_hash=HASH, roles=("admin", "user")),),
        users=("alice", "bob"),
    )
    return replace(made, **changes)


ROLES = {"master": roles.master, "worker": roles.worker, "zeppelin": roles.gateway}


def file(parts: Parts, name: str) -> File:
    """The one file whose path ends with this."""
    (found,) = [entry for entry in parts.files if entry.path.endswith("/" + name)]
    return found


def xml(parts: Parts, name: str) -> dict[str, str]:
    """The settings of a *-site.xml."""
    root = ElementTree.fromstring(file(parts, name).content)
    return {str(entry.findtext("name")): str(entry.findtext("value")) for entry in root.iter("property")}


def spark_defaults(parts: Parts) -> dict[str, str]:
    """The settings of spark-defaults.conf."""
    lines = file(parts, "spark-defaults.conf").content.splitlines()
    pairs = (line.split(None, 1) for line in lines)
    return {pair[0]: pair[1] for pair in pairs}


def unit(parts: Parts, name: str) -> Unit:
    """The unit of this name."""
    (found,) = [entry for entry in parts.units if entry.name == name]
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_host_has_the_same_view_of_hdfs_and_yarn(role: str) -> None:
    parts = ROLES[role](cluster())
    assert xml(parts, "core-site.xml")["fs.defaultFS"] == "hdfs://master01:9000"
    hdfs, yarn = xml(parts, "hdfs-site.xml"), xml(parts, "yarn-site.xml")
    assert hdfs["dfs.replication"] == "2"
    assert hdfs["dfs.client.use.datanode.hostname"] == hdfs["dfs.datanode.use.datanode.hostname"] == "true"
    assert yarn["yarn.nodemanager.resource.memory-mb"] == yarn["yarn.scheduler.maximum-allocation-mb"] == "43008"
    assert yarn["yarn.scheduler.maximum-allocation-vcores"] == "13"
    # HDFS alone never fills a node so far that YARN gives it no work
    full = "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage"
    assert 100 - int(hdfs["dfs.datanode.du.reserved.pct"]) < int(yarn[full])


def test_application_masters_take_no_executors_core() -> None:
    yarn, sizes = xml(roles.worker(cluster()), "yarn-site.xml"), cluster().sizes
    vcores = int(yarn["yarn.nodemanager.resource.cpu-vcores"])
    assert vcores - sizes.executors_per_node * sizes.executor_cores >= sizes.am_per_node > 20


def test_a_worker_looks_at_its_volume_and_every_share_before_it_takes_work() -> None:
    parts = roles.worker(cluster(shares=("/data/gaia/GDR3", "/user/stv")))
    yarn = xml(parts, "yarn-site.xml")
    assert file(parts, "node-health").mode == "0755"
    assert yarn["yarn.nodemanager.health-checker.script.path"] == file(parts, "node-health").path
    assert yarn["yarn.nodemanager.health-checker.script.opts"] == "90,/mnt/cinder/data,/data/gaia/GDR3,/user/stv"


def test_who_shares_the_cluster_with_whom_is_a_file_that_yarn_reads_again_by_itself() -> None:
    parts = roles.master(cluster())
    allocations = ElementTree.fromstring(file(parts, "fair-scheduler.xml").content)
    assert allocations.tag == "allocations"
    assert xml(parts, "yarn-site.xml")["yarn.scheduler.fair.allocation.file"] == file(parts, "fair-scheduler.xml").path
    assert file(parts, "fair-scheduler.xml").path not in unit(parts, "resourcemanager.service").watches


@pytest.mark.parametrize("role", ROLES)
def test_what_must_survive_a_replaced_server_lies_on_its_volume(role: str) -> None:
    made = cluster(volume="/mnt/cinder/elsewhere")
    hdfs, yarn = (xml(ROLES[role](made), name) for name in ("hdfs-site.xml", "yarn-site.xml"))
    places = [hdfs["dfs.namenode.name.dir"], hdfs["dfs.datanode.data.dir"], yarn["yarn.nodemanager.local-dirs"]]
    assert all(place.removeprefix("file://").startswith("/mnt/cinder/elsewhere/") for place in places)
    assert zeppelin.site(made)["zeppelin.notebook.dir"] == "/mnt/cinder/elsewhere/zeppelin/notebook"


@pytest.mark.parametrize("role", ROLES)
def test_every_directory_that_a_daemon_writes_to_is_made_for_its_account(role: str) -> None:
    parts = ROLES[role](cluster())
    accounts = {account.name for account in parts.accounts} | {"root"}
    made = {directory.path: directory for directory in parts.directories}
    assert {directory.owner for directory in parts.directories} <= accounts
    if role == "master":
        assert made["/mnt/cinder/data/hdfs/meta/namenode/fsimage"].owner == "hdfs"
        assert made["/mnt/cinder/data/hdfs/meta"].owner == "hdfs"
    elif role == "worker":
        assert made["/mnt/cinder/data/hdfs/data"].owner == "hdfs"
        assert made["/mnt/cinder/data/yarn/local"].owner == "yarn"
    else:
        assert made["/mnt/cinder/data/spark"].mode == "1777"
        assert made["/mnt/cinder/data/zeppelin/notebook"].owner == "zeppelin"
    paths = [directory.path for directory in parts.directories]
    assert len(paths) == len(set(paths))
    for path in paths:
        assert all(not other.startswith(path + "/") for other in paths[: paths.index(path)]), "parents come first"


def test_the_daemons_of_each_role_are_units() -> None:
    names = {role: {entry.name for entry in make(cluster()).units} for role, make in ROLES.items()}
    assert names == {
        "master": {
            *("namenode.service", "resourcemanager.service", "hdfs-layout.service", "job-history.service"),
            *("spark-history.service", "hdfs-checkpoint.timer"),
        },
        "worker": {"datanode.service", "nodemanager.service"},
        "zeppelin": {"archives.service", "zeppelin.service", "zeppelin-logins.service"},
    }


def test_no_daemon_runs_as_root_and_all_come_back_however_they_end() -> None:
    for role, make in ROLES.items():
        for entry in make(cluster()).units:
            if entry.name.endswith(".service"):
                once = "\nType=oneshot\n" in entry.content
                assert f"\nRestart={'on-failure' if once else 'always'}\n" in entry.content
            if entry.name.endswith(".service") and entry.name != logins.UNIT:  # which ends when it has written its file
                assert "\nUser=root" not in entry.content
                assert "\nUser=" in entry.content, (role, entry.name)
                assert "\nRequiresMountsFor=/mnt/cinder/data\n" in entry.content


def test_a_spark_setting_changes_one_file_on_the_gateway_and_restarts_nothing() -> None:
    before, after = cluster(), cluster(spark_settings=(("spark.sql.shuffle.partitions", "64"),))
    assert roles.master(before) == roles.master(after)
    assert roles.worker(before) == roles.worker(after)
    old, new = roles.gateway(before), roles.gateway(after)
    changed = {entry.path for entry in new.files} & {
        e.path for e, o in zip(new.files, old.files, strict=True) if e != o
    }
    assert changed == {"/etc/spark/conf/spark-defaults.conf"}
    assert old.units == new.units
    assert not [watch for entry in new.units for watch in entry.watches if watch in changed]


def test_a_changed_password_or_login_restarts_nothing_but_what_writes_the_logins() -> None:
    before = cluster()
    for users in (
        (NotebookUser(name="gaia", password_hash="$another", roles=("admin", "user")),),
        (*before.notebook_users, NotebookUser(name="alice", password_hash="$hash")),
        (),
    ):
        old, new = roles.gateway(before), roles.gateway(cluster(notebook_users=users))
        changed = {entry.path for entry, o in zip(new.files, old.files, strict=True) if entry != o}
        assert changed == {logins.WANTED}
        assert old.units == new.units
        assert [entry.name for entry in new.units if changed & set(entry.watches)] == [logins.UNIT]


def test_zeppelins_own_sizes_and_master_do_not_beat_those_of_spark() -> None:
    decided = interpreters.properties(cluster())
    written = json.loads(file(roles.gateway(cluster()), "interpreters.json").content)
    own = {"perNote": "isolated", "perUser": "shared"}
    assert written == {name: {"properties": properties, "option": own} for name, properties in decided.items()}
    assert (decided["spark"]["spark.master"], decided["spark"]["spark.submit.deployMode"]) == ("yarn", "client")
    for name in ("driver.memory", "executor.memory", "executor.cores", "executor.instances"):
        assert decided["spark"][f"spark.{name}"] == "", "spark-defaults.conf is the one place of sizes"
    python = spark_defaults(roles.gateway(cluster()))["spark.pyspark.python"]
    assert decided["spark"]["PYSPARK_PYTHON"] == decided["python"]["zeppelin.python"] == python


def test_a_changed_size_changes_no_interpreter_setting() -> None:
    changed = cluster(sizes=compute(gateway=SMALL, master=TINY, worker=SMALL, workers=4))
    assert interpreters.files(changed) == interpreters.files(cluster())


def test_a_note_gets_a_session_as_long_as_there_is_memory_for_one_and_loses_it_when_it_is_idle() -> None:
    found = roles.gateway(cluster(idle_min=30))
    site = file(found, "zeppelin-site.xml").content
    sessions = cluster().sizes.sessions
    assert f">/usr/local/lib/gaia/note-process {sessions} /opt/zeppelin/bin/interpreter.sh<" in site
    assert "<value>1800000</value>" in site
    assert file(found, "note-process").mode == "0755"


def test_the_drivers_jvm_options_are_those_that_zeppelin_does_not_replace() -> None:
    found = spark_defaults(roles.gateway(cluster(gateway_flavor=TINY)))
    assert "-XX:TieredStopAtLevel=1" in found["spark.driver.defaultJavaOptions"]
    assert "spark.driver.extraJavaOptions" not in found


def test_a_changed_size_restarts_yarn_and_not_hdfs() -> None:
    parts = roles.worker(cluster())
    assert "/etc/hadoop/conf/yarn-site.xml" in unit(parts, "nodemanager.service").watches
    assert "/etc/hadoop/conf/yarn-site.xml" not in unit(parts, "datanode.service").watches


def test_every_watched_path_is_a_file_or_an_archive_of_the_same_host() -> None:
    for make in ROLES.values():
        parts = make(cluster())
        known = {entry.path for entry in parts.files} | {archive.directory for archive in parts.archives}
        for entry in parts.units:
            assert set(entry.watches) <= known, entry.name


def test_spark_gets_the_computed_sizes_and_the_deployments_own_settings_win() -> None:
    found = spark_defaults(roles.gateway(cluster(spark_settings=(("spark.executor.memory", "1g"),))))
    assert found["spark.master"] == "yarn"
    assert found["spark.executor.memory"] == "1g"
    assert (found["spark.executor.cores"], found["spark.dynamicAllocation.maxExecutors"]) == ("4", "11")
    assert (found["spark.driver.memory"], found["spark.driver.maxResultSize"]) == ("2560m", "1536m")
    assert found["spark.eventLog.dir"] == "hdfs://master01:9000/spark-log"
    assert found["spark.yarn.jars"] == "local:/opt/spark/jars/*"


def test_hdfs_has_a_home_for_the_notebook_server_and_for_each_user() -> None:
    layout = {entry["path"]: entry for entry in json.loads(file(roles.master(cluster()), "hdfs-layout.json").content)}
    for name in ("zeppelin", "alice", "bob"):
        assert layout[f"/user/{name}"] == {"path": f"/user/{name}", "owner": name, "mode": "700"}
    assert layout["/spark-log"]["mode"] == layout["/tmp"]["mode"] == "1777"


def test_a_password_is_hashed_as_shiro_does() -> None:
    digest = hashlib.sha256(bytes(16) + b"secret").digest()
    digest = hashlib.sha256(hashlib.sha256(digest).digest()).digest()
    expected = f"$shiro1$SHA-256$3${SALT}${base64.b64encode(digest).decode()}"
    assert shiro.password_hash("secret", SALT, 3) == expected
    assert shiro.password_hash("secret", SALT).startswith("$shiro1$SHA-256$500000$")


def test_everything_in_the_notebook_needs_a_login_and_the_settings_an_administrator() -> None:
    entry = file(roles.gateway(cluster()), "shiro.ini")
    assert (entry.mode, entry.owner, entry.group) == ("0640", "root", "zeppelin")
    ini = configparser.RawConfigParser(delimiters="=", strict=True)
    ini.optionxform = str  # type: ignore[assignment, method-assign]
    ini.read_string(entry.content)
    urls = dict(ini["urls"])
    assert "users" not in ini, "beside another realm, Zeppelin does not start with logins here"
    assert dict(ini["roles"]) == {"admin": "*", "user": "*"}
    assert ini["main"]["securityManager.realms"] == "$logins, $iniRealm"
    assert ini["main"]["logins.resourcePath"] == "file:/etc/zeppelin/realm.properties"
    assert [path for path, rule in urls.items() if rule == "anon"] == ["/api/version"]
    assert list(urls.items())[-1] == ("/**", "authc")
    for path in ("interpreter", "configurations", "credential", "notebook-repositories"):
        assert urls[f"/api/{path}/**"] == "authc, roles[admin]"
    assert xml(roles.gateway(cluster()), "zeppelin-site.xml")["zeppelin.anonymous.allowed"] == "false"


def test_no_secret_is_in_a_file_that_everybody_may_read_nor_in_a_command_line() -> None:
    parts = roles.gateway(cluster())
    assert [(entry.path, entry.mode) for entry in parts.files if HASH in entry.content] == [(logins.WANTED, "0600")]
    assert not [entry.name for entry in parts.units if HASH in entry.content]


def test_small_hosts_start_with_the_quick_compiler_and_large_ones_with_both() -> None:
    small, large = cluster(worker_flavor=TINY), cluster()
    assert "-XX:TieredStopAtLevel=1" in unit(roles.worker(small), "datanode.service").content
    assert "-XX:TieredStopAtLevel=1" not in unit(roles.worker(large), "datanode.service").content


def test_only_the_login_and_the_notebook_are_open_to_everybody() -> None:
    opened = {
        group: {opening for opening in openings if opening.source == ANYWHERE}
        for group, openings in SECURITY_GROUPS.items()
    }
    assert opened == {
        "zeppelin": {Ingress(ANYWHERE, 22, 22), Ingress(ANYWHERE, 8080, 8080)},
        "masters": set(),
        "workers": set(),
    }


def allows(group: str, source: str, port: int) -> bool:
    """Whether hosts of `source` may reach this port of hosts of `group`."""
    return any(
        opening.source == source and (opening.first is None or opening.first <= port <= (opening.last or 0))
        for opening in SECURITY_GROUPS[group]
    )


@pytest.mark.parametrize(
    ("group", "source", "ports"),
    [
        ("zeppelin", "masters", [4040, 4049, 35000, 35100]),
        ("zeppelin", "workers", [35000, 35063, 35100, 35163]),
        ("masters", "zeppelin", [22, 9000, *range(8030, 8034), 8088, 8090, 8141, 7077, *range(4040, 4050), 18080]),
        ("masters", "masters", [22, 9000, 50000]),
        ("masters", "workers", [9000, 8031, 50000]),
        ("workers", "zeppelin", [22, 9866, 9867, 8041, 8040, 8042, 8044, 8048]),
        ("workers", "masters", [22, 9866, 9867, 8041, 50000]),
        ("workers", "workers", [9866, 9867, 13562, 50000]),
    ],
)
def test_the_groups_allow_what_the_platform_needs(group: str, source: str, ports: list[int]) -> None:
    assert [port for port in ports if not allows(group, source, port)] == []


def test_zeppelins_unauthenticated_ports_are_open_to_nobody() -> None:
    thrift = (Port.ZEPPELIN_THRIFT, Port.INTERPRETER_FIRST, Port.INTERPRETER_LAST)
    sources = (ANYWHERE, "zeppelin", "masters", "workers")
    assert [port for port in thrift for source in sources if allows("zeppelin", source, port)] == []


def test_every_unit_is_ready_when_a_port_of_its_own_accepts() -> None:
    for entry in chain.from_iterable(make(cluster()).units for make in ROLES.values()):
        ports = {int(address.rsplit(":", 1)[1]) for address in entry.ready}
        assert ports <= {int(port) for port in Port}
        if entry.name not in ("hdfs-layout.service", "hdfs-checkpoint.timer", logins.UNIT):
            assert ports

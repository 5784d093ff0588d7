"""The platform on hosts that really boot: what operators and astronomers get from `pulumi up` of a committed stack.

`gaia-test` is brought up, changed, broken, rebooted and destroyed. Beside it `gaia-prod` comes and goes as it is: while
the one waits, the other works.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components.hadoop.ports import SECURITY_GROUPS, Port
from components.network.ingress import ANYWHERE
from components.settings.libraries import file_name
from sandbox.layout import Layout
from tests import arguments
from tests.conftest import ROOT, ROWS, SHARE, Sandbox
from tests.hosts import spark_interpreter
from tests.hosts.deployment import Platform, up_computes_and_goes
from tests.leftovers import everything
from tests.stack import Committed

STACK, BESIDE = "gaia-test", "gaia-prod"
CLOUD, DATA_CLOUD = f"iris-{STACK}", "iris-gaia-data"
CATALOGUE, VOLUME = "/data/gaia/GDR3", "/mnt/cinder/data"
# of this run alone: they are looked for in all processes of the machine, where another checkout's tests may run
PASSWORD, ROTATED = (f"canary-{name}-{secrets.token_hex(8)}" for name in ("PASSWORD", "ROTATED"))
WORKERS, NEW = ("worker01", "worker02", "worker03"), "worker04"  # as committed, and one more
HOSTS = ("zeppelin", "master01", *WORKERS)
CONTAINER_MIB = 4096  # what a changed size is changed to
GROWN_GIB = 4  # by how much the workers' volumes grow
# Asks the notebook server (an argument), which may just be starting, to run %spark, and prints what comes of it.
SPARK_PARAGRAPH = """
import json, os, sys
from ops.notebook import Notebook
notebook = Notebook(sys.argv[1])
notebook.login("gaia", os.environ["NOTEBOOK_PASSWORD"], patience=120)
print(json.dumps(str(notebook.run("%spark\\n1"))))
"""
SUM = """
from pyspark.sql import SparkSession
print(SparkSession.builder.getOrCreate().range(1000).selectExpr("sum(id)").first()[0])
"""
BACK_WITHIN = 300  # seconds in which a rebooted platform has to work: a fraction of that on an idle machine


@pytest.fixture(scope="module")
def before(cloud: Sandbox, filled: str) -> dict[str, list[str]]:
    assert filled == SHARE
    return everything(cloud, CLOUD)


@pytest.fixture(scope="module")
def platform(cloud: Sandbox, before: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Platform:
    assert before["servers"] == []
    return Platform(Committed(cloud, STACK), PASSWORD, tmp_path_factory.mktemp(STACK))


@pytest.fixture(scope="module")
def beside(cloud: Sandbox, filled: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[None]]:
    """The other stack's coming and going, at work from now on."""
    assert filled == SHARE
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(up_computes_and_goes, cloud, BESIDE, tmp_path_factory.mktemp(BESIDE) / "sky.png")


@pytest.mark.usefixtures("beside")  # so that it begins with the first of the tests
def test_a_second_run_changes_nothing_even_after_a_refresh(platform: Platform) -> None:
    platform.stack.assert_unchanged()
    platform.stack.pulumi("refresh", "--yes", "--skip-preview")
    platform.stack.assert_unchanged()
    said = platform.stack.up().stdout
    assert re.search(r"Resources:\s+~ 1 updated\s+\d+ unchanged\n", said), "it does not look whether all works"
    platform.stack.assert_unchanged()


def test_the_engine_ends_every_server_before_it_takes_its_volume(platform: Platform) -> None:
    resources = platform.stack.resources()
    of = {(one["urn"].split("::")[2].split(":")[-1], one["urn"].split("::")[-1]): one for one in resources}
    for host in HOSTS:
        assert of["VolumeAttach", host]["deletedWith"] == of["Instance", host]["urn"]
        assert of["Volume", host]["urn"] in of["Instance", host]["dependencies"]


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_knows_the_others_by_name(platform: Platform, host: str) -> None:
    said = platform.ssh(host, "hostname; getent hosts " + " ".join(HOSTS))
    assert said.splitlines()[0] == host
    assert len(said.splitlines()) == 1 + len(HOSTS)


@pytest.mark.parametrize("host", HOSTS)
def test_no_unit_of_any_host_has_failed(platform: Platform, host: str) -> None:
    assert platform.ssh(host, "systemctl list-units --state=failed --no-legend --plain") == ""


@pytest.mark.parametrize("host", HOSTS)
def test_the_catalogue_is_mounted_read_only_on_every_host(platform: Platform, host: str) -> None:
    assert platform.ssh(host, f"ls {CATALOGUE}").count("gaia_source") == 1
    said = platform.ssh(host, f"sudo touch {CATALOGUE}/mine 2>&1; sudo mount -o remount,rw {CATALOGUE} 2>&1; "
                              f"sudo touch {CATALOGUE}/mine 2>&1; ls {CATALOGUE}", check=False)  # fmt: skip
    assert "mine" not in said.splitlines()


@pytest.mark.parametrize("host", HOSTS)
def test_only_root_may_reach_the_metadata_service(platform: Platform, host: str) -> None:
    ask = "timeout 5 bash -c 'echo > /dev/tcp/169.254.169.254/80' 2>&1"
    assert "refused" in platform.ssh(host, ask, check=False)
    assert platform.ssh(host, f"sudo {ask} && echo reached") == "reached"


# Tries to connect to ports (the first argument) of hosts (the others) and prints those that it reaches, by host:
# something answers, be it that nobody listens. A packet that is dropped answers nothing.
SCAN = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(host, port):
    try:
        socket.create_connection((host, port), 2).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True
ports, hosts = json.loads(sys.argv[1]), sys.argv[2:]
with ThreadPoolExecutor(len(ports) * len(hosts)) as pool:
    tried = {host: [pool.submit(reached, host, port) for port in ports] for host in hosts}
print(json.dumps({host: [port for port, try_ in zip(ports, tried[host]) if try_.result()] for host in hosts}))
"""
# Every port that the platform names, and some that nobody does.
SCANNED = sorted({*map(int, Port), 21, 23, 80, 111, 3306, 5432, 8000, 8020, 9001, 40000, 50010})


def allowed(source: str, target: str) -> set[int]:
    """What the table of ports lets hosts of one group reach on those of another."""
    return {
        port
        for ingress in SECURITY_GROUPS[target]
        if ingress.source in (source, ANYWHERE)
        for port in SCANNED
        if ingress.first is None or ingress.first <= port <= (ingress.last or ingress.first)
    }


def test_what_is_open_from_outside_and_from_every_role_to_every_role_is_what_the_table_says(platform: Platform) -> None:
    ports, gateway = json.dumps(SCANNED), platform.outputs["gateway"]
    outside = json.loads(platform.stack.sandbox.run("python", "-c", SCAN, ports, gateway).stdout)
    assert set(outside[gateway]) == {Port.SSH, Port.ZEPPELIN}
    groups = {"zeppelin": "zeppelin", "master01": "masters", "worker01": "workers", "worker02": "workers"}
    for source, group in groups.items():
        targets = sorted(groups.keys() - {source})
        scan = ["python3", "-c", SCAN, ports, *targets]
        found = json.loads(platform.ssh(source, shlex.join(scan)))
        for target in targets:
            assert set(found[target]) == allowed(group, groups[target]), f"from {source} to {target}"


def test_hdfs_and_yarn_have_every_worker(platform: Platform) -> None:
    report = platform.ssh("master01", "sudo -u hdfs hdfs dfsadmin -report")
    assert f"Live datanodes ({len(WORKERS)})" in report
    nodes = platform.ssh("master01", "sudo -u yarn yarn node -list 2>/dev/null")
    assert f"Total Nodes:{len(WORKERS)}" in nodes


def test_the_spark_job_draws_the_sky_and_a_notebook_paragraph_runs_on_yarn(platform: Platform, tmp_path: Path) -> None:
    picture = tmp_path / "sky.png"
    said = platform.stack.ops("smoke", "--png", str(picture)).stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
    assert f"{ROWS:,}" in said or str(ROWS) in said
    assert "master yarn sum 499500" in said


# A session with more work than the cluster can do at once, which also reads from HDFS and shuffles, until a file says
# that it is enough.
HOG = """
import pathlib, time
from pyspark.sql import SparkSession
context = SparkSession.builder.appName("hog").getOrCreate().sparkContext
rounds = 0
while not pathlib.Path("/tmp/enough").exists():
    assert context.parallelize(range(24), 24).map(lambda _: time.sleep(1) or 1).sum() == 24
    words = context.textFile("/tmp/words", 4).map(lambda word: (word, 1)).reduceByKey(int.__add__, 4).collect()
    assert sorted(words) == [("a", 2), ("b", 1)], words
    rounds += 1
print("rounds", rounds)
"""


def begin_hog(platform: Platform, executors: int) -> None:
    """Start that session, and wait until it has as many executors."""
    put = "rm -f /tmp/enough; printf 'a\\nb\\na\\n' | sudo -u zeppelin hdfs dfs -put -f - /tmp/words"
    submit = f"sudo -u zeppelin timeout 600 spark-submit --conf spark.dynamicAllocation.maxExecutors={executors}"
    run = f"echo {shlex.quote(HOG)} > /tmp/hog.py; nohup {submit} /tmp/hog.py > /tmp/hog.said 2>/tmp/hog.log &"
    platform.ssh("zeppelin", f"{put}; {run}")
    ask = "curl -s 'http://master01:8088/ws/v1/cluster/metrics'"
    deadline = time.monotonic() + 120
    while json.loads(platform.ssh("zeppelin", ask))["clusterMetrics"]["containersAllocated"] < 1 + executors:
        assert time.monotonic() < deadline, platform.ssh("zeppelin", "tail -n 20 /tmp/hog.log")
        time.sleep(1)


def end_hog(platform: Platform) -> str:
    """Tell it that it is enough, and see that it has done all it should; its log."""
    platform.ssh("zeppelin", "touch /tmp/enough; while pgrep -f [h]og.py >/dev/null; do sleep 1; done")
    said, log = (platform.ssh("zeppelin", f"cat /tmp/hog.{name}") for name in ("said", "log"))
    assert re.fullmatch(r"rounds \d+", said), log[-3000:]
    return log


def test_a_session_that_has_the_whole_cluster_gives_a_second_one_its_share_and_loses_nothing(
    platform: Platform,
) -> None:
    begin_hog(platform, executors=5)
    platform.ssh("zeppelin", f"echo {shlex.quote(SUM)} > /tmp/sum.py")
    begun = time.monotonic()
    assert "499500" in platform.ssh("zeppelin", "sudo -u zeppelin timeout 200 spark-submit /tmp/sum.py 2>/dev/null")
    print(f"\n{time.monotonic() - begun:.0f} s until the second session's job had run")
    assert "was preempted" in end_hog(platform)


def test_the_notebook_wants_a_login(platform: Platform) -> None:
    url = platform.outputs["zeppelin_url"]
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
    assert platform.stack.sandbox.run(*curl, f"{url}/api/version").stdout == "200"
    assert platform.stack.sandbox.run(*curl, f"{url}/api/notebook").stdout in ("302", "401", "403")
    login = ["-d", "userName=gaia&password=wrong", f"{url}/api/login"]
    assert platform.stack.sandbox.run(*curl, *login).stdout == "403"


# ---- changes


def later(platform: Platform) -> dict[str, Any]:
    """The committed config after its workers grew in size and number."""
    values = platform.committed()
    values["hosts"]["worker"]["volume_gib"] += GROWN_GIB
    values["hosts"]["worker"]["count"] += 1
    return values


def copied(platform: Platform) -> dict[str, Any]:
    """The same with more copies of HDFS's blocks, which every daemon of HDFS and YARN reads, and a new cephx key."""
    values = later(platform)
    values["hdfs"] = {"replication": len(WORKERS)}
    values["keys"] = {"cephx": 1}
    return values


def smaller(platform: Platform) -> dict[str, Any]:
    """The same with smaller containers."""
    values = copied(platform)
    values["sizing"]["container_max_mib"] = CONTAINER_MIB
    return values


def test_a_setting_a_grown_volume_an_operator_and_a_worker_more_restart_no_daemon_and_replace_nothing(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stack, changed = platform.stack, later(platform)
    key = tmp_path_factory.mktemp("stv") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    changed["spark"]["spark.sql.shuffle.partitions"] = "64"
    changed["operators"] = [{"name": "stv", "ssh_keys": [Path(f"{key}.pub").read_text().strip()]}]
    daemons = {
        ("master01", "namenode"),
        ("worker01", "datanode"),
        ("worker01", "nodemanager"),
        ("zeppelin", "zeppelin"),
    }
    since = {pair: platform.started(*pair) for pair in daemons}
    mounted = platform.ssh("worker01", "pidof ceph-fuse")
    platform.configure(changed)
    operations = {verb: [line for line in lines if "openstack:" in line] for verb, lines in stack.operations().items()}
    assert sorted(operations.pop("update")) == [f"openstack:blockstorage/volume:Volume {host}" for host in WORKERS]
    assert all(NEW in line for line in operations.pop("create"))
    assert not any(operations.values())
    stack.up()
    stack.assert_unchanged()
    assert {pair: platform.started(*pair) for pair in daemons} == since
    assert platform.ssh("worker01", "pidof ceph-fuse") == mounted, "the share was mounted anew"
    assert "64" in platform.ssh("zeppelin", "grep shuffle.partitions /etc/spark/conf/spark-defaults.conf")
    size = changed["hosts"]["worker"]["volume_gib"]
    assert platform.ssh("worker02", "df --output=size -BG /mnt/cinder/data | tail -1").strip() == f"{size}G"
    assert f"{len(WORKERS) + 1} workers in HDFS and YARN" in platform.health((*WORKERS, NEW))
    platform.let_in("stv", key)


def test_an_operator_logs_in_by_the_printed_configuration_everywhere_with_one_uid(platform: Platform) -> None:
    assert platform.ssh("worker01", "id -un; sudo -n id -un", login="stv").split() == ["stv", "root"]
    assert len({platform.ssh(host, "id -u", login="stv") for host in (*HOSTS, NEW)}) == 1


def test_who_is_no_operator_any_more_is_put_out_and_a_new_password_counts_at_once_and_ends_nobodys_session(
    platform: Platform,
) -> None:
    uid = platform.ssh("worker01", "id -u", login="stv")
    platform.ssh("worker01", "nohup sleep 4000 >/dev/null 2>&1 &", login="stv")
    assert platform.ssh("worker01", "pgrep -u stv sleep")
    since = platform.started("zeppelin", "zeppelin")
    notebook = f"{platform.outputs['zeppelin_url']}/api"
    jar = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-c", str(platform.directory / "session")]

    def enter(password: str) -> str:
        form = platform.directory / "form"  # not an argument: anybody could read it
        form.write_text(f"userName=gaia&password={password}")
        return platform.stack.sandbox.run("curl", *jar, "--data", f"@{form}", f"{notebook}/login").stdout

    assert enter(PASSWORD) == "200"
    session = (platform.directory / "session").read_text()
    platform.configure(later(platform))
    platform.stack.pulumi("config", "set", "--secret", "gaia:notebook_password", ROTATED)
    platform.stack.up()
    assert platform.ssh("worker01", f"ps -u {uid} -o comm=", check=False) == ""
    assert "no such user" in platform.ssh("worker01", "id stv 2>&1", check=False)
    limit = time.monotonic() + 30
    while enter(ROTATED) != "200":
        assert time.monotonic() < limit
        time.sleep(1)
    assert enter(PASSWORD) == "403"
    (platform.directory / "session").write_text(session)
    jar[-2] = "-b"
    assert platform.stack.sandbox.run("curl", *jar, f"{notebook}/notebook").stdout == "200"
    assert platform.started("zeppelin", "zeppelin") == since
    platform.stack.assert_unchanged()


def test_the_notebooks_spark_is_asked_for_yarn_and_the_computed_sizes(platform: Platform) -> None:
    for path, content in spark_interpreter.files().items():
        put = f"sudo mkdir -p {shlex.quote(str(Path(path).parent))} && echo {shlex.quote(content)} | sudo tee {path}"
        platform.ssh("zeppelin", f"{put} >/dev/null && sudo chmod 755 {path}")
    platform.ssh("zeppelin", "sudo systemctl restart zeppelin")
    ask = ["python", "-c", SPARK_PARAGRAPH, platform.outputs["zeppelin_url"]]
    said = platform.stack.run(*ask, environment={"NOTEBOOK_PASSWORD": ROTATED}).stdout
    found = json.loads(platform.ssh("zeppelin", f"sudo cat {spark_interpreter.PROBED}", check=False) or said)
    sizes = platform.outputs["sizes"]
    assert (found["spark.master"], found["spark.submit.deployMode"], found["sum"]) == ("yarn", "client", 328350)
    assert re.fullmatch(r"spark-(?!shared)\w+", found["spark.app.name"]), "Zeppelin's launcher has named it by its note"
    assert found["spark.driver.memory"] == f"{sizes['driver_memory_mib']}m"
    assert found["spark.executor.memory"] == f"{sizes['executor_memory_mib']}m"
    assert found["spark.executor.cores"] == str(sizes["executor_cores"])
    assert found["spark.dynamicAllocation.maxExecutors"] == str(sizes["max_executors"])
    assert "spark.executor.instances" not in found
    assert 0.9 * sizes["driver_memory_mib"] < found["heap"] <= sizes["driver_memory_mib"]
    # Zeppelin's options of the driver's JVM do not replace ours
    assert {"-Dprobe=1", "-XX:TieredStopAtLevel=1"} <= set(found["options"])
    assert (found["user"], found["directory"]) == ("zeppelin", "/mnt/cinder/data/zeppelin/work")
    platform.ssh("zeppelin", f"sudo rm -r {spark_interpreter.DIRECTORY} {spark_interpreter.PROBE}.*")
    platform.ssh("zeppelin", "sudo systemctl restart zeppelin")


# Runs a paragraph in each of two notes, ends the first one's process by its number, and runs both again.
TWO_NOTES = """
import json, os, sys
from ops.notebook import Notebook
notebook = Notebook(sys.argv[1])
notebook.login("gaia", os.environ["NOTEBOOK_PASSWORD"], patience=120)
def write(name, text):
    body = {"name": name, "notePath": name, "paragraphs": [{"title": "", "text": text}]}
    note = notebook.call("POST", "/notebook", body)
    return note, notebook.call("GET", f"/notebook/{note}")["paragraphs"][0]["id"]
def run(note, paragraph):
    result = notebook.call("POST", f"/notebook/run/{note}/{paragraph}")
    return result["code"], "".join(message["data"] for message in result.get("msg", [])).strip()
here = [write(name, "%python\\nimport os; print(os.getpid())") for name in ("/one", "/two")]
said = [run(*one) for one in here]
end = write("/end", f"%python\\nimport os; os.kill({said[0][1]}, 9)")
said.append(run(*end))
said += [run(*one) for one in here]
for note, _ in (*here, end):
    notebook.call("DELETE", f"/notebook/{note}")
print(json.dumps(said))
"""


def test_each_note_has_a_process_of_its_own(platform: Platform) -> None:
    ask = ["python", "-c", TWO_NOTES, platform.outputs["zeppelin_url"]]
    said = platform.stack.run(*ask, environment={"NOTEBOOK_PASSWORD": ROTATED}).stdout
    one, two, _, after, other = json.loads(said.splitlines()[-1])
    assert one[0] == two[0] == "SUCCESS"
    assert one[1] != two[1]
    assert after[0] == "ERROR", "a process that has died is not told"
    assert other == two, "another note's process has died too"


def test_what_cannot_be_installed_leaves_the_hosts_as_they_were_and_is_pushed_again_when_put_back(
    platform: Platform,
) -> None:
    stack, good = platform.stack, later(platform)
    lock = stack.file.with_name(file_name(stack.name))
    locked = lock.read_text()
    library = f"{locked}no-such-library==1 --hash=sha256:{'0' * 64}\n"
    archives = {**good["archives"], "zeppelin": {**good["archives"]["zeppelin"], "sha512": "0" * 128}}
    digest = good["archives"]["zeppelin"]["sha512"]
    for text, broken, said in (
        (library, good, "no-such-library"),
        (locked, {**good, "archives": archives}, f"has the SHA-512 {digest}"),
    ):
        lock.write_text(text)
        platform.configure(broken)
        done = stack.up(check=False)
        assert done.returncode != 0
        assert "zeppelin: " in done.stdout
        assert said in done.stdout
        assert "the host is again as it was before" in done.stdout
    for host in ("zeppelin", "worker01"):
        assert platform.ssh(host, "/opt/gaia/python/bin/python -c 'import numpy; print(1)'") == "1"
    assert platform.ssh("zeppelin", "systemctl is-active zeppelin") == "active"
    platform.configure(good)
    again = [line for lines in stack.operations().values() for line in lines]
    assert "command:remote:Command zeppelin" in again


def identities(cloud: Sandbox) -> list[str]:
    """Whom Manila lets the stack's hosts mount the catalogue as."""
    rules = [rule.split() for rule in everything(cloud, DATA_CLOUD)["access_rules"]]
    return [identity for share, identity, _ in rules if share == SHARE and identity.startswith("gaia_test_")]


def test_a_change_that_restarts_every_daemon_goes_through_the_workers_in_turn_and_ends_no_job(
    platform: Platform, cloud: Sandbox
) -> None:
    [identity] = identities(cloud)
    platform.let_in("deploy", platform.directory / "key")  # the new worker too
    begin_hog(platform, executors=3)
    daemons = [("master01", "namenode"), ("master01", "resourcemanager")]
    daemons += [(worker, daemon) for worker in (*WORKERS, NEW) for daemon in ("datanode", "nodemanager")]
    before = {pair: platform.started(*pair) for pair in daemons}
    platform.configure(copied(platform))
    comment = platform.stack.ops("review").stdout
    for worker in (*WORKERS, NEW):
        assert f"- `{worker}`: datanode.service, nodemanager.service" in comment.splitlines()
    assert not [secret for secret in (PASSWORD, ROTATED) if secret in comment]
    platform.stack.up()
    now = {pair: platform.started(*pair) for pair in daemons}
    assert not [pair for pair in daemons if now[pair] == before[pair]]
    log = end_hog(platform)
    # hosts of the sandbox have one clock: a worker's daemons start after the ones before are at work
    order = [max(int(now[worker, daemon]) for daemon in ("datanode", "nodemanager")) for worker in (*WORKERS, NEW)]
    assert order == sorted(order)
    assert "Lost executor" not in log
    # the same change has replaced the key by which the shares are mounted
    assert identities(cloud) == [f"{identity}_1"]
    for host in (*HOSTS, NEW):
        assert platform.ssh(host, "ls /etc/ceph/*.keyring") == f"/etc/ceph/{identity}_1.keyring"
        assert "gaia_source" in platform.ssh(host, f"ls {CATALOGUE}")


BLOCKS = "sudo find /mnt/cinder -name 'blk_*' ! -name '*.meta' -printf '%f %s\\n' | sort"
BIRTH = "sudo stat -c %i /var/lib/cloud/instance/; cat /var/lib/cloud/data/instance-id"


def test_a_rebuilt_worker_still_has_its_hdfs_blocks_and_another_ones_unit_that_fails_is_named_with_its_last_lines(
    platform: Platform,
) -> None:
    stack, dropin = platform.stack, "/etc/systemd/system/nodemanager.service.d"
    put = f"sudo -u hdfs hdfs dfs -D dfs.replication={len(WORKERS) + 1} -put -f - /tmp/kept"
    platform.ssh("zeppelin", f"head -c 20000000 /dev/urandom | {put}")
    checksum = platform.ssh("zeppelin", "sudo -u hdfs hdfs dfs -checksum /tmp/kept").split()[-1]
    blocks, born = platform.ssh("worker01", BLOCKS), platform.ssh("worker01", BIRTH)
    assert "blk_" in blocks
    broken = '[Service]\\nExecStartPre=/bin/sh -c "echo the-disk-is-on-fire; exit 1"\\n'
    write = f"printf {shlex.quote(broken)} | sudo tee {dropin}/broken.conf"
    platform.ssh("worker02", f"sudo mkdir -p {dropin} && {write} && sudo systemctl daemon-reload")
    values = smaller(platform)  # restarts every NodeManager
    values["hosts"]["rebuild"] = {"worker01": 1}
    platform.configure(values)
    said = stack.up(check=False)
    platform.ssh("worker02", f"sudo rm -r {dropin}; sudo systemctl daemon-reload")
    assert said.returncode != 0
    assert "worker02: unit nodemanager.service" in said.stdout
    assert "the-disk-is-on-fire" in said.stdout
    stack.up()
    assert platform.ssh("worker01", BIRTH) != born
    # others may have come meanwhile: what another worker had is copied
    assert set(blocks.splitlines()) <= set(platform.ssh("worker01", BLOCKS).splitlines())
    assert platform.ssh("zeppelin", "sudo -u hdfs hdfs dfs -checksum /tmp/kept").split()[-1] == checksum
    platform.configure(smaller(platform))  # without the rebuild number: that rebuilds nothing
    stack.assert_unchanged()


# ---- what dies, and what is stopped


def test_what_dies_on_a_host_is_put_right_and_what_somebody_stopped_is_told(platform: Platform) -> None:
    stopped = "nodemanager.service was stopped by somebody: systemctl start nodemanager.service"
    platform.ssh("worker01", "sudo kill -9 $(pidof ceph-fuse); echo broken | sudo tee /etc/hosts")
    platform.ssh("worker01", f"sudo umount --lazy {VOLUME}; sudo chmod 777 /etc/hadoop/conf/core-site.xml")
    platform.ssh("worker01", "sudo nft flush ruleset")
    platform.ssh("worker02", "sudo systemctl stop nodemanager")
    said = platform.stack.ops("status", check=False)
    assert said.returncode == 1
    assert [line for line in said.stdout.splitlines() if line.endswith(stopped)] == [f"worker02: {stopped}"]
    look = f"ls {CATALOGUE}; getent hosts worker02 | wc -l; mountpoint -q {VOLUME} && echo volume"
    assert platform.ssh("worker01", look).split() == ["gaia_source", "1", "volume"]
    assert platform.ssh("worker01", "stat -c %a /etc/hadoop/conf/core-site.xml") == "644"
    assert "169.254" in platform.ssh("worker01", "sudo nft list table inet metadata_guard")
    assert platform.ssh("worker02", "systemctl is-active nodemanager", check=False) == "inactive"
    platform.ssh("worker02", "sudo systemctl start nodemanager")
    yarn_says(platform, "worker02", "RUNNING")
    told = platform.stack.ops("status").stdout.splitlines()
    [line] = [line for line in told if line.startswith("worker01 ")]
    assert " well " in line
    assert re.search(r" \d+: \S", line), "nothing is said of what it has put right"


# Writes a note, or prints the names of those that there are: by an argument, at the server that the first one names.
NOTES = """
import json, os, sys
from ops.notebook import Notebook
notebook = Notebook(sys.argv[1])
notebook.login("gaia", os.environ["NOTEBOOK_PASSWORD"], patience=120)
if sys.argv[2:]:
    notebook.call("POST", "/notebook", {"name": sys.argv[2], "notePath": sys.argv[2]})
print(json.dumps(sorted(note["path"] for note in notebook.call("GET", "/notebook"))))
"""


def notes(platform: Platform, *new: str) -> list[str]:
    """The notes that the server knows, after writing a new one."""
    ask = ["python", "-c", NOTES, platform.outputs["zeppelin_url"], *new]
    done = platform.stack.run(*ask, environment={"NOTEBOOK_PASSWORD": ROTATED}).stdout
    found: list[str] = json.loads(done.splitlines()[-1])
    return found


def test_notebooks_and_hdfs_that_were_lost_come_back_from_their_copies(platform: Platform) -> None:
    kept = notes(platform, "/kept")
    platform.ssh("zeppelin", "echo kept | sudo -u zeppelin hdfs dfs -put - kept")
    copied = platform.stack.ops("backup").stdout.splitlines()
    assert [line.split(":")[0] for line in copied] == ["notebooks", "hdfs"]
    assert copied[0].startswith(f"notebooks: {len(kept)} notes")
    name = "$(hdfs getconf -confKey dfs.namenode.name.dir | sed s,^file://,,)"
    platform.ssh("master01", f"sudo systemctl stop namenode; sudo sh -c 'rm -r {name}/current'")
    platform.ssh("master01", "sudo systemctl start namenode")  # as `up` does on a new volume
    platform.ssh("zeppelin", f"sudo sh -c 'rm -r {VOLUME}/zeppelin/notebook/*'; sudo systemctl restart zeppelin")
    assert "kept" not in platform.ssh("master01", "sudo -u hdfs hdfs dfs -ls -R /", check=False)
    assert notes(platform) == []
    for part in ("hdfs", "notebooks"):
        begun = time.monotonic()
        assert "are in place" in platform.stack.ops("restore", part).stdout
        print(f"\n{part}: {time.monotonic() - begun:.0f} s to put them back")
    assert notes(platform) == kept
    print(f"\n{works(platform):.0f} s more until a Spark job had run")
    assert platform.ssh("zeppelin", "sudo -u zeppelin hdfs dfs -cat kept 2>/dev/null") == "kept"


def yarn_says(platform: Platform, worker: str, state: str) -> str:
    """Wait until a worker is in this state in YARN; the report of its health."""
    ask = "curl -s 'http://master01:8088/ws/v1/cluster/nodes?states=RUNNING,UNHEALTHY'"
    deadline = time.monotonic() + 120
    while True:
        nodes = {node["nodeHostName"]: node for node in json.loads(platform.ssh("zeppelin", ask))["nodes"]["node"]}
        if worker in nodes and nodes[worker]["state"] == state:
            report: str = nodes[worker]["healthReport"]
            return report.strip()
        assert time.monotonic() < deadline, nodes.get(worker)
        time.sleep(1)


def test_a_worker_without_its_catalogue_gets_no_work_and_says_why_until_it_has_it_again(platform: Platform) -> None:
    platform.ssh("worker01", f"sudo systemctl stop gaia-hold.timer; sudo umount --lazy {CATALOGUE}")
    assert yarn_says(platform, "worker01", "UNHEALTHY") == f"ERROR {CATALOGUE} is not mounted"
    platform.ssh("worker01", "sudo systemctl start gaia-hold.timer gaia-hold.service")
    assert yarn_says(platform, "worker01", "RUNNING") == ""


# ---- reboots: nobody lends a hand


def works(platform: Platform) -> float:
    """Seconds until the platform is well with every worker, and a Spark job on YARN has run."""
    begun = time.monotonic()
    put = f"echo {shlex.quote(SUM)} > /tmp/sum.py"
    job = f"{put}; sudo -u zeppelin timeout 200 spark-submit /tmp/sum.py 2>/dev/null"
    said = ""
    while time.monotonic() - begun < BACK_WITHIN:
        said = platform.health((*WORKERS, NEW))
        if "Zeppelin answers" in said and "499500" in platform.ssh("zeppelin", job, check=False):
            return time.monotonic() - begun
        time.sleep(1)
    failed = {host: platform.ssh(host, "systemctl --failed --no-legend --plain", check=False) for host in HOSTS}
    raise AssertionError(f"no Spark job runs {BACK_WITHIN} s after the reboot: {said}; failed units: {failed}")


def reboot(platform: Platform, *hosts: str) -> None:
    """Reboot hosts at once, and wait until each is another boot of itself."""
    since = "echo since $(cut -d' ' -f22 /proc/1/stat)"
    before = {host: platform.ssh(host, since) for host in hosts}
    for host in reversed(hosts):  # the gateway last: it is the way to the others
        platform.ssh(host, "sudo systemctl reboot", check=False)
    deadline = time.monotonic() + BACK_WITHIN
    for host in hosts:
        while not (now := platform.ssh(host, since, check=False)).startswith("since ") or now == before[host]:
            assert time.monotonic() < deadline, f"{host} did not come back: {now}"
            time.sleep(1)


@pytest.mark.parametrize("hosts", [("worker01",), ("master01",), HOSTS], ids=lambda hosts: "-".join(hosts))
def test_rebooted_hosts_come_back_with_names_volumes_shares_and_daemons(
    platform: Platform, hosts: tuple[str, ...]
) -> None:
    reboot(platform, *hosts)
    print(f"\n{', '.join(hosts)}: {works(platform):.0f} s until a Spark job had run")
    for host in hosts:
        assert platform.ssh(host, "grep -c worker02 /etc/hosts; mountpoint -q /mnt/cinder/data && echo volume") == (
            "1\nvolume"
        )
        assert "gaia_source" in platform.ssh(host, f"ls {CATALOGUE}")
        assert platform.ssh(host, "systemctl list-units --state=failed --no-legend --plain") == ""


def test_the_other_stack_came_up_as_it_is_computed_and_went_without_a_trace(beside: Future[None]) -> None:
    beside.result()


def test_the_platform_comes_back_when_its_cloud_was_down(platform: Platform, cloud: Sandbox) -> None:
    cloud.down()
    cloud.up()
    print(f"\nthe cloud: {works(platform):.0f} s until a Spark job had run")
    for host in HOSTS:
        assert "gaia_source" in platform.ssh(host, f"ls {CATALOGUE}")
    platform.stack.assert_unchanged()


def test_fewer_workers_leave_the_others_at_work(platform: Platform) -> None:
    daemons = {("master01", "namenode"), ("worker01", "datanode"), ("worker02", "nodemanager")}
    since = {pair: platform.started(*pair) for pair in daemons}
    values = smaller(platform)
    values["hosts"]["worker"]["count"] -= 1
    platform.configure(values)
    operations = platform.stack.operations()
    gone = [line for line in operations["delete"] if "openstack:" in line]
    assert gone
    assert all(NEW in line for line in gone)
    platform.stack.up()
    platform.stack.assert_unchanged()
    assert {pair: platform.started(*pair) for pair in daemons} == since


def test_no_secret_is_in_clear_in_state_logs_process_arguments_or_on_the_hosts(platform: Platform) -> None:
    key = re.sub(r"\s", "", platform.outputs["deploy_key"].split("-----")[2])[200:240]
    keyring = platform.ssh("worker01", "sudo sh -c 'cat /etc/ceph/*.keyring'")
    found = re.search(r"key = (\S+)", keyring)
    assert found
    known = {"password": PASSWORD, "new password": ROTATED, "deploy key": key, "cephx key": found[1]}
    places = {"state": re.sub(r"\\n", "", platform.stack.state()), "output of up": platform.said}
    places["outputs"] = str(platform.stack.outputs(secrets=False))
    assert any("pulumi-language-python" in line for line in platform.arguments)
    places["process arguments on the machine"] = "\n".join(platform.arguments)
    for host in HOSTS:
        places[f"process arguments on {host}"] = platform.ssh(host, "ps -eo args")
        places[f"journal of {host}"] = platform.ssh(host, "sudo journalctl --no-pager -o cat | tail -n 5000")
        readable = "find /etc /var/log /var/lib /opt/gaia -xdev -type f -size -200k -readable 2>/dev/null"
        texts = f"{readable} | xargs -d '\\n' cat 2>/dev/null | tr -cd '[:print:]'"
        places[f"what everybody may read on {host}"] = platform.ssh(host, f"sudo -u nobody sh -c {shlex.quote(texts)}")
    for name, secret in known.items():
        assert not [place for place, text in places.items() if secret in text], f"the {name} is in clear"


def test_destroy_asks_no_host_leaves_nothing_and_the_catalogue_untouched(
    platform: Platform, before: dict[str, list[str]], cloud: Sandbox
) -> None:
    for host in reversed(HOSTS):  # the gateway last: it is the way to the others
        platform.ssh(host, "sudo systemctl poweroff", check=False)
    platform.stack.destroy()
    copies = f"{STACK}-backup"
    assert everything(cloud, CLOUD) == {**before, "containers": sorted([*before["containers"], copies])}
    assert copies in platform.stack.ops("backup", "--list").stdout
    data = everything(cloud, DATA_CLOUD)
    assert data["shares"] == [SHARE]
    assert data["access_rules"] == []
    here = Layout(ROOT).namespace  # another checkout may have a demo of its own
    assert not [line for line in arguments.now() if f"{STACK}-" in line and here in line]

"""The rendered configuration of all roles runs: HDFS, YARN, the histories, Zeppelin, a Spark job, a paragraph.

On one machine, in namespaces of its own (`rig.py`), with the sandbox's archives and wheels. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.hadoop import roles, zeppelin
from components.hadoop.cluster import Cluster, NotebookUser
from components.hadoop.sizing import Overrides, compute
from components.hosts.bundle import Bundle, File, PythonEnvironment
from tests.conftest import ROOT
from tests.render.test_hadoop_files import archives
from tests.unit.test_hadoop_rendering import SALT, TINY

PASSWORD = "correct horse battery staple"
OVERRIDES = Overrides(
    container_min_mib=256, driver_memory_mib=768, am_memory_mib=384, executor_memory_mib=768, executor_cores=1
)  # fmt: skip
# one worker stands for all; every name has an address on the loopback device
HOSTS = (("127.0.0.4", "worker01"), ("127.0.0.3", "master01"), ("127.0.0.2", "zeppelin"))
PARAGRAPH = """%python
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("paragraph").getOrCreate()
squares = spark.sparkContext.parallelize(range(100), 2).map(lambda x: x * x).sum()
print(spark.sparkContext.master, squares, spark.range(10).toPandas()["id"].sum())
spark.stop()
"""


# No registry has an interpreter %spark for the sandbox's Zeppelin. Zeppelin's own launcher of it is there, and gets a
# declaration with the properties and values of the real one (0.12.0). What it starts stands for bin/interpreter.sh: it
# submits as that does, a program that says what it was given.
SPARK_DECLARED = {
    "SPARK_HOME": "",
    "spark.master": "local[*]",
    "spark.submit.deployMode": "",
    "spark.driver.cores": "1",
    "spark.driver.memory": "1g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "1g",
    "spark.executor.instances": "2",
    "zeppelin.spark.run.asLoginUser": True,
}
PROBE, PROBED = "/opt/zeppelin/bin/probe", "/var/log/zeppelin/probe.json"
PROBE_SH = f"""#!/bin/bash
IFS='|' read -r -a configuration <<< "$ZEPPELIN_SPARK_CONF"
"$SPARK_HOME/bin/spark-submit" --driver-java-options "-Dprobe=1" "${{configuration[@]}}" {PROBE}.py
exit 1 # it is no interpreter: the server need not wait for one
"""
PROBE_PY = f"""
import json, os
from pyspark.sql import SparkSession
context = SparkSession.builder.getOrCreate().sparkContext
java = context._jvm.java.lang
found = dict(context.getConf().getAll())
found["options"] = list(context._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments())
found["heap"] = java.Runtime.getRuntime().maxMemory() >> 20
found["user"], found["directory"] = context.sparkUser(), os.getcwd()
found["sum"] = context.parallelize(range(100), 2).map(lambda x: x * x).sum()
with open("{PROBED}", "w") as out:
    json.dump(found, out)
"""


def spark_interpreter() -> tuple[File, ...]:
    """What stands for the interpreter %spark."""
    declared = {
        "group": "spark",
        "name": "spark",
        "className": "org.apache.zeppelin.spark.SparkInterpreter",
        "defaultInterpreter": True,
        "properties": {
            name: {"envName": None, "propertyName": name, "defaultValue": value, "description": "", "type": "string"}
            for name, value in SPARK_DECLARED.items()
        },
        "runner": {"linux": f"{PROBE}.sh", "win": ""},
    }
    return (
        File(path="/opt/zeppelin/interpreter/spark/interpreter-setting.json", content=json.dumps([declared])),
        File(path=f"{PROBE}.sh", content=PROBE_SH, mode="0755"),
        File(path=f"{PROBE}.py", content=PROBE_PY),
    )


def a_cluster(mirror: Path) -> Cluster:
    """One worker, tiny hosts, the sandbox's archives."""
    found = archives(mirror)
    user = NotebookUser(name="gaia", password_hash=zeppelin.shiro_hash(PASSWORD, SALT), roles=("admin", "user"))
    other = NotebookUser(name="alice", password_hash=zeppelin.shiro_hash(PASSWORD + "2", SALT))
    return Cluster(
        workers=("worker01",),
        replication=1,
        gateway_flavor=TINY,
        master_flavor=TINY,
        worker_flavor=TINY,
        sizes=compute(gateway=TINY, master=TINY, worker=TINY, workers=1, overrides=OVERRIDES),
        hadoop=found["hadoop"],
        spark=found["spark"],
        zeppelin=found["zeppelin"],
        notebook_users=(user, other),
    )


def a_bundle(made: Cluster, mirror: Path) -> Bundle:
    """The bundles of all three roles in one."""
    parts = (roles.master(made), roles.worker(made), roles.gateway(made))

    def merged(kind: str, key: str) -> tuple[Any, ...]:
        return tuple({getattr(entry, key): entry for part in parts for entry in getattr(part, kind)}.values())

    return Bundle(
        host="worker01",
        hosts_file=HOSTS,
        accounts=merged("accounts", "name"),
        directories=merged("directories", "path"),
        archives=merged("archives", "name"),
        python=PythonEnvironment(
            path=made.python,
            requirements=("numpy", "pandas", "pyarrow", "matplotlib", "healpy"),
            find_links=str(mirror / "wheels"),
            uv=tomllib.loads((ROOT / "versions.toml").read_text())["tools"]["uv"],
        ),
        files=(*merged("files", "path"), *spark_interpreter()),
        units=merged("units", "name"),
    )


class Rig:
    """The running platform; `run` gives it commands."""

    def __init__(self, scratch: Path, bundle: Bundle) -> None:
        self.scratch = scratch
        (scratch / "bundle.json").write_text(json.dumps(bundle.as_dict()))
        namespaces = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
        rig = ["/usr/bin/python3", str(ROOT / "tests/render/rig.py"), str(scratch), str(scratch / "bundle.json")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [*namespaces, *rig], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.started: dict[str, Any] = {}

    def wait(self) -> None:
        """Until every daemon is ready: what each took is in `started`."""
        self.started = self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the rig ended; what it said is above"
        return json.loads(line)

    def run(self, user: str, *argv: str) -> str:
        """A command as an account of the platform. Raises AssertionError with what it said when it fails."""
        assert self.process.stdin
        print(json.dumps({"user": user, "argv": argv}), file=self.process.stdin, flush=True)
        done = self._answer()
        assert done["status"] == 0, done["out"][-2000:] + done["err"][-4000:]
        return str(done["out"])

    def put(self, source: Path) -> str:
        """Copy a file or directory where every account of the platform may read it; its path there."""
        target = self.scratch / "tmp" / source.name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)
        return f"/tmp/{source.name}"

    def stop(self) -> None:
        """End it: its process namespace, and everything in it, goes with it."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def rig(built: Path) -> Iterator[Rig]:
    mirror = built / "mirror"
    bundle = a_bundle(a_cluster(mirror), mirror)
    # service accounts must be able to reach it, which pytest's own directories do not allow
    scratch = Path(tempfile.mkdtemp(prefix="gaia-rig.", dir="/tmp"))
    scratch.chmod(0o755)
    running = Rig(scratch, bundle)
    try:
        running.wait()
        yield running
    finally:
        running.stop()
        shutil.rmtree(scratch)


def test_every_daemon_starts_with_its_rendered_files(rig: Rig) -> None:
    assert set(rig.started) == {
        *("namenode.service", "datanode.service", "resourcemanager.service", "nodemanager.service"),
        *("hdfs-layout.service", "job-history.service", "spark-history.service", "zeppelin.service"),
        "zeppelin-logins.service",
    }


def test_hdfs_has_its_directories_with_their_owners(rig: Rig) -> None:
    listed = rig.run(
        "hdfs", "hdfs", "dfs", "-ls", "-d", "/tmp", "/user/zeppelin", "/spark-log", "/yarn-log"
    ).splitlines()
    found = {line.split()[-1]: tuple(line.split()[i] for i in (0, 2)) for line in listed}
    assert found == {
        "/tmp": ("drwxrwxrwt", "hdfs"),
        "/user/zeppelin": ("drwx------", "zeppelin"),
        "/spark-log": ("drwxrwxrwt", "spark"),
        "/yarn-log": ("drwxrwxrwt", "yarn"),
    }


def test_the_sky_job_runs_on_yarn_and_draws_its_picture(rig: Rig, tmp_path: Path) -> None:
    rows = ["--rows", "20000", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "jobs.catalogue", *rows], cwd=ROOT, check=True)
    catalogue, job = rig.put(tmp_path), rig.put(ROOT / "jobs" / "sky.py")
    said = rig.run("zeppelin", "spark-submit", job, "--catalogue", catalogue, "--png", "/tmp/sky.png")
    assert said.startswith("Synthetic stars, not Gaia data: 20000 rows")
    assert (rig.scratch / "tmp" / "sky.png").read_bytes().startswith(b"\x89PNG")
    assert "sky" in rig.run("zeppelin", "yarn", "application", "-list", "-appStates", "FINISHED")


CLIENT = """
import http.cookiejar, json, sys, urllib.error, urllib.parse, urllib.request
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
def call(method, path, body=None, form=False):
    data = body and (urllib.parse.urlencode(body) if form else json.dumps(body)).encode()
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    request = urllib.request.Request("http://127.0.0.1:8080/api" + path, data, {"Content-Type": kind}, method=method)
    try:
        return json.load(browser.open(request, timeout=300))
    except urllib.error.HTTPError as problem:
        return {"status": problem.code}
def login(user, password):
    return call("POST", "/login", {"userName": user, "password": password}, form=True)["status"]
"""


def notebook(rig: Rig, script: str) -> Any:
    """What a script prints that talks to the notebook's REST interface."""
    return json.loads(rig.run("zeppelin", "/usr/bin/python3", "-c", CLIENT + script))


def test_the_notebook_lets_in_who_knows_a_password_and_nobody_else(rig: Rig) -> None:
    script = f"""
print(json.dumps([login("gaia", "wrong"), login("nobody", {PASSWORD!r}), login("gaia", {PASSWORD!r})]))
"""
    assert notebook(rig, script) == [403, 403, "OK"]


def test_a_users_role_decides_who_sees_the_settings(rig: Rig) -> None:
    script = """
found = [call("GET", "/version")["status"]]
for user, password in (("alice", %r), ("gaia", %r)):
    login(user, password)
    found += [call("GET", path)["status"] for path in ("/notebook", "/interpreter/setting", "/configurations/all")]
print(json.dumps(found))
"""
    found = notebook(rig, script % (PASSWORD + "2", PASSWORD))
    assert found == ["OK", "OK", 401, 401, "OK", "OK", "OK"]


def test_a_python_paragraph_runs_pyspark_on_yarn(rig: Rig) -> None:
    script = f"""
login("gaia", {PASSWORD!r})
paragraphs = [{{"title": "squares", "text": {PARAGRAPH!r}}}]
note = call("POST", "/notebook", {{"name": "check", "notePath": "/check", "paragraphs": paragraphs}})["body"]
first = call("GET", "/notebook/" + note)["body"]["paragraphs"][0]["id"]
result = call("POST", "/notebook/run/" + note + "/" + first)["body"]
print(json.dumps([result["code"], "".join(part["data"] for part in result["msg"])]))
"""
    code, text = notebook(rig, script)
    assert (code, text.split()) == ("SUCCESS", ["yarn", "328350", "45"]), text
    assert list(rig.scratch.glob("upper2/cinder/data/zeppelin/notebook/.git/HEAD"))


def test_what_zeppelins_launcher_asks_spark_for_runs_on_yarn_with_the_computed_sizes(rig: Rig) -> None:
    script = f"""
login("gaia", {PASSWORD!r})
paragraphs = [{{"title": "", "text": "%spark\\n1"}}]
note = call("POST", "/notebook", {{"name": "launch", "notePath": "/launch", "paragraphs": paragraphs}})["body"]
first = call("GET", "/notebook/" + note)["body"]["paragraphs"][0]["id"]
print(json.dumps(call("POST", "/notebook/run/" + note + "/" + first)["body"]))
"""
    said = notebook(rig, script)  # an error
    try:
        found = json.loads(rig.run("zeppelin", "cat", PROBED))
    except AssertionError as problem:
        raise AssertionError(f"{said}") from problem
    sizes = a_cluster(rig.scratch).sizes
    assert (found["spark.master"], found["spark.submit.deployMode"], found["sum"]) == ("yarn", "client", 328350)
    assert found["spark.app.name"] == "spark-shared_process", "Zeppelin's launcher has named it"
    assert found["spark.driver.memory"] == f"{sizes.driver_memory_mib}m"
    assert found["spark.executor.memory"] == f"{sizes.executor_memory_mib}m"
    assert found["spark.executor.cores"] == str(sizes.executor_cores)
    assert found["spark.executor.instances"] == str(sizes.executor_instances)
    assert 0.9 * sizes.driver_memory_mib < found["heap"] <= sizes.driver_memory_mib
    # Zeppelin's options of the driver's JVM do not replace ours
    assert {"-Dprobe=1", "-XX:TieredStopAtLevel=1"} <= set(found["options"])
    assert (found["user"], found["directory"]) == ("zeppelin", "/mnt/cinder/data/zeppelin/work")


def test_a_checkpoint_of_the_namespace_can_be_made(rig: Rig) -> None:
    service = Path(f"{rig.scratch}/upper0/systemd/system/hdfs-checkpoint.service").read_text()
    (line,) = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    command = f"set -a; . /etc/default/gaia-hadoop; exec {line.removeprefix('ExecStart=')}"
    rig.run("hdfs", "bash", "-c", command)
    images = rig.scratch.glob("upper2/cinder/data/hdfs/checkpoint/current/fsimage_*")
    assert max(int(image.name.split("_")[1]) for image in images if not image.suffix) > 0

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
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.hadoop import roles, zeppelin
from components.hadoop.cluster import Cluster, NotebookUser, Parts
from components.hadoop.sizing import compute
from components.hosts.bundle import Archive, Bundle, PythonEnvironment
from components.settings.hadoop import Sizing
from tests.conftest import ROOT
from tests.render.test_hadoop_files import archives
from tests.unit.test_hadoop_rendering import SALT, TINY

PASSWORD = "correct horse battery staple"
OVERRIDES = Sizing(
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


def a_cluster() -> Cluster:
    """One worker, tiny hosts, the sandbox's archives."""
    user = NotebookUser(name="gaia", password_hash=zeppelin.shiro_hash(PASSWORD, SALT), roles=("admin", "user"))
    other = NotebookUser(name="alice", password_hash=zeppelin.shiro_hash(PASSWORD + "2", SALT))
    return Cluster(
        workers=("worker01",),
        replication=1,
        gateway_flavor=TINY,
        master_flavor=TINY,
        worker_flavor=TINY,
        sizes=compute(gateway=TINY, master=TINY, worker=TINY, workers=1, overrides=OVERRIDES),
        archives=archives(),
        notebook_users=(user, other),
    )


def from_mirror(gateway: Parts, mirror: Path) -> tuple[Archive, ...]:
    """The gateway's archives, out of the mirror's own directory and kept for nobody."""
    return tuple(
        replace(one, url=one.url.replace("http://mirror", f"file://{mirror}"), keep="") for one in gateway.archives
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
        archives=from_mirror(parts[2], mirror),
        python=PythonEnvironment(
            path=made.python,
            requirements=("numpy", "pandas", "pyarrow", "matplotlib", "healpy"),
            find_links=str(mirror / "wheels"),
            uv=tomllib.loads((ROOT / "versions.toml").read_text())["tools"]["uv"],
        ),
        files=merged("files", "path"),
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
    bundle = a_bundle(a_cluster(), mirror)
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


def test_a_checkpoint_of_the_namespace_can_be_made(rig: Rig) -> None:
    service = Path(f"{rig.scratch}/upper0/systemd/system/hdfs-checkpoint.service").read_text()
    (line,) = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    command = f"set -a; . /etc/default/gaia-hadoop; exec {line.removeprefix('ExecStart=')}"
    rig.run("hdfs", "bash", "-c", command)
    images = rig.scratch.glob("upper2/cinder/data/hdfs/checkpoint/current/fsimage_*")
    assert max(int(image.name.split("_")[1]) for image in images if not image.suffix) > 0

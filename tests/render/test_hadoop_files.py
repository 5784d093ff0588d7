"""What is rendered for Hadoop, Spark and Zeppelin, read by the programs that will read it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from components.hadoop import roles
from components.hadoop.cluster import Cluster, Parts
from components.hadoop.daemons import HADOOP_CONF
from components.settings.hadoop import Archives
from sandbox import project
from tests.conftest import ROOT
from tests.unit.test_hadoop_rendering import cluster, file

SHELL = (
    *ROOT.glob("components/on_host/*.sh"),
    *ROOT.glob("sandbox/mirror/zeppelin/*.sh"),
    *ROOT.glob("sandbox/image/node_files/usr/local/lib/kubernetes/*"),
    *ROOT.glob("sandbox/image/pod_files/**/*.sh"),
)


def archives() -> Archives:
    """The mirror's archives."""
    return Archives.model_validate(project.archives((ROOT / project.SUMS).read_text()))


class Hadoop:
    """The sandbox's archive of Hadoop, unpacked, with the rendered files of a role in a directory of their own."""

    def __init__(self, directory: Path, archive: Path) -> None:
        self.home, self.conf = directory / "hadoop", directory / "conf"
        self.home.mkdir()
        subprocess.run(["tar", "xf", archive, "-C", self.home, "--strip-components=1"], check=True)

    def configure(self, parts: Parts, volume: Path) -> None:
        """Put a role's files where this Hadoop reads them."""
        shutil.rmtree(self.conf, ignore_errors=True)
        self.conf.mkdir()
        for entry in parts.files:
            if entry.path.startswith(HADOOP_CONF):
                text = entry.content.replace(cluster().volume, str(volume))
                (self.conf / Path(entry.path).name).write_text(text)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A main class of Hadoop with its arguments."""
        share = self.home / "share" / "hadoop"
        parts = ("common/*", "common/lib/*", "hdfs", "hdfs/*", "hdfs/lib/*", "yarn/*", "yarn/lib/*")
        path = ":".join([str(self.conf), *(f"{share}/{part}" for part in parts)])
        java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", path]
        return subprocess.run([*java, *argv], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def hadoop(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Hadoop:
    name = archives().hadoop.url.rpartition("/")[2]
    return Hadoop(tmp_path_factory.mktemp("hadoop"), built / "mirror" / "archives" / name)


@pytest.mark.parametrize("role", [roles.master, roles.worker, roles.gateway])
def test_hadoop_finds_its_files_well_formed(hadoop: Hadoop, role: object, tmp_path: Path) -> None:
    assert callable(role)
    hadoop.configure(role(cluster()), tmp_path)
    done = hadoop.run("org.apache.hadoop.util.ConfTest", "-conffile", str(hadoop.conf))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": valid") == len(list(hadoop.conf.glob("*.xml")))


def test_hadoop_reads_the_names_and_sizes_that_were_meant(hadoop: Hadoop, tmp_path: Path) -> None:
    hadoop.configure(roles.worker(cluster()), tmp_path)
    for key, expected in {
        "fs.defaultFS": "hdfs://master01:9000",
        "dfs.datanode.data.dir": f"file://{tmp_path}/hdfs/data",
    }.items():
        done = hadoop.run("org.apache.hadoop.hdfs.tools.GetConf", "-confKey", key)
        assert done.stdout.strip() == expected, done.stderr


def test_the_namenode_formats_a_blank_directory_and_only_a_blank_one(hadoop: Hadoop, tmp_path: Path) -> None:
    parts = roles.master(cluster(master="localhost"))
    hadoop.configure(parts, tmp_path)
    program, names = tmp_path / "format-namenode", tmp_path / "hdfs/meta/namenode/fsimage"
    program.write_text(file(parts, "format-namenode").content)
    names.mkdir(parents=True)
    share = hadoop.home / "share" / "hadoop"
    classes = ":".join(
        [str(hadoop.conf), *(f"{share}/{p}" for p in ("common/*", "common/lib/*", "hdfs/*", "hdfs/lib/*"))]
    )
    java_home = str(Path(shutil.which("java") or "java").resolve().parents[1])
    environment = {"PATH": "/usr/bin:/bin", "JAVA_HOME": java_home, "HADOOP_CLASS_PATH": classes}

    def run() -> subprocess.CompletedProcess[str]:
        argv = ["bash", str(program), str(names)]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    first = run()
    assert first.returncode == 0, first.stderr[-3000:]
    version = (names / "current" / "VERSION").read_text()
    assert run().returncode == 0
    assert (names / "current" / "VERSION").read_text() == version
    (names / "current" / "VERSION").unlink()
    refused = run()
    assert refused.returncode == 1
    assert "nothing was formatted" in refused.stderr
    assert not (names / "current" / "VERSION").exists()


def all_parts(made: Cluster) -> Iterable[Parts]:
    """The parts of every role."""
    return (roles.master(made), roles.worker(made), roles.gateway(made))


def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    parts = list(all_parts(cluster(java_home="/usr")))
    for entry in {entry.path: entry for part in parts for entry in part.files}.values():
        target = tmp_path / entry.path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(entry.content)
        target.chmod(int(entry.mode, 8))
    for program in ("java", "python3"):
        (tmp_path / "usr/bin").mkdir(exist_ok=True)
        shutil.copy("/bin/true", tmp_path / "usr/bin" / program)
    units = [entry for part in parts for entry in part.units]
    # the targets and mounts that the units refer to
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    directory = tmp_path / "etc/systemd/system"
    for unit in units:
        (directory / unit.name).write_text(unit.content)
    names = sorted(path.name for path in directory.iterdir())
    argv = ["systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", *names]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if any(name in line for name in names)]
    assert complaints == []
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def shellcheck() -> str:
    """ShellCheck: the machine's, or Debian's package unpacked into the checkout's cache."""
    if found := shutil.which("shellcheck"):
        return found
    cache = ROOT / ".cache" / "shellcheck"
    program = cache / "usr" / "bin" / "shellcheck"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        download = "apt-get -q download shellcheck || { apt-get -q update && apt-get -q download shellcheck; }"
        if subprocess.run(["sh", "-c", download], cwd=cache, check=False).returncode:
            pytest.fail("shellcheck is not on PATH and Debian's package cannot be had: apt-get install shellcheck")
        (package,) = cache.glob("*.deb")
        subprocess.run(["dpkg", "--extract", package, cache], check=True)
    return str(program)


def test_shellcheck_finds_nothing_in_the_programs_for_hosts(shellcheck: str) -> None:
    assert SHELL
    # SC2125: the wildcards of a class path are Java's to expand
    argv: list[str | Path] = [shellcheck, "--severity=warning", "--exclude=SC2125", *SHELL]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_shellcheck_finds_nothing_in_sparks_environment(shellcheck: str, tmp_path: Path) -> None:
    script = tmp_path / "spark-env.sh"
    script.write_text(file(roles.gateway(cluster()), "spark-env.sh").content)
    argv = [shellcheck, "--shell=bash", "--severity=warning", str(script)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_layout_of_hdfs_is_what_its_program_reads(tmp_path: Path) -> None:
    layout = json.loads(file(roles.master(cluster()), "hdfs-layout.json").content)
    assert all(set(entry) == {"path", "owner", "mode"} for entry in layout)
    program = tmp_path / "hdfs-layout"
    program.write_text(file(roles.master(cluster()), "hdfs-layout").content)
    subprocess.run([sys.executable, "-m", "py_compile", str(program)], check=True)

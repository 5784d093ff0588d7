"""Hadoop, Spark and Zeppelin in the layout of the Apache archives, assembled from Maven Central and PyPI."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from sandbox.mirror.registries import HERE, Maven, RegistryError, pip_download

Members = dict[str, Path]

# Where the jars of Hadoop's Maven artifacts lie in its archive; the first pattern that fits decides.
HADOOP_LAYOUT = (
    ("hadoop-annotations-*", "common/lib"),
    ("hadoop-auth-*", "common/lib"),
    ("hadoop-shaded-*", "common/lib"),
    ("hadoop-common-*", "common"),
    ("hadoop-registry-*", "common"),
    ("hadoop-hdfs-*", "hdfs"),
    ("hadoop-yarn-server-timelineservice-*", "yarn/timelineservice"),
    ("hadoop-yarn-*", "yarn"),
    ("hadoop-mapreduce-*", "mapreduce"),
    ("netty-*", "hdfs/lib"),
    ("guice-*", "yarn/lib"),
    ("jersey-*", "yarn/lib"),
    ("fst-*", "yarn/lib"),
    ("ehcache-*", "yarn/lib"),
    ("*", "common/lib"),
)
# A database driver that no configuration here asks for.
HADOOP_WITHOUT = ("mssql-jdbc-*",)
# Of Spark's distribution: what runs on YARN does not need Kubernetes, Mesos, the Connect server and its shell, nor the
# native RocksDB (one state store of streaming), which together are much of the bytes that every host unpacks.
SPARK_WITHOUT = (
    *("deps/jars/connect-repl/*", "deps/jars/spark-connect_*", "deps/jars/rocksdbjni-*"),
    *("deps/jars/kubernetes-*", "deps/jars/spark-kubernetes_*", "deps/jars/vertx-*", "deps/jars/zjsonpatch-*"),
    *("deps/jars/mesos-*", "deps/jars/spark-mesos_*"),
    *("deps/jars/*-osx-*", "deps/jars/*-windows-*", "deps/jars/*-linux-aarch_64.jar", "deps/jars/*-linux-riscv64.jar"),
    *("*.cmd", "*/tests/*", "pyspark/python/*"),
)
# The external shuffle service, for NodeManagers: Apache's archive has it as one jar of its own, with all that it needs.
# The registries have its few classes apart, of another release of the same line (versions.toml).
SPARK_SHUFFLE = (
    *("jars/spark-network-*", "jars/spark-common-utils_*", "jars/metrics-core-*", "jars/RoaringBitmap-*"),
    *("jars/netty-*", "jars/jackson-core-2*", "jars/jackson-databind-*", "jars/jackson-annotations-*"),
    *("jars/scala-library-*", "jars/leveldbjni-*", "jars/commons-lang3-*"),
)
# Of these, what pods as executors need, for the images of pods.
SPARK_KUBERNETES = tuple(f"deps/jars/{name}-*.jar" for name in ("kubernetes", "spark-kubernetes_*", "zjsonpatch"))
SPARK_LAYOUT = {"deps/bin/": "bin/", "deps/sbin/": "sbin/", "deps/jars/": "jars/", "lib/": "python/lib/"}
SPARK_LAYOUT |= {"pyspark/": "python/pyspark/", "deps/licenses/": "licenses/"}
# Renderers of PDF and the like that the server's Markdown library brings along, and a second logger.
ZEPPELIN_WITHOUT = (
    *("icu4j-*", "pdfbox-*", "fontbox-*", "xmpbox-*", "openhtmltopdf-*", "graphics2d-*", "flexmark-pdf-*"),
    *("atomix-*", "netty-transport-native-*", "slf4j-log4j12-*", "log4j-1*", "jline-*"),
)


@dataclass(frozen=True)
class Versions:
    """Section [mirror] of versions.toml."""

    hadoop: str
    spark: str
    spark_shuffle: str
    zeppelin_server: str
    zeppelin_python: str
    maven_dependency_plugin: str


@dataclass(frozen=True)
class Assembly:
    """One archive: its file name, its one top-level directory, and how its files are brought together."""

    name: str
    top: str
    collect: Callable[[Path, Maven, Versions], Members]


def assemblies(versions: Versions, *, nodes: bool = False) -> tuple[Assembly, ...]:
    """The archives that hosts download; with `nodes` also what the images of pods are made from."""
    hadoop, spark = f"hadoop-{versions.hadoop}", f"spark-{versions.spark}-bin-hadoop3"
    zeppelin, jars = f"zeppelin-{versions.zeppelin_python}-bin-sandbox", f"spark_kubernetes-{versions.spark}"
    return (
        Assembly(f"{hadoop}.tar.gz", hadoop, _hadoop),
        Assembly(f"{spark}.tgz", spark, _spark),
        Assembly(f"{zeppelin}.tar.gz", zeppelin, _zeppelin),
        *((Assembly(f"{jars}.tar.gz", jars, _spark_kubernetes),) if nodes else ()),
    )


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _hadoop(work: Path, maven: Maven, versions: Versions) -> Members:
    members: Members = {}
    for jar in maven.dependencies("hadoop.xml", versions.hadoop, work / "jars"):
        if not _any(jar.name, HADOOP_WITHOUT):
            place = next(place for pattern, place in HADOOP_LAYOUT if fnmatch(jar.name, pattern))
            members[f"share/hadoop/{place}/{jar.name}"] = jar
    # the pages of HDFS's web servers, which do not start without them, are in no other artifact
    maven.artifact(f"org.apache.hadoop:hadoop-hdfs:{versions.hadoop}:jar:tests", work)
    with zipfile.ZipFile(work / f"hadoop-hdfs-{versions.hadoop}-tests.jar") as tests:
        pages = [name for name in tests.namelist() if name.startswith("webapps/") and not name.endswith("/")]
        tests.extractall(work, pages)
    return members | {f"share/hadoop/hdfs/{page}": work / page for page in pages}


def _spark(work: Path, maven: Maven, versions: Versions) -> Members:
    members = _of_pyspark(work, versions, lambda name: not _any(name, SPARK_WITHOUT))
    maven.artifact(f"org.apache.spark:spark-network-yarn_2.12:{versions.spark_shuffle}", work)
    service = work / f"spark-network-yarn_2.12-{versions.spark_shuffle}.jar"
    needed = (file for name, file in members.items() if _any(name, SPARK_SHUFFLE))
    members |= {f"yarn/{file.name}": file for file in (service, *needed)}
    release = work / "RELEASE"
    release.write_text(f"Spark {versions.spark} from PyPI, assembled by the sandbox's mirror\n")
    return members | {"RELEASE": release}


def _spark_kubernetes(work: Path, _: Maven, versions: Versions) -> Members:
    return _of_pyspark(work, versions, lambda name: _any(name, SPARK_KUBERNETES))


def _of_pyspark(work: Path, versions: Versions, wanted: Callable[[str], bool]) -> Members:
    """Files of PyPI's source archive, which has Spark's jars, in the layout of Apache's."""
    pip_download(HERE / "pyspark.txt", work, for_hosts=False)
    top = f"pyspark-{versions.spark}"
    source = work / f"{top}.tar.gz"
    if not source.exists():
        raise RegistryError(f"{HERE / 'pyspark.txt'} names another version than {versions.spark} of versions.toml")
    members: Members = {}
    with tarfile.open(source) as tar:
        for member in tar:
            name = member.name.removeprefix(top + "/")
            place = next(
                (new + name.removeprefix(old) for old, new in SPARK_LAYOUT.items() if name.startswith(old)), ""
            )
            if member.isfile() and place and wanted(name):
                tar.extract(member, work)
                members[place] = work / member.name
    return members


def _zeppelin(work: Path, maven: Maven, versions: Versions) -> Members:
    members: Members = {"bin/interpreter.sh": HERE / "zeppelin" / "interpreter.sh"}
    for jar in maven.dependencies("zeppelin-server.xml", versions.zeppelin_server, work / "server"):
        if not _any(jar.name, ZEPPELIN_WITHOUT):
            members[f"lib/{jar.name}"] = jar
    for jar in maven.dependencies("zeppelin-python.xml", versions.zeppelin_python, work / "python"):
        if not _any(jar.name, ZEPPELIN_WITHOUT):
            shared = jar.name.startswith("zeppelin-interpreter-shaded-")
            members[f"interpreter/{jar.name}" if shared else f"interpreter/python/{jar.name}"] = jar
    return members


def check(members: Mapping[str, Path], name: str) -> None:
    """Raise RegistryError when an archive lacks a part that its users start from."""
    needed = {
        "hadoop": ("share/hadoop/hdfs/webapps/*", "share/hadoop/yarn/hadoop-yarn-server-nodemanager-*"),
        "spark_kubernetes": ("jars/spark-kubernetes_*", "jars/kubernetes-client-*", "jars/zjsonpatch-*"),
        "spark": (
            *("bin/spark-submit", "jars/spark-yarn_*", "python/lib/pyspark.zip", "python/lib/py4j-*"),
            *("yarn/spark-network-yarn_*", "yarn/spark-network-shuffle_*", "yarn/netty-transport-*"),
        ),
        "zeppelin": ("lib/zeppelin-server-*", "interpreter/python/zeppelin-python-*"),
    }
    for pattern in needed[name.split("-")[0]]:
        if not any(fnmatch(path, pattern) for path in members):
            raise RegistryError(f"{name} would lack {pattern}: the registries' artifacts are not what they were")

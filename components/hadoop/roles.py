"""The platform's roles, and what their hosts get: one function for each, from a Cluster to a bundle's parts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from components.hadoop import hdfs, logins, ports, spark, text, yarn, zeppelin
from components.hadoop.cluster import Cluster, Parts
from components.hadoop.daemons import (
    HADOOP_LOG,
    PROGRAMS,
    accounts,
    archive,
    archive_directory,
    archive_server,
    environment_file,
    homes,
)
from components.hosts.bundle import Directory, File
from components.hosts.role import Role

SPARK_COMMANDS = ("spark-submit", "pyspark", "spark-sql", "spark-shell")


def _command(name: str, source: str) -> File:
    return File(path=f"/usr/local/bin/{name}", content=text.on_host(source), mode="0755")


def _directories() -> tuple[Directory, ...]:
    return (
        *homes(),
        Directory(path=hdfs.TEMPORARY, mode="1777"),
        Directory(path=HADOOP_LOG, mode="1777"),
    )


def _files(cluster: Cluster) -> tuple[File, ...]:
    return (
        environment_file(cluster),
        *hdfs.configuration(cluster),
        *yarn.configuration(cluster),
        _command("hdfs", "hdfs.sh"),
        _command("yarn", "yarn.sh"),
    )


def master(cluster: Cluster) -> Parts:
    """The master: NameNode and HDFS's directories, ResourceManager, the histories of MapReduce and Spark."""
    checkpoint_service, checkpoint_timer = hdfs.checkpoint_files(cluster)
    return Parts(
        accounts=accounts(),
        directories=(*_directories(), *hdfs.master_directories(cluster), *yarn.master_directories(cluster)),
        archives=(archive("hadoop", cluster), archive("spark", cluster)),
        files=(
            *_files(cluster),
            *spark.history_configuration(cluster),
            yarn.scheduler_configuration(),
            hdfs.layout_file(cluster),
            checkpoint_service,
            File(path=f"{PROGRAMS}/hdfs-layout", content=text.on_host("hdfs_layout.py")),
            File(path=f"{PROGRAMS}/format-namenode", content=text.on_host("format_namenode.sh"), mode="0755"),
        ),
        units=(
            hdfs.namenode(cluster),
            yarn.resourcemanager(cluster),
            hdfs.layout_unit(cluster),
            yarn.job_history(cluster),
            spark.history_server(cluster),
            checkpoint_timer,
        ),
    )


def worker(cluster: Cluster) -> Parts:
    """A worker: DataNode and NodeManager."""
    return Parts(
        accounts=accounts(),
        directories=(*_directories(), *hdfs.worker_directories(cluster), *yarn.worker_directories(cluster)),
        archives=(archive("hadoop", cluster), archive("spark", cluster)),
        files=(*_files(cluster), yarn.node_health()),
        units=(hdfs.datanode(cluster), yarn.nodemanager(cluster)),
    )


def gateway(cluster: Cluster) -> Parts:
    """The gateway: Zeppelin, and Spark's drivers with their settings."""
    return Parts(
        accounts=accounts(),
        directories=(
            *_directories(),
            Directory(path=archive_directory(cluster)),
            *zeppelin.directories(cluster),
            *spark.gateway_directories(cluster),
        ),
        archives=tuple(archive(name, cluster, keep=True) for name in ("hadoop", "spark", "zeppelin")),
        files=(
            *_files(cluster),
            *spark.gateway_configuration(cluster),
            *zeppelin.configuration(cluster),
            *(_command(name, "spark.sh") for name in SPARK_COMMANDS),
        ),
        units=(archive_server(cluster), logins.unit(), zeppelin.server(cluster)),
    )


# In the order in which hosts are listed. Addresses of the tenant subnet: .10, from .21, from .1.1 on.
ROLES = (
    Role(name="zeppelin", host="zeppelin", offset=9, group=ports.ZEPPELIN, gateway=True),
    Role(name="master", host="master{:02d}", offset=20, group=ports.MASTERS),
    Role(name="worker", host="worker{:02d}", offset=256, group=ports.WORKERS),
)
PARTS: Mapping[str, Callable[[Cluster], Parts]] = {"zeppelin": gateway, "master": master, "worker": worker}

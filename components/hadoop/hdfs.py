"""HDFS: its settings, the NameNode, the DataNodes, the directories that the platform needs in it. Pure."""

from __future__ import annotations

import json

from components.hadoop import text
from components.hadoop.cluster import Cluster
from components.hadoop.daemons import (
    ENVIRONMENT,
    HADOOP_CONF,
    HADOOP_HOME,
    HDFS,
    PROGRAMS,
    SPARK,
    YARN,
    ZEPPELIN,
    Daemon,
    service,
)
from components.hadoop.ports import Port
from components.hosts.bundle import Directory, File, Unit

CORE_SITE, HDFS_SITE, LOG4J = (
    f"{HADOOP_CONF}/{name}" for name in ("core-site.xml", "hdfs-site.xml", "log4j.properties")
)
TEMPORARY = "/var/hadoop/temp"
LAYOUT = "/etc/hadoop/hdfs-layout.json"
SPARK_LOG, YARN_LOG, MAPREDUCE_HISTORY = "/spark-log", "/yarn-log", "/mapreduce-history"
SAFEMODE_EXTENSION_MS = 10_000
CHECKPOINT_PERIOD_S = 10
# Of a worker's volume, for YARN's local directories. A node is full for YARN at 90 % (yarn.FULL_PERCENT): HDFS alone
# never makes it so, and what containers fill is theirs, and goes with them.
RESERVED_PERCENT = 50

DATANODE_BEAN = "/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo"

LOG4J_PROPERTIES = """\
# Everything goes to the journal: journalctl -u UNIT
log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%p %c{2}: %m%n
"""


def name_directory(cluster: Cluster) -> str:
    """Where the NameNode keeps the namespace: on the master's volume, so that it survives a replaced server."""
    return f"{cluster.volume}/hdfs/meta/namenode/fsimage"


def data_directory(cluster: Cluster) -> str:
    """Where a DataNode keeps its blocks, on the worker's volume."""
    return f"{cluster.volume}/hdfs/data"


def core_site(cluster: Cluster) -> dict[str, text.Value]:
    """core-site.xml, the same on every host."""
    return {
        "fs.defaultFS": f"hdfs://{cluster.master}:{Port.NAMENODE}",
        "hadoop.tmp.dir": TEMPORARY,
        "hadoop.security.authentication": "simple",
        "fs.trash.interval": 1440,
        "ipc.client.connect.max.retries": 30,
    }


def hdfs_site(cluster: Cluster) -> dict[str, text.Value]:
    """hdfs-site.xml, the same on every host. Daemons bind to every address and announce themselves by name."""
    return {
        "dfs.replication": cluster.replication,
        "dfs.namenode.name.dir": f"file://{name_directory(cluster)}",
        "dfs.namenode.checkpoint.dir": f"file://{cluster.volume}/hdfs/checkpoint",
        # Checkpoints are made by a timer and for copies. With Hadoop's hour the NameNode refuses an image that comes
        # within 45 minutes of its last one, and a copy would be as old as that.
        "dfs.namenode.checkpoint.period": CHECKPOINT_PERIOD_S,
        "dfs.namenode.rpc-address": f"{cluster.master}:{Port.NAMENODE}",
        "dfs.namenode.rpc-bind-host": "0.0.0.0",
        "dfs.namenode.http-address": f"{cluster.master}:{Port.NAMENODE_HTTP}",
        "dfs.namenode.http-bind-host": "0.0.0.0",
        # After a reboot nobody can write until enough blocks are reported and then for as long as this (default: 30 s).
        # A DataNode that comes later still only gives some blocks a copy too many, which is removed.
        "dfs.namenode.safemode.extension": SAFEMODE_EXTENSION_MS,
        "dfs.namenode.datanode.registration.ip-hostname-check": False,
        "dfs.permissions.superusergroup": HDFS,
        "dfs.datanode.data.dir": f"file://{data_directory(cluster)}",
        "dfs.datanode.address": f"0.0.0.0:{Port.DATANODE}",
        "dfs.datanode.ipc.address": f"0.0.0.0:{Port.DATANODE_IPC}",
        "dfs.datanode.http.address": f"0.0.0.0:{Port.DATANODE_HTTP}",
        "dfs.datanode.du.reserved.calculator": (
            "org.apache.hadoop.hdfs.server.datanode.fsdataset.impl.ReservedSpaceCalculator"
            "$ReservedSpaceCalculatorPercentage"
        ),
        "dfs.datanode.du.reserved.pct": RESERVED_PERCENT,
        # a client waits for a NameNode that restarts, and through its safe mode (Hadoop's default: it fails)
        "dfs.client.retry.policy.enabled": True,
        "dfs.client.use.datanode.hostname": True,
        "dfs.datanode.use.datanode.hostname": True,
    }


def configuration(cluster: Cluster) -> tuple[File, ...]:
    """The files that every host needs, to run HDFS's daemons or to be its client."""
    return (
        File(path=CORE_SITE, content=text.hadoop_xml(core_site(cluster))),
        File(path=HDFS_SITE, content=text.hadoop_xml(hdfs_site(cluster))),
        File(path=LOG4J, content=LOG4J_PROPERTIES),
    )


WATCHES = (CORE_SITE, HDFS_SITE, LOG4J, ENVIRONMENT, HADOOP_HOME)


def namenode(cluster: Cluster) -> Unit:
    """The NameNode; the first start on a blank volume formats it, and nothing else ever does."""
    format_program = f"{PROGRAMS}/format-namenode"
    return Daemon(
        name="namenode",
        description="HDFS NameNode",
        account=HDFS,
        heap_mib=cluster.sizes.namenode_heap_mib,
        flavor=cluster.master_flavor,
        command=("org.apache.hadoop.hdfs.server.namenode.NameNode",),
        ready=(f"{cluster.master}:{Port.NAMENODE}", f"{cluster.master}:{Port.NAMENODE_HTTP}"),
        watches=(*WATCHES, format_program),
        lines=(("ExecStartPre", f"{format_program} {name_directory(cluster)}"), ("TimeoutStartSec", "180")),
    ).unit(cluster)


def datanode(cluster: Cluster) -> Unit:
    """A worker's DataNode."""
    return Daemon(
        name="datanode",
        description="HDFS DataNode",
        account=HDFS,
        heap_mib=cluster.sizes.datanode_heap_mib,
        flavor=cluster.worker_flavor,
        command=("org.apache.hadoop.hdfs.server.datanode.DataNode",),
        ready=(f"127.0.0.1:{Port.DATANODE}",),
        # it serves blocks once it has the NameNode's pool
        answers=((f"http://127.0.0.1:{Port.DATANODE_HTTP}{DATANODE_BEAN}", "BP-"),),
        watches=WATCHES,
    ).unit(cluster)


def layout_unit(cluster: Cluster) -> Unit:
    """Makes HDFS's directories, once the NameNode answers; quick and without a JVM when all are right."""
    return service(
        "hdfs-layout",
        description="Directories in HDFS",
        account=HDFS,
        command=f"/usr/bin/python3 {PROGRAMS}/hdfs-layout http://{cluster.master}:{Port.NAMENODE_HTTP} {LAYOUT}",
        cluster=cluster,
        after=("namenode.service",),
        oneshot=True,
        lines=(("TimeoutStartSec", "infinity"),),
        watches=(LAYOUT, f"{PROGRAMS}/hdfs-layout"),
    )


def layout_file(cluster: Cluster) -> File:
    """Path, owner and mode of every directory that the platform needs in HDFS."""
    shared = {"/tmp": HDFS, SPARK_LOG: SPARK, YARN_LOG: YARN}
    layout = [{"path": path, "owner": owner, "mode": "1777"} for path, owner in shared.items()]
    layout += [
        {"path": "/user", "owner": HDFS, "mode": "755"},
        {"path": MAPREDUCE_HISTORY, "owner": YARN, "mode": "755"},
    ]
    layout += [
        {"path": f"/user/{name}", "owner": name, "mode": "700"} for name in dict.fromkeys((ZEPPELIN, *cluster.users))
    ]
    return File(path=LAYOUT, content=json.dumps(layout, indent=1) + "\n")


def checkpoint_files(cluster: Cluster) -> tuple[File, Unit]:
    """Once a day the edit log is merged into the namespace's image; nothing else would, before the next restart.

    The NameNode refuses (409) an image that comes within seconds of its last one, which does no harm.
    """
    java = f"{cluster.java_home}/bin/java -Xmx{cluster.sizes.namenode_heap_mib}m -XX:+UseSerialGC"
    name = "org.apache.hadoop.hdfs.server.namenode.SecondaryNameNode"
    sections: dict[str, list[tuple[str, text.Value]]] = {
        "Unit": [("Description", "HDFS checkpoint"), ("After", "namenode.service")],
        "Service": [
            ("Type", "oneshot"),
            ("User", HDFS),
            ("EnvironmentFile", ENVIRONMENT),
            ("ExecStart", f"{java} -cp ${{HADOOP_CLASS_PATH}} {name} -checkpoint force"),
        ],
    }
    timer: dict[str, list[tuple[str, text.Value]]] = {
        "Unit": [("Description", "HDFS checkpoint, daily")],
        "Timer": [("OnCalendar", "daily"), ("RandomizedDelaySec", "1h")],
        "Install": [("WantedBy", "timers.target")],
    }
    return (
        File(path="/etc/systemd/system/hdfs-checkpoint.service", content=text.unit(sections)),
        Unit(name="hdfs-checkpoint.timer", content=text.unit(timer)),
    )


def master_directories(cluster: Cluster) -> tuple[Directory, ...]:
    """What the NameNode's account owns on the master's volume."""
    paths = (f"{cluster.volume}/hdfs", f"{cluster.volume}/hdfs/checkpoint", name_directory(cluster))
    return tuple(Directory(path=path, mode="0700", owner=HDFS, group=HDFS) for path in _with_parents(cluster, paths))


def worker_directories(cluster: Cluster) -> tuple[Directory, ...]:
    """What the DataNode's account owns on a worker's volume."""
    paths = (f"{cluster.volume}/hdfs", data_directory(cluster))
    return tuple(Directory(path=path, mode="0700", owner=HDFS, group=HDFS) for path in paths)


def _with_parents(cluster: Cluster, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The paths and every directory between them and the volume, parents first."""
    found: dict[str, None] = {}
    for path in paths:
        parts = path.removeprefix(cluster.volume + "/").split("/")
        for depth in range(1, len(parts) + 1):
            found["/".join((cluster.volume, *parts[:depth]))] = None
    return tuple(found)

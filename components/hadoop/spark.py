"""Spark on YARN: the defaults of every session, the history server. Pure."""

from __future__ import annotations

from components.hadoop import text
from components.hadoop.cluster import Cluster
from components.hadoop.daemons import (
    ENVIRONMENT,
    HADOOP_CONF,
    HADOOP_LOG,
    SMALL_VCPUS,
    SPARK,
    SPARK_CLASS_PATH,
    SPARK_CONF,
    SPARK_HOME,
    Daemon,
)
from components.hadoop.hdfs import CORE_SITE, HDFS_SITE, SPARK_LOG
from components.hadoop.ports import Port
from components.hosts.bundle import Directory, File, Unit
from components.log4j import log4j2_properties

DEFAULTS, SPARK_ENV, LOG4J2 = (
    f"{SPARK_CONF}/{name}" for name in ("spark-defaults.conf", "spark-env.sh", "log4j2.properties")
)
HISTORY = f"{SPARK_CONF}/history.conf"


def local_directory(cluster: Cluster) -> str:
    """Where drivers spill and keep their blocks, on the gateway's volume."""
    return f"{cluster.volume}/spark"


def event_log(cluster: Cluster) -> str:
    """Where sessions leave their history."""
    return f"hdfs://{cluster.master}:{Port.NAMENODE}{SPARK_LOG}"


def defaults(cluster: Cluster) -> dict[str, text.Value]:
    """spark-defaults.conf. Computed ones first; the deployment's own `spark_settings` win."""
    computed = _program(cluster) | _sizes(cluster) | _allocation(cluster) | _network(cluster)
    return computed | dict(cluster.spark_settings)


def _program(cluster: Cluster) -> dict[str, text.Value]:
    return {
        "spark.master": "yarn",
        "spark.submit.deployMode": "client",
        # every host has Spark: nothing is uploaded when a session starts
        "spark.yarn.jars": f"local:{SPARK_HOME}/jars/*",
        "spark.pyspark.python": f"{cluster.python}/bin/python",
        "spark.pyspark.driver.python": f"{cluster.python}/bin/python",
        "spark.local.dir": local_directory(cluster),
        "spark.eventLog.enabled": True,
        "spark.eventLog.dir": event_log(cluster),
        "spark.eventLog.compress": True,
        "spark.yarn.historyServer.address": f"{cluster.master}:{Port.SPARK_HISTORY}",
        "spark.sql.execution.arrow.pyspark.enabled": True,
    }


def _sizes(cluster: Cluster) -> dict[str, text.Value]:
    sizes = cluster.sizes
    settings: dict[str, text.Value] = {
        "spark.driver.memory": f"{sizes.driver_memory_mib}m",
        "spark.driver.maxResultSize": f"{sizes.driver_max_result_mib}m",
        "spark.yarn.am.memory": f"{sizes.am_memory_mib}m",
        "spark.yarn.am.memoryOverhead": f"{sizes.am_overhead_mib}m",
        "spark.executor.memory": f"{sizes.executor_memory_mib}m",
        "spark.executor.memoryOverhead": f"{sizes.executor_overhead_mib}m",
        "spark.executor.cores": sizes.executor_cores,
    }
    # On small hosts the serial collector needs less memory, and the optimising compiler would compete with the work:
    # not where tasks run for long, which are the executors.
    quick = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    if cluster.gateway_flavor.vcpus <= SMALL_VCPUS:
        # not extraJavaOptions: Zeppelin gives some of its own on the command line, which would replace these
        settings["spark.driver.defaultJavaOptions"] = quick
    if cluster.worker_flavor.vcpus <= SMALL_VCPUS:
        settings |= {"spark.yarn.am.extraJavaOptions": quick, "spark.executor.extraJavaOptions": "-XX:+UseSerialGC"}
    return settings


def _allocation(cluster: Cluster) -> dict[str, text.Value]:
    """A session has as many executors as it has work for, and none while its user thinks."""
    allocation = "spark.dynamicAllocation"
    return {
        f"{allocation}.enabled": True,
        f"{allocation}.maxExecutors": cluster.sizes.max_executors,
        f"{allocation}.cachedExecutorIdleTimeout": "30min",  # Spark's default: never
        "spark.shuffle.service.enabled": True,
        "spark.shuffle.service.port": int(Port.SPARK_SHUFFLE),
        # a NodeManager that starts again, and the shuffle service in it, are waited for (Spark's default: 15 s)
        "spark.shuffle.io.maxRetries": 24,
    }


def _network(cluster: Cluster) -> dict[str, text.Value]:
    """Ports that the security groups name; each further driver on the gateway takes the next ones."""
    return {
        "spark.driver.host": cluster.gateway,
        "spark.driver.bindAddress": "0.0.0.0",
        "spark.driver.port": int(Port.SPARK_DRIVER_FIRST),
        "spark.blockManager.port": int(Port.SPARK_BLOCKS_FIRST),
        "spark.ui.port": int(Port.SPARK_UI_FIRST),
        "spark.port.maxRetries": Port.SPARK_DRIVER_LAST - Port.SPARK_DRIVER_FIRST,
    }


def gateway_configuration(cluster: Cluster) -> tuple[File, ...]:
    """What sessions read, on the gateway: with client mode, the one host where drivers run."""
    archives = ",".join(f"local:{SPARK_HOME}/python/lib/{name}" for name in ("pyspark.zip", '$(basename "$py4j")'))
    environment = (
        "# Read by every command of Spark.\n"
        + "export "
        + text.environment({"HADOOP_CONF_DIR": HADOOP_CONF})
        + "# executors find PySpark where they are: it is not uploaded\n"
        + f'for py4j in "{SPARK_HOME}"/python/lib/py4j-*-src.zip; do\n'
        + f'  PYSPARK_ARCHIVES_PATH="{archives}"\n'
        + "done\nexport PYSPARK_ARCHIVES_PATH\n"
    )
    return (
        File(path=DEFAULTS, content=text.spark_properties(defaults(cluster))),
        File(path=SPARK_ENV, content=environment),
        File(path=LOG4J2, content=log4j2_properties("warn")),
    )


def history_configuration(cluster: Cluster) -> tuple[File, ...]:
    """The history server's own settings, so that a changed session setting does not restart it."""
    settings: dict[str, text.Value] = {
        "spark.history.fs.logDirectory": event_log(cluster),
        "spark.history.ui.port": int(Port.SPARK_HISTORY),
        "spark.history.fs.cleaner.enabled": True,
        "spark.history.fs.cleaner.maxAge": "30d",
    }
    return (
        File(path=HISTORY, content=text.spark_properties(settings)),
        File(path=LOG4J2, content=log4j2_properties("warn")),
    )


def history_server(cluster: Cluster) -> Unit:
    """The pages of finished sessions."""
    return Daemon(
        name="spark-history",
        description="Spark history server",
        account=SPARK,
        heap_mib=cluster.sizes.history_heap_mib,
        flavor=cluster.master_flavor,
        class_path=SPARK_CLASS_PATH,
        options=(f"-Dhadoop.log.dir={HADOOP_LOG}",),
        command=("org.apache.spark.deploy.history.HistoryServer", "--properties-file", HISTORY),
        ready=(f"{cluster.master}:{Port.SPARK_HISTORY}",),
        watches=(HISTORY, LOG4J2, CORE_SITE, HDFS_SITE, ENVIRONMENT, SPARK_HOME),
        after=("hdfs-layout.service",),
    ).unit(cluster)


def gateway_directories(cluster: Cluster) -> tuple[Directory, ...]:
    """Everybody's sessions keep their blocks here."""
    return (Directory(path=local_directory(cluster), mode="1777"),)

"""YARN and MapReduce: their settings, the ResourceManager, the NodeManagers, the job history. Pure."""

from __future__ import annotations

from components.hadoop import text
from components.hadoop.cluster import Cluster
from components.hadoop.daemons import ENVIRONMENT, HADOOP_CONF, HADOOP_HOME, YARN, Daemon
from components.hadoop.hdfs import CORE_SITE, HDFS_SITE, LOG4J, MAPREDUCE_HISTORY, YARN_LOG
from components.hadoop.ports import Port
from components.hosts.bundle import Directory, File, Unit

YARN_SITE, MAPRED_SITE, SCHEDULER = (
    f"{HADOOP_CONF}/{name}" for name in ("yarn-site.xml", "mapred-site.xml", "capacity-scheduler.xml")
)
LOG_RETENTION = 7 * 24 * 3600  # seconds that the logs of finished applications are kept
# Variables of a NodeManager that containers inherit; the rest of its environment is not their business.
ENVIRONMENT_FOR_CONTAINERS = "JAVA_HOME,HADOOP_CONF_DIR,HADOOP_HOME,PATH,LANG,TZ"
# Spark's application masters are containers as large as an executor: half of a queue may be theirs, so that
# several notebooks can run at once on a small deployment.
AM_SHARE = 0.5


def local_directory(cluster: Cluster) -> str:
    """Where containers work and Spark's executors spill, on the worker's volume."""
    return f"{cluster.volume}/yarn/local"


def log_directory(cluster: Cluster) -> str:
    """Where containers write their logs until they are moved to HDFS, on the worker's volume."""
    return f"{cluster.volume}/yarn/log"


def yarn_site(cluster: Cluster) -> dict[str, text.Value]:
    """yarn-site.xml, the same on every host. Daemons bind to every address and announce themselves by name."""
    sizes = cluster.sizes
    return {
        "yarn.resourcemanager.hostname": cluster.master,
        "yarn.resourcemanager.bind-host": "0.0.0.0",
        "yarn.resourcemanager.address": f"{cluster.master}:{Port.RM}",
        "yarn.resourcemanager.admin.address": f"{cluster.master}:{Port.RM_ADMIN}",
        "yarn.resourcemanager.resource-tracker.address": f"{cluster.master}:{Port.RM_TRACKER}",
        "yarn.resourcemanager.scheduler.address": f"{cluster.master}:{Port.RM_SCHEDULER}",
        "yarn.resourcemanager.webapp.address": f"{cluster.master}:{Port.RM_HTTP}",
        # a NodeManager that comes up before the ResourceManager asks again after 5 s (default: 30)
        "yarn.resourcemanager.connect.retry-interval.ms": 5000,
        "yarn.resourcemanager.scheduler.class": (
            "org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity.CapacityScheduler"
        ),
        "yarn.scheduler.minimum-allocation-mb": sizes.container_min_mib,
        "yarn.scheduler.maximum-allocation-mb": sizes.container_max_mib,
        "yarn.scheduler.minimum-allocation-vcores": 1,
        "yarn.scheduler.maximum-allocation-vcores": sizes.node_vcores,
        "yarn.nodemanager.resource.memory-mb": sizes.container_max_mib,
        "yarn.nodemanager.resource.cpu-vcores": sizes.node_vcores,
        "yarn.nodemanager.address": f"0.0.0.0:{Port.NM}",
        "yarn.nodemanager.localizer.address": f"0.0.0.0:{Port.NM_LOCALIZER}",
        "yarn.nodemanager.webapp.address": f"0.0.0.0:{Port.NM_HTTP}",
        "yarn.nodemanager.local-dirs": local_directory(cluster),
        "yarn.nodemanager.log-dirs": log_directory(cluster),
        "yarn.nodemanager.aux-services": "mapreduce_shuffle",
        "yarn.nodemanager.env-whitelist": ENVIRONMENT_FOR_CONTAINERS,
        # address space is not memory; what a container really uses is checked
        "yarn.nodemanager.vmem-check-enabled": False,
        "yarn.nodemanager.pmem-check-enabled": True,
        "yarn.log-aggregation-enable": True,
        "yarn.log-aggregation.retain-seconds": LOG_RETENTION,
        "yarn.nodemanager.remote-app-log-dir": YARN_LOG,
        "yarn.log.server.url": f"http://{cluster.master}:{Port.JOB_HISTORY_HTTP}/jobhistory/logs",
        "yarn.application.classpath": _application_class_path(),
    }


def _application_class_path() -> str:
    share = f"{HADOOP_HOME}/share/hadoop"
    parts = [f"{share}/{part}/*" for part in ("common", "common/lib", "hdfs", "hdfs/lib", "yarn", "yarn/lib")]
    return ",".join([HADOOP_CONF, *parts])


def mapred_site(cluster: Cluster) -> dict[str, text.Value]:
    """mapred-site.xml, the same on every host."""
    return {
        "mapreduce.framework.name": "yarn",
        "mapreduce.application.classpath": f"{HADOOP_HOME}/share/hadoop/mapreduce/*",
        "mapreduce.shuffle.port": int(Port.MAPREDUCE_SHUFFLE),
        "yarn.app.mapreduce.am.staging-dir": "/user",
        "mapreduce.jobhistory.address": f"{cluster.master}:{Port.JOB_HISTORY}",
        "mapreduce.jobhistory.admin.address": f"{cluster.master}:{Port.JOB_HISTORY_ADMIN}",
        "mapreduce.jobhistory.webapp.address": f"{cluster.master}:{Port.JOB_HISTORY_HTTP}",
        "mapreduce.jobhistory.bind-host": "0.0.0.0",
        "mapreduce.jobhistory.intermediate-done-dir": f"{MAPREDUCE_HISTORY}/tmp",
        "mapreduce.jobhistory.done-dir": f"{MAPREDUCE_HISTORY}/done",
    }


def capacity_scheduler() -> dict[str, text.Value]:
    """capacity-scheduler.xml: one queue for everybody, where cores count as well as memory."""
    root = "yarn.scheduler.capacity"
    return {
        f"{root}.root.queues": "default",
        f"{root}.root.default.capacity": 100,
        f"{root}.root.default.maximum-capacity": 100,
        f"{root}.root.default.user-limit-factor": 2,
        f"{root}.root.default.state": "RUNNING",
        f"{root}.maximum-am-resource-percent": AM_SHARE,
        f"{root}.resource-calculator": "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator",
    }


def configuration(cluster: Cluster) -> tuple[File, ...]:
    """The files that every host needs, to run YARN's daemons or to be its client."""
    return (
        File(path=YARN_SITE, content=text.hadoop_xml(yarn_site(cluster))),
        File(path=MAPRED_SITE, content=text.hadoop_xml(mapred_site(cluster))),
    )


def scheduler_configuration() -> File:
    """The ResourceManager's own file."""
    return File(path=SCHEDULER, content=text.hadoop_xml(capacity_scheduler()))


WATCHES = (CORE_SITE, HDFS_SITE, YARN_SITE, MAPRED_SITE, LOG4J, ENVIRONMENT, HADOOP_HOME)


def resourcemanager(cluster: Cluster) -> Unit:
    """The ResourceManager."""
    return Daemon(
        name="resourcemanager",
        description="YARN ResourceManager",
        account=YARN,
        heap_mib=cluster.sizes.resourcemanager_heap_mib,
        flavor=cluster.master_flavor,
        command=("org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",),
        ready=tuple(f"{cluster.master}:{port}" for port in (Port.RM, Port.RM_TRACKER, Port.RM_HTTP)),
        watches=(*WATCHES, SCHEDULER),
    ).unit(cluster)


def job_history(cluster: Cluster) -> Unit:
    """The history of MapReduce jobs, and the page of finished applications' logs."""
    return Daemon(
        name="job-history",
        description="MapReduce job history",
        account=YARN,
        heap_mib=cluster.sizes.history_heap_mib,
        flavor=cluster.master_flavor,
        command=("org.apache.hadoop.mapreduce.v2.hs.JobHistoryServer",),
        ready=(f"{cluster.master}:{Port.JOB_HISTORY_HTTP}",),
        watches=WATCHES,
        after=("hdfs-layout.service",),
    ).unit(cluster)


def nodemanager(cluster: Cluster) -> Unit:
    """A worker's NodeManager. The containers that it starts belong to its unit and end with it."""
    return Daemon(
        name="nodemanager",
        description="YARN NodeManager",
        account=YARN,
        heap_mib=cluster.sizes.nodemanager_heap_mib,
        flavor=cluster.worker_flavor,
        command=("org.apache.hadoop.yarn.server.nodemanager.NodeManager",),
        ready=(f"127.0.0.1:{Port.NM_HTTP}",),
        watches=WATCHES,
    ).unit(cluster)


def worker_directories(cluster: Cluster) -> tuple[Directory, ...]:
    """What the NodeManager's account owns on a worker's volume."""
    paths = (f"{cluster.volume}/yarn", local_directory(cluster), log_directory(cluster))
    return tuple(Directory(path=path, owner=YARN, group=YARN) for path in paths)

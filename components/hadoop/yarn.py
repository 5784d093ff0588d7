"""YARN and MapReduce: their settings, the ResourceManager, the NodeManagers, the job history. Pure.

The FairScheduler shares the cluster among the sessions that want it: one that is alone may have it all, and gives what
is more than its share back within seconds when another asks. (The CapacityScheduler takes containers back for another
user only, and a notebook server's sessions are all of one.)
"""

from __future__ import annotations

from components.hadoop import text
from components.hadoop.cluster import Cluster
from components.hadoop.daemons import ENVIRONMENT, HADOOP_CONF, HADOOP_HOME, PROGRAMS, SPARK_HOME, YARN, Daemon
from components.hadoop.hdfs import CORE_SITE, HDFS_SITE, LOG4J, MAPREDUCE_HISTORY, YARN_LOG
from components.hadoop.ports import Port
from components.hosts.bundle import Directory, File, Unit

YARN_SITE, MAPRED_SITE = (f"{HADOOP_CONF}/{name}" for name in ("yarn-site.xml", "mapred-site.xml"))
SCHEDULER = "/etc/hadoop/fair-scheduler.xml"  # not of Hadoop's own format, so not among its files
NODE_HEALTH = f"{PROGRAMS}/node-health"
LOG_RETENTION = 7 * 24 * 3600  # seconds that the logs of finished applications are kept
# Variables of a NodeManager that containers inherit; the rest of its environment is not their business.
ENVIRONMENT_FOR_CONTAINERS = "JAVA_HOME,HADOOP_CONF_DIR,HADOOP_HOME,PATH,LANG,TZ"
# Of the memory of a user's sessions: the more for application masters, the more sessions at once, with fewer executors.
AM_SHARE = 0.5
PREEMPT_AFTER, PREEMPT_WITHIN = 10, 5  # seconds below its share until a session's containers are freed, and for that
# Of a worker's volume, percent: above it the NodeManager takes no work, and its containers' files go.
FULL_PERCENT = 90
HEALTH_INTERVAL, HEALTH_LIMIT = 30, 20  # seconds
# What a NodeManager, and the shuffle service in it, know of their containers: below /run, which a boot empties, for no
# container outlives that.
NODE_STATE = "gaia-nodemanager"


def yarn(cluster: Cluster) -> str:
    """Everything of YARN on a host's volume."""
    return f"{cluster.volume}/yarn"


def local_directory(cluster: Cluster) -> str:
    """Where containers work and Spark's executors spill, on the worker's volume."""
    return f"{yarn(cluster)}/local"


def log_directory(cluster: Cluster) -> str:
    """Where containers write their logs until they are moved to HDFS, on the worker's volume."""
    return f"{yarn(cluster)}/log"


def container_home(cluster: Cluster) -> str:
    """The home directory of what runs in containers: libraries keep their caches there."""
    return f"{yarn(cluster)}/home"


def manager_state(cluster: Cluster) -> str:
    """What the ResourceManager knows of applications, on the master's volume."""
    return f"{yarn(cluster)}/resourcemanager"


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
        "yarn.scheduler.minimum-allocation-mb": sizes.container_min_mib,
        "yarn.resource-types.memory-mb.increment-allocation": sizes.container_min_mib,
        "yarn.scheduler.maximum-allocation-mb": sizes.container_max_mib,
        "yarn.scheduler.minimum-allocation-vcores": 1,
        "yarn.scheduler.maximum-allocation-vcores": sizes.node_vcores,
        **_scheduler(),
        "yarn.nodemanager.resource.memory-mb": sizes.container_max_mib,
        "yarn.nodemanager.resource.cpu-vcores": sizes.node_vcores + sizes.am_per_node,
        **_node(cluster),
        "yarn.nodemanager.address": f"0.0.0.0:{Port.NM}",
        "yarn.nodemanager.localizer.address": f"0.0.0.0:{Port.NM_LOCALIZER}",
        "yarn.nodemanager.webapp.address": f"0.0.0.0:{Port.NM_HTTP}",
        "yarn.nodemanager.local-dirs": local_directory(cluster),
        "yarn.nodemanager.log-dirs": log_directory(cluster),
        "yarn.nodemanager.env-whitelist": ENVIRONMENT_FOR_CONTAINERS,
        "yarn.nodemanager.user-home-dir": container_home(cluster),
        # address space is not memory; what a container really uses is checked
        "yarn.nodemanager.vmem-check-enabled": False,
        "yarn.nodemanager.pmem-check-enabled": True,
        **_recovery(cluster),
        "yarn.log-aggregation-enable": True,
        "yarn.log-aggregation.retain-seconds": LOG_RETENTION,
        "yarn.nodemanager.remote-app-log-dir": YARN_LOG,
        "yarn.log.server.url": f"http://{cluster.master}:{Port.JOB_HISTORY_HTTP}/jobhistory/logs",
        "yarn.application.classpath": _application_class_path(),
    }


def _scheduler() -> dict[str, text.Value]:
    """How containers are shared out; who shares with whom is in a file of its own."""
    fair = "yarn.scheduler.fair"
    return {
        "yarn.resourcemanager.scheduler.class": (
            "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fair.FairScheduler"
        ),
        f"{fair}.allocation.file": SCHEDULER,
        f"{fair}.assignmultiple": True,
        f"{fair}.preemption": True,
        # executors are large: a cluster in which none fits any more may be far from full
        f"{fair}.preemption.cluster-utilization-threshold": 0.5,
        f"{fair}.waitTimeBeforeKill": PREEMPT_WITHIN * 1000,
    }


def _node(cluster: Cluster) -> dict[str, text.Value]:
    """A NodeManager's own: whether it may have work, and the services in its process."""
    aux, health = "yarn.nodemanager.aux-services", "yarn.nodemanager.health-checker"
    mounts = (cluster.volume, *cluster.shares)
    return {
        f"{health}.script.path": NODE_HEALTH,
        f"{health}.script.opts": ",".join((str(FULL_PERCENT), *mounts)),
        f"{health}.interval-ms": HEALTH_INTERVAL * 1000,
        f"{health}.script.timeout-ms": HEALTH_LIMIT * 1000,
        # said by the script, in words
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": FULL_PERCENT,
        aux: "mapreduce_shuffle,spark_shuffle",
        # keeps what executors have written when they go: an idle or preempted one loses nothing of a session's work
        f"{aux}.spark_shuffle.class": "org.apache.spark.network.yarn.YarnShuffleService",
        f"{aux}.spark_shuffle.classpath": f"{SPARK_HOME}/yarn/*",
        "spark.shuffle.service.port": int(Port.SPARK_SHUFFLE),
    }


def _recovery(cluster: Cluster) -> dict[str, text.Value]:
    """What lets applications run on while the ResourceManager or a NodeManager is started again."""
    manager, node = "yarn.resourcemanager", "yarn.nodemanager.recovery"
    return {
        f"{manager}.recovery.enabled": True,
        f"{manager}.store.class": "org.apache.hadoop.yarn.server.resourcemanager.recovery.FileSystemRMStateStore",
        f"{manager}.fs.state-store.uri": f"file://{manager_state(cluster)}",
        f"{node}.enabled": True,
        f"{node}.dir": f"/run/{NODE_STATE}",
        f"{node}.supervised": True,  # by systemd: it leaves its containers alone when it ends
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


def fair_scheduler() -> str:
    """fair-scheduler.xml: a queue for each user of YARN, equal shares for users and for each one's sessions.

    The ResourceManager reads it again by itself when it changes.
    """
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<allocations>
  <defaultQueueSchedulingPolicy>fair</defaultQueueSchedulingPolicy>
  <queueMaxAMShareDefault>{AM_SHARE}</queueMaxAMShareDefault>
  <defaultFairSharePreemptionTimeout>{PREEMPT_AFTER}</defaultFairSharePreemptionTimeout>
  <defaultFairSharePreemptionThreshold>1.0</defaultFairSharePreemptionThreshold>
  <queuePlacementPolicy><rule name="user" create="true"/></queuePlacementPolicy>
</allocations>
"""


def configuration(cluster: Cluster) -> tuple[File, ...]:
    """The files that every host needs, to run YARN's daemons or to be its client."""
    return (
        File(path=YARN_SITE, content=text.hadoop_xml(yarn_site(cluster))),
        File(path=MAPRED_SITE, content=text.hadoop_xml(mapred_site(cluster))),
    )


def scheduler_configuration() -> File:
    """The ResourceManager's own file."""
    return File(path=SCHEDULER, content=fair_scheduler())


def node_health() -> File:
    """The NodeManagers' own: the program that says why a node should get no work."""
    return File(path=NODE_HEALTH, content=text.on_host("node_health.py"), mode="0755")


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
        watches=WATCHES,
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
    """A worker's NodeManager. Containers outlive its process, and one that starts again knows them."""
    return Daemon(
        name="nodemanager",
        description="YARN NodeManager",
        account=YARN,
        heap_mib=cluster.sizes.nodemanager_heap_mib,
        flavor=cluster.worker_flavor,
        command=("org.apache.hadoop.yarn.server.nodemanager.NodeManager",),
        ready=(f"127.0.0.1:{Port.NM_HTTP}",),
        answers=((f"http://127.0.0.1:{Port.NM_HTTP}/ws/v1/node/info", '"nodeHealthy":true'),),
        watches=(*WATCHES, SPARK_HOME),
        lines=(("KillMode", "process"), ("RuntimeDirectory", NODE_STATE), ("RuntimeDirectoryPreserve", "yes")),
    ).unit(cluster)


def worker_directories(cluster: Cluster) -> tuple[Directory, ...]:
    """What the NodeManager's account owns on a worker's volume."""
    paths = (yarn(cluster), local_directory(cluster), log_directory(cluster), container_home(cluster))
    return tuple(Directory(path=path, owner=YARN, group=YARN) for path in paths)


def master_directories(cluster: Cluster) -> tuple[Directory, ...]:
    """What the ResourceManager's account owns on the master's volume."""
    state = Directory(path=manager_state(cluster), mode="0700", owner=YARN, group=YARN)
    return (Directory(path=yarn(cluster), owner=YARN, group=YARN), state)

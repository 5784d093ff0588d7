"""How the platform's daemons run: places, accounts, class paths, JVM options, systemd units. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.hadoop import text
from components.hadoop.cluster import Cluster
from components.hadoop.ports import Port
from components.hadoop.sizing import Flavor
from components.hosts.bundle import Account, Archive, Directory, File, Unit
from components.settings import hadoop as settings
from components.settings.common import SERVICE_ACCOUNTS

HADOOP_HOME, SPARK_HOME, ZEPPELIN_HOME = "/opt/hadoop", "/opt/spark", "/opt/zeppelin"
HADOOP_CONF, SPARK_CONF = "/etc/hadoop/conf", "/etc/spark/conf"
HADOOP_LOG = "/var/log/hadoop"
PROGRAMS = "/usr/local/lib/gaia"
ENVIRONMENT = "/etc/default/gaia-hadoop"
HDFS, YARN, SPARK, ZEPPELIN = SERVICE_ACCOUNTS

_SHARE = f"{HADOOP_HOME}/share/hadoop"
# One line for every archive of Hadoop 3.4 and 3.5: a wildcard on a directory that an archive has not is harmless.
HADOOP_CLASS_PATH = ":".join(
    (
        HADOOP_CONF,
        *(f"{_SHARE}/common/*", f"{_SHARE}/common/lib/*"),
        *(f"{_SHARE}/hdfs", f"{_SHARE}/hdfs/*", f"{_SHARE}/hdfs/lib/*"),
        *(f"{_SHARE}/yarn/*", f"{_SHARE}/yarn/lib/*", f"{_SHARE}/mapreduce/*"),
        *(f"{_SHARE}/yarn/timelineservice/*", f"{_SHARE}/yarn/timelineservice/lib/*"),
    )
)
SPARK_CLASS_PATH = f"{SPARK_CONF}:{SPARK_HOME}/jars/*:{HADOOP_CONF}"
# Below this the serial collector has pauses that nobody notices, fewer threads and less memory than G1.
SERIAL_GC_BELOW_MIB = 1024
# A host with so few cores has none to spare for the optimising compiler.
SMALL_VCPUS = 2


def accounts() -> tuple[Account, ...]:
    """The accounts that daemons run as, on every host: HDFS asks the NameNode's host for a user's groups."""
    return tuple(Account(name=name, uid=uid, home=f"/var/lib/{name}") for name, uid in SERVICE_ACCOUNTS.items())


def homes() -> tuple[Directory, ...]:
    """The home directories of the service accounts."""
    return tuple(Directory(path=f"/var/lib/{name}", mode="0750", owner=name, group=name) for name in SERVICE_ACCOUNTS)


def archive_directory(cluster: Cluster) -> str:
    """Where the gateway keeps the archives for the other hosts."""
    return f"{cluster.volume}/archives"


def archive(name: str, cluster: Cluster, *, keep: bool = False) -> Archive:
    """The archive of hadoop, spark or zeppelin, with its place on the host.

    The gateway gets it from its publisher and keeps it (`keep`), all others get it from there: publishers ban who
    downloads too much, and a deployment has many hosts.
    """
    download: settings.Archive = getattr(cluster.archives, name)
    file = f"{name}-{download.version}-{download.sha512[:12]}.tar.gz"
    return Archive(
        name=f"{name}-{download.version}",
        url=download.url if keep else f"http://{cluster.gateway}:{Port.ARCHIVES:d}/{file}",
        sha512=download.sha512,
        directory=f"/opt/{name}",
        keep=f"{archive_directory(cluster)}/{file}" if keep else "",
    )


def archive_server(cluster: Cluster) -> Unit:
    """Serves the gateway's archives to the other hosts, which check what they get."""
    return service(
        "archives",
        description="Archives for the other hosts",
        account="gaia-archives",
        command=f"/usr/bin/python3 -m http.server {Port.ARCHIVES:d} --directory {archive_directory(cluster)}",
        cluster=cluster,
        lines=(("DynamicUser", "yes"),),
        ready=(f"127.0.0.1:{Port.ARCHIVES:d}",),
    )


def environment_file(cluster: Cluster) -> File:
    """Places, for the commands that people and units run."""
    places = {
        "JAVA_HOME": cluster.java_home,
        "HADOOP_HOME": HADOOP_HOME,
        "HADOOP_CONF_DIR": HADOOP_CONF,
        "HADOOP_CLASS_PATH": HADOOP_CLASS_PATH,
        "SPARK_HOME": SPARK_HOME,
        "SPARK_CONF_DIR": SPARK_CONF,
    }
    return File(path=ENVIRONMENT, content=text.environment(places))


def jvm_options(heap_mib: int, flavor: Flavor) -> tuple[str, ...]:
    """Options of a daemon's JVM with this heap on a host of this flavor."""
    options = [f"-Xmx{heap_mib}m", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true"]
    if heap_mib < SERIAL_GC_BELOW_MIB:
        options.append("-XX:+UseSerialGC")
    if flavor.vcpus <= SMALL_VCPUS:
        # the optimising compiler would take the processors of a small host for most of its first minute
        options.append("-XX:TieredStopAtLevel=1")
    return tuple(options)


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A JVM under systemd. `ready` are host:port that accept when it works, `answers` URLs and what they say then;
    `watches` what it must be restarted for.

    `after` orders it behind other units; `environment` and `lines` add to its [Service] section.
    """

    name: str
    description: str
    account: str
    heap_mib: int
    flavor: Flavor
    command: tuple[str, ...]
    class_path: str = HADOOP_CLASS_PATH
    options: tuple[str, ...] = (f"-Dhadoop.log.dir={HADOOP_LOG}",)
    ready: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    watches: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()

    def unit(self, cluster: Cluster) -> Unit:
        """Its unit: comes back after a failure and after a reboot, waits for the host's volume."""
        command = (
            f"{cluster.java_home}/bin/java",
            *jvm_options(self.heap_mib, self.flavor),
            *self.options,
            "-cp",
            self.class_path,
            *self.command,
        )
        return service(
            self.name,
            description=self.description,
            account=self.account,
            command=" ".join(command),
            cluster=cluster,
            after=self.after,
            lines=self.lines,
            ready=self.ready,
            answers=self.answers,
            watches=self.watches,
        )


def service(
    name: str,
    *,
    description: str,
    account: str,
    command: str,
    cluster: Cluster,
    after: tuple[str, ...] = (),
    oneshot: bool = False,
    lines: Iterable[tuple[str, str]] = (),
    ready: tuple[str, ...] = (),
    answers: tuple[tuple[str, str], ...] = (),
    watches: tuple[str, ...] = (),
) -> Unit:
    """A daemon's unit. 143 is how a JVM ends that was told to stop.

    It does not start without the host's volume; `gaia-volumes` starts it when the volume comes later. A `oneshot` does
    its work and counts as active from then on.
    """
    ordering = ["network-online.target", "gaia-volumes.service", *after]
    sections: dict[str, list[tuple[str, text.Value]]] = {
        "Unit": [
            ("Description", description),
            ("After", " ".join(ordering)),
            ("Wants", " ".join(ordering)),
            ("RequiresMountsFor", cluster.volume),
            ("AssertPathIsMountPoint", cluster.volume),
            ("StartLimitIntervalSec", 600),
            ("StartLimitBurst", 10),
        ],
        "Service": [
            # always: a DataNode that its NameNode refuses ends by itself, and well
            *(
                [("Type", "oneshot"), ("RemainAfterExit", "yes"), ("Restart", "on-failure")]
                if oneshot
                else [("Type", "exec"), ("Restart", "always")]
            ),
            ("User", account),
            ("EnvironmentFile", ENVIRONMENT),
            ("ExecStart", command),
            ("SuccessExitStatus", 143),
            ("RestartSec", 5),
            ("LimitNOFILE", 65536),
            ("TasksMax", "infinity"),
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "full"),
            ("ProtectHome", "read-only"),
            ("ProtectKernelTunables", "yes"),
            ("ProtectControlGroups", "yes"),
            *lines,
        ],
        "Install": [("WantedBy", "multi-user.target")],
    }
    content = text.unit(sections)
    return Unit(name=f"{name}.service", content=content, ready=ready, answers=answers, watches=watches)

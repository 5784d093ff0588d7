"""Zeppelin: the notebook server's settings, its logins, its unit. Pure.

In a note, `%spark`, `%pyspark` and `%sql` are one session of Spark on YARN (`interpreters.py`); `%python` is the hosts'
own Python environment with Spark on its path. Each note has processes of its own. Who may log in: `logins.py`.
"""

from __future__ import annotations

from components import log4j
from components.hadoop import interpreters, logins, text
from components.hadoop.cluster import Cluster
from components.hadoop.daemons import (
    ENVIRONMENT,
    PROGRAMS,
    SPARK_CONF,
    SPARK_HOME,
    ZEPPELIN,
    ZEPPELIN_HOME,
    jvm_options,
    service,
)
from components.hadoop.ports import Port
from components.hosts.bundle import Directory, File, Unit
from components.notebook import shiro

SITE, SHIRO, LOG4J, LOG4J2 = "zeppelin-site.xml", "shiro.ini", "log4j.properties", "log4j2.properties"
START = f"{PROGRAMS}/zeppelin-server"
LIFECYCLE = "org.apache.zeppelin.interpreter.lifecycle.TimeoutLifecycleManager"
INTERPRETER_HEAP_MIB = 256  # a %python interpreter's JVM passes text between the server and Python


def home(cluster: Cluster) -> str:
    """Notebooks, their permissions and the interpreters' settings: on the gateway's volume, so that they survive it."""
    return f"{cluster.volume}/zeppelin"


def configuration_directory(cluster: Cluster) -> str:
    """ZEPPELIN_CONF_DIR: files of ours, and those where the server keeps what people set in its pages."""
    return f"{home(cluster)}/conf"


def site(cluster: Cluster) -> dict[str, text.Value]:
    """zeppelin-site.xml."""
    return {
        "zeppelin.server.addr": "0.0.0.0",
        "zeppelin.server.port": int(Port.ZEPPELIN),
        "zeppelin.server.context.path": "/",
        "zeppelin.war.tempdir": f"{home(cluster)}/webapps",
        "zeppelin.anonymous.allowed": False,
        "zeppelin.notebook.dir": f"{home(cluster)}/notebook",
        "zeppelin.notebook.storage": "org.apache.zeppelin.notebook.repo.GitNotebookRepo",
        "zeppelin.notebook.public": False,
        "zeppelin.credentials.persist": False,
        "zeppelin.search.index.path": f"{home(cluster)}/index",
        "zeppelin.interpreter.localRepo": f"{home(cluster)}/local-repo",
        "zeppelin.interpreter.connect.timeout": 120000,
        "zeppelin.interpreter.remoterunner": interpreters.starter(cluster),
        "zeppelin.interpreter.lifecyclemanager.class": LIFECYCLE,
        "zeppelin.interpreter.lifecyclemanager.timeout.threshold": cluster.idle_min * 60_000,
        "zeppelin.interpreter.group.default": interpreters.DEFAULT_GROUP,
        # the security group opens neither; loopback is what the server and its interpreters call each other by
        "zeppelin.server.rpc.portRange": f"{Port.ZEPPELIN_THRIFT}:{Port.ZEPPELIN_THRIFT}",
        "zeppelin.interpreter.rpc.portRange": f"{Port.INTERPRETER_FIRST}:{Port.INTERPRETER_LAST}",
    }


def environment(cluster: Cluster) -> dict[str, text.Value]:
    """The server's environment, which its interpreters inherit."""
    python = f"{cluster.python}/bin"
    return {
        "ZEPPELIN_HOME": ZEPPELIN_HOME,
        "ZEPPELIN_CONF_DIR": configuration_directory(cluster),
        "ZEPPELIN_LOG_DIR": "/var/log/zeppelin",
        "ZEPPELIN_WAR_TEMPDIR": f"{home(cluster)}/webapps",
        "ZEPPELIN_WORK": f"{home(cluster)}/work",
        "ZEPPELIN_IDENT_STRING": ZEPPELIN,  # the server does not start without it
        "ZEPPELIN_LOCAL_IP": "127.0.0.1",
        "ZEPPELIN_INTP_MEM": f"-Xmx{INTERPRETER_HEAP_MIB}m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "HADOOP_USER_NAME": ZEPPELIN,
        "SPARK_HOME": SPARK_HOME,
        "SPARK_CONF_DIR": SPARK_CONF,
        "PYSPARK_PYTHON": f"{python}/python",
        "PYSPARK_DRIVER_PYTHON": f"{python}/python",
        "MPLCONFIGDIR": f"{home(cluster)}/matplotlib",
        "PATH": f"{python}:/usr/local/bin:/usr/bin:/bin",
    }


ENVIRONMENT_FILE = "/etc/default/gaia-zeppelin"


def configuration(cluster: Cluster) -> tuple[File, ...]:
    """The server's files."""
    directory = configuration_directory(cluster)
    return (
        File(path=f"{directory}/{SITE}", content=text.hadoop_xml(site(cluster))),
        File(path=f"{directory}/{SHIRO}", content=shiro.ini(logins.REALM), mode="0640", group=ZEPPELIN),
        File(path=f"{directory}/{LOG4J}", content=log4j.LOG4J_PROPERTIES),
        File(path=f"{directory}/{LOG4J2}", content=log4j.log4j2_properties("info")),
        File(path=ENVIRONMENT_FILE, content=text.environment(environment(cluster))),
        File(path=START, content=text.on_host("zeppelin_server.sh"), mode="0755"),
        *interpreters.files(cluster),
        *logins.files(cluster),
    )


def directories(cluster: Cluster) -> tuple[Directory, ...]:
    """What the server's account owns, and where it reads its logins. Paragraphs run in `work`."""
    names = ("conf", "notebook", "webapps", "index", "local-repo", "matplotlib", "work")
    paths = (home(cluster), *(f"{home(cluster)}/{name}" for name in names), "/var/log/zeppelin")
    owned = tuple(Directory(path=path, mode="0750", owner=ZEPPELIN, group=ZEPPELIN) for path in paths)
    return (*owned, *logins.directories())


def server(cluster: Cluster) -> Unit:
    """The notebook server. Interpreters, and with them Spark's drivers, are its children and end with it.

    A changed Spark setting or login does not restart it: sessions that start afterwards have the setting, running ones
    are left alone.
    """
    directory = configuration_directory(cluster)
    options = jvm_options(cluster.sizes.zeppelin_heap_mib, cluster.gateway_flavor)
    options += ("-Dfile.encoding=UTF-8", f"-Dlog4j.configuration=file://{directory}/{LOG4J}")
    options += (f"-Dlog4j.configurationFile=file://{directory}/{LOG4J2}",)
    return service(
        "zeppelin",
        description="Zeppelin notebook server",
        account=ZEPPELIN,
        command=" ".join((START, *options)),
        cluster=cluster,
        after=(logins.UNIT,),
        lines=(
            ("EnvironmentFile", ENVIRONMENT_FILE),
            ("UMask", "0027"),
            ("ExecStartPre", interpreters.before_start(directory)),
        ),
        ready=(f"127.0.0.1:{Port.ZEPPELIN}",),
        watches=(
            *(f"{directory}/{name}" for name in (SITE, SHIRO, LOG4J, LOG4J2)),
            *(ENVIRONMENT_FILE, ENVIRONMENT, START, ZEPPELIN_HOME, SPARK_HOME),
            *(interpreters.SETTINGS, interpreters.PROGRAM),
        ),
    )

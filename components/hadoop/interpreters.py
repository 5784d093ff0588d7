"""Zeppelin's interpreter settings: the properties that this platform decides. Pure.

The server keeps all settings in one file of its own (interpreter.json) and rewrites it; `zeppelin-interpreters` puts
these properties into it before each start. Whatever else an administrator set in the server's pages stays.
"""

from __future__ import annotations

import json

from components.hadoop import text
from components.hadoop.cluster import Cluster
from components.hadoop.daemons import PROGRAMS, SPARK_HOME, ZEPPELIN_HOME
from components.hosts.bundle import File
from components.notebook.processes import OWN_PROCESS

SETTINGS = "/etc/zeppelin/interpreters.json"
PROGRAM = f"{PROGRAMS}/zeppelin-interpreters"
NOTE_PROCESS = f"{PROGRAMS}/note-process"
DEFAULT_GROUP = "spark"  # of new notes
# Zeppelin's own values of these would go on spark-submit's command line, where they beat spark-defaults.conf. It does
# not pass an empty one on.
LEFT_TO_SPARK_DEFAULTS = (
    *("spark.driver.cores", "spark.driver.memory"),
    *("spark.executor.cores", "spark.executor.memory", "spark.executor.instances"),
)

Properties = dict[str, str | bool]


def properties(cluster: Cluster) -> dict[str, Properties]:
    """By interpreter: a note's `%spark`, `%pyspark` and `%sql` are one, with one session; `%python` is another."""
    python = f"{cluster.python}/bin/python"
    return {
        "spark": {
            "SPARK_HOME": SPARK_HOME,
            "spark.master": "yarn",
            "spark.submit.deployMode": "client",
            **dict.fromkeys(LEFT_TO_SPARK_DEFAULTS, ""),
            "PYSPARK_PYTHON": python,
            "PYSPARK_DRIVER_PYTHON": python,
            # True would make the session that of whoever started it, who may have no home in HDFS
            "zeppelin.spark.run.asLoginUser": False,
        },
        "python": {"zeppelin.python": python},
    }


def settings(cluster: Cluster) -> dict[str, dict[str, Properties]]:
    """What the program that writes the server's file reads."""
    return {name: {"properties": decided, "option": OWN_PROCESS} for name, decided in properties(cluster).items()}


def files(cluster: Cluster) -> tuple[File, ...]:
    """The properties, the program that puts them into the server's file, and the one that starts a note's process."""
    return (
        File(path=SETTINGS, content=json.dumps(settings(cluster), indent=1) + "\n"),
        File(path=PROGRAM, content=text.on_host("zeppelin_interpreters.py"), mode="0755"),
        File(path=NOTE_PROCESS, content=text.on_host("note_process.sh"), mode="0755"),
    )


def starter(cluster: Cluster) -> str:
    """What the server starts for a note, instead of its own program."""
    return f"{NOTE_PROCESS} {cluster.sizes.sessions} {ZEPPELIN_HOME}/bin/interpreter.sh"


def before_start(configuration_directory: str) -> str:
    """The command that the server's unit runs first, as the server's account."""
    return (
        f"/usr/bin/python3 {PROGRAM} {SETTINGS} {configuration_directory}/interpreter.json {ZEPPELIN_HOME}/interpreter"
    )

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

SETTINGS = "/etc/zeppelin/interpreters.json"
PROGRAM = f"{PROGRAMS}/zeppelin-interpreters"
DEFAULT_GROUP = "spark"  # of new notes
# Zeppelin's own values of these would go on spark-submit's command line, where they beat spark-defaults.conf. It does
# not pass an empty one on.
LEFT_TO_SPARK_DEFAULTS = (
    *("spark.driver.cores", "spark.driver.memory"),
    *("spark.executor.cores", "spark.executor.memory", "spark.executor.instances"),
)

Properties = dict[str, str | bool]


def properties(cluster: Cluster) -> dict[str, Properties]:
    """By interpreter: `%spark`, `%pyspark` and `%sql` are one, and share a session; `%python` is another."""
    python = f"{cluster.python}/bin/python"
    return {
        "spark": {
            "SPARK_HOME": SPARK_HOME,
            "spark.master": "yarn",
            "spark.submit.deployMode": "client",
            **dict.fromkeys(LEFT_TO_SPARK_DEFAULTS, ""),
            "PYSPARK_PYTHON": python,
            "PYSPARK_DRIVER_PYTHON": python,
            # True would make the session, which all notes share, that of whoever started it: one without a home in HDFS
            "zeppelin.spark.run.asLoginUser": False,
        },
        "python": {"zeppelin.python": python},
    }


def settings(cluster: Cluster) -> dict[str, dict[str, Properties]]:
    """What the program that writes the server's file reads."""
    return {name: {"properties": decided} for name, decided in properties(cluster).items()}


def files(cluster: Cluster) -> tuple[File, ...]:
    """The properties, and the program that puts them into the server's file."""
    return (
        File(path=SETTINGS, content=json.dumps(settings(cluster), indent=1) + "\n"),
        File(path=PROGRAM, content=text.on_host("zeppelin_interpreters.py"), mode="0755"),
    )


def before_start(configuration_directory: str) -> str:
    """The command that the server's unit runs first, as the server's account."""
    return (
        f"/usr/bin/python3 {PROGRAM} {SETTINGS} {configuration_directory}/interpreter.json {ZEPPELIN_HOME}/interpreter"
    )

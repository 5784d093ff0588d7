"""What stands for Zeppelin's interpreter %spark, which no registry has whole for the sandbox's Zeppelin.

Zeppelin's own launcher of it is there, and gets a declaration with the properties and values of the real one (0.12.0).
What it starts submits as Zeppelin's bin/interpreter.sh does: a program that says what Spark was asked for.
"""

from __future__ import annotations

import json

DIRECTORY = "/opt/zeppelin/interpreter/spark"
PROBE, PROBED = "/opt/zeppelin/bin/probe", "/var/log/zeppelin/probe.json"
DECLARED = {
    "SPARK_HOME": "",
    "spark.master": "local[*]",
    "spark.submit.deployMode": "",
    "spark.driver.cores": "1",
    "spark.driver.memory": "1g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "1g",
    "spark.executor.instances": "2",
    "zeppelin.spark.run.asLoginUser": True,
}
PROBE_SH = f"""#!/bin/bash
IFS='|' read -r -a configuration <<< "$ZEPPELIN_SPARK_CONF"
"$SPARK_HOME/bin/spark-submit" --driver-java-options "-Dprobe=1" "${{configuration[@]}}" {PROBE}.py
exit 1 # it is no interpreter: the server need not wait for one
"""
PROBE_PY = f"""
import json, os
from pyspark.sql import SparkSession
context = SparkSession.builder.getOrCreate().sparkContext
java = context._jvm.java.lang
found = dict(context.getConf().getAll())
found["options"] = list(context._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments())
found["heap"] = java.Runtime.getRuntime().maxMemory() >> 20
found["user"], found["directory"] = context.sparkUser(), os.getcwd()
found["sum"] = context.parallelize(range(100), 2).map(lambda x: x * x).sum()
with open("{PROBED}", "w") as out:
    json.dump(found, out)
"""


def files() -> dict[str, str]:
    """By path, what has to lie on the gateway before the server starts."""
    declared = {
        "group": "spark",
        "name": "spark",
        "className": "org.apache.zeppelin.spark.SparkInterpreter",
        "defaultInterpreter": True,
        "properties": {
            name: {"envName": None, "propertyName": name, "defaultValue": value, "description": "", "type": "string"}
            for name, value in DECLARED.items()
        },
        "runner": {"linux": f"{PROBE}.sh", "win": ""},
    }
    settings = f"{DIRECTORY}/interpreter-setting.json"
    return {settings: json.dumps([declared]), f"{PROBE}.sh": PROBE_SH, f"{PROBE}.py": PROBE_PY}

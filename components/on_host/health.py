"""The last step of `up`: run on the gateway by `python3 -` until the platform works, or its time is over.

Standard library only, one file. It asks the NameNode for its live DataNodes, the ResourceManager for its running
NodeManagers (which look at their volumes and shares themselves), Zeppelin for its version and the gateway for its own
state, and names what is missing. Then a small Spark job has to compute something in an executor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

LIMIT, JOB_LIMIT, PAUSE, TIMEOUT = 300, 180, 1.0, 10  # seconds
JOB = """
from pyspark.sql import SparkSession
context = SparkSession.builder.appName("health").getOrCreate().sparkContext
print("computed", context.parallelize(range(4), 1).map(lambda number: number * number).sum())
"""
COMPUTED = "computed 14"
TIMED_OUT = 124  # timeout's status

Check = dict[str, Any]


def get(url: str) -> Any:
    """The JSON document at a URL."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        return json.load(answer)


def datanodes(check: Check) -> list[str]:
    """Workers whose DataNode is not registered with the NameNode."""
    query = "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo"
    bean = get(check["namenode"] + query)["beans"][0]
    if bean["Safemode"]:
        return [f"HDFS is in safe mode (namenode.service on {check['master']}): {bean['Safemode'][:120]}"]
    live = {name.split(":")[0].split(".")[0] for name in json.loads(bean["LiveNodes"])}
    return [
        f"{worker}: datanode.service is not registered with HDFS" for worker in check["workers"] if worker not in live
    ]


def nodemanagers(check: Check) -> list[str]:
    """Workers that YARN gives no work, and why."""
    found = get(check["resourcemanager"] + "/ws/v1/cluster/nodes?states=RUNNING,UNHEALTHY")["nodes"] or {"node": []}
    nodes = {node["nodeHostName"].split(".")[0]: node for node in found["node"]}
    wrong = []
    for worker in check["workers"]:
        if worker not in nodes:
            wrong.append(f"{worker}: nodemanager.service is not running in YARN")
        elif nodes[worker]["state"] != "RUNNING":
            wrong.append(f"{worker}: YARN gives it no work: {nodes[worker]['healthReport'].strip()}")
    return wrong


def zeppelin(check: Check) -> list[str]:
    """Whether the notebook server answers."""
    status = get(check["zeppelin"] + "/api/version")["status"]
    return [] if status == "OK" else [f"zeppelin: /api/version says {status}"]


CHECKS = {"namenode": datanodes, "resourcemanager": nodemanagers, "zeppelin": zeppelin}


def missing(check: Check) -> list[str]:
    """Everything that does not work yet."""
    found: list[str] = []
    for service, ask in CHECKS.items():
        try:
            found += ask(check)
        except (urllib.error.URLError, OSError, ValueError, KeyError, IndexError) as problem:
            host = check["master"] if service != "zeppelin" else "zeppelin"
            found.append(f"{host}: {service}.service does not answer at {check[service]}: {problem}")
    return found or gateway(check)


def gateway(check: Check) -> list[str]:
    """What the gateway says is wrong with itself, after it has put right what it could."""
    status, said, errors = output("sudo", "-n", "python3", check["program"], "status")
    if status:
        return [f"zeppelin: {check['program']} does not run: {errors.strip()[-500:]}"]
    return [f"zeppelin: {problem}" for problem in json.loads(said)["wrong"]]


def job(check: Check) -> str:
    """What is wrong with a small Spark job, as notebooks submit it; empty when it computes what it should."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(JOB)
        script.flush()
        Path(script.name).chmod(0o644)
        one = ("--conf", "spark.dynamicAllocation.maxExecutors=1")
        submit = ("timeout", str(JOB_LIMIT), "spark-submit", *one, script.name)
        status, said, errors = output("sudo", "-n", "-u", check["account"], *submit)
    if COMPUTED in said:
        return ""
    why = f"did not end within {JOB_LIMIT} s" if status == TIMED_OUT else f"ended with status {status}"
    return "\n    ".join([f"a Spark job {why}:", *errors.strip().splitlines()[-8:]])


def output(*command: str) -> tuple[int, str, str]:
    """Run a command: its status, what it printed, and its errors."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/", check=False)
    return done.returncode, done.stdout, done.stderr


def main(check: Check) -> int:
    """Wait until nothing is missing; the exit status."""
    begun = time.monotonic()
    while left := missing(check):
        if time.monotonic() - begun > LIMIT:
            print(f"The platform does not work after {LIMIT} s:", *left, sep="\n  ", file=sys.stderr)
            print("  To see why: ssh to the host by the stack's ssh_config, then journalctl -u UNIT", file=sys.stderr)
            return 1
        time.sleep(PAUSE)
    if problem := job(check):
        print(f"zeppelin: {problem}", file=sys.stderr)
        return 1
    print(f"{len(check['workers'])} workers in HDFS and YARN, Zeppelin answers, a Spark job has computed")
    return 0

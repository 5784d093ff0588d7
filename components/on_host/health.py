"""The last step of `up`: run on the gateway by `python3 -` until the platform works, or its time is over.

Standard library only, one file. It asks the NameNode for its live DataNodes, the ResourceManager for its running
NodeManagers and Zeppelin for its version, and names what is missing.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

LIMIT, PAUSE, TIMEOUT = 300, 1.0, 10  # seconds

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
    """Workers whose NodeManager is not registered with the ResourceManager."""
    found = get(check["resourcemanager"] + "/ws/v1/cluster/nodes?states=RUNNING")["nodes"] or {"node": []}
    running = {node["nodeHostName"].split(".")[0] for node in found["node"]}
    return [
        f"{worker}: nodemanager.service is not running in YARN" for worker in check["workers"] if worker not in running
    ]


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
    return found


def main(check: Check) -> int:
    """Wait until nothing is missing; the exit status."""
    begun = time.monotonic()
    while left := missing(check):
        if time.monotonic() - begun > LIMIT:
            print(f"The platform does not work after {LIMIT} s:", *left, sep="\n  ", file=sys.stderr)
            print("  To see why: ssh to the host by the stack's ssh_config, then journalctl -u UNIT", file=sys.stderr)
            return 1
        time.sleep(PAUSE)
    print(f"{len(check['workers'])} workers in HDFS and YARN, Zeppelin answers")
    return 0

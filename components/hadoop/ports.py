"""Every TCP port of the platform, and who may open connections to whom. Pure."""

from __future__ import annotations

from enum import IntEnum

from components.network.ingress import ANYWHERE, Ingress


class Port(IntEnum):
    """What listens where. Hadoop's and Spark's defaults unless said otherwise."""

    SSH = 22
    ZEPPELIN = 8080
    ZEPPELIN_TLS = 443
    ARCHIVES = 8010  # the platform's own: archives that the gateway keeps for the other hosts
    ZEPPELIN_THRIFT = 12320  # the notebook server's, for its interpreters on the same host
    INTERPRETER_FIRST, INTERPRETER_LAST = 12321, 12420  # the interpreters' Thrift, for the server on the same host
    NAMENODE = 9000  # the platform's choice; Hadoop's default is 8020
    NAMENODE_HTTP = 9870
    DATANODE = 9866
    DATANODE_IPC = 9867
    DATANODE_HTTP = 9864
    RM_SCHEDULER = 8030
    RM_TRACKER = 8031
    RM = 8032
    RM_ADMIN = 8033
    RM_HTTP = 8088
    RM_HTTPS = 8090
    RM_RECOVERY = 8141
    # Hadoop's default is any free port; one above 32767 may be taken already, by a connection of the host itself
    NM = 8041
    NM_LOCALIZER = 8040
    NM_HTTP = 8042
    NM_HTTPS = 8044
    NM_COLLECTOR = 8048
    MAPREDUCE_SHUFFLE = 13562
    JOB_HISTORY = 10020
    JOB_HISTORY_ADMIN = 10033
    JOB_HISTORY_HTTP = 19888
    SPARK_MASTER = 7077
    SPARK_UI_FIRST, SPARK_UI_LAST = 4040, 4049
    SPARK_HISTORY = 18080
    SPARK_SHUFFLE = 7337
    # The drivers' own, one pair for each running driver; Spark's default is any free port.
    SPARK_DRIVER_FIRST, SPARK_DRIVER_LAST = 35000, 35063
    SPARK_BLOCKS_FIRST, SPARK_BLOCKS_LAST = 35100, 35163


def _one(source: str, *ports: Port) -> tuple[Ingress, ...]:
    return tuple(Ingress(source, int(port), int(port)) for port in ports)


def _range(source: str, first: Port, last: Port) -> tuple[Ingress, ...]:
    return (Ingress(source, int(first), int(last)),)


def _drivers(source: str) -> tuple[Ingress, ...]:
    """What executors and the YARN proxy need of a Spark driver.

    Not every port: Zeppelin's and its interpreters' Thrift ports take commands without authentication.
    """
    return (
        *_range(source, Port.SPARK_UI_FIRST, Port.SPARK_UI_LAST),
        *_range(source, Port.SPARK_DRIVER_FIRST, Port.SPARK_DRIVER_LAST),
        *_range(source, Port.SPARK_BLOCKS_FIRST, Port.SPARK_BLOCKS_LAST),
    )


ZEPPELIN, MASTERS, WORKERS = "zeppelin", "masters", "workers"

_NODEMANAGER = (Port.NM, Port.NM_LOCALIZER, Port.NM_HTTP, Port.NM_HTTPS, Port.NM_COLLECTOR, Port.DATANODE_HTTP)

SECURITY_GROUPS: dict[str, tuple[Ingress, ...]] = {
    ZEPPELIN: (
        *_one(ANYWHERE, Port.SSH, Port.ZEPPELIN),
        *_one(MASTERS, Port.ARCHIVES),
        *_one(WORKERS, Port.ARCHIVES),
        *_drivers(MASTERS),
        *_drivers(WORKERS),
    ),
    MASTERS: (
        *_one(ZEPPELIN, Port.SSH, Port.NAMENODE, Port.NAMENODE_HTTP),
        *_range(ZEPPELIN, Port.RM_SCHEDULER, Port.RM_ADMIN),
        *_one(ZEPPELIN, Port.RM_HTTP, Port.RM_HTTPS, Port.RM_RECOVERY, Port.SPARK_MASTER),
        *_range(ZEPPELIN, Port.SPARK_UI_FIRST, Port.SPARK_UI_LAST),
        *_one(ZEPPELIN, Port.SPARK_HISTORY, Port.JOB_HISTORY, Port.JOB_HISTORY_HTTP),
        Ingress(MASTERS),
        Ingress(WORKERS),
    ),
    WORKERS: (
        *_one(ZEPPELIN, Port.SSH, Port.DATANODE, Port.DATANODE_IPC, *_NODEMANAGER),
        # a driver fetches large task results and broadcast pieces from the executors' block managers
        *_range(ZEPPELIN, Port.SPARK_BLOCKS_FIRST, Port.SPARK_BLOCKS_LAST),
        Ingress(MASTERS),
        Ingress(WORKERS),
    ),
}

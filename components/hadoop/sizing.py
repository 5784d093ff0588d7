"""Sizes of containers, executors, drivers and daemons from the flavors of a deployment. Pure; MiB throughout.

One rule set for every flavor. On the platform's sizing `medium-04` (14 cores and 45 GiB a worker, four workers,
gateway of 6 cores and 22 GiB) it gives the settings that were in force there: 43008 MiB and 13 vcores a node,
executors of 4 cores and 13 GiB, 11 of them, and for a single session at a time (`sessions: 1`) a driver of 13 GiB with
results up to 8 GiB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from components.settings.hadoop import Sizing
from components.settings.spark import SPARK_MIN_HEAP, overhead_mib

# More than about five concurrent tasks of one JVM gain nothing from HDFS.
MAX_EXECUTOR_CORES = 4
GRAIN = 256
# A client-mode application master asks for executors and no more: heap, and what its JVM takes beside it.
AM_OVERHEAD = 256
# Of the gateway's memory for one session: the driver's heap, and as much again by half for its Python and its JVM.
SESSION_MIB = 4096


class SizingError(Exception):
    """The sizes contradict Spark's, YARN's or the hosts' limits. One line for each, with the allowed range."""


@dataclass(frozen=True, kw_only=True)
class Flavor:
    """What the cloud reports of a flavor: virtual CPUs and RAM in MiB."""

    name: str
    vcpus: int
    ram_mib: int


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Every size of a deployment in MiB, cores or a number of executors.

    `container_max_mib` is also what a NodeManager offers in all; `executor_overhead_mib` and `am_overhead_mib` are
    what YARN grants beyond the JVM's heap; `executors_per_node` is how many containers of an executor's size fit.
    `max_executors` is how many one session may have while nobody else wants them, `sessions` how many drivers the
    gateway has memory for. `node_vcores` are for executors; application masters, which do nearly nothing, count on
    top (`am_per_node`), so that memory decides how many there are.
    """

    container_max_mib: int
    container_min_mib: int
    node_vcores: int
    am_per_node: int
    executor_memory_mib: int
    executor_overhead_mib: int
    executor_cores: int
    max_executors: int
    executors_per_node: int
    am_memory_mib: int
    am_overhead_mib: int
    sessions: int
    driver_memory_mib: int
    driver_max_result_mib: int
    namenode_heap_mib: int
    resourcemanager_heap_mib: int
    history_heap_mib: int
    datanode_heap_mib: int
    nodemanager_heap_mib: int
    zeppelin_heap_mib: int


def reserved_mib(ram_mib: int) -> int:
    """RAM that stays with the system, ceph-fuse and the Hadoop daemons: 1 GiB and a 24th, in steps of 512 MiB."""
    return -(-(1024 + ram_mib // 24) // 512) * 512


def compute(*, gateway: Flavor, master: Flavor, worker: Flavor, workers: int, overrides: Sizing | None = None) -> Sizes:
    """The sizes of a deployment with `workers` hosts of flavor `worker`.

    Raises SizingError with every contradiction: the key of `overrides` (or the flavor), its value, what is allowed.
    """
    sizes = _compute(gateway, master, worker, workers, overrides or Sizing())
    if errors := _contradictions(sizes, gateway=gateway, worker=worker, workers=workers):
        raise SizingError("\n".join(errors))
    return sizes


def _compute(gateway: Flavor, master: Flavor, worker: Flavor, workers: int, given: Sizing) -> Sizes:
    node = given.container_max_mib or _down(max(worker.ram_mib - reserved_mib(worker.ram_mib), GRAIN), GRAIN)
    # one core is left to the daemons where there are enough
    vcores = given.node_vcores or (worker.vcpus - 1 if worker.vcpus >= 4 else worker.vcpus)
    cores = given.executor_cores or _executor_cores(node, vcores)
    overhead = overhead_mib(cores)
    memory = given.executor_memory_mib or _executor_memory(node, vcores // cores, overhead)
    container_min = given.container_min_mib or GRAIN
    granted = _up(memory + overhead, container_min)
    per_node = min(node // granted, vcores // cores)
    am = given.am_memory_mib or _clamp(192 + 16 * workers, 256, 1024)
    room = gateway.ram_mib - reserved_mib(gateway.ram_mib)
    sessions = given.sessions or max(room // SESSION_MIB, 1)
    share = room * 2 // 3 // sessions
    driver = given.driver_memory_mib or _down(share, 512 if share >= 2048 else GRAIN)
    sizes = Sizes(
        container_max_mib=node,
        container_min_mib=container_min,
        node_vcores=vcores,
        am_per_node=node // _up(am + AM_OVERHEAD, container_min),
        executor_memory_mib=memory,
        executor_overhead_mib=overhead,
        executor_cores=cores,
        max_executors=given.max_executors or 1,
        executors_per_node=per_node,
        am_memory_mib=am,
        am_overhead_mib=AM_OVERHEAD,
        sessions=sessions,
        driver_memory_mib=driver,
        driver_max_result_mib=given.driver_max_result_mib or _down(driver * 5 // 8, 512 if driver >= 2048 else 64),
        namenode_heap_mib=given.namenode_heap_mib or _clamp(master.ram_mib // 16, 192, 8192),
        resourcemanager_heap_mib=given.resourcemanager_heap_mib or _clamp(master.ram_mib // 16, 192, 4096),
        history_heap_mib=given.history_heap_mib or _clamp(master.ram_mib // 24, 192, 2048),
        datanode_heap_mib=given.datanode_heap_mib or _clamp(worker.ram_mib // 48, 128, 1024),
        nodemanager_heap_mib=given.nodemanager_heap_mib or _clamp(worker.ram_mib // 48, 128, 1024),
        zeppelin_heap_mib=given.zeppelin_heap_mib or _clamp(gateway.ram_mib // 16, 256, 2048),
    )
    return replace(sizes, max_executors=given.max_executors or max(_most_executors(sizes, workers), 1))


def _most_executors(sizes: Sizes, workers: int) -> int:
    """How many executors fit beside one application master, which takes the place of some on its node."""
    granted = _up(sizes.executor_memory_mib + sizes.executor_overhead_mib, sizes.container_min_mib)
    master = _up(sizes.am_memory_mib + sizes.am_overhead_mib, sizes.container_min_mib)
    beside = min((sizes.container_max_mib - master) // granted, sizes.executors_per_node)
    return sizes.executors_per_node * (workers - 1) + max(beside, 0)


def _executor_cores(node: int, vcores: int) -> int:
    """As many as possible with two executors on a node, so that an application master's place costs few of them."""
    for cores in range(min(MAX_EXECUTOR_CORES, vcores // 2), 1, -1):
        if node // 2 >= _up(SPARK_MIN_HEAP, GRAIN) + overhead_mib(cores):
            return cores
    return 1


def _executor_memory(node: int, most: int, overhead: int) -> int:
    """The heap of an executor when as many as the cores allow, and Spark's least heap permits, share a node."""
    slots = max(1, min(most, node // (_up(SPARK_MIN_HEAP, GRAIN) + overhead)))
    return _down(node // slots, GRAIN) - overhead


def _contradictions(sizes: Sizes, *, gateway: Flavor, worker: Flavor, workers: int) -> list[str]:
    """Every rule of Spark, YARN or the hosts' RAM that the sizes break."""
    errors: list[str] = []

    def within(key: str, low: int, high: int, why: str) -> None:
        value = getattr(sizes, key)
        if high < low:
            errors.append(f"sizing.{key} is {value}, but no value fits: {why}")
        elif not low <= value <= high:
            errors.append(f"sizing.{key} is {value}, must be from {low} to {high}: {why}")

    _check_node(sizes, worker, within)
    _check_spark(sizes, gateway, within)
    if not errors:
        within(
            "max_executors", 1, _most_executors(sizes, workers),
            f"{workers} workers with room for {sizes.executors_per_node} executors each, less the application master's",
        )  # fmt: skip
    return errors


Within = Callable[[str, int, int, str], None]


def _check_node(sizes: Sizes, worker: Flavor, within: Within) -> None:
    spare = 512 + sizes.datanode_heap_mib + sizes.nodemanager_heap_mib
    within(
        "container_max_mib", SPARK_MIN_HEAP + sizes.executor_overhead_mib, worker.ram_mib - spare,
        f"{worker.name} has {worker.ram_mib} MiB, of which the system and the daemons need {spare}",
    )  # fmt: skip
    within("container_min_mib", 1, sizes.container_max_mib, "it is at most container_max_mib")
    within("node_vcores", 1, worker.vcpus, f"{worker.name} has {worker.vcpus} cores")


def _check_spark(sizes: Sizes, gateway: Flavor, within: Within) -> None:
    largest = _down(sizes.container_max_mib, sizes.container_min_mib)
    within("executor_cores", 1, sizes.node_vcores, "an executor runs on one node")
    within(
        "executor_memory_mib", SPARK_MIN_HEAP, largest - sizes.executor_overhead_mib,
        f"with {sizes.executor_overhead_mib} MiB overhead, rounded up to a multiple of container_min_mib, "
        "it must fit into container_max_mib",
    )  # fmt: skip
    within(
        "am_memory_mib", 128, largest - sizes.am_overhead_mib,
        f"with {sizes.am_overhead_mib} MiB overhead it must fit into container_max_mib",
    )  # fmt: skip
    room = gateway.ram_mib - 512 - sizes.zeppelin_heap_mib
    within(
        "driver_memory_mib", SPARK_MIN_HEAP, room // sizes.sessions,
        f"{gateway.name} has {gateway.ram_mib} MiB for the system, Zeppelin and {sizes.sessions} sessions' drivers",
    )  # fmt: skip
    within("driver_max_result_mib", 1, sizes.driver_memory_mib, "results are held in the driver's heap")


def _down(value: int, step: int) -> int:
    return value // step * step


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(high, _down(value, 32)))

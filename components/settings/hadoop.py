"""Settings of the platform `hadoop-yarn`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from components.settings import libraries
from components.settings.base import Model, Name, Sha512, Url
from components.settings.common import Deployment, Image, Operator, operator_conflicts
from components.settings.spark import MIN_OVERHEAD, SPARK_MIN_HEAP, SparkSettings

DEFAULT_REPLICATION = 2


class HostsOfRole(Model):
    """What the hosts of one role are made of, and how many there are."""

    flavor: str = Field(min_length=1)
    volume_gib: int = Field(ge=1, le=65536, description="size of the role's Cinder volume in GiB")
    count: int = Field(1, ge=1, le=1)


class Workers(HostsOfRole):
    """The workers: any number of them."""

    count: int = Field(ge=1, le=250)


class Hosts(Model):
    """The deployment's hosts by role, and which of them to rebuild on purpose."""

    zeppelin: HostsOfRole
    master: HostsOfRole
    worker: Workers
    configure: bool = Field(True, description="false: infrastructure only, for benchmarks")
    rebuild: dict[str, int] = Field({}, description="host or role -> number; a changed number replaces those servers")

    def of(self, role: str) -> HostsOfRole:
        """The hosts of a role, by its key."""
        found: HostsOfRole = getattr(self, role)
        return found


class Archive(Model):
    """What hosts download: its version, URL and SHA-512."""

    version: str = Field(min_length=1)
    url: Url
    sha512: Sha512


class Archives(Model):
    """The three programs that come as archives."""

    hadoop: Archive
    spark: Archive
    zeppelin: Archive


def _stack(info: ValidationInfo) -> Mapping[str, Any]:
    """Which stack it is, and its lock, as `parse` says."""
    return info.context or {}


class Python(Model):
    """The Python libraries of every host. `find_links` is a directory of wheels for hosts without a package index.

    What hosts install is `lock`, which must have been made for these requirements. Without any, they have Python alone.
    """

    requirements: tuple[str, ...] = ()
    find_links: Url | Literal[""] = ""
    _lock: libraries.Lock = PrivateAttr(libraries.Lock((), ""))

    @property
    def lock(self) -> libraries.Lock:
        """What is installed, from the file beside the stack's."""
        return self._lock

    @field_validator("requirements")
    @classmethod
    def _locked(cls, requirements: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        stack = _stack(info)
        if requirements and (wrong := libraries.problem(requirements, stack["lock"], stack["name"])):
            raise ValueError(wrong)
        return requirements

    @model_validator(mode="after")
    def _with_the_lock(self, info: ValidationInfo) -> Self:
        if self.requirements:
            self._lock = libraries.Lock.parse(_stack(info)["lock"])
        return self


class Sizing(Model):
    """Overrides of computed sizes, one by one. Unset means computed from the flavors (components/hadoop/sizing.py)."""

    container_max_mib: int | None = Field(None, ge=SPARK_MIN_HEAP + MIN_OVERHEAD)
    container_min_mib: int | None = Field(None, ge=1)
    node_vcores: int | None = Field(None, ge=1)
    sessions: int | None = Field(None, ge=1, description="drivers that the gateway has memory for, each its share")
    driver_memory_mib: int | None = Field(None, ge=SPARK_MIN_HEAP)
    driver_max_result_mib: int | None = Field(None, ge=1)
    am_memory_mib: int | None = Field(None, ge=128)
    executor_memory_mib: int | None = Field(None, ge=SPARK_MIN_HEAP)
    executor_cores: int | None = Field(None, ge=1)
    max_executors: int | None = Field(None, ge=1, description="of one session, while nobody else wants them")
    namenode_heap_mib: int | None = Field(None, ge=1)
    resourcemanager_heap_mib: int | None = Field(None, ge=1)
    history_heap_mib: int | None = Field(None, ge=1)
    datanode_heap_mib: int | None = Field(None, ge=1)
    nodemanager_heap_mib: int | None = Field(None, ge=1)
    zeppelin_heap_mib: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.executor_cores and self.node_vcores and self.executor_cores > self.node_vcores:
            raise ValueError(
                f"executor_cores is {self.executor_cores}, must be from 1 to {self.node_vcores} (node_vcores)"
            )
        return self


class Notebook(Model):
    """The notebook server. The password of its first login is `gaia:notebook_password`, or generated if not set."""

    user: Name = "gaia"
    idle_min: int = Field(60, ge=1, description="minutes after which the processes of an idle notebook are ended")


class Hdfs(Model):
    """HDFS is for temporary data on volumes that Ceph replicates already: keep its own copies few."""

    replication: int | None = Field(None, ge=1, le=10, description="copies of a block; 2 where there are two workers")


class Keys(Model):
    """A number for each kind of key: another one than before replaces those keys."""

    cephx: int = Field(0, ge=0, description="of the hosts' access to the shares")


class Hadoop(Deployment):
    """Settings of the platform `hadoop-yarn`."""

    image: Image
    live: bool = Field(False, description="people work on it: what holds their data is not let go unasked")
    let_go: tuple[str, ...] = Field((), description="hosts whose volumes may go now, or `all`; only for that change")
    hosts: Hosts
    keys: Keys = Keys()
    operators: tuple[Operator, ...] = ()
    archives: Archives
    python: Python = Python()
    notebook: Notebook = Notebook()
    sizing: Sizing = Sizing()
    spark: SparkSettings = Field({}, description="further lines of spark-defaults.conf")
    hdfs: Hdfs = Hdfs()

    @property
    def replication(self) -> int:
        """Copies of each HDFS block."""
        return self.hdfs.replication or min(DEFAULT_REPLICATION, self.hosts.worker.count)

    def conflicts(self) -> list[str]:
        """What cannot be together, each beginning with its key."""
        wrong = [*super().conflicts(), *operator_conflicts(self.operators)]
        workers = self.hosts.worker.count
        if self.replication > workers:
            wrong.append(
                f"hdfs.replication is {self.replication}, but hosts.worker.count is {workers}: "
                "no block could ever have that many copies"
            )
        return wrong

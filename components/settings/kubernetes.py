"""Settings of the platform `kubernetes`."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from components.settings.base import Model, Name, Texts
from components.settings.common import Deployment
from components.settings.services import Services
from components.settings.sign_on import conflicts as sign_on_conflicts
from components.settings.spark import SPARK_MIN_HEAP, SparkSettings, overhead_mib

# What Magnum names its own groups, or a group of that role.
MAGNUM_GROUPS = frozenset(("master", "worker", "default-master", "default-worker"))
# Labels that other keys say already.
TAKEN_LABELS = {
    "auto_scaling_enabled": "workers.min and workers.max",
    "min_node_count": "workers.min",
    "max_node_count": "workers.max",
    "master_lb_floating_ip_enabled": "load_balancer",
}


class Masters(Model):
    """The nodes of the control plane."""

    flavor: str = Field(min_length=1)
    count: int = Field(1, ge=1, le=7)

    @field_validator("count")
    @classmethod
    def _majority(cls, count: int) -> int:
        if count % 2 == 0:
            raise ValueError(f"must be odd, so that etcd has a majority when one is lost; is {count}")
        return count


class Nodes(Model):
    """A group of nodes that pods run on: a fixed number of them, or as many as are needed from `min` to `max`."""

    flavor: str = Field(min_length=1)
    count: int | None = Field(None, ge=1, le=250, description="how many, always")
    min: int | None = Field(None, ge=1, le=250, description="with max: the cluster's autoscaler decides")
    max: int | None = Field(None, ge=1, le=250)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.count) == bool(self.min or self.max) or bool(self.min) != bool(self.max):
            raise ValueError("needs either count, or both min and max (autoscaling)")
        if self.min and self.max and self.min > self.max:
            raise ValueError(f"min is {self.min}, more than max, which is {self.max}")
        return self

    @property
    def scales(self) -> bool:
        """Whether the autoscaler decides how many there are."""
        return self.count is None

    @property
    def first_count(self) -> int:
        """How many there are in the beginning."""
        return self.count or self.min or 1


class Cluster(Model):
    """The Magnum cluster: of a template that exists already, or of one that is made from `image`."""

    template: str = Field("", description="a cluster template of the cloud, by name; else the stack makes its own")
    image: str = Field("", description="the nodes' image in a template of the stack's own")
    network_driver: str = Field("", description="calico or flannel, in a template of the stack's own; Magnum's default")
    masters: Masters
    workers: Nodes
    node_groups: dict[str, Nodes] = Field({}, description="further groups of nodes, by name")
    load_balancer: bool = Field(False, description="Octavia in front of the masters, instead of a floating IP each")
    labels: Texts = Field({}, description="Magnum's labels, merged over the template's")
    create_timeout_min: int = Field(60, ge=1, description="minutes until Magnum gives up making the cluster")
    configure: bool = Field(True, description="false: the cluster alone, with nothing installed on it")

    @field_validator("labels")
    @classmethod
    def _not_taken(cls, labels: dict[str, str]) -> dict[str, str]:
        for label in sorted(labels.keys() & TAKEN_LABELS.keys()):
            raise ValueError(f"{label} is not to be set here: it follows from cluster.{TAKEN_LABELS[label]}")
        return labels

    @field_validator("node_groups")
    @classmethod
    def _named(cls, groups: dict[str, Nodes]) -> dict[str, Nodes]:
        for name in groups:
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", name) or name in MAGNUM_GROUPS:
                raise ValueError(
                    f"{name!r} is no name for a group: 1 to 21 lower-case letters, digits and '-', beginning with a "
                    f"letter, and none of {', '.join(sorted(MAGNUM_GROUPS))}"
                )
        return groups

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.template) == bool(self.image):
            raise ValueError("needs either template (one that the cloud has) or image (for one of the stack's own)")
        if self.template and self.network_driver:
            raise ValueError("network_driver is the template's to say, where template names one")
        if self.masters.count > 1 and not self.load_balancer:
            raise ValueError(f"masters.count is {self.masters.count}: several masters need load_balancer: true")
        return self


class Driver(Model):
    """The pod of a notebook: its interpreter, and the driver of its Spark."""

    cpu: float = Field(0.5, gt=0, le=128, description="cores that it is sure to have")
    memory_mib: int = Field(4096, ge=1024, description="all that it may take: half of it is the driver's heap")


class Executors(Model):
    """The executors of a notebook's Spark: as many as it has work for, up to `most`."""

    cores: int = Field(2, ge=1, le=128, description="tasks at a time in one of them")
    memory_mib: int = Field(4096, ge=1024, description="all that one may take: heap and Python workers")
    most: int = Field(4, ge=1, le=1000, description="of one notebook")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least = SPARK_MIN_HEAP + overhead_mib(self.cores)
        if self.memory_mib < least:
            raise ValueError(
                f"memory_mib is {self.memory_mib}, must be {least} or more with {self.cores} cores: "
                f"Spark's least heap, and {overhead_mib(self.cores)} MiB beside it"
            )
        return self

    @property
    def heap_mib(self) -> int:
        """What of its memory is the heap's."""
        return self.memory_mib - overhead_mib(self.cores)


class Notebooks(Model):
    """The notebook server and its notebooks, each of which has pods of its own."""

    user: Name = Field("gaia", description="the first login; password: gaia:notebook_password, or generated")
    size_gib: int = Field(10, ge=1, description="of the share that notebooks are kept on")
    idle_min: int = Field(60, ge=1, description="minutes after which the pods of an idle notebook are ended")
    driver: Driver = Driver()
    executors: Executors = Executors()


class Kubernetes(Services, Deployment):
    """Settings of the platform `kubernetes`."""

    cluster: Cluster
    notebook: Notebooks = Notebooks()
    spark: SparkSettings = Field({}, description="further lines of spark-defaults.conf")
    controllers_cloud: str = Field(
        "", description="entry of clouds.yaml for the cluster's controllers; else they get their own"
    )

    def conflicts(self) -> list[str]:
        """What cannot be together, each beginning with its key."""
        guarded = sign_on_conflicts(self.sign_on, self.ingress, self.installed | {"zeppelin"})
        return [*super().conflicts(), *guarded]

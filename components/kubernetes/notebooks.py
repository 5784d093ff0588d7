"""Zeppelin: the notebook server, and the room where its notebooks run, each in pods of its own.

`values` says what the chart `charts/zeppelin` is told; `configuration` what the server reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components import log4j
from components.kubernetes.charts import ReleaseArgs, checksum, release
from components.kubernetes.destination import Destination
from components.kubernetes.volumes import ShareVolume, own_volume
from components.notebook import shiro
from components.notebook.login import Login, first_login
from components.notebook.processes import OWN_PROCESS
from components.settings.kubernetes import Kubernetes
from components.settings.spark import overhead_mib
from components.storage.shares import OwnShareArgs

NAME = "zeppelin"  # of the release, its namespace, its Service
NOTEBOOKS = "notebooks"  # the namespace of what astronomers run
SPARK_ACCOUNT = "spark"
LOGINS = "/etc/zeppelin-logins/realm.properties"
PROGRAMS = Path(__file__).parent.parent
# What runs in a notebook may ask the cluster for pods, but not to be reached from outside.
QUOTA = {"pods": "500", "services.loadbalancers": "0", "services.nodeports": "0"}


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A claim of the namespace of notebooks, and where their pods have it."""

    claim: str
    path: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class NotebooksArgs:
    """`destination`: where this is installed; `namespace`: where notebooks run; `mounts`: what they read there;
    `after`: what has to be there first."""

    settings: Kubernetes
    destination: Destination
    namespace: kubernetes.core.v1.Namespace
    mounts: Sequence[Mount]
    after: Sequence[pulumi.Resource]


class Notebooks(pulumi.ComponentResource):
    """The notebook server.

    Children: OwnShare and ShareVolume (the notebooks, which outlive the cluster but not the deployment), the Namespace
    of the server, its first login (RandomPassword, RandomBytes), Secret and ConfigMap, the Release. Not managed here:
    the pods of notebooks; the server makes and removes them.
    """

    login: Login
    service: str

    def __init__(self, name: str, args: NotebooksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:Notebooks", name, None, opts)
        self._args = args
        child = args.destination.inside(self)
        space = args.destination.namespace(NAME, "baseline", self)
        volume = self._volume(space)
        self.login = first_login(args.settings.notebook.user, pulumi.ResourceOptions(parent=self))
        logins = kubernetes.core.v1.Secret(
            "logins",
            metadata={"name": "zeppelin-logins", "namespace": space.metadata["name"]},
            string_data={"realm.properties": self.login.user.apply(lambda user: shiro.realm([user]))},
            opts=child,
        )
        told = configuration(args.settings)
        configured = kubernetes.core.v1.ConfigMap(
            "configuration",
            metadata={"name": "zeppelin-configuration", "namespace": space.metadata["name"]},
            data=told,
            opts=child,
        )
        after = [space, volume, logins, configured, args.namespace, *args.after]
        release(
            NAME,
            ReleaseArgs(
                chart=args.settings.charts.zeppelin,
                kubeconfig=args.destination.kubeconfig,
                namespace=NAME,
                values=values(args.settings, args.mounts, volume.claim, told),
            ),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=after)),
        )
        self.service = f"{NAME}.{NAME}"
        self.register_outputs({"service": self.service})

    def _volume(self, space: kubernetes.core.v1.Namespace) -> ShareVolume:
        """Where the notebooks are kept."""
        args = self._args
        share = OwnShareArgs(
            name=f"{args.destination.deployment}-notebooks",
            size=args.settings.notebook.size_gib,
            share_type=args.settings.share_type,
            description=f"The notebooks of {args.destination.deployment}",
            deployment=args.destination.deployment,
            project_id=args.destination.project_id,
        )
        parent = pulumi.ResourceOptions(parent=self)
        return own_volume(NOTEBOOKS, share, args.destination, space.metadata["name"], args.settings.mounter, parent)


def configuration(settings: Kubernetes) -> dict[str, str]:
    """The server's files, by name. Pure."""
    return {
        "shiro.ini": shiro.ini(LOGINS),
        "log4j.properties": log4j.LOG4J_PROPERTIES,
        "log4j2.properties": log4j.log4j2_properties("info"),
        "interpreters.json": json.dumps(interpreters(settings), indent=1) + "\n",
        "interpreters.py": (PROGRAMS / "on_host/zeppelin_interpreters.py").read_text(encoding="utf-8"),
        "prepare.py": (PROGRAMS / "in_pod/prepare_zeppelin.py").read_text(encoding="utf-8"),
    }


def interpreters(settings: Kubernetes) -> dict[str, dict[str, dict[str, str | bool]]]:
    """What the platform decides of Zeppelin's interpreters: each notebook has a process, and so a Spark, of its own.

    Executors' sizes stand in spark-defaults.conf alone: Zeppelin does not pass an empty one on. Of the driver's, its
    launcher makes numbers: they stand in both. Pure.
    """
    place: dict[str, str | bool] = {
        "zeppelin.k8s.interpreter.namespace": NOTEBOOKS,
        "zeppelin.k8s.interpreter.serviceAccount": SPARK_ACCOUNT,
    }
    session: dict[str, str | bool] = {
        "SPARK_HOME": "/spark",
        "spark.master": "k8s://https://kubernetes.default.svc",
        "spark.submit.deployMode": "client",
        "spark.driver.memory": driver_heap(settings),
        "spark.driver.cores": "1",
        **dict.fromkeys(("spark.executor.cores", "spark.executor.memory", "spark.executor.instances"), ""),
        "PYSPARK_PYTHON": "python3",
        "PYSPARK_DRIVER_PYTHON": "python3",
        "zeppelin.spark.run.asLoginUser": False,
    }
    return {
        "spark": {"properties": {**place, **session}, "option": OWN_PROCESS},
        "python": {"properties": {**place, "zeppelin.python": "python3"}, "option": OWN_PROCESS},
    }


def driver_heap(settings: Kubernetes) -> str:
    """The heap of a notebook's driver: half of its pod's memory; the rest is for Python and the interpreter. Pure."""
    return f"{settings.notebook.driver.memory_mib // 2}m"


def spark_defaults(settings: Kubernetes) -> dict[str, str]:
    """Lines of spark-defaults.conf: sizes by the settings; the deployment's own lines win. Pure."""
    executors = settings.notebook.executors
    return {
        "spark.driver.memory": driver_heap(settings),
        "spark.executor.cores": str(executors.cores),
        "spark.executor.memory": f"{executors.heap_mib}m",
        "spark.executor.memoryOverhead": f"{overhead_mib(executors.cores)}m",
        "spark.dynamicAllocation.maxExecutors": str(executors.most),
        "spark.pyspark.python": "python3",
    } | settings.spark


def values(settings: Kubernetes, mounts: Sequence[Mount], claim: str, told: dict[str, str]) -> dict[str, Any]:
    """The chart's values. Pure."""
    notebook, images = settings.notebook, settings.images
    memory = f"{notebook.driver.memory_mib}Mi"
    return {
        "images": {
            "server": images.zeppelin_server,
            "interpreter": images.zeppelin_interpreter,
            "spark": images.spark,
            "pullSecrets": list(images.pull_secrets),
        },
        "server": {
            "configuration": "zeppelin-configuration",
            "checksum": checksum(json.dumps(told, sort_keys=True)),
            "existingSecret": "zeppelin-logins",
            "claim": claim,
            "idleMinutes": notebook.idle_min,
        },
        "notebooks": {
            "namespace": NOTEBOOKS,
            "serviceAccount": SPARK_ACCOUNT,
            "driver": {"requests": {"cpu": str(notebook.driver.cpu), "memory": memory}, "limits": {"memory": memory}},
            "mounts": [
                {"name": f"share-{number}", "claim": mount.claim, "path": mount.path, "readOnly": mount.read_only}
                for number, mount in enumerate(mounts)
            ],
            "sparkDefaults": spark_defaults(settings),
            "quota": QUOTA,
            "largest": {"memory": f"{max(notebook.driver.memory_mib, notebook.executors.memory_mib)}Mi"},
        },
    }

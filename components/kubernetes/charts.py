"""Helm charts: where one comes from, and how it is installed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.kubernetes import rollout, trouble
from components.settings import laid_over
from components.settings.services import Chart, OwnChart

OWN = "charts"  # the directory of this project's own charts, as seen from the checkout's top
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What Helm is told: `chart` is a name in the `repository`, or without one a path or an oci:// reference."""

    chart: str
    repository: str | None
    version: str | None = None

    @classmethod
    def of(cls, chart: Chart, mirror: str) -> Source:
        """Where the chart comes from: its own repository, or the mirror of all. Pure."""
        place = mirror or chart.repository
        if place.startswith("oci://"):
            return cls(chart=f"{place}/{chart.name}", repository=None, version=chart.version)
        if place.startswith("/"):  # packed: Helm renames folders of an unpacked one, which fails on a read-only disk
            return cls(chart=f"{place}/{chart.name}-{chart.version}.tgz", repository=None, version=chart.version)
        return cls(chart=chart.name, repository=place, version=chart.version)


def digest(chart: str) -> str:
    """Of the files of a chart of our own: Pulumi does not look into a chart, and would not see that it has changed."""
    total = hashlib.sha256()
    for path in sorted(ROOT.joinpath(OWN, chart).rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def checksum(*texts: str) -> str:
    """Of what pods read when they start: another one starts them anew. Pure."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class ReleaseArgs:
    """`chart`: of a repository, or ours, in the folder `own` or that of the release's name; `mirror`: of all
    repositories, or empty; `values`: the program's, over which those of the stack's file are laid; `kubeconfig`: of the
    cluster, asked when it fails."""

    chart: Chart | OwnChart
    own: str = ""
    mirror: str = ""
    kubeconfig: pulumi.Input[str]
    namespace: str
    values: dict[str, Any]


def release(name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions) -> kubernetes.helm.v3.Release:
    """Install a chart and wait until all of it is ready; a failure says which pods are not, and why."""
    chart, values = args.chart, args.values
    if isinstance(chart, Chart):
        source = Source.of(chart, args.mirror)
    else:
        own = args.own or name
        source, values = Source(chart=f"./{OWN}/{own}", repository=None), {**values, "global": {"chart": digest(own)}}
    where = (name, args.namespace, args.kubeconfig)
    told = trouble.told(f"release {name}", trouble.of_release, *where)
    hooks = pulumi.ResourceHookBinding.merge(rollout.unblocked(*where), told)
    return kubernetes.helm.v3.Release(
        name,
        name=name,
        namespace=args.namespace,
        chart=source.chart,
        version=source.version,
        repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(repo=source.repository) if source.repository else None,
        values=laid_over(values, chart.values),
        timeout=chart.timeout_min * 60,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
    )

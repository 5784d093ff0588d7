"""Helm charts: where one comes from, and how it is installed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.settings import laid_over
from components.settings.kubernetes import Chart

OWN = "charts"  # the directory of this project's own charts, as seen from the checkout's top
ROOT = Path(__file__).parents[2]
TIMEOUT = 600  # seconds until all of a release is ready: nodes download its images


@dataclass(frozen=True, kw_only=True)
class Source:
    """What Helm is told: `chart` is a name in the `repository`, or without one a file or an oci:// reference."""

    chart: str
    repository: str | None

    @classmethod
    def of(cls, chart: Chart, mirror: str) -> Source:
        """Where the chart comes from: its own repository, or the mirror of all. Pure."""
        place = mirror or chart.repository
        if place.startswith("oci://"):
            return cls(chart=f"{place}/{chart.name}", repository=None)
        if place.startswith("/"):  # packed: Helm renames folders of an unpacked one, which fails on a read-only disk
            return cls(chart=f"{place}/{chart.name}-{chart.version}.tgz", repository=None)
        return cls(chart=chart.name, repository=place)


def digest(chart: str) -> str:
    """Of the files of a chart of our own: Pulumi does not look into a chart, and would not see that it has changed."""
    total = hashlib.sha256()
    for path in sorted(ROOT.joinpath(OWN, chart).rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class ReleaseArgs:
    """`mirror`: of all charts, or empty; `values` are the program's: those of the stack's file are laid over them."""

    chart: Chart
    mirror: str
    namespace: str
    values: dict[str, Any]


def release(name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions) -> kubernetes.helm.v3.Release:
    """Install a chart and wait until all of it is ready."""
    source = Source.of(args.chart, args.mirror)
    return kubernetes.helm.v3.Release(
        name,
        name=name,
        namespace=args.namespace,
        chart=source.chart,
        version=args.chart.version,
        repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(repo=source.repository) if source.repository else None,
        values=laid_over(args.values, args.chart.values),
        timeout=TIMEOUT,
        opts=opts,
    )

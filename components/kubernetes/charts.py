"""Helm charts: where one comes from, and how it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.kubernetes import rollout, trouble
from components.settings import laid_over
from components.settings.kubernetes import Chart


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


@dataclass(frozen=True, kw_only=True)
class ReleaseArgs:
    """`mirror`: of all charts, or empty; `values` are the program's: those of the stack's file are laid over them;
    `kubeconfig`: of the cluster, which is asked when the release fails."""

    chart: Chart
    mirror: str
    kubeconfig: pulumi.Input[str]
    namespace: str
    values: dict[str, Any]


def release(name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions) -> kubernetes.helm.v3.Release:
    """Install a chart and wait until all of it is ready; a failure says which pods are not, and why."""
    source = Source.of(args.chart, args.mirror)
    where = (name, args.namespace, args.kubeconfig)
    hooks = pulumi.ResourceHookBinding.merge(rollout.unblocked(*where), trouble.told(*where))
    return kubernetes.helm.v3.Release(
        name,
        name=name,
        namespace=args.namespace,
        chart=source.chart,
        version=args.chart.version,
        repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(repo=source.repository) if source.repository else None,
        values=laid_over(args.values, args.chart.values),
        timeout=args.chart.timeout_min * 60,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
    )

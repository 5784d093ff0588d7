"""A cluster of the deployment's own, for components with mocks: inside a program that is recorded."""

from __future__ import annotations

import pulumi

from components.kubernetes import destination
from components.kubernetes.destination import Destination

PROJECT = "0" * 32


def own_cluster() -> Destination:
    """Of the deployment gaia-dev."""
    return Destination(
        provider=destination.provider("gaia-dev", "kubeconfig", pulumi.ResourceOptions()),
        kubeconfig="kubeconfig",
        cluster=pulumi.ComponentResource("test:index:Cluster", "cluster"),
        deployment="gaia-dev",
        project_id=PROJECT,
    )

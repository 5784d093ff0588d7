"""Headlamp: a dashboard of the cluster, which shows whoever comes what his own token may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.kubernetes.charts import ReleaseArgs, release
from components.kubernetes.destination import Destination
from components.settings.services import Charts, Dashboard

NAME = "headlamp"  # of the release, its namespace, its Service
VIEWER = "viewer"  # the account whose tokens see everything but Secrets, and change nothing


@dataclass(frozen=True, kw_only=True)
class HeadlampArgs:
    """The dashboard, its chart, where it is installed."""

    charts: Charts
    dashboard: Dashboard
    destination: Destination


class Headlamp(pulumi.ComponentResource):
    """The dashboard.

    Children: the Namespace, the Release, a ServiceAccount that may look (ClusterRoleBinding). Not managed here: tokens.
    The dashboard itself may do nothing with the cluster.
    """

    service: str

    def __init__(self, name: str, args: HeadlampArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:Headlamp", name, None, opts)
        child = args.destination.inside(self)
        space = args.destination.namespace(NAME, "restricted", self)
        release(
            NAME,
            ReleaseArgs(
                chart=args.charts.headlamp,
                mirror=args.charts.mirror,
                kubeconfig=args.destination.kubeconfig,
                namespace=NAME,
                values=values(args.dashboard),
            ),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[space])),
        )
        account = kubernetes.core.v1.ServiceAccount(
            VIEWER, metadata={"name": VIEWER, "namespace": space.metadata["name"]}, opts=child
        )
        kubernetes.rbac.v1.ClusterRoleBinding(
            VIEWER,
            metadata={"name": f"{NAME}-{VIEWER}"},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            subjects=[
                {"kind": "ServiceAccount", "name": account.metadata["name"], "namespace": account.metadata["namespace"]}
            ],
            opts=child,
        )
        self.service = f"{NAME}.{NAME}"
        self.register_outputs({"service": self.service})


def values(dashboard: Dashboard) -> dict[str, Any]:
    """Values of Headlamp's chart. Pure."""
    return {
        "fullnameOverride": NAME,
        "clusterRoleBinding": {"create": False},  # the chart would make the dashboard an administrator
        "config": {"sessionTTL": dashboard.session_hours * 3600, "oidc": {"secret": {"create": False}}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 100,  # the chart's own
            "runAsGroup": 101,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }

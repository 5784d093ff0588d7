"""The way in for browsers: the ingress controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.kubernetes.charts import ReleaseArgs, release
from components.kubernetes.destination import Destination
from components.settings.services import Charts
from components.settings.sign_on import Ingress

NAME = "ingress"  # of the release, its namespace, its Service


@dataclass(frozen=True, kw_only=True)
class IngressControllerArgs:
    """The way in, its controller's chart, where that is installed."""

    charts: Charts
    ingress: Ingress
    destination: Destination


class IngressController(pulumi.ComponentResource):
    """An ingress controller of the settings' class, behind a load balancer of the cloud's.

    Children: the Namespace, the Release; its Service is read for the address. Not managed here: the load balancer and
    its floating IP, which the cluster's controller manager makes; Ingress objects; names of hosts in the DNS.
    """

    address: pulumi.Output[str]

    def __init__(self, name: str, args: IngressControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:IngressController", name, None, opts)
        child = args.destination.inside(self)
        space = args.destination.namespace(NAME, "baseline", self)
        installed = release(
            NAME,
            ReleaseArgs(
                chart=args.charts.ingress,
                mirror=args.charts.mirror,
                kubeconfig=args.destination.kubeconfig,
                namespace=NAME,
                values=values(args.ingress),
            ),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[space])),
        )
        # Helm has waited until it has one
        service = kubernetes.core.v1.Service.get(
            NAME,
            installed.name.apply(lambda found: f"{NAME}/{found}"),
            opts=pulumi.ResourceOptions(parent=self, provider=args.destination.provider),
        )
        self.address = service.status.apply(address)
        self.register_outputs({"address": self.address})


def values(ingress: Ingress) -> dict[str, Any]:
    """Values of F5's chart nginx-ingress; the sandbox's of Traefik takes the same. Pure."""
    return {
        "controller": {
            "ingressClass": {"name": ingress.class_name, "create": True, "setAsDefaultIngress": False},
            "enableCustomResources": False,  # Ingress objects are all that there is
            "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"},
        },
        "serviceNameOverride": NAME,
    }


def address(status: Any) -> str:
    """Where a Service of type LoadBalancer is reached; empty as long as that is nowhere. Pure."""
    ways = (status and status.load_balancer and status.load_balancer.ingress) or ()
    return next((way.ip or way.hostname or "" for way in ways), "")

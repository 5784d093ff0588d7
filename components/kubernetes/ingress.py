"""The way in for browsers: the ingress controller, and a certificate for its hosts where nobody else makes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_tls as tls

from components.kubernetes.charts import ReleaseArgs, release
from components.kubernetes.destination import Destination
from components.settings.services import Charts
from components.settings.sign_on import Ingress

NAME = "ingress"  # of the release, its namespace, its Service
CERTIFICATE = "hosts"  # the Secret with a certificate that the stack has signed
VALID_HOURS = 365 * 24
RENEWED_HOURS = 60 * 24  # before its end, by the next `up`


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


class HostCertificate(pulumi.ComponentResource):
    """A certificate for all hosts of a domain, signed by its own key: browsers ask whether it is to be trusted.

    Children: PrivateKey, SelfSignedCert, Secret.
    """

    pem: pulumi.Output[str]

    def __init__(self, domain: str, destination: Destination, namespace: pulumi.Input[str], parent: Any) -> None:
        super().__init__("gaia:kubernetes:HostCertificate", CERTIFICATE, None, pulumi.ResourceOptions(parent=parent))
        child = pulumi.ResourceOptions(parent=self)
        key = tls.PrivateKey(CERTIFICATE, algorithm="ECDSA", ecdsa_curve="P256", opts=child)
        made = tls.SelfSignedCert(
            CERTIFICATE,
            private_key_pem=key.private_key_pem,
            subject={"common_name": domain},
            dns_names=[domain, f"*.{domain}"],
            allowed_uses=["digital_signature", "key_encipherment", "server_auth"],
            validity_period_hours=VALID_HOURS,
            early_renewal_hours=RENEWED_HOURS,
            opts=child,
        )
        kubernetes.core.v1.Secret(
            CERTIFICATE,
            metadata={"name": CERTIFICATE, "namespace": namespace},
            type="kubernetes.io/tls",
            string_data={"tls.crt": made.cert_pem, "tls.key": key.private_key_pem},
            opts=destination.inside(self),
        )
        self.pem = made.cert_pem
        self.register_outputs({})

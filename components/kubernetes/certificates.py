"""Certificates of the hosts: from an authority that speaks ACME, by cert-manager, or signed by the stack itself.

What cert-manager makes of an Ingress with `ingress_annotations` is not the program's: the Certificate, and the Secret
that the Ingress names.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_tls as tls

from components.kubernetes import trouble
from components.kubernetes.access import TIMEOUT
from components.kubernetes.charts import ReleaseArgs, release
from components.kubernetes.destination import Destination
from components.settings.services import Charts
from components.settings.sign_on import Acme

NAME = "cert-manager"  # of the release and its namespace
ISSUER = "acme"
ACCOUNT = "acme-account"  # the Secret with the key that the authority knows the stack by
REGISTERED = "1m"  # within which the authority has to know us
TAKEN_BACK, INTERVAL = 60, 0.5  # seconds within which cert-manager has to end what it asked for, and between two looks
SIGNED = "hosts"  # the Secret with a certificate that the stack has signed
VALID_HOURS = 365 * 24
RENEWED_HOURS = 60 * 24  # before its end, by the next `up`


@dataclass(frozen=True, kw_only=True)
class CertManagerArgs:
    """Its chart, where it is installed."""

    charts: Charts
    destination: Destination


class CertManager(pulumi.ComponentResource):
    """cert-manager, for the whole cluster.

    Children: the Namespace, the Release. With it go its kinds (CustomResourceDefinition), and so what there is of them
    in the cluster; Secrets with certificates stay.
    """

    release: pulumi.Resource

    def __init__(self, name: str, args: CertManagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:CertManager", name, None, opts)
        space = args.destination.namespace(NAME, "restricted", self)
        self.release = release(
            NAME,
            ReleaseArgs(
                chart=args.charts.cert_manager,
                mirror=args.charts.mirror,
                kubeconfig=args.destination.kubeconfig,
                namespace=NAME,
                values=values(),
            ),
            pulumi.ResourceOptions.merge(args.destination.inside(self), pulumi.ResourceOptions(depends_on=[space])),
        )
        self.register_outputs({})


def values() -> dict[str, Any]:
    """Values of cert-manager's chart. Pure."""
    small = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    return {
        "crds": {"enabled": True, "keep": False},
        "global": {"leaderElection": {"namespace": NAME}},  # the chart's is kube-system, where it would leave leases
        "resources": small,
        **{part: {"resources": small} for part in ("webhook", "cainjector", "startupapicheck")},
    }


class AcmeIssuer(pulumi.ComponentResource):
    """The authority, as cert-manager knows it in a namespace.

    Child: the Issuer, which is there when the authority knows the stack. Not managed here: the Secret with the
    account's key, which cert-manager makes.
    """

    def __init__(
        self,
        acme: Acme,
        destination: Destination,
        namespace: pulumi.Input[str],
        parent: pulumi.Resource,
        after: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("gaia:kubernetes:AcmeIssuer", ISSUER, None, pulumi.ResourceOptions(parent=parent))
        kubernetes.apiextensions.CustomResource(
            ISSUER,
            api_version="cert-manager.io/v1",
            kind="Issuer",
            metadata={
                "name": ISSUER,
                "namespace": namespace,
                "annotations": {"pulumi.com/waitFor": "condition=Ready"},
            },
            spec=issuer(acme),
            opts=pulumi.ResourceOptions.merge(
                destination.inside(self),
                pulumi.ResourceOptions(
                    depends_on=[*after],
                    custom_timeouts=pulumi.CustomTimeouts(create=REGISTERED, update=REGISTERED),
                    hooks=trouble.told(
                        f"the authority {acme.server}", trouble_of_issuer, namespace, destination.kubeconfig
                    ),
                ),
            ),
        )
        self.register_outputs({})


def issuer(acme: Acme) -> dict[str, Any]:
    """The spec of the Issuer. Pure."""
    told: dict[str, Any] = {"server": acme.server, "privateKeySecretRef": {"name": ACCOUNT}}
    if acme.email:
        told["email"] = acme.email
    if acme.ca:
        told["caBundle"] = base64.b64encode(acme.ca.encode()).decode()
    return {"acme": told | {"solvers": [{"http01": {"ingress": {}}}]}}


def trouble_of_issuer(client: Any, namespace: str) -> list[str]:
    """What cert-manager says of an Issuer that is not ready."""
    from kubernetes.client import CustomObjectsApi

    ask: Any = CustomObjectsApi(client).get_namespaced_custom_object
    found = ask("cert-manager.io", "v1", namespace, "issuers", ISSUER, _request_timeout=TIMEOUT)
    conditions = found.get("status", {}).get("conditions", [])
    return [f"  {one['message']}" for one in conditions if one["type"] == "Ready" and one["status"] != "True"]


def ingress_annotations() -> dict[str, str]:
    """Of an Ingress whose hosts get a certificate in the Secret that it names. Pure."""
    return {
        "cert-manager.io/issuer": ISSUER,
        # F5's controller answers nothing for a host without a certificate, not even the authority's question
        "cert-manager.io/issue-temporary-certificate": "true",
        # and lets no other Ingress have the same host
        "acme.cert-manager.io/http01-edit-in-place": "true",
    }


def taken_back(
    release: str, hosts: Sequence[str], namespace: pulumi.Input[str], kubeconfig: pulumi.Input[str]
) -> pulumi.ResourceHookBinding:
    """The hook of a release whose hosts want nothing of an authority: an update ends when they ask for nothing.

    cert-manager keeps the Certificate of an Ingress that has wanted one. Where that waits for a proof, only
    cert-manager can end it, and may be what the same `up` removes next: its kinds would wait for ever for what is left.
    """
    known = pulumi.Output.all(namespace, kubeconfig)

    async def take_back(_: pulumi.ResourceHookArgs) -> None:
        if where := await known.future():
            said = await asyncio.to_thread(trouble.asked, partial(clear, release, hosts), *where)
            if said:
                pulumi.log.warn(f"release {release}:\n" + "\n".join(said))

    return pulumi.ResourceHookBinding(after_update=[pulumi.ResourceHook(f"certificates of {release}", take_back)])


def clear(release: str, hosts: Sequence[str], client: Any, namespace: str) -> list[str]:
    """Delete the Certificates of a release and wait until no Challenge is of its hosts; what is left, or nothing.

    A cluster without cert-manager has none. Raises ApiException and urllib3's HTTPError.
    """
    from kubernetes.client import ApiException, CustomObjectsApi

    api: Any = CustomObjectsApi(client)
    certificates = ("cert-manager.io", "v1", namespace, "certificates")
    challenges = ("acme.cert-manager.io", "v1", namespace, "challenges")
    limit = {"_request_timeout": TIMEOUT}
    own = f"app.kubernetes.io/instance={release}"
    try:
        found = api.list_namespaced_custom_object(*certificates, label_selector=own, **limit)["items"]
    except ApiException as problem:
        if problem.status == HTTPStatus.NOT_FOUND:
            return []
        raise
    for one in found:
        api.delete_namespaced_custom_object(*certificates, one["metadata"]["name"], **limit)
    end = time.monotonic() + TAKEN_BACK
    while left := [
        one["metadata"]["name"]
        for one in api.list_namespaced_custom_object(*challenges, **limit)["items"]
        if one["spec"]["dnsName"] in hosts
    ]:
        if time.monotonic() > end:
            return [f"  cert-manager does not end {', '.join(left)} (kubectl get challenges -n {namespace})"]
        time.sleep(INTERVAL)
    return []


class HostCertificate(pulumi.ComponentResource):
    """A certificate for all hosts of a domain, signed by its own key: browsers ask whether it is to be trusted.

    Children: PrivateKey, SelfSignedCert, Secret.
    """

    pem: pulumi.Output[str]

    def __init__(self, domain: str, destination: Destination, namespace: pulumi.Input[str], parent: Any) -> None:
        super().__init__("gaia:kubernetes:HostCertificate", SIGNED, None, pulumi.ResourceOptions(parent=parent))
        child = pulumi.ResourceOptions(parent=self)
        key = tls.PrivateKey(SIGNED, algorithm="ECDSA", ecdsa_curve="P256", opts=child)
        made = tls.SelfSignedCert(
            SIGNED,
            private_key_pem=key.private_key_pem,
            subject={"common_name": domain},
            dns_names=[domain, f"*.{domain}"],
            allowed_uses=["digital_signature", "key_encipherment", "server_auth"],
            validity_period_hours=VALID_HOURS,
            early_renewal_hours=RENEWED_HOURS,
            opts=child,
        )
        kubernetes.core.v1.Secret(
            SIGNED,
            metadata={"name": SIGNED, "namespace": namespace},
            type="kubernetes.io/tls",
            string_data={"tls.crt": made.cert_pem, "tls.key": key.private_key_pem},
            opts=destination.inside(self),
        )
        self.pem = made.cert_pem
        self.register_outputs({})

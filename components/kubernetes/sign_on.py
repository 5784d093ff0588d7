"""Sign-on: between the ingress controller and the cluster's services, a proxy that asks an identity provider who comes.

`values` says what the chart `charts/oauth2-proxy` is told, `guarded` which services there are to guard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.kubernetes import certificates, dashboard, drupal, notebooks
from components.kubernetes.certificates import AcmeIssuer, HostCertificate, taken_back
from components.kubernetes.charts import ReleaseArgs, checksum, release
from components.kubernetes.destination import Destination
from components.settings import PROJECT
from components.settings.services import Services
from components.settings.sign_on import PREFIX, Endpoints, Ingress, Provider

NAMESPACE = PREFIX
CHART = "oauth2-proxy"
CLIENT_SECRETS = "sign_on_secrets"  # key of the config: an object, a secret for each provider
COOKIE_SECRET_LENGTH = 32  # of letters and digits: the proxy decodes them to the 24 bytes of an AES key
# Drupal's administration, also as its router reads it: in any case, behind index.php, in any language. The pages are
# everybody's, and Drupal still asks for a login of its own.
DRUPAL_ADMINISTRATION = (
    r"(?i)^(/index\.php)?(/[a-z]{2,3}(-[a-z0-9]+)*)?/"
    r"(admin|user|batch|update\.php|core/(install|rebuild|authorize)\.php|node/(add|[0-9]+/(edit|delete|revisions)))(/|$)"
)


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A service behind sign-on: its address in the cluster, and which of its paths need a login, where not all do."""

    upstream: str
    paths: str = ""


@dataclass(frozen=True, kw_only=True)
class SignOnArgs:
    """Providers and what they guard (`settings`), the way in, where the proxies are installed; `after`: what makes the
    hosts' certificates, where the stack has installed it."""

    settings: Services
    ingress: Ingress
    destination: Destination
    after: Sequence[pulumi.Resource] = ()


class SignOn(pulumi.ComponentResource):
    """A release of proxies for each identity provider of the settings.

    Children: the Namespace; an AcmeIssuer, or a HostCertificate, or neither where the settings name a Secret with the
    hosts' certificate; for each provider the secret of its cookies (RandomPassword), the Secret with that and the
    client's, the Release. Not managed here: the ingress controller, what the providers know of this deployment.
    """

    urls: dict[str, str]
    certificate: pulumi.Output[str] | None = None  # that the stack has signed itself

    def __init__(self, name: str, args: SignOnArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:SignOn", name, None, opts)
        self._args = args
        space = args.destination.namespace(NAMESPACE, "restricted", self, args.after)
        if args.ingress.acme:
            AcmeIssuer(args.ingress.acme, args.destination, space.metadata["name"], self, args.after)
        elif not args.ingress.tls_secret:
            certificate = HostCertificate(args.ingress.domain, args.destination, space.metadata["name"], self)
            self.certificate = certificate.pem
        secrets = pulumi.Config(PROJECT).require_secret_object(CLIENT_SECRETS)
        for provider in args.settings.sign_on:
            self._proxies(provider, secrets, space)
        self.urls = urls(args.settings.sign_on, args.ingress)
        self.register_outputs({"urls": self.urls})

    def _proxies(self, name: str, secrets: pulumi.Output[Any], space: kubernetes.core.v1.Namespace) -> None:
        args, full = self._args, f"{PREFIX}-{name}"
        child = args.destination.inside(self)
        cookie = random.RandomPassword(
            full, length=COOKIE_SECRET_LENGTH, special=False, opts=pulumi.ResourceOptions(parent=self)
        ).result
        client: pulumi.Output[str] = secrets.apply(lambda known: str(known[name]))
        secret = kubernetes.core.v1.Secret(
            full,
            metadata={"name": full, "namespace": space.metadata["name"]},
            string_data={"client-secret": client, "cookie-secret": cookie},
            opts=child,
        )
        # with the random cookie's secret in it: the client's cannot be looked for in it
        known = pulumi.Output.unsecret(pulumi.Output.all(client, cookie).apply(lambda both: checksum(*both)))
        provider = args.settings.sign_on[name]
        hosts = [host(provider, args.ingress, service) for service in provider.guards]
        hooks = None if args.ingress.acme else taken_back(full, hosts, NAMESPACE, args.destination.kubeconfig)
        release(
            full,
            ReleaseArgs(
                chart=args.settings.charts.oauth2_proxy,
                own=CHART,
                kubeconfig=args.destination.kubeconfig,
                namespace=NAMESPACE,
                values=values(args.settings, args.ingress, name, known),
            ),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[space, secret], hooks=hooks)),
        )


def guarded(ingress: Ingress) -> dict[str, Guarded]:
    """All services that can be guarded, by name: the platform's own, and those of the config. Pure."""
    own = {
        notebooks.NAME: Guarded(upstream=address(notebooks.NAME, notebooks.NAME)),
        drupal.NAME: Guarded(upstream=address(drupal.NAME, drupal.NAME), paths=DRUPAL_ADMINISTRATION),
        "dashboard": Guarded(upstream=address(dashboard.NAME, dashboard.NAME)),
    }
    further = {
        name: Guarded(upstream=address(service.service, service.namespace, service.port))
        for name, service in ingress.services.items()
    }
    return own | further


def address(service: str, namespace: str, port: int = 80) -> str:
    """Of a Service, in the cluster. Pure."""
    return f"http://{service}.{namespace}.svc:{port}/"


def host(provider: Provider, ingress: Ingress, service: str) -> str:
    """By which a provider's people reach a service. Pure."""
    return f"{provider.host(service)}.{ingress.domain}"


def urls(providers: Mapping[str, Provider], ingress: Ingress) -> dict[str, str]:
    """Where browsers find each service: by its name, or NAME (PROVIDER) where several providers lead to it. Pure."""
    ways = [(service, name, host(one, ingress, service)) for name, one in providers.items() for service in one.guards]
    services = [service for service, _, _ in ways]
    return {
        service if services.count(service) == 1 else f"{service} ({name})": f"https://{at}/"
        for service, name, at in ways
    }


def endpoints(provider: Provider) -> Endpoints:
    """Where a provider is asked; none where it tells that itself. Those of the config win. Pure."""
    if provider.kind != "drupal":
        return provider.endpoints
    site = provider.issuer.rstrip("/")
    own = {  # of Drupal's module Simple OAuth
        "login": f"{site}/oauth/authorize",
        "redeem": f"{site}/oauth/token",
        "keys": f"{site}/oauth/jwks",
        "profile": f"{site}/oauth/userinfo",
    }
    return Endpoints.model_validate(own | provider.endpoints.model_dump(by_alias=True, exclude_defaults=True))


def values(settings: Services, ingress: Ingress, name: str, known: pulumi.Input[str]) -> dict[str, Any]:
    """The values of a provider's release; `known` is the checksum of its Secret. Pure."""
    provider, services = settings.sign_on[name], guarded(ingress)
    return {
        "image": settings.images.oauth2_proxy,
        "pullSecrets": list(settings.images.pull_secrets),
        "existingSecret": f"{PREFIX}-{name}",
        "checksum": known,
        "provider": {
            "kind": "google" if provider.kind == "google" else "oidc",
            "name": name,
            "issuer": provider.issuer,
            "clientID": provider.client_id,
            "scopes": list(provider.scopes),
            "groupsClaim": provider.groups_claim,
            "allowedGroups": list(provider.allowed_groups),
            "emailDomains": list(provider.email_domains),
            "emails": list(provider.emails),
            "endpoints": endpoints(provider).model_dump(by_alias=True, exclude_defaults=True),
        },
        "services": [service_values(provider, ingress, service, services[service]) for service in provider.guards],
        "ingress": ingress_values(ingress),
    }


def ingress_values(ingress: Ingress) -> dict[str, Any]:
    """What the chart is told of the way in: with ACME each host has a Secret of its own. Pure."""
    acme = bool(ingress.acme)
    return {
        "className": ingress.class_name,
        "tlsSecret": "" if acme else ingress.tls_secret or certificates.SIGNED,
        "annotations": (certificates.ingress_annotations() if acme else {}) | ingress.annotations,
    }


def service_values(provider: Provider, ingress: Ingress, name: str, service: Guarded) -> dict[str, str]:
    """What the chart is told of a service. Pure."""
    told = {"name": name, "host": host(provider, ingress, name), "upstream": service.upstream}
    return told | ({"guarded": service.paths} if service.paths else {})

"""Settings of sign-on: where browsers reach the cluster's services, and whose people get to them.

Providers are data: one more is an entry of `gaia:sign_on` and its secret, and touches nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from components.settings.base import Model, Name, Texts, Url

# Providers that the platform's people come from: what a stack's file need not say of an entry with that name.
KNOWN: Mapping[str, dict[str, Any]] = {
    "google": {"kind": "google", "issuer": "https://accounts.google.com"},
    "iris": {"issuer": "https://iris-iam.stfc.ac.uk/"},
    "escape": {"issuer": "https://iam-escape.cloud.cnaf.infn.it/"},
    "drupal": {"kind": "drupal"},
}
OF_PLATFORM = frozenset(("zeppelin", "drupal", "dashboard"))  # services that the program installs
PREFIX = "sign-on"  # of releases and what they make
LONGEST = 63  # characters of a Service's name, and of a part of a host's


def _domain(domain: str) -> str:
    if not re.fullmatch(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*", domain):
        raise ValueError(f"must be a domain in lower case, such as gaia-dev.example.org; is {domain!r}")
    return domain


def _guarded_way(url: str) -> str:
    """Codes and tokens go this way."""
    host = url.partition("//")[2].partition("/")[0].partition(":")[0]
    if not url.startswith("https://") and not host.endswith((".svc", ".svc.cluster.local")):
        raise ValueError(f"must be an https:// URL, unless it is a Service of the cluster (NAME.SPACE.svc); is {url!r}")
    return url


def _email(address: str) -> str:
    if not re.fullmatch(r"[^\s@,]+@[^\s@,]+", address):
        raise ValueError(f"must be an e-mail address; is {address!r}")
    return address


def _server(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError(f"must be an https:// URL: who answers there signs for the hosts; is {url!r}")
    return url


def _certificate(pem: str) -> str:
    from cryptography import x509  # a tenth of a second: only here

    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise ValueError("must be a certificate in PEM, or several (-----BEGIN CERTIFICATE----- ...)") from None
    return pem


Domain = Annotated[str, AfterValidator(_domain)]
EmailAddress = Annotated[str, AfterValidator(_email)]
AcmeServer = Annotated[Url, AfterValidator(_server)]
Certificate = Annotated[str, AfterValidator(_certificate)]
ProviderUrl = Annotated[Url, AfterValidator(_guarded_way)]


class Service(Model):
    """A service of the cluster that the program does not install, such as Grafana."""

    namespace: Name
    service: Name
    port: int = Field(80, ge=1, le=65535)


class Acme(Model):
    """Whose certificates the hosts get: an authority's that speaks ACME (RFC 8555), such as Let's Encrypt.

    It asks each host for a proof, over http: names have to lead to the ingress controller, from everywhere.
    """

    email: EmailAddress = Field("", description="whom the authority may write to")
    server: AcmeServer = Field("https://acme-v02.api.letsencrypt.org/directory", description="its directory")
    ca: Certificate = Field("", description="PEM of who signs for the server, where systems know nobody")
    cert_manager: bool = Field(True, description="false: the cluster has cert-manager already")


class Ingress(Model):
    """How browsers reach the cluster's services: by hosts of `domain`, through the ingress controller of `class`."""

    class_name: Name = Field(alias="class", description="of the cluster's ingress controller")
    domain: Domain = Field(description="a service is at SERVICE.DOMAIN")
    tls_secret: Name | Literal[""] = Field(
        "",
        description=f"a Secret of the namespace {PREFIX} with the hosts' certificate; unless set, the stack signs one",
    )
    acme: Acme | None = Field(None, description="an authority signs the hosts' certificates; none unless set")
    controller: bool = Field(True, description="false: the cluster has one of this class already")
    annotations: Texts = Field({}, description="of each Ingress: for whoever makes certificates, or the controller")
    services: dict[Name, Service] = Field({}, description="further services that sign-on guards, by name")

    @field_validator("services")
    @classmethod
    def _own_names(cls, services: dict[str, Service]) -> dict[str, Service]:
        if taken := sorted(OF_PLATFORM & services.keys()):
            raise ValueError(f"must not have {', '.join(taken)}: the platform's own is known already")
        return services

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.acme and self.tls_secret:
            raise ValueError("acme and tls_secret are both set: certificates come one way or the other")
        return self


class Endpoints(Model):
    """Addresses of a provider that does not tell them itself (OpenID Connect Discovery)."""

    login: ProviderUrl = Field("", description="where browsers are sent")
    redeem: ProviderUrl = Field("", description="where a code becomes a token")
    keys: ProviderUrl = Field("", description="that tokens are signed by (JWKS)")
    profile: ProviderUrl = Field("", description="asked for claims that a token lacks (userinfo)")
    validate_token: ProviderUrl = Field("", alias="validate", description="asked whether a token is still good")


class Provider(Model):
    """An identity provider, and which of its people get to which services."""

    kind: Literal["oidc", "google", "drupal"] = "oidc"
    issuer: ProviderUrl = Field("", description="as the provider itself writes it")
    client_id: str = Field(min_length=1, description="what the provider calls this deployment")
    guards: tuple[Name, ...] = Field(min_length=1, description="services that people get to by this provider")
    hosts: dict[Name, Name] = Field({}, description="service -> first part of its host, where it is not its name")
    allowed_groups: tuple[str, ...] = Field((), description="one of them is needed; none: everybody whom it knows")
    email_domains: tuple[Domain, ...] = Field((), description="whose addresses get in; with emails: either is enough")
    emails: tuple[EmailAddress, ...] = Field((), description="people who get in, one by one")
    scopes: tuple[str, ...] = Field(("openid", "email", "profile"), min_length=1)
    groups_claim: str = Field("groups", min_length=1, description="which of a token's claims has the groups")
    endpoints: Endpoints = Endpoints()

    @field_validator("allowed_groups", "scopes")
    @classmethod
    def _written(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"\S(.*\S)?", name) for name in names):
            raise ValueError("has an entry that is empty, or begins or ends with a space")
        return names

    def _conflicts(self) -> Iterator[str]:
        if not self.issuer:
            yield "issuer is not set"
        if self.kind == "google":
            if self.allowed_groups:
                yield "allowed_groups cannot be known of Google: its tokens have no groups; use emails or email_domains"
            if not (self.email_domains or self.emails):
                yield "emails and email_domains are not set: everybody in the world with an account there would get in"
        given = self.endpoints
        if self.kind == "oidc" and given != Endpoints() and not (given.login and given.redeem and given.keys):
            yield "endpoints needs login, redeem and keys, where the provider is not asked for them"
        if double := sorted({one for one in self.guards if self.guards.count(one) > 1}):
            yield f"guards names {', '.join(double)} twice"
        if unused := sorted(self.hosts.keys() - set(self.guards)):
            yield f"hosts names {', '.join(unused)}, which guards does not"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if wrong := list(self._conflicts()):
            raise ValueError("\n".join(wrong))
        return self

    def host(self, service: str) -> str:
        """The first part of the host by which this provider's people reach a service."""
        return self.hosts.get(service, service)


def _over_known(providers: Any) -> Any:
    if not isinstance(providers, dict):
        return providers
    return {
        name: {**KNOWN.get(name, {}), **entry} if isinstance(entry, dict) else entry
        for name, entry in providers.items()
    }


Providers = Annotated[dict[Name, Provider], BeforeValidator(_over_known)]


def conflicts(providers: Mapping[str, Provider], ingress: Ingress | None, platform: frozenset[str]) -> Iterator[str]:
    """What cannot be together, each beginning with its key; `platform`: those of its services that there are."""
    further = ingress.services if ingress else {}
    if providers and not ingress:
        yield "ingress is not set, without which nobody reaches what sign_on guards"
    if ingress and ingress.acme and not providers:
        yield "ingress.acme is set, but sign_on is not: there are no hosts"
    taken: dict[str, str] = {}
    for name, provider in providers.items():
        for service in provider.guards:
            if service in OF_PLATFORM - platform:
                yield f"sign_on.{name}.guards names {service}, but {service} is not set: there is none"
            elif service not in platform and service not in further:
                known = ", ".join(sorted(platform | further.keys()))
                yield f"sign_on.{name}.guards names {service}, which is none of {known}: ingress.services adds others"
            if (other := taken.setdefault(provider.host(service), name)) != name:
                yield (
                    f"sign_on.{name}.guards: the host {provider.host(service)} is already the one of {other}: a host "
                    f"has one provider; give it another (sign_on.{name}.hosts.{service})"
                )
            if len(full := f"{PREFIX}-{name}-{service}") > LONGEST:
                yield f"sign_on.{name}: {full} has {len(full)} characters, more than {LONGEST}: choose a shorter name"
    guarded = {service for provider in providers.values() for service in provider.guards}
    for service in sorted(further.keys() - guarded):
        yield f"ingress.services.{service} is guarded by no provider of sign_on: nobody would reach it"

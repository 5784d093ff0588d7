"""Services that browsers see, beside notebooks: of a cluster's own stack (`install`), or of one of their own.

The platform `services` is such a stack: on a cluster that another one has made, found by its name in OpenStack. What
tells of the cluster is Magnum alone; no stack reads another's state.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import yaml

from components import cloud, record
from components.kubernetes import destination
from components.kubernetes.certificates import CertManager, CertManagerArgs
from components.kubernetes.dashboard import Headlamp, HeadlampArgs
from components.kubernetes.destination import Destination
from components.kubernetes.drupal import WebSite, WebSiteArgs
from components.kubernetes.ingress import IngressController, IngressControllerArgs
from components.kubernetes.sign_on import SignOn, SignOnArgs
from components.secret import secret
from components.settings import SettingsError
from components.settings.services import Services, ServicesOfCluster

CLUSTER = "cluster"  # the Stash with what is known of it
RENEWED = timedelta(days=60)  # before the end of the certificate by which the stack reaches the cluster


def install(
    settings: Services, place: Destination, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()
) -> dict[str, Any]:
    """The web site, the dashboard, the way in, who is let in: those that the settings have. Their stack's outputs.

    `after`: what has to be there first, for those with shares.
    """
    own = pulumi.ResourceOptions(parent=parent)
    exports: dict[str, Any] = {}
    if settings.drupal:
        site = WebSiteArgs(settings=settings, drupal=settings.drupal, destination=place, after=after)
        exports["site_service"] = WebSite("site", site, own).service
    if settings.dashboard:
        dashboard = HeadlampArgs(charts=settings.charts, dashboard=settings.dashboard, destination=place)
        exports["dashboard_service"] = Headlamp("dashboard", dashboard, own).service
    if settings.ingress and settings.ingress.controller:
        controller = IngressControllerArgs(charts=settings.charts, ingress=settings.ingress, destination=place)
        exports["ingress_address"] = IngressController("ingress", controller, own).address
    if settings.ingress and settings.sign_on:
        made: tuple[pulumi.Resource, ...] = ()
        if settings.ingress.acme and settings.ingress.acme.cert_manager:
            manager = CertManager("certificates", CertManagerArgs(charts=settings.charts, destination=place), own)
            made = (manager.release,)
        sign_on = SignOnArgs(settings=settings, ingress=settings.ingress, destination=place, after=made)
        guard = SignOn("sign-on", sign_on, own)
        exports["service_urls"] = guard.urls
        if guard.certificate:
            exports["hosts_certificate"] = guard.certificate
    return exports


class ServicesPlatform(pulumi.ComponentResource):
    """Children: Stash (what the deployment remembers of itself), Stash (what it knows of the cluster), the cluster's
    Provider, and the services of the settings. Not managed here: the cluster and its drivers, the other stack's.
    """

    exports: dict[str, Any]

    def __init__(self, stack: str, settings: ServicesOfCluster) -> None:
        provider = cloud.Entry.find(stack, "cloud", settings.cloud).provider("deployment")
        state = record.resources(stack)
        noted = record.noted(stack, settings.name or stack, provider, state=state)
        found = reach(stack, settings, provider, state)
        super().__init__("gaia:kubernetes:ServicesPlatform", stack, None, pulumi.ResourceOptions(providers=[provider]))
        child = pulumi.ResourceOptions(parent=self)
        noted.keep(child)
        kubeconfig = pulumi.Output.secret(found.kubeconfig)
        pulumi.Stash(CLUSTER, input={"id": found.id, "kubeconfig": kubeconfig}, opts=child)
        place = Destination(
            provider=destination.provider(noted.name, kubeconfig, child),
            kubeconfig=kubeconfig,
            deployment=noted.name,
            project_id=noted.project_id,
        )
        self.exports = {
            "deployment": {"name": noted.name, "project": noted.project},
            "cluster": {"id": found.id, "name": settings.cluster_name},
            "kubeconfig": secret(kubeconfig),
            **install(settings, place, self),
        }
        self.register_outputs(noted.told(settings.site))


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A cluster of Magnum's, and what leads into it."""

    id: str
    kubeconfig: str


def reach(stack: str, settings: ServicesOfCluster, provider: Any, state: Mapping[str, Mapping[str, Any]]) -> Reached:
    """Find the cluster that the settings name; `state`: what the stack has (`record.resources`).

    Raises SettingsError when there is none, or another than before.
    """
    lookup = cloud.Lookup(settings.cloud, provider)
    found = lookup.cluster("cluster_name", settings.cluster_name)
    if lookup.problems:
        raise SettingsError.of(stack, lookup.problems)
    now = Reached(id=str(found.id), kubeconfig=str(found.kubeconfig["raw_config"]))
    noted = record.stashed(state, CLUSTER)
    before = Reached(**noted) if noted else None
    if before and before.id != now.id and record.holds(state, "kubernetes:"):
        raise SettingsError.of(
            stack,
            [
                f"cluster_name leads to the cluster {now.id}, but what this stack has was made on {before.id}: if that "
                f"one is gone, `PULUMI_K8S_DELETE_UNREACHABLE=true pulumi refresh --stack {stack}` forgets what was on "
                "it and keeps the shares; then `pulumi up` makes it anew on the one that there is now"
            ],
        )
    return keep(before, now, datetime.now(UTC))


def keep(before: Reached | None, now: Reached, at: datetime) -> Reached:
    """What to reach the cluster by: what is known already, as long as it is good. Pure.

    Magnum signs a new certificate for whoever asks: each `up` would change the provider.
    """
    if before is None or before.id != now.id:
        return now
    old, new = (yaml.safe_load(one.kubeconfig) for one in (before, now))
    same = old["clusters"] == new["clusters"]  # its address, and who signs for it
    return before if same and ends(old) - at > RENEWED else now


def ends(kubeconfig: dict[str, Any]) -> datetime:
    """When the client's certificate of a kubeconfig is not valid any more. Pure."""
    from cryptography import x509  # a tenth of a second: only here

    pem = base64.b64decode(kubeconfig["users"][0]["user"]["client-certificate-data"])
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc

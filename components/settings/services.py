"""Settings of services on a cluster: their charts and images, and which of them there are.

Those of the platform `services`, and what the platform `kubernetes` says of the same.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from components.settings.base import Model
from components.settings.common import InProject
from components.settings.sign_on import OF_PLATFORM, Ingress, Providers
from components.settings.sign_on import conflicts as sign_on_conflicts


def _repository(place: str) -> str:
    if not re.fullmatch(r"(https?://|oci://|/)\S+", place):
        raise ValueError(f"must be an http://, https:// or oci:// URL, or the path of a directory; is {place!r}")
    return place.rstrip("/")


ChartRepository = Annotated[str, AfterValidator(_repository)]


class OwnChart(Model):
    """A Helm chart of ours (`charts/`). `values` are laid over those that the program gives it."""

    values: dict[str, Any] = Field({})
    timeout_min: int = Field(10, ge=1, description="minutes until all of it has to be ready: nodes download its images")


class Chart(OwnChart):
    """A Helm chart of somebody else: its name and version in a repository."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    repository: ChartRepository


class Charts(Model):
    """The charts of what runs on the cluster. `mirror` takes the place of all their repositories."""

    mirror: ChartRepository = ""
    ceph_csi: Chart
    manila_csi: Chart
    zeppelin: OwnChart = OwnChart()
    drupal: OwnChart = OwnChart()
    oauth2_proxy: OwnChart = OwnChart()
    ingress: Chart
    cert_manager: Chart
    headlamp: Chart


def _image(reference: str) -> str:
    if not re.fullmatch(r"[^\s:@]+(:\d+)?(/[^\s:@]+)*:[\w.-]+(@sha256:[0-9a-f]{64})?", reference):
        raise ValueError(f"must be REGISTRY/NAME:TAG, so that every node runs the same; is {reference!r}")
    return reference


ImageReference = Annotated[str, AfterValidator(_image)]


class Images(Model):
    """The container images of what runs on the cluster."""

    zeppelin_server: ImageReference
    zeppelin_interpreter: ImageReference
    spark: ImageReference
    drupal: ImageReference
    mariadb: ImageReference
    oauth2_proxy: ImageReference
    pull_secrets: tuple[str, ...] = Field((), description="Secrets for registries that want a login, made by operators")


class Drupal(Model):
    """The web site and its database, each with a share of its own."""

    files_gib: int = Field(ge=1, description="of the share with the site's files")
    database_gib: int = Field(ge=1, description="of the share that its database is kept on")
    database_memory_mib: int = Field(1024, ge=256, description="all that the database may take: half of it for pages")


class Dashboard(Model):
    """A dashboard of the cluster (Headlamp), which people use with tokens of their own."""

    session_hours: int = Field(ge=1, le=720, description="after which people give their token again")


class Services(Model):
    """Which services there are beside notebooks, and what all of them are made of."""

    charts: Charts
    images: Images
    drupal: Drupal | None = Field(None, description="a web site; none unless set")
    dashboard: Dashboard | None = Field(None, description="a dashboard of the cluster; none unless set")
    ingress: Ingress | None = Field(None, description="how browsers reach services; with sign_on")
    sign_on: Providers = Field({}, description="identity providers, and which services each guards")
    share_type: str = Field("cephfsnativetype", min_length=1, description="Manila's share type for claims")
    mounter: Literal["fuse", "kernel"] = Field("fuse", description="the client of CephFS that nodes mount with")

    @property
    def installed(self) -> frozenset[str]:
        """Which of those that sign-on can guard."""
        return frozenset(name for name in ("drupal", "dashboard") if getattr(self, name))


class ServicesOfCluster(Services, InProject):
    """Settings of the platform `services`: on a cluster that another stack has made."""

    cluster_name: str = Field(min_length=1, description="of the cluster, as Magnum calls it: of the other deployment")

    def conflicts(self) -> list[str]:
        """What cannot be together, each beginning with its key."""
        # what it guards may be the other stack's
        wrong = [*super().conflicts(), *sign_on_conflicts(self.sign_on, self.ingress, OF_PLATFORM)]
        if not (self.installed or self.ingress):
            wrong.append("drupal, dashboard and ingress are not set: there is nothing to install")
        return wrong

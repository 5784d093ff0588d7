"""Settings of the platform `data`: the catalogue shares, in their own project."""

from __future__ import annotations

from pydantic import Field

from components.settings.base import Model


class CatalogueShare(Model):
    """A share that the `data` platform keeps: size in GiB, and a share type if it is not the platform's."""

    name: str = Field(min_length=1)
    size_gib: int = Field(ge=1)
    share_type: str = ""


class Data(Model):
    """Settings of the platform `data`."""

    site: str = Field("", description="the cloud's own names: an entry of components/settings/sites.yaml")
    cloud: str = Field(min_length=1, description="entry of clouds.yaml for the project that keeps the shares")
    share_type: str = Field("cephfsnativetype", min_length=1, description="Manila's share type for CephFS")
    catalogue_shares: tuple[CatalogueShare, ...] = Field(min_length=1)

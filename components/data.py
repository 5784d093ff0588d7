"""The platform `data`: the catalogue shares, in their own project."""

from __future__ import annotations

from typing import Any

import pulumi

from components import cloud, record
from components.settings.data import Data
from components.storage.shares import Catalogue, CatalogueArgs


class DataPlatform(pulumi.ComponentResource):
    """Children: Stash (what the deployment remembers of itself), a Catalogue for each share. Not managed here: who
    may read them (each deployment's own grants).
    """

    exports: dict[str, Any]

    def __init__(self, stack: str, settings: Data) -> None:
        provider = cloud.Entry.find(stack, "cloud", settings.cloud).provider("data")
        noted = record.noted(stack, stack, provider)
        super().__init__("gaia:index:DataPlatform", stack, None, pulumi.ResourceOptions(providers=[provider]))
        child = pulumi.ResourceOptions(parent=self)
        noted.keep(child)
        shares = {
            share.name: Catalogue(
                share.name,
                CatalogueArgs(name=share.name, size=share.size_gib, share_type=share.share_type or settings.share_type),
                child,
            )
            for share in settings.catalogue_shares
        }
        self.exports = {"shares": {name: share.share_id for name, share in shares.items()}}
        self.register_outputs(noted.told(settings.site))

"""The platform `data`: the catalogue shares, in their own project."""

from __future__ import annotations

from typing import Any

import pulumi

from components import cloud
from components.settings import Data
from components.storage.shares import Catalogue, CatalogueArgs


class DataPlatform(pulumi.ComponentResource):
    """Children: a Catalogue for each share. Not managed here: who may read them (each deployment's own grants)."""

    exports: dict[str, Any]

    def __init__(self, stack: str, settings: Data) -> None:
        provider = cloud.provider("data", settings.cloud)
        super().__init__("gaia:index:DataPlatform", stack, None, pulumi.ResourceOptions(providers=[provider]))
        shares = {
            share.name: Catalogue(
                share.name,
                CatalogueArgs(name=share.name, size=share.size_gib, share_type=share.share_type),
                pulumi.ResourceOptions(parent=self),
            )
            for share in settings.catalogue_shares
        }
        self.exports = {"shares": {name: share.share_id for name, share in shares.items()}}
        self.register_outputs({})

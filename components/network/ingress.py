"""A permission to open connections: plain data, for tables of ports and the groups made of them."""

from __future__ import annotations

from dataclasses import dataclass

ANYWHERE = "anywhere"


@dataclass(frozen=True)
class Ingress:
    """One permission: TCP from `source` (ANYWHERE, or the name of a group) to ports `first` to `last`.

    Without ports: any TCP port.
    """

    source: str
    first: int | None = None
    last: int | None = None

    @property
    def label(self) -> str:
        """Its part of the rule's resource name: stable, readable in a preview."""
        if self.first is None:
            return f"{self.source}-tcp"
        return f"{self.source}-{self.first}" if self.last == self.first else f"{self.source}-{self.first}-{self.last}"

"""The cloud that a stack lives on: its provider, and everything that is looked up there by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_openstack as openstack

from components.settings import PROJECT, SettingsError

# Busy clouds answer 429 or 503 now and then; the provider's own default is not to try again.
MAX_RETRIES = 5


def provider(name: str, cloud: str) -> openstack.Provider:
    """The provider for an entry of clouds.yaml: credentials stay in that file and never reach the state."""
    return openstack.Provider(name, cloud=cloud, max_retries=MAX_RETRIES)


@dataclass
class Lookup:
    """Looks names up in the cloud, and tells of everything that is not there at once.

    The answers are known already in a preview: sizes are computed from what the cloud says of a flavor.
    """

    stack: str
    cloud: str
    provider: openstack.Provider
    problems: list[str] = field(default_factory=list)

    def flavor(self, key: str, name: str) -> Any:
        """A flavor by its name: vcpus, ram (MiB)."""
        return self._find(key, "flavor", name, lambda opts: openstack.compute.get_flavor(name=name, opts=opts))

    def image(self, key: str, name: str) -> Any:
        """The newest image of a name."""
        return self._find(
            key, "image", name, lambda opts: openstack.images.get_image(name=name, most_recent=True, opts=opts)
        )

    def network(self, key: str, name: str) -> Any:
        """A network by its name."""
        return self._find(key, "network", name, lambda opts: openstack.networking.get_network(name=name, opts=opts))

    def done(self) -> None:
        """Raises SettingsError with a line for each name that was not found."""
        if self.problems:
            raise SettingsError("\n".join(self.problems))

    def _find(self, key: str, kind: str, name: str, find: Callable[[pulumi.InvokeOptions], Any]) -> Any:
        try:
            return find(pulumi.InvokeOptions(provider=self.provider))
        except Exception as problem:  # the SDK raises plain Exception for what the provider said
            said = str(problem).strip().splitlines()[-1] if str(problem).strip() else type(problem).__name__
            self.problems.append(
                f"  Pulumi.{self.stack}.yaml: {PROJECT}:{key} names the {kind} {name!r}, "
                f"which the cloud {self.cloud!r} did not give: {said}"
            )
            return None

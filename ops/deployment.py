"""Whose a stack is by its file, which is there before the first `up` and after `destroy`."""

from __future__ import annotations

from components.settings import PROJECT
from ops.cloud import OpsError
from ops.command import config_of


def whose(stack: str) -> tuple[str, str]:
    """The entry of clouds.yaml and the deployment's name. Raises OpsError where the file has no entry."""
    found = config_of(stack)
    cloud, name = (found.get(f"{PROJECT}:{key}", {}).get("value", "") for key in ("cloud", "name"))
    if not cloud:
        raise OpsError(f"Pulumi.{stack}.yaml has no {PROJECT}:cloud")
    return cloud, name or stack

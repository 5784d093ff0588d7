"""After an `up` that was cut off: remove what it had asked the cloud for and could not note in the state.

The next `pulumi up` would make those resources again, beside the ones that may be there already: two networks of one
name, a port that is taken, a volume that is attached. They come about in three ways:

- The engine was killed: its state lists the requests whose answer it never saw as pending.
- A request failed after the cloud had begun to carry it out (a service was killed, a time limit was over): the state
  knows nothing of it. A preview tells what the next `up` would make; some of that may be there.
- A request was carried out, but looking at the result failed, or there never was one (a server in the state ERROR):
  the state has it with an error. The next `up` would update it, which many resources refuse ("doesn't support
  update"). It is read again, or removed if it never got finished.

Only what no resource of the state owns, and what is not in use, is removed.

A killed engine also leaves its lock. It is removed when it is certain that the engine is dead, and only then: what
another engine has under way looks just like what a killed one left. Therefore the stack is held, as an engine holds it,
while the cloud is looked at and cleared (ops/locks.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from openstack.connection import Connection

from ops import locks, orphans
from ops.cloud import OpsError, connect
from ops.command import pulumi
from ops.releases import RELEASE, Releases

PORT = "openstack:networking/port:Port"
# Requests that leave nothing behind, or that are harmless to make again. (Components, which are no custom resources,
# are nothing in the cloud either.)
REPEATABLE = (
    "pulumi:",
    "random:",
    "tls:",
    "command:",
    "kubernetes:",  # the provider takes over what is there (but for releases: ops/releases.py)
    "openstack:networking/floatingIpAssociate:",
)
CREATES = ("create", "create-replacement", "replace")  # operations of a preview that make something new
Resource = dict[str, Any]


class Clouds:
    """The clouds that a state's resources are in, and what the state owns there."""

    def __init__(self, resources: list[Resource]) -> None:
        self.resources = resources
        self._entries = {
            f"{resource['urn']}::{resource['id']}": resource["inputs"].get("cloud", "")
            for resource in resources
            if resource["type"] == "pulumi:providers:openstack"
        }
        self._connections: dict[str, Connection] = {}

    def of(self, resource: Resource) -> Connection:
        """The cloud where a resource is, or would be."""
        entry = self._entries[resource["provider"]]
        if entry not in self._connections:
            self._connections[entry] = connect(entry)
        return self._connections[entry]

    def owned(self, resource: Resource) -> set[str]:
        """The ids of all resources of the same type that the state has."""
        return {str(one["id"]) for one in self.resources if one.get("id") and one["type"] == resource["type"]}


def _name(resource: Resource) -> str:
    return str(resource["urn"]).rpartition("::")[2]


def repeatable(resource: Resource) -> bool:
    """Whether a request for it leaves nothing in the cloud, or can be made again without harm."""
    return not resource["custom"] or resource["type"].startswith(REPEATABLE)


def recover(stack: str) -> list[str]:
    """Clear a dead engine's lock, and what requests that were cut off left in the cloud.

    Returns a line for each. Raises OpsError while an engine may be at work, and when something is found that must not
    be removed unseen: what is in use, what may hold data, what is of a type that is not known here.
    """
    lock = locks.of(stack)
    with lock.held():
        export = json.loads(pulumi("stack", "export", stack=stack))
        deployment = export["deployment"]
        pending = deployment.pop("pending_operations", None) or []
        clouds, releases = Clouds(deployment.get("resources") or []), Releases(stack)
        lines = [_clear(clouds, releases, operation) for operation in pending]
        lines += [releases.forget(one, known=True) for one in clouds.resources if one["type"] == RELEASE]
        said, unread = _discard_unfinished(clouds)
    # these two take the lock themselves
    if pending:
        pulumi("stack", "import", stack=stack, stdin=json.dumps(export))
    if unread:
        pulumi("refresh", "--yes", "--skip-preview", *unread, stack=stack)
    if clouds.resources:
        with lock.held():  # a preview asks for no lock
            said += _clear_unnoted(clouds, releases, list(_creates(stack)))
    gone = [f"{stack}: removed the lock {dead}, where that process is gone" for dead in lock.removed]
    return [*gone, *filter(None, lines), *said] or [f"{stack}: nothing to recover"]


def _unknown(names: list[str]) -> OpsError:
    return OpsError(
        f"recover does not know this type of resource: {', '.join(names)}. An `up` that was cut off may have made it "
        "without noting it, and the next one would make a second: look for it in the cloud, then `pulumi import` it or "
        "remove it by hand. What is not there needs nothing: `pulumi up`. Everything else is recovered"
    )


def _clear(clouds: Clouds, releases: Releases, operation: dict[str, Any]) -> str:
    """Remove what a pending request made, so that the state may forget it."""
    resource = operation["resource"]
    name, kind = _name(resource), orphans.kind_of(resource["type"])
    if operation["type"] == "creating" and resource["type"] == RELEASE:
        said = releases.forget(resource, known=False)
        return said or (f"{name}: never installed" if releases.answers(resource) else "")
    if operation["type"] != "creating" or repeatable(resource):
        return f"{name}: {operation['type']} {kind} can be made again"
    if kind not in orphans.KINDS:
        raise OpsError(
            f"recover does not know the type {resource['type']} of {name}, which was being made when the engine ended: "
            "look for it in the cloud. If it is there, remove it by hand (or note its id, to `pulumi import` it); "
            "then `pulumi refresh --clear-pending-creates`, and this command again for the rest"
        )
    removed = orphans.remove(clouds.of(resource), kind, resource["inputs"], clouds.owned(resource))
    if kind == orphans.INTERFACE:
        # Neutron removes a router's port with the interface: the state must not go on owning it
        clouds.resources[:] = [one for one in clouds.resources if one["type"] != PORT or one["id"] not in removed]
    return f"{name}: {kind} {'removed ' + ', '.join(removed) if removed else 'was never made'}"


def _discard_unfinished(clouds: Clouds) -> tuple[list[str], list[str]]:
    """Remove what the state has with an error and was never finished.

    A line for each resource with an error, and the arguments of `pulumi refresh` that read just those again.
    """
    lines, targets = [], []
    for resource in (one for one in clouds.resources if one.get("initErrors")):
        kind = orphans.kind_of(resource["type"])
        unfinished = kind in orphans.KINDS and orphans.discard(
            clouds.of(resource), kind, resource["inputs"], str(resource["id"])
        )
        lines.append(f"{_name(resource)}: {kind} {'was never finished: removed' if unfinished else 'read again'}")
        targets += ["--target", resource["urn"]]
    return lines, targets


def _creates(stack: str) -> Iterable[Resource]:
    """What the next `up` would make, with the inputs that are known already."""
    steps = json.loads(pulumi("preview", "--json", stack=stack)).get("steps") or []
    return [step["newState"] for step in steps if step["op"] in CREATES]


def _clear_unnoted(clouds: Clouds, releases: Releases, creates: Iterable[Resource]) -> list[str]:
    """Remove what is in the cloud already of all that the next `up` would make; a line for each.

    Raises OpsError at the end for what is of an unknown type, unless it depends on something that is not made yet.
    """
    lines, unknown = [], []
    for resource in creates:
        name, kind = _name(resource), orphans.kind_of(resource["type"])
        if resource["type"] == RELEASE and (said := releases.forget(resource, known=False)):
            lines.append(said)
        if repeatable(resource):
            continue
        if kind not in orphans.KINDS:
            unknown += [] if orphans.waits(resource["inputs"]) else [f"{name} ({resource['type']})"]
            continue
        cloud, owned = clouds.of(resource), clouds.owned(resource)
        found = orphans.find(cloud, kind, resource["inputs"], owned)
        for one in found:
            if orphans.KINDS[kind].holds and not orphans.KINDS[kind].unfinished(cloud, orphans.identity(one)):
                raise orphans.Unsafe(kind, resource["inputs"], one, "it may hold data")
        if found and (removed := orphans.remove(cloud, kind, resource["inputs"], owned)):
            lines.append(f"{name}: {kind} removed {', '.join(removed)}, which no state knew")
    if unknown:
        raise _unknown(unknown)
    return lines

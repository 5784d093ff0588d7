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
another engine has under way looks just like what a killed one left.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from openstack.connection import Connection

from ops import orphans
from ops.cloud import OpsError, connect

# What pulumi says of each lock of a stack.
LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
# What it says when it reads a file:// state at the moment at which an engine writes it; and how often to read again.
HALF_WRITTEN, READS = "failed to load checkpoint", 10
PORT = "openstack:networking/port:Port"
# Requests that leave nothing behind, or that are harmless to make again. (Components, which are no custom resources,
# are nothing in the cloud either.)
REPEATABLE = (
    "pulumi:",
    "random:",
    "tls:",
    "command:",
    "openstack:networking/floatingIpAssociate:",
)
CREATES = ("create", "create-replacement", "replace")  # operations of a preview that make something new
Resource = dict[str, Any]


def _pulumi(stack: str, *argv: str, stdin: str | None = None) -> str:
    words = ["pulumi", *argv, "--stack", stack, "--non-interactive"]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise OpsError(f"{' '.join(words[:3])} failed: {said[-1500:]}")
    return done.stdout


def _dead(lock: re.Match[str]) -> bool:
    """Whether the engine that made a lock is known to have ended: it ran on this machine, and its process is gone."""
    if lock["host"] != socket.gethostname():
        return False
    try:
        os.kill(int(lock["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _locks(stack: str) -> list[re.Match[str]]:
    """The locks that engines hold on a stack.

    Giving a stack the name that it has is refused: by its locks if there are any, otherwise because the name is taken.
    No other command tells of locks and changes nothing.
    """
    for _ in range(READS):
        try:
            _pulumi(stack, "stack", "rename", stack)
        except OpsError as refused:
            said = str(refused)
            if locks := list(LOCK.finditer(said)):
                return locks
            if "already exists" in said:
                return []
            if HALF_WRITTEN not in said:
                raise
            time.sleep(1)
    raise OpsError(f"{stack}: pulumi does not tell whether an engine is at work on it")


def _unlock(stack: str) -> list[str]:
    """Remove the locks of engines that are dead; a line for each. Raises OpsError while one may be alive."""
    locks = _locks(stack)
    for lock in locks:
        if not _dead(lock):
            raise OpsError(
                f"{stack} is locked, {lock[0]}: that run may be at work. Wait until it has ended. If you know that it "
                f"is dead: pulumi cancel --stack {stack}, then this command again"
            )
    if locks:
        _pulumi(stack, "cancel", "--yes")
    return [f"{stack}: removed the lock {lock[0]}, where that process is gone" for lock in locks]


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


def _repeatable(resource: Resource) -> bool:
    return not resource["custom"] or resource["type"].startswith(REPEATABLE)


def recover(stack: str) -> list[str]:
    """Clear a dead engine's lock, and what requests that were cut off left in the cloud.

    Returns a line for each. Raises OpsError while an engine may be at work, and when something is found that must not
    be removed unseen: what is in use, or what may hold data.
    """
    lines = _unlock(stack)
    export = json.loads(_pulumi(stack, "stack", "export"))
    deployment = export["deployment"]
    pending = deployment.pop("pending_operations", None) or []
    clouds = Clouds(deployment.get("resources") or [])
    if pending:
        lines += [_clear(clouds, operation) for operation in pending]
        _pulumi(stack, "stack", "import", stdin=json.dumps(export))
    lines += _read_again(stack, clouds)
    if clouds.resources:
        lines += _clear_unnoted(clouds, _creates(stack))
    return lines or [f"{stack}: nothing to recover"]


def _clear(clouds: Clouds, operation: dict[str, Any]) -> str:
    """Remove what a pending request made, so that the state may forget it."""
    resource = operation["resource"]
    name, kind = _name(resource), orphans.kind_of(resource["type"])
    if operation["type"] != "creating" or _repeatable(resource):
        return f"{name}: {operation['type']} {kind} can be made again"
    if kind not in orphans.KINDS:
        raise OpsError(f"{name} ({kind}) is pending: look for it in the cloud, then import or remove it by hand")
    removed = orphans.remove(clouds.of(resource), kind, resource["inputs"], clouds.owned(resource))
    if kind == orphans.INTERFACE:
        # Neutron removes a router's port with the interface: the state must not go on owning it
        clouds.resources[:] = [one for one in clouds.resources if one["type"] != PORT or one["id"] not in removed]
    return f"{name}: {kind} {'removed ' + ', '.join(removed) if removed else 'was never made'}"


def _read_again(stack: str, clouds: Clouds) -> list[str]:
    """Read the resources that the state has with an error; remove those that were never finished. A line for each."""
    unread = [resource for resource in clouds.resources if resource.get("initErrors")]
    lines, targets = [], []
    for resource in unread:
        kind = orphans.kind_of(resource["type"])
        unfinished = kind in orphans.KINDS and orphans.discard(
            clouds.of(resource), kind, resource["inputs"], str(resource["id"])
        )
        lines.append(f"{_name(resource)}: {kind} {'was never finished: removed' if unfinished else 'read again'}")
        targets += ["--target", resource["urn"]]
    if targets:
        _pulumi(stack, "refresh", "--yes", "--skip-preview", *targets)
    return lines


def _creates(stack: str) -> Iterable[Resource]:
    """What the next `up` would make, with the inputs that are known already."""
    steps = json.loads(_pulumi(stack, "preview", "--json")).get("steps") or []
    return [step["newState"] for step in steps if step["op"] in CREATES]


def _clear_unnoted(clouds: Clouds, creates: Iterable[Resource]) -> list[str]:
    """Remove what is in the cloud already of all that the next `up` would make; a line for each."""
    lines = []
    for resource in creates:
        name, kind = _name(resource), orphans.kind_of(resource["type"])
        if _repeatable(resource) or kind not in orphans.KINDS:
            continue
        cloud, owned = clouds.of(resource), clouds.owned(resource)
        found = orphans.find(cloud, kind, resource["inputs"], owned)
        for one in found:
            if orphans.KINDS[kind].holds and not orphans.KINDS[kind].unfinished(cloud, orphans.identity(one)):
                raise orphans.Unsafe(kind, resource["inputs"], one, "it may hold data")
        if found and (removed := orphans.remove(cloud, kind, resource["inputs"], owned)):
            lines.append(f"{name}: {kind} removed {', '.join(removed)}, which no state knew")
    return lines

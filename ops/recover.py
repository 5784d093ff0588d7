"""After an engine was killed: remove what it had asked the cloud for without noting the answer.

The state lists such requests as pending. The next `pulumi up` would make those resources again, beside the ones that
may be there already: two networks of one name, a port that is taken. Only what the state itself says is pending, and
what no resource of the state owns, is removed; it was never in use.

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from openstack.connection import Connection

from ops.cloud import OpsError, connect

WAIT = 120  # seconds for a removed resource to be gone
# What pulumi says of each lock of a stack.
LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
Inputs = dict[str, Any]
INTERFACE = "openstack:networking/routerInterface:"
PORT = "openstack:networking/port:Port"
# Pending requests that leave nothing behind, or that are harmless to make again. (Components, which are no custom
# resources, are nothing in the cloud either.)
REPEATABLE = (
    "pulumi:",
    "random:",
    "tls:",
    "command:",
    "openstack:networking/floatingIpAssociate:",
)


def _pulumi(stack: str, *argv: str, stdin: str | None = None) -> str:
    words = ["pulumi", *argv, "--stack", stack, "--non-interactive"]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OpsError(f"{' '.join(words[:3])} failed: {done.stderr.strip()[-1500:]}")
    return done.stdout


def _attachments(cloud: Connection, inputs: Inputs) -> Iterator[Any]:
    server = cloud.compute.find_server(inputs["instanceId"])
    found = cloud.compute.volume_attachments(server) if server else ()
    return (attachment for attachment in found if attachment.volume_id == inputs["volumeId"])


def _interfaces(cloud: Connection, inputs: Inputs) -> Iterator[Any]:
    ports = cloud.network.ports(device_id=inputs["routerId"])
    for port in ports:
        if port.id == inputs.get("portId") or inputs.get("subnetId") in [ip["subnet_id"] for ip in port.fixed_ips]:
            yield port


def _rules(cloud: Connection, inputs: Inputs) -> Iterator[Any]:
    return cloud.network.security_group_rules(
        security_group_id=inputs["securityGroupId"],
        direction=inputs["direction"],
        ether_type=inputs["ethertype"],
        port_range_min=inputs.get("portRangeMin"),
        port_range_max=inputs.get("portRangeMax"),
        remote_group_id=inputs.get("remoteGroupId"),
    )


@dataclass(frozen=True)
class _Route:
    """A static route of a router or subnet, and the routes beside it."""

    id: str
    others: list[Any]


def _routes(routes: list[Any], inputs: Inputs) -> Iterator[_Route]:
    """The provider takes a route that is there already for an error, so a pending one has to go."""
    for route in routes:
        if (route["destination"], route["nexthop"]) == (inputs["destinationCidr"], inputs["nextHop"]):
            yield _Route(route["destination"], [other for other in routes if other != route])


def _grants(cloud: Connection, inputs: Inputs) -> Iterator[Any]:
    rules = cloud.shared_file_system.access_rules(inputs["shareId"])
    return (rule for rule in rules if rule.access_to == inputs["accessTo"])


Find = Callable[[Connection, Inputs], Iterator[Any]]
Remove = Callable[[Connection, Inputs, Any], Any]

# By type: how to find what a pending request made, and how to remove it. Deployments name everything uniquely.
KINDS: dict[str, tuple[Find, Remove]] = {
    "openstack:compute/volumeAttach:": (
        _attachments,
        lambda c, i, found: c.compute.delete_volume_attachment(i["instanceId"], found.volume_id),
    ),
    "openstack:compute/instance:": (
        lambda c, i: c.compute.servers(name=f"^{i['name']}$"),
        lambda c, _, found: c.compute.delete_server(found),
    ),
    "openstack:compute/keypair:": (
        lambda c, i: (pair for pair in c.compute.keypairs() if pair.name == i["name"]),
        lambda c, _, found: c.compute.delete_keypair(found),
    ),
    "openstack:blockstorage/volume:": (
        lambda c, i: c.block_storage.volumes(name=i["name"]),
        lambda c, _, found: c.block_storage.delete_volume(found),
    ),
    "openstack:sharedfilesystem/shareAccess:": (
        _grants,
        lambda c, i, found: c.shared_file_system.delete_access_rule(found.id, i["shareId"]),
    ),
    "openstack:networking/floatingIp:": (
        lambda c, i: c.network.ips(description=i["description"]),
        lambda c, _, found: c.network.delete_ip(found),
    ),
    "openstack:networking/routerRoute:": (
        lambda c, i: _routes(c.network.get_router(i["routerId"]).routes, i),
        lambda c, i, found: c.network.update_router(i["routerId"], routes=found.others),
    ),
    "openstack:networking/subnetRoute:": (
        lambda c, i: _routes(c.network.get_subnet(i["subnetId"]).host_routes, i),
        lambda c, i, found: c.network.update_subnet(i["subnetId"], host_routes=found.others),
    ),
    "openstack:networking/secGroupRule:": (
        _rules,
        lambda c, _, found: c.network.delete_security_group_rule(found),
    ),
    "openstack:networking/secGroup:": (
        lambda c, i: c.network.security_groups(name=i["name"]),
        lambda c, _, found: c.network.delete_security_group(found),
    ),
    INTERFACE: (
        _interfaces,
        lambda c, i, found: c.network.get_router(i["routerId"]).remove_interface(c.network, port_id=found.id),
    ),
    "openstack:networking/port:": (
        lambda c, i: c.network.ports(name=i["name"], network_id=i["networkId"]),
        lambda c, _, found: c.network.delete_port(found),
    ),
    "openstack:networking/subnet:": (
        lambda c, i: c.network.subnets(name=i["name"], network_id=i["networkId"]),
        lambda c, _, found: c.network.delete_subnet(found),
    ),
    "openstack:networking/router:": (
        lambda c, i: c.network.routers(name=i["name"]),
        lambda c, _, found: c.network.delete_router(found),
    ),
    "openstack:networking/network:": (
        lambda c, i: c.network.networks(name=i["name"], project_id=c.current_project_id),
        lambda c, _, found: c.network.delete_network(found),
    ),
}


def _identity(found: Any) -> str:
    return str(getattr(found, "id", None) or found.name)


def _remove(cloud: Connection, kind: str, inputs: Inputs, owned: set[str]) -> list[str]:
    """Remove what one pending request made; the ids that were removed. Waits until they are gone."""
    find, remove = KINDS[kind]
    removed: list[str] = []
    deadline = time.monotonic() + WAIT
    while True:
        orphans = [found for found in find(cloud, inputs) if not owned & {_identity(found), getattr(found, "name", "")}]
        if not orphans:
            return removed
        for orphan in orphans:
            if _identity(orphan) not in removed:
                remove(cloud, inputs, orphan)
                removed.append(_identity(orphan))
        if time.monotonic() > deadline:
            raise OpsError(f"{kind} {inputs.get('name', '')} was removed, but is still there after {WAIT} s")
        time.sleep(0.5)


def _clouds(resources: list[dict[str, Any]]) -> dict[str, str]:
    """Entry of clouds.yaml by provider reference (`urn::id`)."""
    return {
        f"{resource['urn']}::{resource['id']}": resource["inputs"].get("cloud", "")
        for resource in resources
        if resource["type"] == "pulumi:providers:openstack"
    }


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
    try:
        _pulumi(stack, "stack", "rename", stack)
    except OpsError as refused:
        locks = list(LOCK.finditer(str(refused)))
        if not locks and "already exists" not in str(refused):
            raise
        return locks
    raise OpsError(f"pulumi renamed {stack} to the name that it had: this version is not known to tell of locks")


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


def recover(stack: str) -> list[str]:
    """Clear a dead engine's lock, the pending requests of a stack's state and what they left in the cloud.

    Returns a line for each. Raises OpsError while an engine may be at work, and when a pending request is of a kind
    that nothing may be removed of (a share holds data).
    """
    return _unlock(stack) + _clear(stack, json.loads(_pulumi(stack, "stack", "export")))


def _clear(stack: str, export: dict[str, Any]) -> list[str]:
    """Remove what pending requests made, and import the state without them."""
    deployment = export["deployment"]
    pending = deployment.pop("pending_operations", None) or []
    if not pending:
        return [f"{stack}: nothing is pending"]
    resources = deployment.get("resources") or []
    clouds, connections, lines = _clouds(resources), dict[str, Connection](), []
    for operation in pending:
        resource = operation["resource"]
        kind = resource["type"].rpartition(":")[0] + ":"
        name = resource["urn"].rpartition("::")[2]
        if operation["type"] != "creating" or not resource["custom"] or kind.startswith(REPEATABLE):
            lines.append(f"{name}: {operation['type']} {kind} can be made again")
            continue
        if kind not in KINDS:
            raise OpsError(f"{name} ({kind}) is pending: look for it in the cloud, import or remove it by hand")
        entry = clouds[resource["provider"]]
        cloud = connections.setdefault(entry, connect(entry))
        owned = {str(other["id"]) for other in resources if other.get("id") and other["type"] == resource["type"]}
        removed = _remove(cloud, kind, resource["inputs"], owned)
        if kind == INTERFACE:
            # Neutron removes a router's port with the interface: the state must not go on owning it
            resources[:] = [other for other in resources if other["type"] != PORT or other["id"] not in removed]
        lines.append(f"{name}: {kind} {'removed ' + ', '.join(removed) if removed else 'was never made'}")
    _pulumi(stack, "stack", "import", stdin=json.dumps(export))
    return lines

"""What a request that was cut off may have left in the cloud: how to find it, whether it is in use, how to remove it.

By type of the resource that was asked for. Deployments name everything uniquely, so that inputs say enough.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import openstack.exceptions
from openstack.connection import Connection

from ops.cloud import OpsError

WAIT = 120  # seconds for a removed resource to be gone
WAIT_FOR_CLUSTER = 30 * 60  # the same, for what Magnum made: servers, volumes, load balancers
NODE_GROUPS = "1.9"  # the version of Magnum's API that has them
NEVER_FINISHED = ("CREATE_FAILED", "CREATE_IN_PROGRESS")  # states of a cluster or node group
# What an API answers while something is still being made or taken away.
NOT_NOW = (openstack.exceptions.BadRequestException, openstack.exceptions.ConflictException)
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # what pulumi puts in place of a value that it does not know yet
Inputs = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """How to deal with what requests of one type make.

    `used` tells whether anything depends on it already. What `holds` something (data, a running host) is removed only
    where the state itself says that its request was cut off; wherever else it is found, a person has to look. Without
    `remove` a person always has to. `unfinished` finds by its id what the cloud gave up making, or never goes
    on with: it never worked, and holds nothing.
    """

    find: Callable[[Connection, Inputs], Iterator[Any]]
    remove: Callable[[Connection, Inputs, Any], Any] | None
    used: Callable[[Connection, Any], bool] = lambda _cloud, _found: False
    holds: bool = False
    unfinished: Callable[[Connection, str], Any] = lambda _cloud, _id: None
    wait: int = WAIT


class Unsafe(OpsError):
    """Something is in the cloud and not in the state, and only a person can say what to do with it."""

    def __init__(self, kind: str, inputs: Inputs, found: Any, why: str) -> None:
        super().__init__(
            f"{kind} {inputs.get('name', '')} ({identity(found)}) is in the cloud and not in the state, so that the "
            f"next `up` would make a second one, and {why}: look at it, then `pulumi import` it or remove it by hand"
        )


@dataclass(frozen=True)
class _Relation:
    """Something without an id of its own: called as the provider calls it in the state, with the way to remove it."""

    id: str
    take_away: Callable[[], Any]


def _take_away(_cloud: Connection, _inputs: Inputs, found: _Relation) -> None:
    found.take_away()


def _attachments(cloud: Connection, inputs: Inputs) -> Iterator[_Relation]:
    """Nova's attachment of the volume; where it has none, what Cinder still has of one that was broken off."""
    volumes: Any = cloud.block_storage
    server_id, volume_id = inputs["instanceId"], inputs["volumeId"]
    name, server = f"{server_id}/{volume_id}", cloud.compute.find_server(server_id)
    if server and volume_id in [one.volume_id for one in cloud.compute.volume_attachments(server)]:
        yield _Relation(name, lambda: cloud.compute.delete_volume_attachment(server, volume_id))
    elif volumes.get_volume(volume_id).status in ("reserved", "attaching"):
        for broken in volumes.attachments(volume_id=volume_id):
            yield _Relation(name, partial(volumes.delete_attachment, broken))


def _interfaces(cloud: Connection, inputs: Inputs) -> Iterator[Any]:
    for port in cloud.network.ports(device_id=inputs["routerId"]):
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


def _routes(owner: str, routes: list[Any], inputs: Inputs, keep: Callable[[list[Any]], Any]) -> Iterator[_Relation]:
    """The route; `keep` leaves only the others. The provider takes one that is there already for an error."""
    for route in routes:
        if (route["destination"], route["nexthop"]) == (inputs["destinationCidr"], inputs["nextHop"]):
            others = [other for other in routes if other != route]
            yield _Relation(f"{owner}-route-{route['destination']}-{route['nexthop']}", partial(keep, others))


def _router_routes(cloud: Connection, inputs: Inputs) -> Iterator[_Relation]:
    router = inputs["routerId"]
    found = cloud.network.get_router(router).routes
    return _routes(router, found, inputs, lambda others: cloud.network.update_router(router, routes=others))


def _subnet_routes(cloud: Connection, inputs: Inputs) -> Iterator[_Relation]:
    subnet = inputs["subnetId"]
    found = cloud.network.get_subnet(subnet).host_routes
    return _routes(subnet, found, inputs, lambda others: cloud.network.update_subnet(subnet, host_routes=others))


def _grants(cloud: Connection, inputs: Inputs) -> Iterator[Any]:
    rules = cloud.shared_file_system.access_rules(inputs["shareId"])
    return (rule for rule in rules if rule.access_to == inputs["accessTo"])


def _node_groups(cloud: Connection, inputs: Inputs) -> Iterator[_Relation]:
    """Those of the cluster with the name that was asked for; openstacksdk does not have them."""
    magnum: Any = cloud.container_infrastructure_management
    groups = f"/clusters/{inputs['clusterId']}/nodegroups"
    listed = magnum.get(groups, microversion=NODE_GROUPS)
    openstack.exceptions.raise_from_response(listed)
    for group in listed.json()["nodegroups"]:
        if group["name"] == inputs["name"]:
            take_away = partial(magnum.delete, f"{groups}/{group['uuid']}", microversion=NODE_GROUPS)
            yield _Relation(f"{inputs['clusterId']}/{group['uuid']}", take_away)


def _unfinished_cluster(cloud: Connection, cluster_id: str) -> Any:
    cluster = cloud.container_infrastructure_management.find_cluster(cluster_id)
    return cluster if cluster and cluster.status in NEVER_FINISHED else None


def _credentials(cloud: Connection, inputs: Inputs) -> Iterator[_Relation]:
    """The user's own application credentials of this name."""
    keystone: Any = cloud.identity
    user = cloud.current_user_id
    for one in keystone.application_credentials(user, name=inputs["name"]):
        yield _Relation(one.id, partial(keystone.delete_application_credential, user, one))


def _has_clusters(cloud: Connection, template: Any) -> bool:
    clusters = cloud.container_infrastructure_management.clusters()
    return template.uuid in [cluster.cluster_template_id for cluster in clusters]


def _unfinished_server(cloud: Connection, server_id: str) -> Any:
    server = cloud.compute.find_server(server_id)
    return server if server and server.status in ("ERROR", "BUILD") else None


def _unfinished_volume(cloud: Connection, volume_id: str) -> Any:
    volume = cloud.block_storage.find_volume(volume_id)
    return volume if volume and volume.status in ("error", "creating") else None


def _bare_group(cloud: Connection, group_id: str) -> Any:
    """A security group that lets nothing in yet, and that no port has: what is made after it is not there."""
    group = cloud.network.find_security_group(group_id)
    if not group or any(rule["direction"] == "ingress" for rule in group.security_group_rules):
        return None
    return None if any(cloud.network.ports(security_group_ids=[group_id])) else group


def _has_interfaces(cloud: Connection, router: Any) -> bool:
    return any(port.device_owner != "network:router_gateway" for port in cloud.network.ports(device_id=router.id))


def _has_ports(cloud: Connection, subnet: Any) -> bool:
    ports = cloud.network.ports(network_id=subnet.network_id)
    return any(
        ip["subnet_id"] == subnet.id and port.device_owner != "network:dhcp" for port in ports for ip in port.fixed_ips
    )


INTERFACE = "openstack:networking/routerInterface:"
KINDS: dict[str, Kind] = {
    "openstack:identity/applicationCredential:": Kind(_credentials, _take_away),
    "openstack:compute/volumeAttach:": Kind(_attachments, _take_away),
    "openstack:compute/instance:": Kind(
        lambda c, i: c.compute.servers(name=f"^{i['name']}$"),
        lambda c, _, found: c.compute.delete_server(found),
        holds=True,
        unfinished=_unfinished_server,
    ),
    "openstack:compute/keypair:": Kind(
        lambda c, i: (pair for pair in c.compute.keypairs() if pair.name == i["name"]),
        lambda c, _, found: c.compute.delete_keypair(found),
        holds=True,
    ),
    "openstack:blockstorage/volume:": Kind(
        lambda c, i: c.block_storage.volumes(name=i["name"]),
        lambda c, _, found: c.block_storage.delete_volume(found),
        holds=True,
        unfinished=_unfinished_volume,
    ),
    "openstack:containerinfra/clusterTemplate:": Kind(
        lambda c, i: (t for t in c.container_infrastructure_management.cluster_templates() if t.name == i["name"]),
        lambda c, _, found: c.container_infrastructure_management.delete_cluster_template(found),
        used=_has_clusters,
    ),
    "openstack:containerinfra/cluster:": Kind(
        lambda c, i: (one for one in c.container_infrastructure_management.clusters() if one.name == i["name"]),
        lambda c, _, found: c.container_infrastructure_management.delete_cluster(found),
        holds=True,
        unfinished=_unfinished_cluster,
        wait=WAIT_FOR_CLUSTER,
    ),
    "openstack:containerinfra/nodeGroup:": Kind(_node_groups, _take_away, wait=WAIT_FOR_CLUSTER),
    "openstack:sharedfilesystem/share:": Kind(
        lambda c, i: (share for share in c.shared_file_system.shares(details=True) if share.name == i["name"]),
        remove=None,
        holds=True,
    ),
    "openstack:sharedfilesystem/shareAccess:": Kind(
        _grants,
        lambda c, i, found: c.shared_file_system.delete_access_rule(found.id, i["shareId"]),
    ),
    "openstack:networking/floatingIp:": Kind(
        lambda c, i: c.network.ips(description=i["description"]),
        lambda c, _, found: c.network.delete_ip(found),
        used=lambda _, found: bool(found.port_id),
    ),
    "openstack:networking/routerRoute:": Kind(_router_routes, _take_away),
    "openstack:networking/subnetRoute:": Kind(_subnet_routes, _take_away),
    "openstack:networking/secGroupRule:": Kind(
        _rules,
        lambda c, _, found: c.network.delete_security_group_rule(found),
    ),
    "openstack:networking/secGroup:": Kind(
        lambda c, i: c.network.security_groups(name=i["name"]),
        lambda c, _, found: c.network.delete_security_group(found),
        holds=True,
        unfinished=_bare_group,
    ),
    INTERFACE: Kind(
        _interfaces,
        lambda c, i, found: c.network.get_router(i["routerId"]).remove_interface(c.network, port_id=found.id),
    ),
    "openstack:networking/port:": Kind(
        lambda c, i: c.network.ports(name=i["name"], network_id=i["networkId"]),
        lambda c, _, found: c.network.delete_port(found),
        used=lambda _, found: bool(found.device_id),
    ),
    "openstack:networking/subnet:": Kind(
        lambda c, i: c.network.subnets(name=i["name"], network_id=i["networkId"]),
        lambda c, _, found: c.network.delete_subnet(found),
        used=_has_ports,
    ),
    "openstack:networking/router:": Kind(
        lambda c, i: c.network.routers(name=i["name"]),
        lambda c, _, found: c.network.delete_router(found),
        used=_has_interfaces,
    ),
    "openstack:networking/network:": Kind(
        lambda c, i: c.network.networks(name=i["name"], project_id=c.current_project_id),
        lambda c, _, found: c.network.delete_network(found),
        used=lambda _, found: bool(found.subnet_ids),
    ),
}


def kind_of(resource_type: str) -> str:
    """The type without its class name: `openstack:networking/port:Port` -> `openstack:networking/port:`."""
    return resource_type.rpartition(":")[0] + ":"


def identity(found: Any) -> str:
    """What the state calls it."""
    return str(getattr(found, "id", None) or found.name)


def waits(inputs: Inputs) -> bool:
    """Whether an input is not known yet: what depends on something that is not made cannot have been asked for."""
    return UNKNOWN in json.dumps(inputs)


def find(cloud: Connection, kind: str, inputs: Inputs, owned: set[str]) -> list[Any]:
    """What such a request made and no resource of the state owns.

    Nothing, while an input is not known yet, or where that which it would belong to is gone.
    """
    if waits(inputs):
        return []
    try:
        found = list(KINDS[kind].find(cloud, inputs))
    except openstack.exceptions.NotFoundException:
        return []
    return [one for one in found if not owned & {identity(one), getattr(one, "name", "")}]


def remove(cloud: Connection, kind: str, inputs: Inputs, owned: set[str]) -> list[str]:
    """Remove what one request made; the ids that were removed. Waits until they are gone.

    Raises Unsafe when one must not be removed unseen, OpsError when one does not go.
    """
    return _remove_all(cloud, kind, inputs, lambda: find(cloud, kind, inputs, owned))


def discard(cloud: Connection, kind: str, inputs: Inputs, resource_id: str) -> bool:
    """Remove what never got finished, and wait until it is gone; false if it is finished, or gone already."""

    def unfinished() -> list[Any]:
        found = KINDS[kind].unfinished(cloud, resource_id)
        return [] if found is None else [found]

    return bool(_remove_all(cloud, kind, inputs, unfinished))


def _remove_all(cloud: Connection, kind: str, inputs: Inputs, look: Callable[[], list[Any]]) -> list[str]:
    """Remove what is found, until nothing is found any more."""
    removed: list[str] = []
    wait = KINDS[kind].wait
    refused, deadline = "", time.monotonic() + wait
    while found := look():
        if time.monotonic() > deadline:
            raise OpsError(f"{kind} {inputs.get('name', '')} is still there {wait} s after its removal. {refused}")
        for one in found:
            if identity(one) not in removed:
                refused = _try_to_remove(cloud, kind, inputs, one)
                removed += [] if refused else [identity(one)]
        time.sleep(0.5)
    return removed


def _try_to_remove(cloud: Connection, kind: str, inputs: Inputs, found: Any) -> str:
    """What the cloud says if it cannot be removed now; empty if it can."""
    try:
        _remove_one(cloud, kind, inputs, found)
    except NOT_NOW as busy:
        return str(busy)
    return ""


def _remove_one(cloud: Connection, kind: str, inputs: Inputs, orphan: Any) -> None:
    if KINDS[kind].used(cloud, orphan):
        raise Unsafe(kind, inputs, orphan, "it is in use")
    remove_it = KINDS[kind].remove
    if remove_it is None:
        raise Unsafe(kind, inputs, orphan, "it may hold data")
    remove_it(cloud, inputs, orphan)

"""Fill an empty cloud with the sandbox's world: projects and users, networks, flavors, images, types.

`python -m sandbox.services.bootstrap identity | world` inside the sandbox's namespace; both may be run again.
"""

import sys
from collections.abc import Callable
from typing import Any

from sandbox.configuration.secrets import secrets_of
from sandbox.layout import (
    ADMIN,
    API,
    FLAVORS,
    IMAGES,
    LOOPBACK,
    PROJECTS,
    PROVIDER_NETWORKS,
    REGION,
    SERVICE,
    SHARE_TYPE,
    VOLUME_TYPE,
    Image,
    Layout,
    Port,
    ProviderNetwork,
)
from sandbox.services.api import Api
from sandbox.services.readiness import Deadline, login

# name, type, port, path of the entries of the service catalogue
CATALOGUE = (
    ("glance", "image", Port.GLANCE, ""),
    ("placement", "placement", Port.PLACEMENT, ""),
    ("neutron", "network", Port.NEUTRON, ""),
    ("nova", "compute", Port.NOVA, "/v2.1"),
    ("cinderv3", "volumev3", Port.CINDER, "/v3/%(project_id)s"),
    ("cinder", "block-storage", Port.CINDER, "/v3/%(project_id)s"),
    ("manilav2", "sharev2", Port.MANILA, "/v2"),
    ("manila", "shared-file-system", Port.MANILA, "/v2"),
    ("magnum", "container-infra", Port.MAGNUM, "/v1"),
    ("octavia", "load-balancer", Port.OCTAVIA, ""),
    ("swift", "object-store", Port.SWIFT, "/v1/AUTH_%(project_id)s"),
)
MEMBER_ROLES = ("member", "reader", "swiftoperator", "load-balancer_member")
EXTRA_ROLES = ("ResellerAdmin", "swiftoperator", "load-balancer_member")
# What hosts boot is the sandbox's own image whatever is asked for: the content has to exist, no more.
IMAGE_CONTENT = b"An image of the sandbox: see its README.\n" + bytes(1024)


def identity(layout: Layout, api: Api) -> None:
    """Projects, users, roles, the service catalogue."""
    passwords = secrets_of(layout).users
    roles = {name: _keystone(api, "role", name=name)["id"] for name in EXTRA_ROLES}
    roles |= {role["name"]: role["id"] for role in api.get(Port.KEYSTONE, "/v3/roles")["roles"]}
    admin = _named(api.get(Port.KEYSTONE, "/v3/users")["users"], ADMIN)
    for name in (SERVICE, *PROJECTS):
        project = _keystone(api, "project", name=name, domain_id="default")
        values = {"domain_id": "default", "default_project_id": project["id"], "password": passwords[name]}
        user = _keystone(api, "user", name=name, **values)
        granted = (ADMIN, SERVICE) if name == SERVICE else MEMBER_ROLES
        grants = [(user, role) for role in granted] + [(admin, ADMIN)]
        for grantee, role in grants:
            path = f"/v3/projects/{project['id']}/users/{grantee['id']}/roles/{roles[role]}"
            api.call("PUT", Port.KEYSTONE, path)
    _catalogue(api)


def _catalogue(api: Api) -> None:
    existing = {service["type"] for service in api.get(Port.KEYSTONE, "/v3/services")["services"]}
    for name, kind, port, path in CATALOGUE:
        if kind in existing:
            continue
        body = {"service": {"name": name, "type": kind}}
        service = api.post(Port.KEYSTONE, "/v3/services", body)["service"]
        for interface in ("public", "internal", "admin"):
            endpoint = {
                "service_id": service["id"],
                "interface": interface,
                "url": (f"https://{API}" if interface == "public" else f"http://{LOOPBACK}") + f":{int(port)}{path}",
                "region_id": REGION,
            }
            api.post(Port.KEYSTONE, "/v3/endpoints", {"endpoint": endpoint})


def _keystone(api: Api, kind: str, **values: Any) -> dict[str, Any]:
    """The entity of this name; made if it does not exist."""
    listed = api.get(Port.KEYSTONE, f"/v3/{kind}s")[f"{kind}s"]
    found = _named(listed, values["name"])
    return found or dict(api.post(Port.KEYSTONE, f"/v3/{kind}s", {kind: values})[kind])


def _named(entities: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next((entity for entity in entities if entity["name"] == name), {})


def world(_: Layout, api: Api) -> None:
    """External networks, flavors, images, the volume type, the share type."""
    for network in PROVIDER_NETWORKS:
        _network(api, network)
    for flavor in FLAVORS:
        if not _named(api.get(Port.NOVA, "/v2.1/flavors")["flavors"], flavor.name):
            size = {"name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram, "disk": flavor.disk}
            size["OS-FLV-EXT-DATA:ephemeral"] = flavor.ephemeral
            api.post(Port.NOVA, "/v2.1/flavors", {"flavor": size})
    for image in IMAGES:
        _image(api, image)
    if not _named(api.get(Port.CINDER, "/v3/PROJECT/types")["volume_types"], VOLUME_TYPE):
        volumes = {"name": VOLUME_TYPE, "extra_specs": {"volume_backend_name": VOLUME_TYPE}}
        api.post(Port.CINDER, "/v3/PROJECT/types", {"volume_type": volumes})
    if not _named(api.get(Port.MANILA, "/v2/types")["share_types"], SHARE_TYPE):
        api.post(Port.MANILA, "/v2/types", {"share_type": SHARE_TYPE_BODY})


SHARE_TYPE_BODY = {
    "name": SHARE_TYPE,
    "share_type_access:is_public": True,
    "extra_specs": {
        "driver_handles_share_servers": "false",
        "snapshot_support": "true",
        "vendor_name": "Ceph",
        "storage_protocol": "CEPHFS",
    },
}


def _network(api: Api, network: ProviderNetwork) -> None:
    listed = api.get(Port.NEUTRON, f"/v2.0/networks?name={network.name}")["networks"]
    body = {
        "name": network.name,
        "router:external": True,
        "shared": False,
        "provider:network_type": "flat",
        "provider:physical_network": network.physical_network,
    }
    found = listed[0] if listed else api.post(Port.NEUTRON, "/v2.0/networks", {"network": body})["network"]
    if found["subnets"]:
        return
    subnet = {
        "name": network.name,
        "network_id": found["id"],
        "ip_version": 4,
        "cidr": str(network.cidr),
        "gateway_ip": str(network.gateway),
        "enable_dhcp": False,
        "allocation_pools": [{"start": str(network.pool[0]), "end": str(network.pool[1])}],
    }
    api.post(Port.NEUTRON, "/v2.0/subnets", {"subnet": subnet})


def _image(api: Api, image: Image) -> None:
    listed = api.get(Port.GLANCE, f"/v2/images?name={image.name}")["images"]
    body = {
        "name": image.name,
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "public",
        "os_distro": image.os_distro,
        "min_disk": 8,
        **dict(image.properties),
    }
    made = listed[0] if listed else api.post(Port.GLANCE, "/v2/images", body)
    if made["status"] == "queued":
        api.call("PUT", Port.GLANCE, f"/v2/images/{made['id']}/file", content=IMAGE_CONTENT)


def main(step: str) -> None:
    steps: dict[str, Callable[[Layout, Api], None]] = {"identity": identity, "world": world}
    layout = Layout.here()
    api = Api(layout)
    login(api, Deadline(60))
    steps[step](layout, api)


if __name__ == "__main__":
    main(sys.argv[1])

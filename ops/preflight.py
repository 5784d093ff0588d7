"""Whether an `up` can succeed, before it spends an hour: all that can be known without making anything, in one table.

What a stack would make is counted from its preview, which also says what is wrong with its file and which names the
cloud does not have.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from openstack.connection import Connection

from components.record import type_of
from components.settings import versions
from ops.archives import chosen
from ops.cloud import connect
from ops.command import config_of
from ops.deployment import whose
from ops.review import CREATE, REPLACE, Change, changes, errors, preview

SKEW = 30  # seconds: more, and tokens and signatures of requests are refused
LIMIT = 20  # seconds for an answer
GIB = 2**30
INSTANCE = "openstack:compute/instance:Instance"
VOLUME = "openstack:blockstorage/volume:Volume"
# One of what a quota counts, by type. A router's interface is a port of its own, and so is a floating IP.
COUNTED = {
    INSTANCE: ("instances",),
    VOLUME: ("volumes",),
    "openstack:compute/keypair:Keypair": ("key pairs",),
    "openstack:networking/network:Network": ("networks",),
    "openstack:networking/subnet:Subnet": ("subnets",),
    "openstack:networking/router:Router": ("routers",),
    "openstack:networking/port:Port": ("ports",),
    "openstack:networking/routerInterface:RouterInterface": ("ports",),
    "openstack:networking/floatingIp:FloatingIp": ("floating IPs",),
    "openstack:networking/secGroup:SecGroup": ("security groups", *("security group rules",) * 2),  # with its egress
    "openstack:networking/secGroupRule:SecGroupRule": ("security group rules",),
    "openstack:sharedfilesystem/share:Share": ("shares",),
    "openstack:containerinfra/cluster:Cluster": ("clusters",),
}
ROW = "{:<24} {:<9} {}"


@dataclass(frozen=True)
class Flavor:
    """What a server of it takes of the quotas, and its root disk in GiB (0: as large as the image)."""

    vcpus: int
    ram_mib: int
    disk_gib: int


@dataclass(frozen=True)
class Check:
    """What was looked at and found; `wrong` says what to do, and is empty where there is nothing to do."""

    what: str
    found: str
    wrong: str = ""

    def __str__(self) -> str:
        return ROW.format(self.what, "wrong" if self.wrong else "well", self.wrong or self.found)


Room = Mapping[str, tuple[int, int]]  # of a quota: what there may be (-1: any number), what there is


def preflight(stack: str) -> tuple[list[str], bool]:
    """The table, and whether nothing is wrong. Raises OpsError when the cloud cannot be asked at all."""
    entry, deployment = whose(stack)
    cloud, seen = connect(entry), preview(stack)
    if said := "\n".join(seen["refused"]) or errors(seen):
        return [str(Check("the stack's file", "", said))], False
    new = [change for change in changes(seen) if change.verb == CREATE]
    flavors = {one.name: Flavor(one.vcpus, one.ram, one.disk) for one in cloud.compute.flavors()}
    found = [
        Check("the stack's file", f"{len(new)} resources would be made"),
        Check("project", cloud.current_project.name),
        *quotas(needed(changes(seen), flavors), room(cloud)),
        *root_disks(new, flavors, {image.id: image for image in cloud.image.images()}),
        *namesakes(deployment, new, [server.name for server in cloud.compute.servers()]),
        clock(told_time(cloud), time.time()),
        *downloads(stack),
    ]
    return [str(check) for check in found], not any(check.wrong for check in found)


def needed(found: list[Change], flavors: Mapping[str, Flavor]) -> Counter[str]:
    """What of each quota the changes take. Pure."""
    takes: Counter[str] = Counter()
    for change in found:
        if change.verb in (CREATE, REPLACE):
            inputs, kind = change.after.get("inputs", {}), type_of(change.urn)
            old = change.before.get("inputs", {}) if change.verb == REPLACE else {}
            takes.update(() if old else COUNTED.get(kind, ()))
            if kind == INSTANCE:
                now, before = (flavors.get(one.get("flavorName", ""), Flavor(0, 0, 0)) for one in (inputs, old))
                takes.update({"cores": now.vcpus - before.vcpus, "RAM MiB": now.ram_mib - before.ram_mib})
        if type_of(change.urn) == VOLUME:
            sizes = (int(state.get("inputs", {}).get("size", 0)) for state in (change.after, change.before))
            takes["volume GiB"] += max(next(sizes) - next(sizes), 0)
    return takes


def quotas(takes: Mapping[str, int], there: Room) -> Iterator[Check]:
    """Whether what is taken fits. Pure."""
    for what, count in takes.items():
        limit, used = there.get(what, (-1, 0))
        if count <= 0:
            continue
        free = f"{count} needed, {limit - used if limit >= 0 else 'any number'} free"
        short = count - (limit - used) if limit >= 0 else 0
        yield Check(what, free, f"{free}: the project's quota is {short} too small" if short > 0 else "")


def room(cloud: Connection) -> Room:
    """What the project's quotas are, and what of them is used; what cannot be asked is left out."""
    found: dict[str, tuple[int, int]] = {}
    compute = cloud.compute.get_limits().absolute
    found["instances"] = (compute.instances, compute.instances_used)
    found["cores"] = (compute.total_cores, compute.total_cores_used)
    found["RAM MiB"] = (compute.total_ram, compute.total_ram_used)
    volumes = cloud.block_storage.get_limits().absolute
    found["volumes"] = (volumes.max_total_volumes, volumes.total_volumes_used)
    found["volume GiB"] = (volumes.max_total_volume_gigabytes, volumes.total_gigabytes_used)
    network = cloud.network.get_quota(str(cloud.current_project_id), details=True)
    for what in ("networks", "subnets", "routers", "ports", "floating IPs", "security groups", "security group rules"):
        known = getattr(network, what.lower().replace(" ", "_"))
        found[what] = (int(known["limit"]), int(known["used"]))
    return found


def root_disks(new: list[Change], flavors: Mapping[str, Flavor], images: Mapping[str, Any]) -> Iterator[Check]:
    """Whether each image fits into the root disks of the flavors that it is used with. Pure."""
    for flavor, image in sorted({_server(change) for change in new if type_of(change.urn) == INSTANCE}):
        if flavor in flavors and image in images:
            disk, name = flavors[flavor].disk_gib, images[image].name
            wants = max(images[image].min_disk or 0, -(-(images[image].size or 0) // GIB))
            short = f"{flavor} has a root disk of {disk} GiB, {name} needs {wants}" if 0 < disk < wants else ""
            yield Check(f"root disk {flavor}", f"{disk or 'any number of'} GiB for {name}", short)


def _server(change: Change) -> tuple[str, str]:
    inputs = change.after.get("inputs", {})
    return inputs.get("flavorName", ""), inputs.get("imageId", "")


def namesakes(deployment: str, new: list[Change], servers: list[str]) -> Iterator[Check]:
    """Whether servers have the names that would be given, which this stack has not made. Pure."""
    wanted = {change.after["inputs"].get("name", "") for change in new if type_of(change.urn) == INSTANCE}
    there = sorted(wanted & set(servers))
    if wanted:
        yield Check(
            "another of that name", "none",
            f"the project has {', '.join(there)} already, of which this stack's state knows nothing: "
            f"`ops recover` if an `up` of {deployment} was killed, else another gaia:name" if there else "",
        )  # fmt: skip


def told_time(cloud: Connection) -> str:
    """What Keystone says that the time is, as its web server writes it; empty where it does not."""
    url = str(cloud.session.get_endpoint(service_type="identity"))
    return str(cloud.session.get(url, authenticated=False, raise_exc=False).headers.get("Date") or "")


def clock(told: str, now: float) -> Check:
    """Whether this machine and the cloud agree about the time. Pure."""
    if not told:
        return Check("clock", "the cloud does not tell its time")
    off = now - parsedate_to_datetime(told).timestamp()
    return Check("clock", f"{off:+.0f} s", f"{off:+.0f} s from the cloud's: set it" if abs(off) > SKEW else "")


def downloads(stack: str) -> Iterator[Check]:
    """Whether the archives that hosts download are where the stack says, as seen from here."""
    found = config_of(stack)
    for archive in chosen(found, versions()) if found.get("gaia:hosts") else ():
        request = urllib.request.Request(archive.url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                mib = int(answer.headers.get("Content-Length") or 0) >> 20
                yield Check(archive.name, f"{mib} MiB at {archive.url}")
        except urllib.error.HTTPError as refused:
            yield Check(archive.name, "", f"{archive.url} is answered with {refused.code}: `ops archives`")
        except OSError as problem:
            yield Check(archive.name, f"{archive.url} cannot be reached from here ({problem}); hosts may")

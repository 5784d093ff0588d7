"""Manila shares: the catalogue that `gaia-data` keeps, and a deployment's own access to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi
import pulumi_openstack as openstack

from components.cloud import Entry
from components.secret import secret
from components.settings.common import Share

MANILA_PROTOCOL = "CEPHFS"


def cephx_identity(deployment: str, project_id: str, share: str, mode: str, generation: int = 0) -> str:
    """The deployment's own cephx user for a share: unique in the whole Ceph cluster, without `-`.

    Manila gives each identity one key, valid wherever it is granted; so every share of a deployment gets its own, and
    a key is replaced by another identity (`generation`). Deployments of one name may be in several projects: eight
    digits of the project's id keep them apart.
    """
    words = [deployment, project_id[:8], share, mode, *([str(generation)] if generation else [])]
    return re.sub(r"[^A-Za-z0-9]+", "_", "_".join(words)).lower()


@dataclass(frozen=True)
class Export:
    """Where ceph-fuse finds a share: `monitors` as host:port, comma separated, and the path in the file system."""

    monitors: str
    path: str

    @classmethod
    def parse(cls, location: str) -> Export:
        """Split an export location such as `10.4.200.9:6789,10.4.200.13:6789:/volumes/_nogroup/UUID`.

        Raises ValueError when it is not CephFS's.
        """
        monitors, found, path = location.partition(":/")
        if not found or not re.fullmatch(r"[^\s,]+:\d+(,[^\s,]+:\d+)*", monitors):
            raise ValueError(f"{location!r} is not a CephFS export location: monitor:port,...:/path")
        return cls(monitors, "/" + path)


class Mountable(Protocol):
    """A share with the access that it is mounted by: its name in Manila, GiB, ro or rw, a cephx identity."""

    share: str
    mode: str
    identity: str
    location: pulumi.Output[str]
    size: pulumi.Output[int]
    key: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class ShareGrantArgs:
    """`share`: name in Manila; `deployment` and `project_id`: whose access this is; `mode`: ro or rw.

    A changed `generation` replaces the key.
    """

    share: str
    mount: str
    mode: str
    deployment: str
    project_id: str
    data_provider: openstack.Provider
    generation: int = 0


class ShareGrant(pulumi.ComponentResource):
    """A deployment's cephx identity on one share of the data project.

    Child: ShareAccess. The share itself is only looked up by name, never managed: destroying the deployment revokes
    exactly this identity and cannot touch the data.
    """

    location: pulumi.Output[str]
    size: pulumi.Output[int]  # GiB
    key: pulumi.Output[str]
    identity: str

    def __init__(self, name: str, args: ShareGrantArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:storage:ShareGrant", name, None, opts)
        self.share, self.mount, self.mode = args.share, args.mount, args.mode
        self.identity = cephx_identity(args.deployment, args.project_id, args.share, args.mode, args.generation)
        share = openstack.sharedfilesystem.get_share_output(
            name=args.share, opts=pulumi.InvokeOutputOptions(provider=args.data_provider, parent=self)
        )
        child = pulumi.ResourceOptions(parent=self, provider=args.data_provider)
        self.size = share.size
        self.location = share.export_locations.apply(lambda found: found[0].path)
        self.key = _access(name, share.id, self.identity, self.mode, child)
        self.register_outputs({"identity": self.identity})


def grants(
    shares: Sequence[Share],
    deployment: str,
    project_id: str,
    data: Entry,
    child: pulumi.ResourceOptions,
    generation: int = 0,
) -> list[ShareGrant]:
    """The deployment's access to each share of its config; `data` is the entry of the project that owns them."""
    if not shares:
        return []
    provider = data.provider("data")
    return [
        ShareGrant(
            share.name,
            ShareGrantArgs(
                share=share.name,
                mount=share.mount,
                mode=share.mode,
                deployment=deployment,
                project_id=project_id,
                generation=generation,
                data_provider=provider,
            ),
            child,
        )
        for share in shares
    ]


@dataclass(frozen=True, kw_only=True)
class OwnShareArgs:
    """`size` in GiB; `deployment` and `project_id`: whose share this is."""

    name: str
    size: int
    share_type: str
    description: str
    deployment: str
    project_id: str


class OwnShare(pulumi.ComponentResource):
    """A share of the deployment's own, which it writes: it lives as long as the deployment.

    Children: Share, ShareAccess. Not managed here: what lies in it.
    """

    share: str
    location: pulumi.Output[str]
    size: pulumi.Output[int]  # GiB
    key: pulumi.Output[str]
    identity: str
    mode = "rw"

    def __init__(self, name: str, args: OwnShareArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:storage:OwnShare", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.share = args.name
        self.identity = cephx_identity(args.deployment, args.project_id, args.name, self.mode)
        share = _share(name, args.name, args.size, args.share_type, args.description, child)
        self.size = share.size
        self.location = share.export_locations.apply(lambda found: str(found[0].path))
        self.key = _access(name, share.id, self.identity, self.mode, child)
        self.register_outputs({"identity": self.identity})


@dataclass(frozen=True, kw_only=True)
class CatalogueArgs:
    """A catalogue share: `size` in GiB."""

    name: str
    size: int
    share_type: str


class Catalogue(pulumi.ComponentResource):
    """A share that outlives every deployment: protected, and kept in the cloud even if its state is destroyed.

    Child: Share. Not managed here: access rules (each deployment makes its own) and what lies in it.
    """

    def __init__(self, name: str, args: CatalogueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:storage:Catalogue", name, None, opts)
        lasting = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        description = "Gaia catalogue, read-only for deployments"
        share = _share(name, args.name, args.size, args.share_type, description, lasting)
        self.share_id = share.id
        self.register_outputs({"shareId": share.id})


def _share(
    name: str, called: str, size: int, share_type: str, description: str, opts: pulumi.ResourceOptions
) -> openstack.sharedfilesystem.Share:
    """A CephFS share that Manila calls so. `size` in GiB."""
    # Manila writes keys of its own into the metadata (__mount_options)
    own = pulumi.ResourceOptions(ignore_changes=["metadata"])
    return openstack.sharedfilesystem.Share(
        name,
        name=called,
        share_proto=MANILA_PROTOCOL,
        share_type=share_type,
        size=size,
        description=description,
        opts=pulumi.ResourceOptions.merge(opts, own),
    )


def _access(
    name: str, share_id: pulumi.Input[str], identity: str, level: str, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """A cephx identity's access to a share, `ro` or `rw`; its key."""
    own = pulumi.ResourceOptions(additional_secret_outputs=["accessKey"])
    access = openstack.sharedfilesystem.ShareAccess(
        name,
        share_id=share_id,
        access_type="cephx",
        access_to=identity,
        access_level=level,
        opts=pulumi.ResourceOptions.merge(opts, own),
    )
    return secret(access.access_key)

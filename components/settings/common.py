"""Settings that every deployment has, whatever its platform: where it lives, its network, its people, its shares."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from components.settings.base import Model, MountPoint, Name

DEPLOY_USER = "deploy"  # whom configuration is pushed as
# The accounts of the daemons: every platform's, so that a person can have one login on all of them. Fixed ids: what
# they own on a volume must still be theirs on a replaced server.
SERVICE_ACCOUNTS = {"hdfs": 881, "yarn": 882, "spark": 883, "zeppelin": 884}
PLATFORM_LOGINS = frozenset((DEPLOY_USER, *SERVICE_ACCOUNTS))
# Accounts and groups that distributions have already (Debian's base-passwd, Fedora's setup, cloud images' logins,
# packages that hosts get): an account of that name exists, or its group does, and useradd fails on the hosts.
SYSTEM_LOGINS = frozenset(
    (
        *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data"),
        *("backup", "list", "irc", "gnats", "nobody", "nogroup", "adm", "tty", "disk", "dialout", "fax", "voice"),
        *("cdrom", "floppy", "tape", "sudo", "audio", "dip", "operator", "src", "shadow", "utmp", "video", "sasl"),
        *("plugdev", "staff", "users", "wheel", "kmem", "input", "kvm", "render", "sgx", "crontab", "ssh", "sshd"),
        *("shutdown", "halt", "ftp", "lock", "mem", "messagebus", "dbus", "polkitd", "systemd-network"),
        *("systemd-resolve", "systemd-timesync", "systemd-journal", "systemd-coredump", "ceph", "chrony", "rpc"),
        *("admin", "netdev", "lxd", "docker", "debian", "fedora", "ubuntu", "centos", "rocky", "almalinux"),
        *("cloud-user", "ec2-user", "google-sudoers", "landscape", "tss", "ntp", "postfix", "postdrop", "nginx"),
    )
)
# Fixed, so that people have the same uid on every host; below and above are the distributions' own ranges.
FIRST_UID, LAST_UID = 20_000, 59_999


class Network(Model):
    """The tenant network and its two ways out: the external network and the CephFS storage network."""

    external: str = Field(min_length=1, description="external network: floating IPs and the router's gateway")
    cidr: IPv4Network = IPv4Network("10.10.0.0/16")
    dns: tuple[IPv4Address, ...] = ()
    storage_network: str = Field(min_length=1, description="provider network that the Ceph monitors are reached by")
    storage_cidr: IPv4Network = Field(description="addresses of Ceph's monitors and OSDs on the storage network")
    storage_host_route: bool = Field(False, description="some clouds need the route on the subnet too")

    @field_validator("cidr")
    @classmethod
    def _large_enough(cls, cidr: IPv4Network) -> IPv4Network:
        if cidr.prefixlen > 20:
            raise ValueError(f"must be a /20 or larger, to hold the planned addresses and the DHCP pool; is {cidr}")
        return cidr

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.cidr.overlaps(self.storage_cidr):
            raise ValueError(f"storage_cidr {self.storage_cidr} overlaps cidr {self.cidr}: Ceph could not be reached")
        return self


class Image(Model):
    """The hosts' image. Its family decides package names and the place of Java."""

    name: str = Field(min_length=1)
    family: Literal["debian", "fedora"]


class Operator(Model):
    """A person who may log in to every host through the gateway and become root."""

    name: Name
    ssh_keys: tuple[str, ...] = Field(min_length=1)
    uid: int | None = Field(None, ge=1000, le=LAST_UID, description="the same on every host; derived from the name")

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in SYSTEM_LOGINS | PLATFORM_LOGINS or name.startswith("systemd-"):
            raise ValueError(f"{name!r} is a login of the platform itself, or of the hosts' system: choose another")
        return name

    @field_validator("ssh_keys")
    @classmethod
    def _public(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            if "PRIVATE KEY" in key:
                raise ValueError("holds a private key: it is compromised now; put the content of the .pub file here")
            if not re.match(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+ [A-Za-z0-9+/=]+( .*)?$", key.strip()):
                raise ValueError(f"is not an OpenSSH public key line: {key[:30]!r}...")
        return keys

    @property
    def user_id(self) -> int:
        """The uid: the one that is set, or one that follows from the name alone, whoever else comes and goes."""
        return self.uid or FIRST_UID + zlib.crc32(self.name.encode()) % (LAST_UID - FIRST_UID + 1)


def operator_conflicts(operators: Sequence[Operator]) -> list[str]:
    """What cannot be together in `operators`, each beginning with that key."""
    names = [operator.name for operator in operators]
    wrong = [f"operators: {name} is listed twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for one, other in combinations(operators, 2):
        if one.user_id == other.user_id and one.name != other.name:
            wrong.append(f"operators: {one.name} and {other.name} have the same uid {one.user_id}: set another `uid`")
    return wrong


class Share(Model):
    """A CephFS share of the data project, mounted on every host with the deployment's own cephx identity."""

    name: str = Field(min_length=1, description="the share's name in Manila")
    mount: MountPoint
    mode: Literal["ro", "rw"] = "ro"


class InProject(Model):
    """What everything says of itself that is made in a project: a deployment, services beside one."""

    site: str = Field("", description="the cloud's own names and networks: an entry of components/settings/sites.yaml")
    name: Name | Literal[""] = Field("", description="what it is called in the cloud; the stack's name if not set")
    cloud: str = Field(min_length=1, description="entry of clouds.yaml for the deployment's project")

    def conflicts(self) -> list[str]:
        """What cannot be together, each beginning with its key."""
        return []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if wrong := self.conflicts():
            raise ValueError("\n".join(wrong))
        return self


class Deployment(InProject):
    """What every deployment says of itself."""

    data_cloud: str = Field(min_length=1, description="entry of clouds.yaml for the project that owns the shares")
    network: Network
    shares: tuple[Share, ...] = ()

    def conflicts(self) -> list[str]:
        """What cannot be together, each beginning with its key."""
        return _shares(self.shares)


def _shares(shares: Sequence[Share]) -> list[str]:
    wrong = []
    for one, other in combinations(shares, 2):
        if one.name == other.name:
            wrong.append(
                f"shares: {one.name} is there twice, mounted on {one.mount} and {other.mount}: "
                "Manila gives an identity one access to a share; link to the mount instead"
            )
    for first, second in combinations(sorted(share.mount for share in shares), 2):
        if first == second:
            wrong.append(f"shares: two shares are mounted on {first}")
        elif second.startswith(first + "/"):
            wrong.append(f"shares: {second} lies in another share, which is mounted on {first}")
    return wrong

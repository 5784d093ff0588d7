"""The stack's settings: typed, validated, with every error at once. No cloud calls.

`Pulumi.yaml` declares the keys with their descriptions; a stack's own file sets them. Keys are read in the project's
namespace: `gaia:cloud`, `gaia:hosts`, ...
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from components.hadoop.daemons import SERVICE_ACCOUNTS
from components.hosts.user_data import DEPLOY_USER

PROJECT = "gaia"
VERSIONS = Path(__file__).parent.parent / "versions.toml"
# Keys whose values are secrets: read one by one by the program as Pulumi secrets, never through the settings. Each
# with the least number of characters that it must have.
SECRET_KEYS = {"notebook_password": 12}
HOST_NAME = re.compile(r"(zeppelin|master01|worker(?P<number>\d{2,3}))")
# Logins that the platform itself needs on every host: an operator of that name would take their keys away.
TAKEN_LOGINS = frozenset({"root", DEPLOY_USER, *SERVICE_ACCOUNTS})
# Where nothing may be mounted over: the system's own directories, and those of the platform's volumes.
SYSTEM_DIRECTORIES = frozenset(
    (
        *("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "mnt", "opt"),
        *("proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var"),
    )
)
DEFAULT_REPLICATION = 2


class SettingsError(Exception):
    """The stack's config is wrong. Its text lists every error by key and says what is expected."""


def _absolute(path: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", path):
        raise ValueError(
            f"must be an absolute path without spaces or a trailing slash, such as /data/gaia/GDR3; is {path!r}"
        )
    return path


def _mount(path: str) -> str:
    top = _absolute(path).split("/")[1]
    if top in SYSTEM_DIRECTORIES:
        raise ValueError(f"must not lie in a directory of the system (/{top}); use /data/... or /user/...; is {path!r}")
    return path


def _name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise ValueError(f"must be 1 to 31 lower-case letters, digits and '-', beginning with a letter; is {name!r}")
    return name


def _sha512(digest: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{128}", digest):
        raise ValueError("must be 128 hexadecimal digits: publishers offer it as URL.sha512 beside the archive")
    return digest


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise ValueError(f"must be an http:// or https:// URL; is {url!r}")
    return url


MountPoint = Annotated[str, AfterValidator(_mount)]
Name = Annotated[str, AfterValidator(_name)]
Sha512 = Annotated[str, AfterValidator(_sha512)]
Url = Annotated[str, AfterValidator(_url)]


class Model(BaseModel):
    """Refuses unknown keys, so that a misspelt one is an error and not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Role(Model):
    """What the hosts of one role are made of."""

    flavor: str = Field(min_length=1)
    volume_gib: int = Field(ge=1, le=65536, description="size of the role's Cinder volume in GiB")


class Workers(Role):
    """The workers: how many, and what each is made of."""

    count: int = Field(ge=1, le=250)


class Hosts(Model):
    """The deployment's hosts by role, and which of them to rebuild on purpose."""

    zeppelin: Role
    master: Role
    worker: Workers
    configure: bool = Field(True, description="false: infrastructure only, for benchmarks")
    rebuild: dict[str, int] = Field({}, description="host or role -> number; a changed number replaces those servers")

    @field_validator("rebuild")
    @classmethod
    def _known(cls, rebuild: dict[str, int]) -> dict[str, int]:
        for name in rebuild:
            if name not in ("zeppelin", "master", "worker") and not HOST_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is neither a role (zeppelin, master, worker) nor a host such as worker01")
        return rebuild

    def generation(self, host: str, role: str) -> int:
        """The rebuild number of a host: its role's plus its own."""
        own = self.rebuild.get(host, 0) if host != role else 0
        return self.rebuild.get(role, 0) + own


class Operator(Model):
    """A person who may log in to every host through the gateway and become root."""

    name: Name
    ssh_keys: tuple[str, ...] = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in TAKEN_LOGINS:
            raise ValueError(f"{name!r} is a login of the platform itself: choose another")
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


class Share(Model):
    """A CephFS share of the data project, mounted on every host with the deployment's own cephx identity."""

    name: str = Field(min_length=1, description="the share's name in Manila")
    mount: MountPoint
    mode: Literal["ro", "rw"] = "ro"


class CatalogueShare(Model):
    """A share that the `data` platform keeps: size in GiB and share type."""

    name: str = Field(min_length=1)
    size_gib: int = Field(ge=1)
    share_type: str = "cephfsnativetype"


class Archive(Model):
    """What hosts download: its version, URL and SHA-512."""

    version: str = Field(min_length=1)
    url: Url
    sha512: Sha512


class Archives(Model):
    """The three programs that come as archives."""

    hadoop: Archive
    spark: Archive
    zeppelin: Archive


class Python(Model):
    """The Python libraries of every host. `find_links` is a directory of wheels for hosts without a package index."""

    requirements: tuple[str, ...] = ()
    find_links: Url | Literal[""] = ""


class Sizing(Model):
    """Overrides of computed sizes, one by one. Unset means computed from the flavors (components/hadoop/sizing.py)."""

    container_max_mib: int | None = Field(None, ge=512)
    container_min_mib: int | None = Field(None, ge=128)
    node_vcores: int | None = Field(None, ge=1)
    driver_memory_mib: int | None = Field(None, ge=256)
    driver_max_result_mib: int | None = Field(None, ge=64)
    am_memory_mib: int | None = Field(None, ge=256)
    am_cores: int | None = Field(None, ge=1)
    executor_memory_mib: int | None = Field(None, ge=256)
    executor_cores: int | None = Field(None, ge=1)
    executor_instances: int | None = Field(None, ge=1)


class Notebook(Model):
    """The notebook's first login. Its password is `gaia:notebook_password`, or generated when that is not set."""

    user: Name = "gaia"


class Hdfs(Model):
    """HDFS is for temporary data on volumes that Ceph replicates already: keep its own copies few."""

    replication: int | None = Field(None, ge=1, le=10, description="copies of a block; 2 where there are two workers")


class Hadoop(Model):
    """Settings of the platform `hadoop-yarn`."""

    cloud: str = Field(min_length=1, description="entry of clouds.yaml for the deployment's project")
    data_cloud: str = Field(min_length=1, description="entry of clouds.yaml for the project that owns the shares")
    network: Network
    image: Image
    hosts: Hosts
    operators: tuple[Operator, ...] = ()
    shares: tuple[Share, ...] = ()
    archives: Archives
    python: Python = Python()
    notebook: Notebook = Notebook()
    sizing: Sizing = Sizing()
    spark: dict[str, str] = Field({}, description="further lines of spark-defaults.conf")
    hdfs: Hdfs = Hdfs()

    @field_validator("spark", mode="before")
    @classmethod
    def _as_written(cls, spark: Any) -> Any:
        """`pulumi config set` makes numbers and booleans of what looks like them: Spark wants the text."""
        if not isinstance(spark, dict):
            return spark
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in spark.items()}

    @field_validator("spark")
    @classmethod
    def _lines(cls, spark: dict[str, str]) -> dict[str, str]:
        for key, value in spark.items():
            if not re.fullmatch(r"spark\.\S+", key):
                raise ValueError(f"{key!r} is no setting of Spark: their names begin with 'spark.'")
            if "\n" in value:
                raise ValueError(f"{key} has more than one line: spark-defaults.conf has one for each setting")
        return spark

    @property
    def replication(self) -> int:
        """Copies of each HDFS block."""
        return self.hdfs.replication or min(DEFAULT_REPLICATION, self.hosts.worker.count)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong, workers = [], self.hosts.worker.count
        mounts = sorted(share.mount for share in self.shares)
        for first, second in combinations(mounts, 2):
            if first == second:
                wrong.append(f"shares: two shares are mounted on {first}")
            elif second.startswith(first + "/"):
                wrong.append(f"shares: {second} lies in another share, which is mounted on {first}")
        if self.replication > workers:
            wrong.append(
                f"hdfs.replication is {self.replication}, but hosts.worker.count is {workers}: "
                "no block could ever have that many copies"
            )
        for host in self.hosts.rebuild:
            match = HOST_NAME.fullmatch(host)
            if match and int(match["number"] or 0) > workers:
                wrong.append(f"hosts.rebuild names {host}, but hosts.worker.count is {workers}: there is no such host")
        names = [operator.name for operator in self.operators]
        for name in sorted({n for n in names if names.count(n) > 1}):
            wrong.append(f"operators: {name} is listed twice")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self


class Data(Model):
    """Settings of the platform `data`: the catalogue shares, in their own project."""

    cloud: str = Field(min_length=1)
    catalogue_shares: tuple[CatalogueShare, ...] = Field(min_length=1)


Settings = Hadoop | Data
PLATFORMS: dict[str, type[Hadoop] | type[Data]] = {"hadoop-yarn": Hadoop, "data": Data}


def _decode(value: str, wanted: Any) -> Any:
    """Pulumi hands every value over as text: objects and lists are JSON, scalars are as written."""
    if wanted is str:
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _archives(given: Any) -> Any:
    """The archives of versions.toml, with what the stack says of each laid over it."""
    if not isinstance(given, dict):
        return given
    known = tomllib.loads(VERSIONS.read_text(encoding="utf-8"))["archives"]
    merged = {name: {**known[name], **given.get(name, {})} for name in known}
    return {**given, **merged}


def _lines(error: ValidationError, file: str) -> Iterable[str]:
    for detail in error.errors():
        key = ".".join(str(part) for part in detail["loc"])
        message = str(detail["msg"]).removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = "is not a known key"
        elif detail["type"] == "missing":
            message = "is not set"
        elif detail["type"] != "value_error":
            message = f"{message[0].lower()}{message[1:]}; is {detail['input']!r}"
        for line in message.splitlines():
            yield f"  {file}: {PROJECT}:{key} {line}" if key else f"  {file}: {PROJECT}:{line}"


def parse(config: Mapping[str, str], stack: str) -> Settings:
    """The typed settings of a stack from its config (full keys, such as `gaia:cloud`, to text).

    Raises SettingsError with one line for each thing that is wrong: file, key, what is expected.
    """
    file = f"Pulumi.{stack}.yaml"
    prefix = PROJECT + ":"
    own = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    platform = own.pop("platform", None)
    model = PLATFORMS.get(platform or "")
    if model is None:
        known = " or ".join(PLATFORMS)
        raise SettingsError(f"  {file}: {prefix}platform must be {known}; is {platform or 'not set'}")
    values = {}
    for key, value in own.items():
        if key not in SECRET_KEYS:
            field = model.model_fields.get(key)
            values[key] = _decode(value, field.annotation if field else Any)
    # Pulumi.yaml declares every platform's keys, with an empty default: empty means not set
    values = {key: value for key, value in values.items() if value not in ("", {}, [])}
    if model is Hadoop:
        values["archives"] = _archives(values.get("archives", {}))
    wrong = [
        f"  {file}: {prefix}{key} has {len(own[key])} characters, must have {least} or more"
        for key, least in SECRET_KEYS.items()
        if key in own and len(own[key]) < least
    ]
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        wrong += _lines(error, file)
    if wrong:
        raise SettingsError("\n".join(wrong))
    return settings

"""The locks that engines hold on a stack in Pulumi's self-managed backends, read and held as Pulumi does.

A lock is an object `.pulumi/locks/ORGANISATION/PROJECT/STACK/ID.json` of the backend: who made it, on which machine,
by which process, when. An engine looks for others' locks, puts its own, and looks again; so does `held` here, so that
no engine begins while an operator's command works on what engines work on. A dead engine's lock is removed by its own
name: `pulumi cancel` removes all of them, also that of an engine which began a moment ago.

`pulumi` itself offers no command that tells of locks. In backends that are neither a directory nor an S3-compatible
bucket there is only what it says in words when it is refused (`Refusals`): nothing is removed or held there.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, urlsplit

import boto3

from ops.cloud import OpsError
from ops.command import pulumi
from ops.s3 import s3_config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DIRECTORY = ".pulumi/locks"
# What pulumi says of each lock of a stack.
SAID = re.compile(r"(?P<id>\S+): created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
TOLERANCE = 2.0  # seconds by which a lock's time and a process's may differ in their rounding


@dataclass(frozen=True)
class Lock:
    """One engine's lock; `id` is the name of its object."""

    id: str
    user: str
    host: str
    pid: int
    since: str  # RFC 3339

    def __str__(self) -> str:
        return f"created by {self.user}@{self.host} (pid {self.pid}) at {self.since}"

    def dead(self) -> bool:
        """Whether its engine is known to have ended: it ran on this machine, and its process is gone."""
        if self.host != socket.gethostname():
            return False
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return True
        # a zombie has ended; and the number may be another process's since
        return fields[0] in "ZX" or _began(int(fields[19])) > _moment(self.since) + TOLERANCE


def _began(ticks: int) -> float:
    """When a process began that was started so many clock ticks after the machine."""
    [boot] = re.findall(r"^btime (\d+)$", Path("/proc/stat").read_text(encoding="utf-8"), re.MULTILINE)
    return int(boot) + ticks / CLOCK_TICKS


def _moment(since: str) -> float:
    # Python reads no more than six digits of a second, pulumi writes nine
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", since)).timestamp()


class Store(Protocol):
    """Where a backend keeps objects."""

    def names(self, prefix: str) -> list[str]:
        """The full names of the objects below a prefix."""

    def read(self, name: str) -> bytes | None:
        """An object's content; None if it is gone."""

    def write(self, name: str, content: bytes) -> None:
        """Make an object."""

    def remove(self, name: str) -> None:
        """Remove an object; one that is gone is no error."""


@dataclass(frozen=True)
class Directory:
    """A `file://` backend."""

    root: Path

    def names(self, prefix: str) -> list[str]:
        return [str(path.relative_to(self.root)) for path in sorted((self.root / prefix).glob("*.json"))]

    def read(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        part.write_bytes(content)
        part.rename(target)

    def remove(self, name: str) -> None:
        for path in (self.root / name, self.root / f"{name}.attrs"):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Bucket:
    """An `s3://` backend."""

    s3: S3Client
    name: str
    prefix: str

    def names(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"{self.prefix}{prefix}")
        keys = [entry["Key"].removeprefix(self.prefix) for page in pages for entry in page.get("Contents", [])]
        return [key for key in keys if key.endswith(".json")]

    def read(self, name: str) -> bytes | None:
        try:
            return self.s3.get_object(Bucket=self.name, Key=self.prefix + name)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None

    def write(self, name: str, content: bytes) -> None:
        self.s3.put_object(Bucket=self.name, Key=self.prefix + name, Body=content)

    def remove(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=self.prefix + name)


def store(url: str) -> Store | None:
    """The objects behind a backend's URL, as `pulumi whoami --json` tells it; None for other kinds of backends."""
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        place = rest.partition("?")[0]
        return Directory(Path(place).expanduser() if place.startswith("~") else Path(place))
    if scheme == "s3":
        parts = urlsplit(url)
        prefix = parts.path.strip("/")
        return Bucket(_s3(parse_qs(parts.query)), parts.netloc, f"{prefix}/" if prefix else "")
    return None


def _s3(query: dict[str, list[str]]) -> S3Client:
    """A client for the parameters of the URL; credentials come from the environment, as Pulumi's do."""

    def given(name: str) -> str | None:
        return next(iter(query.get(name, [])), None)

    endpoint = given("endpoint")
    if endpoint and "://" not in endpoint:
        endpoint = ("http://" if given("disableSSL") == "true" else "https://") + endpoint
    config = s3_config("path" if given("s3ForcePathStyle") == "true" else "auto")
    session = boto3.session.Session(profile_name=given("profile"), region_name=given("region"))
    return session.client("s3", endpoint_url=endpoint, config=config)


@dataclass
class Objects:
    """The locks of one stack as objects. `prefix` is the directory of its locks, with a slash at the end."""

    store: Store
    stack: str
    prefix: str
    removed: list[Lock] = field(default_factory=list)

    def listed(self) -> list[Lock]:
        """All locks on the stack."""
        found = []
        for name in self.store.names(self.prefix):
            if content := self.store.read(name):
                values = json.loads(content)
                found.append(Lock(name, values["username"], values["hostname"], values["pid"], values["timestamp"]))
        return found

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the stack, as an engine does. Dead engines' locks are removed (and told in `removed`).

        Raises OpsError while another engine may be at work, or one begins in the same moment.
        """
        self._clear("")
        name = f"{self.prefix}{uuid.uuid4()}.json"
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        mine = {"pid": os.getpid(), "username": getpass.getuser(), "hostname": socket.gethostname(), "timestamp": now}
        self.store.write(name, json.dumps(mine).encode())
        try:
            self._clear(name)
            yield
        finally:
            self.store.remove(name)

    def _clear(self, mine: str) -> None:
        for lock in self.listed():
            if lock.id == mine:
                continue
            if not lock.dead():
                raise _at_work(self.stack, lock)
            self.store.remove(lock.id)
            self.removed.append(lock)


@dataclass
class Refusals:
    """The locks of one stack by what `pulumi` says of them in words: for backends whose objects cannot be read here."""

    stack: str
    removed: list[Lock] = field(default_factory=list)

    def listed(self) -> list[Lock]:
        """All locks on the stack.

        Giving a stack the name that it has is refused: by its locks if there are any, otherwise because the name is
        taken. No other command tells of locks and changes nothing.
        """
        try:
            pulumi("stack", "rename", self.stack, stack=self.stack)
        except OpsError as refused:
            said = str(refused)
            if found := [_lock(match) for match in SAID.finditer(said)]:
                return found
            if "already exists" in said:
                return []
            raise
        raise OpsError(f"{self.stack}: pulumi does not tell whether an engine is at work on it")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Look before and after: nothing can be held here. Raises OpsError while there is any lock."""
        self._clear()
        yield
        self._clear()

    def _clear(self) -> None:
        for lock in self.listed():
            if lock.dead():
                raise OpsError(
                    f"{self.stack} is locked, {lock}; that process is gone. In this kind of backend only all locks can "
                    f"be removed together: when nobody works on the stack, pulumi cancel --stack {self.stack}, then "
                    "this command again"
                )
            raise _at_work(self.stack, lock)


def _lock(match: re.Match[str]) -> Lock:
    return Lock(match["id"], match["user"], match["host"], int(match["pid"]), match["since"])


def _at_work(stack: str, lock: Lock) -> OpsError:
    return OpsError(
        f"{stack} is locked, {lock}: that run may be at work. Wait until it has ended. If you know that it is dead: "
        f"pulumi cancel --stack {stack}, then this command again"
    )


Locks = Objects | Refusals


def of(stack: str) -> Locks:
    """The locks of a stack, in the backend that `pulumi` is logged in to."""
    objects = store(json.loads(pulumi("whoami", "--json")).get("url", ""))
    if objects is None:
        return Refusals(stack)
    name = pulumi("stack", "--show-name", "--fully-qualify-stack-names", stack=stack).strip()
    return Objects(objects, stack, f"{DIRECTORY}/{name}/")

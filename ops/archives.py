"""The checksums of the archives that hosts download: what their publishers state, and what the stack's file says.

Apache's projects offer URL.sha512 beside each archive, each in the form of the program that wrote it.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.settings import over_defaults, versions
from ops.cloud import OpsError
from ops.command import config_of, pulumi

KEY, SITE = "gaia:archives", "gaia:site"
TIMEOUT = 60  # seconds
LONGEST = 1 << 16  # bytes of a checksum file
DIGEST = r"(?P<digest>(?:[0-9A-Fa-f][ \t\r\n]*){128})(?![0-9A-Fa-f])"
# sha512sum: `HASH  file`, `HASH *file`, or the hash alone
PLAIN = re.compile(r"^\s*(?P<digest>[0-9A-Fa-f]{128})(?:[ \t]+\*?(?P<file>\S.*?))?\s*$", re.MULTILINE)
# BSD and openssl: `SHA512 (file) = HASH`
TAGGED = re.compile(r"^SHA(?:2-|-)?512 ?\((?P<file>.+?)\) ?= ?(?P<digest>[0-9A-Fa-f]{128})\s*$", re.M | re.I)
# gpg --print-md: `file: ABCD EF01 ...`, over several lines
GROUPED = re.compile(rf"^(?P<file>\S[^:\r\n]*):[ \t\r\n]*{DIGEST}", re.MULTILINE)


@dataclass(frozen=True)
class Archive:
    """An archive as the stack has it; `sha512` is empty where its file says none."""

    name: str
    version: str
    url: str
    sha512: str

    @property
    def file(self) -> str:
        """The file's name in its URL."""
        return urllib.parse.unquote(Path(urllib.parse.urlsplit(self.url).path).name)


def digest(text: str, file: str) -> str:
    """The SHA-512 that a checksum file states of a file, in lower case. Raises OpsError when it states none."""
    found = [match for form in (TAGGED, PLAIN, GROUPED) for match in form.finditer(text)]
    stated = {
        re.sub(r"\s", "", match["digest"]).lower()
        for match in found
        if match["file"] is None or Path(match["file"].strip()).name == file
    }
    if len(stated) == 1:
        return stated.pop()
    if stated:
        raise OpsError(f"it states several hashes of {file}")
    others = ", ".join(sorted({Path(match["file"].strip()).name for match in found}))
    raise OpsError(f"it states the hash of {others}, not of {file}" if others else "there is no SHA-512 in it")


def published(archive: Archive) -> str:
    """What the publisher states of an archive. Raises OpsError that says what is wrong with which URL."""
    url = f"{archive.url}.sha512"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            text = answer.read(LONGEST).decode("utf-8", errors="replace")
    except urllib.error.HTTPError as problem:
        why = "there is no such file" if problem.code == 404 else f"the server answers {problem.code}"
        raise OpsError(f"{url}: {why}") from None
    except (OSError, ValueError) as problem:
        raise OpsError(f"{url} cannot be reached: {getattr(problem, 'reason', problem)}") from None
    try:
        return digest(text, archive.file)
    except OpsError as problem:
        raise OpsError(f"{url}: {problem}") from None


def chosen(config: Mapping[str, Any], known: dict[str, Any]) -> list[Archive]:
    """The archives of a stack, as the program itself finds them, but for checksums that may be missing."""
    own = {"site": config.get(SITE, {}).get("value", ""), "archives": config.get(KEY, {}).get("objectValue", {})}
    layered = over_defaults(own, known)["archives"]
    found = {name: layered[name] for name in known["archives"]}
    return [Archive(name, one["version"], one["url"], str(one.get("sha512", ""))) for name, one in found.items()]


def archives(stack: str, pin: bool) -> list[str]:
    """Compare the stack's checksums with the publishers', or write those into the stack's file; a line for each.

    Raises OpsError that lists all that is wrong: what cannot be read, and (without `pin`) what differs. Nothing is
    written unless all could be read.
    """
    wanted = chosen(config_of(stack), versions())
    stated, wrong = _all(wanted)
    if wrong:
        raise OpsError("\n  ".join(["these checksums cannot be had:", *wrong]))
    differing = [one for one in wanted if one.sha512 != stated[one.name]]
    if not pin and differing:
        lines = [
            f"{one.name} {one.version}: {one.sha512 or 'nothing'} in the stack's file, {stated[one.name]} published"
            for one in differing
        ]
        remedy = f"If that is right: python -m ops archives --pin -s {stack}"
        raise OpsError("\n  ".join([f"not as {KEY} of Pulumi.{stack}.yaml says:", *lines, remedy]))
    for one in differing:
        words = ["--path", f"{KEY}.{one.name}.sha512", "--type", "string", stated[one.name]]
        pulumi("config", "set", *words, stack=stack)
    return [
        f"{one.name} {one.version}: {'pinned' if one in differing else 'is'} {stated[one.name][:16]}... ({one.url})"
        for one in wanted
    ]


def _all(wanted: Iterable[Archive]) -> tuple[dict[str, str], list[str]]:
    """What is published of each archive, and what is wrong with those of which nothing can be read."""
    stated, wrong = {}, []
    for one in wanted:
        try:
            stated[one.name] = published(one)
        except OpsError as problem:
            wrong.append(f"{one.name} {one.version}: {problem}")
    return stated, wrong

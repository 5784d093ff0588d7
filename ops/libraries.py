"""The lock of a stack's Python libraries: which versions, with which hashes, every host gets, whenever it comes.

uv resolves `gaia:python.requirements` for the hosts' Python. Hosts have no compiler, so wheels alone are taken. Of a
package's wheels the lock names those that the hosts can install: it travels with each host's configuration.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.hosts.distribution import DISTRIBUTIONS
from components.settings import libraries, over_defaults, versions
from components.settings.libraries import INSTALLER, Lock
from ops.cloud import OpsError
from ops.command import config_of

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".tools/bin"
PROJECT = "GAIA_PROJECT"  # the sandbox says in it where the checkout's stacks are there
KEY = "gaia:python.requirements"


@dataclass(frozen=True)
class Wanted:
    """What a stack's hosts are to have: requirements, their distribution's family, where its wheels come from."""

    requirements: tuple[str, ...]
    family: str
    find_links: str

    @property
    def options(self) -> list[str]:
        """How uv is told of the hosts."""
        hosts = DISTRIBUTIONS[self.family]
        source = ["--no-index", "--find-links", self.find_links] if self.find_links else []
        return ["--python-version", hosts.python, "--python-platform", hosts.platform, "--only-binary=:all:", *source]


def wanted(config: Mapping[str, Any], stack: str) -> Wanted:
    """What the stack's config asks for, over what its site says. Raises OpsError where it asks for nothing."""
    objects = {key: config.get(f"gaia:{key}", {}).get("objectValue", {}) for key in ("image", "python")}
    layered = over_defaults({"site": config.get("gaia:site", {}).get("value", ""), **objects}, versions())
    python, family = layered["python"], layered["image"].get("family", "")
    if not python.get("requirements"):
        raise OpsError(f"{KEY} of Pulumi.{stack}.yaml names no library: there is nothing to lock")
    if family not in DISTRIBUTIONS:
        raise OpsError(f"gaia:image.family of Pulumi.{stack}.yaml must be {' or '.join(DISTRIBUTIONS)}")
    return Wanted(tuple(map(str, python["requirements"])), family, python.get("find_links", ""))


def directory() -> Path:
    """Where the stacks' files are: Pulumi's project from here, or what stands for the checkout's on the sandbox."""
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / "Pulumi.yaml").exists():
            return Path(os.environ.get(PROJECT, place)) if place == ROOT else place
    raise OpsError("there is no Pulumi.yaml here: go to the checkout")


def lock(stack: str, upgrade: bool, from_index: bool) -> list[str]:
    """Make or renew the lock of a stack's libraries; a line for each that is another than before.

    What is locked keeps its version as far as the requirements let it, unless `upgrade` says otherwise. With
    `from_index` the package index is asked also where hosts have a `find_links`, which is then to be filled from the
    lock. Raises OpsError when it cannot be resolved: the lock is then as it was.
    """
    asked = wanted(config_of(stack), stack)
    if from_index:
        asked = Wanted(asked.requirements, asked.family, "")
    place = directory()
    before = Lock.parse(libraries.read(place, stack) or "").packages
    packages = resolved(asked, () if upgrade else before)
    hosts, file = DISTRIBUTIONS[asked.family], place / libraries.file_name(stack)
    made_by = libraries.command(stack) + (" --from-index" if from_index else "")
    comment = f"Made by `{made_by}` for Python {hosts.python} on {hosts.platform}; not edited by hand."
    part = file.with_name(f".{file.name}.part")
    part.write_text(Lock(packages, libraries.digest(asked.requirements)).text(comment), encoding="utf-8")
    part.replace(file)
    return [*changed(before, packages), f"{len(packages)} packages are locked in {file}"]


def changed(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    """What differs between two locks' packages, a line for each."""
    old, new = (dict(pinned(line) for line in lines) for lines in (before, after))
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return [f"{name}: {old.get(name, 'none')} -> {new.get(name, 'none')}" for name in names]


def pinned(line: str) -> tuple[str, str]:
    """Name and version (or URL) of a line of a lock."""
    name, version = re.split(r"==| @ ", line.split(" --hash=")[0], maxsplit=1)
    return name, version


def resolved(asked: Wanted, before: tuple[str, ...]) -> tuple[str, ...]:
    """The packages that fulfil the requirements, with those that are there before as far as possible."""
    with TemporaryDirectory() as scratch:
        names = ("requirements.in", "requirements.txt", "pylock.toml")
        source, pins, wheels = (Path(scratch, name) for name in names)
        installer = f"{INSTALLER}=={versions()['tools'][INSTALLER]}"
        source.write_text("\n".join([*asked.requirements, installer]) + "\n", encoding="utf-8")
        pins.write_text("".join(line.split(" --hash=")[0] + "\n" for line in before), encoding="utf-8")
        _compile(asked, source, pins, "--generate-hashes", "--no-annotate")
        # the first names all wheels of a version, this one those that the hosts can install
        _compile(asked, pins, wheels, "--no-deps", "--format=pylock.toml")
        usable = set(re.findall(r'sha256 = "(\w+)"', wheels.read_text(encoding="utf-8")))
        lines = pins.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    return tuple(_line(line.split(), usable) for line in lines)


def _line(words: list[str], usable: set[str]) -> str:
    """A package with those of its hashes that are of use."""
    return " ".join(word for word in words if not word.startswith("--hash=") or word.rpartition(":")[2] in usable)


def _compile(asked: Wanted, source: Path, target: Path, *options: str) -> None:
    """uv's resolver, from one file into another. Raises OpsError with what it says when it fails."""
    uv = shutil.which(INSTALLER, path=f"{TOOLS}:{os.environ.get('PATH', '')}")
    if uv is None:
        raise OpsError("uv is neither in .tools/bin nor on PATH: `make tools` brings it, or `pip install uv`")
    words = [uv, "pip", "compile", "--quiet", "--no-header", *asked.options, *options, str(source), "-o", str(target)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OpsError(f"{KEY} cannot be resolved:\n{done.stderr.strip()}")

"""Brings together everything the mirror serves. What is there and has the committed checksum is left alone."""

from __future__ import annotations

import shutil
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.mirror import archive
from sandbox.mirror.assemble import Assembly, Versions, assemblies, check
from sandbox.mirror.registries import HERE, Maven, RegistryError, pip_download

CHECKSUMS = HERE / "archives.toml"

Say = Callable[[str], None]


class Mirror:
    """The directory that is served: `archives/` (each with its .sha512 beside it), `wheels/`, on request `charts/`."""

    def __init__(self, root: Path, versions_file: Path, locks: Sequence[Path]) -> None:
        self.archives, self.wheels, self._work = root / "archives", root / "wheels", root.with_name("mirror-work")
        self.charts = root / "charts"
        self._locks = locks
        self.versions = Versions(**tomllib.loads(versions_file.read_text())["mirror"])

    def build(self, say: Say, *, update: bool = False, nodes: bool = False) -> None:
        """Make what is missing, with `nodes` also what the images of pods are made from.

        `update` makes all archives anew and writes their checksums down.

        Raises RegistryError when a registry's client fails, or an archive's checksum is not the committed one.
        """
        expected = {} if update else tomllib.loads(CHECKSUMS.read_text())
        wanted = assemblies(self.versions, nodes=nodes or update)
        found = {item.name: self._archive(item, expected.get(item.name, ""), say) for item in wanted}
        if update:
            CHECKSUMS.write_text(_toml(found))
        else:
            self._remove_stale({item.name for item in assemblies(self.versions, nodes=True)})
        self.serve_wheels(say)

    def copy_charts(self, packed: Path) -> None:
        """Serve these charts and no other. Raises RegistryError when there are none."""
        if not (packed / "index.yaml").exists():
            raise RegistryError(f"{packed} has no index.yaml: run `make tools-kubernetes`")
        part = self.charts.with_name("charts.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(packed, part)
        shutil.rmtree(self.charts, ignore_errors=True)
        part.rename(self.charts)

    def _archive(self, item: Assembly, expected: str, say: Say) -> str:
        target = self.archives / item.name
        stamp = target.with_name(target.name + ".sha512")
        line = f"{expected}  {item.name}\n"
        if target.exists() and stamp.exists() and stamp.read_text() == line:
            return expected
        say(f"assembling {item.name}")
        begun = time.monotonic()
        stamp.unlink(missing_ok=True)
        self._work.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._work, prefix="assembly-") as scratch:
            maven = Maven(self._work / "maven", self.versions.maven_dependency_plugin)
            members = item.collect(Path(scratch), maven, self.versions)
            check(members, item.name)
            digest = archive.write(target, item.top, members)
        if expected and digest != expected:
            raise RegistryError(
                f"{item.name} has the SHA-512 {digest}, but {CHECKSUMS} says {expected}: the registries' artifacts or "
                "the assembly changed. If that is meant: python3 -m sandbox.mirror build --update, and commit the file"
            )
        stamp.write_text(f"{digest}  {item.name}\n")
        say(f"{item.name}: {target.stat().st_size >> 20} MiB in {time.monotonic() - begun:.0f} s")
        return digest

    def serve_wheels(self, say: Say) -> None:
        """Serve the wheels that the locks name and no other. Raises RegistryError when there is no lock."""
        if not self._locks:
            raise RegistryError("there is no Pulumi.STACK.libraries.txt: this is not a complete checkout")
        stamp, wanted = self.wheels / ".requirements", locked(path.read_text() for path in self._locks)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        say("downloading the Python libraries of the hosts")
        part = self.wheels.with_name("wheels.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        (part / stamp.name).write_text(wanted)
        pip_download(part / stamp.name, part, for_hosts=True)
        shutil.rmtree(self.wheels, ignore_errors=True)
        part.rename(self.wheels)
        say(f"{len(list(self.wheels.glob('*.whl')))} wheels")

    def _remove_stale(self, names: set[str]) -> None:
        """Archives of other versions, and parts that a killed run left."""
        for path in self.archives.iterdir():
            if path.name.removesuffix(".sha512") not in names:
                path.unlink()
        for path in self._work.glob("assembly-*"):
            shutil.rmtree(path)


def locked(locks: Iterable[str]) -> str:
    """What all locks together name, as one file of requirements; the locks have to agree about versions."""
    return "\n".join(sorted({line for lock in locks for line in lock.splitlines() if not line.startswith("#")})) + "\n"


def _toml(checksums: dict[str, str]) -> str:
    lines = ["# SHA-512 of what the mirror assembles; written by `python3 -m sandbox.mirror build --update`."]
    return "\n".join([*lines, *(f'"{name}" = "{digest}"' for name, digest in checksums.items())]) + "\n"

"""Downloads from Maven Central and PyPI, by their own clients with the machine's own settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.prerequisites import COMMANDS

HERE = Path(__file__).parent
# The hosts' Python and the oldest glibc that their wheels may ask for (Debian 12: 3.11, 2.36).
HOST_PYTHON = "3.11"
HOST_PLATFORMS = tuple(f"manylinux_2_{minor}_x86_64" for minor in (36, 35, 34, 31, 28, 27, 26, 24, 17, 12))


class RegistryError(Exception):
    """A registry's client is missing or failed; the text says what to do."""


def _run(argv: Sequence[str], what: str, advice: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise RegistryError(f"{what} failed: {advice}\n" + "\n".join(f"    {line}" for line in said[-8:]))


class Maven:
    """Maven with a local repository of its own. Raises RegistryError when it, or Java, is missing."""

    def __init__(self, repository: Path, plugin_version: str) -> None:
        for command, package in COMMANDS.items():
            if not shutil.which(command):
                raise RegistryError(f"{command} is not on PATH: install it (apt-get install {package})")
        self._base = ("mvn", "--batch-mode", f"-Dmaven.repo.local={repository}")
        self._plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{plugin_version}"

    def dependencies(self, pom: str, version: str, target: Path) -> list[Path]:
        """The jars that a POM of `poms/` needs at run time, as files in `target`."""
        self._call(
            f"{self._plugin}:copy-dependencies",
            f"--file={HERE / 'poms' / pom}",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={target}",
            f"-Dpinned={version}",
            what=f"Resolving {pom} with Maven",
        )
        return sorted(target.glob("*.jar"))

    def artifact(self, coordinates: str, target: Path) -> None:
        """One artifact, into the directory `target`."""
        self._call(
            f"{self._plugin}:copy",
            f"-Dartifact={coordinates}",
            f"-DoutputDirectory={target}",
            what=f"Fetching {coordinates} with Maven",
        )

    def _call(self, *arguments: str, what: str) -> None:
        _run([*self._base, *arguments], what, "can this machine reach its Maven registry (~/.m2/settings.xml)?")


def pip_download(requirements: Path, target: Path, *, for_hosts: bool) -> None:
    """What a requirements file with hashes names, into a directory: wheels for the hosts, or the source archive.

    pip is one of the services' pinned packages: this runs in their environment.
    """
    target.mkdir(parents=True, exist_ok=True)
    kind = ["--only-binary=:all:", f"--python-version={HOST_PYTHON}", "--implementation=cp"]
    kind += [f"--platform={platform}" for platform in HOST_PLATFORMS]
    _run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"),
            *("--no-deps", "--require-hashes", f"--requirement={requirements}", f"--dest={target}"),
            *(kind if for_hosts else ["--no-binary=:all:"]),
        ],
        f"Downloading {requirements.name} with pip",
        "can this machine reach its Python package index (pip config list)?",
    )

"""A repository of Debian packages: exactly what a tree lacks for some packages. Flat and not signed."""

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.processes import run


def make(target: Path, image: Path, sources: str, packages: Sequence[str]) -> None:
    """Download what the tree `image/bare` lacks for the packages, by this machine's apt; there wholly or not at all."""
    new, apt = target.with_name("debian.new"), image / "apt"
    for directory in (new, apt):
        shutil.rmtree(directory, ignore_errors=True)
    for directory in (new / "partial", apt / "lists/partial"):
        directory.mkdir(parents=True)
    (apt / "sources.list").write_text(sources)
    options = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": apt / "lists",
        "Dir::State::status": image / "bare/var/lib/dpkg/status",
        "Dir::Cache::archives": new,
        "Dir::Cache::pkgcache": apt / "packages.bin",
        "Dir::Cache::srcpkgcache": apt / "sources.bin",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    command = ["apt-get", "-q", "-y", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    run([*command, "update"], timeout=300)
    run([*command, "install", "--download-only", "--no-install-recommends", *packages], timeout=900)
    (new / "partial").rmdir()
    for package in new.glob("*%3a*.deb"):  # as in Debian's pool: without the epoch, which URLs would have to quote
        package.rename(new / re.sub(r"_\d+%3a", "_", package.name))
    (new / "Packages").write_text("\n".join(_entry(package) for package in sorted(new.glob("*.deb"))))
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)
    shutil.rmtree(apt)


def _entry(package: Path) -> str:
    """What the index says about a package: its own control file, where it is, its size and hash."""
    control = run(["dpkg-deb", "--field", package])
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return f"{control}Filename: debian/{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"

"""The services' virtual environment: pinned packages with hashes, installed by uv, compiled to bytecode."""

import hashlib
import os
import shutil
import sys
import tomllib
from pathlib import Path

from sandbox.ceph import PYTHON
from sandbox.layout import Layout
from sandbox.processes import CommandError, run

# Debian's rados bindings are built for Debian's interpreter: so the environment is of that one
BINDINGS = Path("/usr/lib/python3/dist-packages")
BINDING_PATTERNS = ("rados.cpython-*.so", "ceph_argparse.py")


def requirements_hash(layout: Layout) -> str:
    """Changes with the versions of the services and with the interpreter."""
    version = run([PYTHON, "--version"])
    return hashlib.sha256(version.encode() + _requirements(layout).read_bytes()).hexdigest()


def complete(layout: Layout) -> bool:
    stamp = layout.venv / "complete"
    return stamp.exists() and stamp.read_text() == requirements_hash(layout)


def build(layout: Layout) -> None:
    """Make the environment, or bring one of older versions up to date."""
    uv = _uv(layout)
    (layout.venv / "complete").unlink(missing_ok=True)
    layout.cache.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "VIRTUAL_ENV": str(layout.venv)}
    run([uv, "venv", "-q", "--clear", "--python", PYTHON, layout.venv])
    install = [uv, "pip", "install", "-q", "--require-hashes", "--compile-bytecode", "-r", _requirements(layout)]
    try:
        run(install, environment=environment)
    except CommandError as problem:
        raise CommandError(f"{problem}\nThe services come from the Python package index: is it reachable?") from None
    packages = next((layout.venv / "lib").glob("python3*/site-packages"))
    for pattern in BINDING_PATTERNS:
        for file in BINDINGS.glob(pattern):
            (packages / file.name).symlink_to(file)
    (layout.venv / "complete").write_text(requirements_hash(layout))


def _requirements(layout: Layout) -> Path:
    return layout.root / "sandbox/requirements.txt"


def _uv(layout: Layout) -> Path:
    """uv of the pinned version: the one that the toolchain installed, or one installed in the same way."""
    uv = layout.tools / "bin/uv"
    version = tomllib.loads((layout.root / "versions.toml").read_text())["tools"]["uv"]
    if uv.exists() and run([uv, "--version"]).split()[1] == version:
        return uv
    target = layout.tools / "uv"
    shutil.rmtree(target, ignore_errors=True)
    try:
        run([sys.executable, "-m", "pip", "install", "-q", "--target", target, f"uv=={version}"])
    except CommandError as problem:
        raise CommandError(
            f"{problem}\nuv installs the services: `make tools` brings it, or pip does (apt-get install python3-pip)."
        ) from None
    uv.parent.mkdir(parents=True, exist_ok=True)
    uv.unlink(missing_ok=True)
    uv.symlink_to("../uv/bin/uv")
    return uv

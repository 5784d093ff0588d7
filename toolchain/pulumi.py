"""Where Pulumi comes from: PATH, its own installer, or Go modules; and its providers."""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from toolchain import golang, shell
from toolchain.golang import Module
from toolchain.versions import VERSIONS, fits

INSTALLER = "https://get.pulumi.com"
INSTALLER_TIMEOUT = 3.0  # seconds until the installer counts as unreachable
WANTED: str = VERSIONS["tools"]["pulumi"]
HOME = shell.TOOLS / "pulumi"

PROVIDER_VERSIONS: dict[str, str] = VERSIONS["providers"]
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOST_PACKAGE = "github.com/pulumi/pulumi/sdk/python/cmd/pulumi-language-python/v3"
CLI = Module("cli", (CLI_PACKAGE,), "4 minutes on 2 cores", ((CLI_PACKAGE, VERSION_VARIABLE, f"v{WANTED}"),))
LANGUAGE = Module("language", (HOST_PACKAGE,), "1 minute on 2 cores", ((HOST_PACKAGE, VERSION_VARIABLE, f"v{WANTED}"),))
PROVIDER_PACKAGES = {name: f"gaia/toolchain/providers/{name}" for name in PROVIDER_VERSIONS if name != "kubernetes"}
PROVIDERS = Module(
    "providers",
    tuple(PROVIDER_PACKAGES.values()),
    "2 minutes on 2 cores",
    tuple((package, "main.version", PROVIDER_VERSIONS[name]) for name, package in PROVIDER_PACKAGES.items()),
)
# As large as all the others, and of use only with a cluster: built only on request.
KUBERNETES_PACKAGE = "gaia/toolchain/kubernetes/provider/kubernetes"
KUBERNETES_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
KUBERNETES = Module(
    "kubernetes/provider",
    (KUBERNETES_PACKAGE,),
    "7 minutes on 2 cores",
    tuple(
        (KUBERNETES_PACKAGE, variable, PROVIDER_VERSIONS["kubernetes"])
        for variable in ("main.version", f"{KUBERNETES_MODULE}/pkg/version.Version")
    ),
    embedded=(("kubernetes/schema.json", KUBERNETES_MODULE, "cmd/pulumi-resource-kubernetes/schema.json"),),
)
HOST = "pulumi-language-python"
# Programs of the Python SDK that the language host starts from PATH, as they lie in its Go module.
SCRIPTS = {
    "pulumi-language-python-exec": "python/cmd/pulumi-language-python-exec",
    "pulumi-analyzer-policy-python": "python/dist/pulumi-analyzer-policy-python",
}


def on_path() -> tuple[Path, str] | None:
    """The people's own Pulumi and its version, if it is complete; ours in .tools does not count."""
    folders = [f for f in os.environ.get("PATH", "").split(os.pathsep) if Path(f) != shell.BIN]
    path = os.pathsep.join(folders)
    found = shutil.which("pulumi", path=path)
    if not found or not shutil.which(HOST, path=path):
        return None
    shown = subprocess.run(
        [found, "version"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
    )
    return Path(found), shown.stdout.strip()


def provide() -> None:
    """Make `pulumi` usable with `.tools/bin` first on PATH."""
    own = on_path()
    if own and fits(own[1]):
        remove_ours()
        shell.say(f"using {own[0]} ({own[1]}); it fetches its own providers")
        return
    if own:
        oldest = VERSIONS["tools"]["pulumi_oldest"]
        shell.say(f"{own[0]} is {own[1]}: this project needs {oldest} or newer, so it gets its own")
    if shell.done("official", WANTED, shell.BIN / "pulumi"):
        return
    if not is_built() and install_official():
        return
    build()


def remove_ours() -> None:
    for name in ("pulumi", HOST, *SCRIPTS):
        (shell.BIN / name).unlink(missing_ok=True)


def install_official() -> bool:
    """Install the pinned version with Pulumi's own installer; False where that is not reachable."""
    try:
        with urllib.request.urlopen(INSTALLER, timeout=INSTALLER_TIMEOUT) as answer:
            script = answer.read()
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        shell.say("Pulumi's own installer is not reachable: building from source")
        return False
    if not script.startswith(b"#!"):
        shell.say("what answers in place of Pulumi's installer is not it: building from source")
        return False
    shell.say(f"installing Pulumi {WANTED} with its own installer; it fetches its own providers")
    draft = shell.TOOLS / "official"
    shutil.rmtree(draft, ignore_errors=True)
    file = shell.TOOLS / "install-pulumi.sh"
    shell.replace(file, script)
    try:
        options = ["--version", WANTED, "--install-root", str(draft), "--no-edit-path"]
        shell.run("install pulumi", ["sh", file, *options])
    except shell.Problem as problem:
        shell.say(f"{problem}\n  building from source instead")
        return False
    shell.BIN.mkdir(parents=True, exist_ok=True)
    for program in (draft / "bin").iterdir():
        program.replace(shell.BIN / program.name)
    shutil.rmtree(draft)
    shell.finish("official", WANTED)
    return True


def is_built() -> bool:
    return CLI.is_built() and LANGUAGE.is_built()


def build() -> None:
    """Build CLI, language host and providers, and install the providers as if they had been downloaded."""
    shell.in_parallel(build_cli_and_providers, build_language)


def build_cli_and_providers() -> None:
    # One after the other: most of what the providers compile is compiled for the CLI already.
    golang.provide(CLI, shell.BIN)
    golang.build(PROVIDERS)
    for name in PROVIDER_PACKAGES:
        install_provider(PROVIDERS, name)


def build_language() -> None:
    golang.fetch(PROVIDERS)
    golang.provide(LANGUAGE, shell.BIN)
    for name, path in SCRIPTS.items():
        target = shell.BIN / name
        if not shell.done(name, LANGUAGE.state(), target):
            source = golang.module_file(LANGUAGE, "github.com/pulumi/pulumi/sdk/v3", path)
            shell.replace(target, source.read_bytes(), 0o755)
            shell.finish(name, LANGUAGE.state())


def provide_kubernetes() -> None:
    """The provider of Kubernetes' resources, where `pulumi` was built here too. Raises shell.Problem."""
    ours = shell.BIN / "pulumi"
    if not (is_built() and ours.exists() and ours.samefile(CLI.programs()[0])):
        shell.say("pulumi was not built here: it fetches its provider of Kubernetes' resources")
        return
    golang.build(KUBERNETES)
    install_provider(KUBERNETES, "kubernetes")


def install_provider(module: Module, name: str) -> None:
    """Put a built provider into PULUMI_HOME; the build folder then shares its file, which is large."""
    version = PROVIDER_VERSIONS[name]
    built = module.result / name
    installed = HOME / f"plugins/resource-{name}-v{version}/pulumi-resource-{name}"
    state = shell.digest(version, module.state())
    if shell.done(f"plugin-{name}", state, installed):
        return
    plugin = ["plugin", "install", "resource", name, version, "--file", str(built), "--reinstall"]
    shell.run(
        f"install provider {name}",
        [shell.BIN / "pulumi", *plugin],
        env={"PULUMI_HOME": str(HOME), "PULUMI_SKIP_UPDATE_CHECK": "1"},
    )
    draft = built.with_name(f".{name}.new")
    draft.unlink(missing_ok=True)
    draft.hardlink_to(installed)
    draft.replace(built)
    shell.finish(f"plugin-{name}", state)

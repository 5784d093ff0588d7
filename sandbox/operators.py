"""`run`: a command with the sandbox's network and an operator's environment."""

import os
import secrets
import shlex
import shutil
from collections.abc import Sequence

from sandbox import namespaces, project
from sandbox.configuration.secrets import private_file
from sandbox.layout import MARKER, Layout
from sandbox.lifecycle import SandboxError


def prepare(layout: Layout) -> None:
    """Make what operators' programs need: a passphrase and a place for Pulumi's state."""
    if not layout.passphrase.exists():
        private_file(layout.passphrase, secrets.token_urlsafe(24) + "\n")
    (layout.state / "pulumi").mkdir(mode=0o700, exist_ok=True)
    layout.tmp.mkdir(mode=0o700, exist_ok=True)


def environment(layout: Layout) -> dict[str, str]:
    """The variables that `run` sets; what the state backend wrote into operator.env wins."""
    path = [layout.root / project.BIN, layout.tools / "bin", layout.root / ".venv/bin"]
    values = {
        "PATH": ":".join([*map(str, path), os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")]),
        "OS_CLIENT_CONFIG_FILE": str(layout.clouds_yaml),
        "GAIA_PROJECT": str(layout.project),  # for `ops`, which leaves a lock beside a stack's file
        "PULUMI_HOME": str(layout.tools / "pulumi"),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(layout.passphrase),
        "PULUMI_BACKEND_URL": f"file://{layout.state / 'pulumi'}",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
        "AWS_CA_BUNDLE": str(layout.tls / "ca.pem"),  # of clients of S3: Pulumi's state backend
        MARKER: layout.namespace,
        "TMPDIR": str(layout.tmp),
    }
    values |= acquisition(layout)
    if layout.operator_environment.exists():
        words = shlex.split(layout.operator_environment.read_text(), comments=True)
        values |= dict(word.split("=", 1) for word in words if "=" in word)
    return values


def acquisition(layout: Layout) -> dict[str, str]:
    """Where the providers were built, Pulumi downloads none.

    Else it looks for every provider that a Python package of the program names, also those that only few stacks use
    (`make tools-kubernetes`): four seconds for each command where there is no internet.
    """
    built = (layout.tools / "build/providers").is_dir()
    return {"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"} if built else {}


def run(layout: Layout, words: Sequence[str]) -> int:
    """Become the command (so that signals, terminal and exit status are its own)."""
    command = list(words[1:] if words[:1] == ["--"] else words)
    if not command:
        raise SandboxError("Which command? For example: sandbox/cloud run pulumi preview -s gaia-demo")
    if os.geteuid() != 0:
        raise SandboxError("Entering the sandbox's network namespace needs root: use sudo.")
    if layout.namespace not in namespaces.existing(layout):
        raise SandboxError("The sandbox is not up: `sandbox/cloud up` starts it.")
    values = {**os.environ, **environment(layout)}
    # operators of the machine may have clouds or a passphrase of their own in the environment
    for name in [name for name in values if name.startswith("OS_") and name != "OS_CLIENT_CONFIG_FILE"]:
        del values[name]
    values.pop("PULUMI_CONFIG_PASSPHRASE", None)
    if shutil.which(command[0], path=values["PATH"]) is None:
        raise SandboxError(f"`{command[0]}` is not installed: not in .tools/bin, .venv/bin or PATH.")
    os.execvpe("nsenter", ["nsenter", f"--net={namespaces.NAMESPACES / layout.namespace}", "--", *command], values)

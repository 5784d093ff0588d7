"""The two sides: Pulumi with this checkout's program, OpenTofu with opentofu/main.tf. Each with a state of its own."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from benchmarks import build, measure
from benchmarks.measure import Cost
from benchmarks.resources import NAME, ROOT, Deployment, of_opentofu, of_pulumi

OPENTOFU = Path(__file__).with_name("opentofu")


class Engine(Protocol):
    """One side, with its state in a directory of its own. `parallel`: operations at a time, None is its default."""

    label: str

    def commands(self) -> dict[str, Sequence[str]]:
        """What is measured, in this order: up, preview, preview with refresh, destroy."""

    def run(self, what: str, command: Sequence[str]) -> Cost:
        """Run one of the commands. Raises measure.CommandError."""

    def count(self) -> Counter[str]:
        """Resources in the state, by Terraform type."""

    def state_kib(self) -> float:
        """Size of the state."""


def _private(directory: Path, name: str, text: str) -> Path:
    """A file that only its owner reads."""
    file = directory / name
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file


def _output(command: Sequence[str], environment: dict[str, str], directory: Path) -> str:
    done = subprocess.run(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise measure.CommandError(f"{' '.join(command[:3])} ended with {done.returncode}:\n  {done.stderr[-2000:]}")
    return done.stdout


class Pulumi:
    """The program, by the plain `pulumi` command, with file:// state and secrets encrypted by a passphrase."""

    def __init__(self, deployment: Deployment, directory: Path, parallel: int | None) -> None:
        directory.mkdir(mode=0o700)
        (directory / "state").mkdir()
        self.directory, self.parallel = directory, parallel
        self.label = f"pulumi, {parallel or 'default'} at a time"
        self._project(deployment)
        passphrase = _private(directory, "passphrase", secrets.token_urlsafe(32))
        own = {
            "PULUMI_BACKEND_URL": f"file://{directory}/state",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PYTHONPATH": str(ROOT),
        }
        self.environment = {k: v for k, v in os.environ.items() if k != "PULUMI_CONFIG_PASSPHRASE"} | own
        _output(["pulumi", "stack", "init", NAME], self.environment, directory)

    def _project(self, deployment: Deployment) -> None:
        """A project of its own, whose program is the checkout's."""
        project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
        project["main"] = str(ROOT)
        project["runtime"]["options"]["virtualenv"] = str(ROOT / ".venv")
        config = {f"gaia:{key}": value for key, value in deployment.config().items()}
        for name, content in (("Pulumi.yaml", project), (f"Pulumi.{NAME}.yaml", {"config": config})):
            (self.directory / name).write_text(yaml.safe_dump(content), encoding="utf-8")

    def commands(self) -> dict[str, Sequence[str]]:
        """See Engine. No preview before `up` and `destroy`: it would run the program twice."""
        return {
            "up": self._words("up", "--yes", "--skip-preview"),
            "preview": self._words("preview", "--expect-no-changes"),
            "preview, refresh": self._words("preview", "--refresh", "--expect-no-changes"),
            "destroy": self._words("destroy", "--yes", "--skip-preview"),
        }

    def _words(self, verb: str, *options: str) -> Sequence[str]:
        words = ["pulumi", verb, *options, "--stack", NAME, "--non-interactive"]
        return [*words, "--parallel", str(self.parallel)] if self.parallel else words

    def run(self, what: str, command: Sequence[str]) -> Cost:
        """See Engine."""
        return measure.run(what, command, environment=self.environment, directory=self.directory)

    def count(self) -> Counter[str]:
        """See Engine."""
        said = _output(["pulumi", "stack", "export", "--stack", NAME], self.environment, self.directory)
        exported: dict[str, Any] = json.loads(said)
        return of_pulumi(exported)

    def state_kib(self) -> float:
        """See Engine."""
        return max(f.stat().st_size for f in (self.directory / "state/.pulumi/stacks").rglob("*.json")) / 1024


class OpenTofu:
    """The same resources, with local state, encrypted as a whole."""

    def __init__(self, deployment: Deployment, directory: Path, parallel: int | None) -> None:
        directory.mkdir(mode=0o700)
        self.directory, self.parallel = directory, parallel
        self.label = f"tofu, {parallel or 'default'} at a time"
        self.state = directory / "terraform.tfstate"
        self.variables = directory / "deployment.tfvars.json"
        self.variables.write_text(json.dumps(deployment.variables()), encoding="utf-8")
        rc = directory / "tofu.rc"
        names = ("terraform-provider-openstack/openstack", "hashicorp/tls")
        overrides = "\n".join(f'    "{name}" = "{build.PROVIDERS}"' for name in names)
        rc.write_text(f"provider_installation {{\n  dev_overrides {{\n{overrides}\n  }}\n}}\n", encoding="utf-8")
        self.environment = {
            **os.environ,
            "TF_CLI_CONFIG_FILE": str(rc),
            "TF_DATA_DIR": str(directory / "data"),
            "TF_ENCRYPTION": _encryption(directory),
            "CHECKPOINT_DISABLE": "1",
        }

    def commands(self) -> dict[str, Sequence[str]]:
        """See Engine. Without refresh where Pulumi does none."""
        return {
            "up": self._words("apply", "-auto-approve"),
            "preview": self._words("plan", "-refresh=false", "-detailed-exitcode"),
            "preview, refresh": self._words("plan", "-detailed-exitcode"),
            "destroy": self._words("destroy", "-auto-approve", "-refresh=false"),
        }

    def _words(self, verb: str, *options: str) -> Sequence[str]:
        words = [str(build.TOFU), f"-chdir={OPENTOFU}", verb, *options, "-input=false", "-no-color"]
        words += [f"-state={self.state}", f"-var-file={self.variables}"]
        return [*words, f"-parallelism={self.parallel}"] if self.parallel else words

    def run(self, what: str, command: Sequence[str]) -> Cost:
        """See Engine."""
        return measure.run(what, command, environment=self.environment, directory=self.directory)

    def count(self) -> Counter[str]:
        """See Engine."""
        command = [str(build.TOFU), f"-chdir={OPENTOFU}", "state", "list", f"-state={self.state}"]
        return of_opentofu(_output(command, self.environment, self.directory).splitlines())

    def state_kib(self) -> float:
        """See Engine."""
        return self.state.stat().st_size / 1024


def _encryption(directory: Path) -> str:
    """OpenTofu's configuration of its state's encryption, which it takes from the environment.

    The key comes from a file: OpenTofu derives a key from a passphrase some five times in each command, almost two
    CPU seconds, where Pulumi does it once. `cat` speaks the protocol of an external key provider: two lines of JSON.
    """
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    lines = (
        {"magic": "OpenTofu-External-Key-Provider", "version": 1},
        {"keys": {"encryption_key": key, "decryption_key": key}},
    )
    file = _private(directory, "key", "".join(json.dumps(line) + "\n" for line in lines))
    return f"""
    key_provider "external" "benchmark" {{ command = ["cat", "{file}"] }}
    method "aes_gcm" "benchmark" {{ keys = key_provider.external.benchmark }}
    state {{
      method   = method.aes_gcm.benchmark
      enforced = true
    }}
    """

"""A stack driven by the plain `pulumi` command against the sandbox, with a config file and a state of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import project
from sandbox.layout import Layout
from sandbox.operators import acquisition
from sandbox.services import faults
from sandbox.services.faults import Fault
from tests.conftest import OPS, ROOT, Sandbox

# The requests that make what is there in a moment: service, method, path
MOMENTARY = {
    "networking/network:": ("neutron", "POST", "/networks$"),
    "networking/secGroupRule:": ("neutron", "POST", "/security-group-rules$"),
    "networking/routerInterface:": ("neutron", "PUT", "/add_router_interface$"),
    "compute/instance:": ("nova", "POST", "/servers$"),
    "compute/volumeAttach:": ("nova", "POST", "/os-volume_attachments$"),
}
LATE = 10.0  # seconds: an engine writes its state, and is stopped, in much less


class Stack:
    """One stack of the program, in a project directory of its own. `config` is what its file says under `gaia:`.

    Its state is in `backend`, or below the directory; its secrets have the passphrase of a file, or the sandbox's.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        directory: Path,
        name: str,
        config: dict[str, Any],
        backend: str | None = None,
        passphrase: Path | None = None,
    ) -> None:
        self.sandbox, self.name, self.directory = sandbox, name, directory
        self.file = directory / f"Pulumi.{name}.yaml"
        (directory / "state").mkdir(exist_ok=True)
        self.environment = {"PULUMI_BACKEND_URL": backend or f"file://{directory}/state"}
        if passphrase:
            self.environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(passphrase)
        self._use(ROOT)
        self.configure(config)
        self.run("pulumi", "stack", "init", name, "--non-interactive")

    def _use(self, program: Path) -> None:
        project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
        project["main"] = self.environment["PYTHONPATH"] = str(program)
        project["runtime"]["options"]["virtualenv"] = str(ROOT / ".venv")
        (self.directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))

    @contextlib.contextmanager
    def program(self, directory: Path) -> Iterator[None]:
        """With another copy of the program, as long as the context is open."""
        self._use(directory)
        try:
            yield
        finally:
            self._use(ROOT)

    def rename(self, name: str) -> None:
        """`pulumi stack rename`: the stack's file goes along."""
        self.pulumi("stack", "rename", name)
        self.name, self.file = name, self.directory / f"Pulumi.{name}.yaml"

    def configure(self, config: dict[str, Any], keep: tuple[str, ...] = ()) -> None:
        """Write the stack's config, keeping its encryption salt and the (encrypted) keys of `keep`."""
        old = yaml.safe_load(self.file.read_text()) if self.file.exists() else {}
        values = {f"gaia:{key}": value for key, value in config.items()}
        values |= {f"gaia:{key}": old["config"][f"gaia:{key}"] for key in keep}
        self.file.write_text(yaml.safe_dump({**old, "config": values}))

    def run(
        self, *argv: str, check: bool = True, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command in the stack's project directory, with its backend and further variables."""
        variables = {**self.environment, **(environment or {})}
        return self.sandbox.run(*argv, check=check, environment=variables, directory=self.directory)

    def pulumi(
        self, *argv: str, check: bool = True, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A pulumi command on this stack."""
        words = ["pulumi", *argv, "--stack", self.name, "--non-interactive"]
        return self.run(*words, check=check, environment=environment)

    def ops(self, verb: str, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`python -m ops VERB` for this stack."""
        return self.run(*OPS, verb, "--stack", self.name, *argv, check=check)

    def up(self, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`pulumi up` without asking."""
        return self.pulumi("up", "--yes", "--skip-preview", check=check)

    def destroy(self) -> None:
        """`pulumi destroy` without asking."""
        self.pulumi("destroy", "--yes", "--skip-preview")

    def assert_unchanged(self) -> None:
        """A preview that has nothing to do."""
        self.pulumi("preview", "--diff", "--expect-no-changes")

    def operations(self) -> dict[str, list[str]]:
        """What a preview would do: operation -> types and names of resources, without what stays the same."""
        said = self.pulumi("preview", "--json").stdout
        steps = json.loads(said[said.index("{") :])["steps"]
        found: dict[str, list[str]] = {}
        for step in steps:
            if step["op"] != "same":
                kind, name = step["urn"].split("::")[-2:]
                found.setdefault(step["op"], []).append(f"{kind.split('$')[-1]} {name}")
        return found

    def outputs(self, secrets: bool = True) -> dict[str, Any]:
        """The stack's outputs."""
        said = self.pulumi("stack", "output", "--json", *(["--show-secrets"] if secrets else [])).stdout
        found: dict[str, Any] = json.loads(said[said.index("{") :])
        return found

    def state(self) -> str:
        """The state as it lies in the backend: secrets encrypted."""
        return self.pulumi("stack", "export").stdout

    def resources(self) -> list[dict[str, Any]]:
        """The state's resources."""
        said = self.state()
        found: list[dict[str, Any]] = json.loads(said[said.index("{") :])["deployment"]["resources"]
        return found

    def pending(self) -> list[str]:
        """The types of what is under way, as the state of a `file://` backend says; none while it is being written."""
        for file in (self.directory / "state").rglob(f"stacks/**/{self.name}.json"):
            if any(file.parent.glob(f"{self.name}.json*.tmp")):
                continue  # with its attributes, which are written first, but not yet in its place
            with contextlib.suppress(json.JSONDecodeError, OSError):
                deployment = json.loads(file.read_text())["checkpoint"]["latest"] or {}
                return [one["resource"]["type"] for one in deployment.get("pending_operations") or []]
        return []

    def stop_when_pending(self, kind: str, engine: subprocess.Popen[bytes]) -> None:
        """Stop the engine (SIGSTOP) while a request for a resource of this type is under way.

        Not in the middle of writing its state: a `file://` backend that is killed there is left with half a file.
        What takes only a moment is answered late, so that nothing is missed on a busy machine.
        """
        if kind in MOMENTARY:
            service, method, path = MOMENTARY[kind]
            faults.add(Layout(ROOT), Fault(service, 0, LATE, method, path), 1)
        limit = time.monotonic() + 120
        while True:
            assert engine.poll() is None, f"it ended before it had asked for any {kind}"
            assert time.monotonic() < limit, f"it never asked for any {kind}"
            if any(kind in one for one in self.pending()):
                os.kill(engine.pid, signal.SIGSTOP)
                time.sleep(0.05)
                if any(kind in one for one in self.pending()):
                    return
                os.kill(engine.pid, signal.SIGCONT)
            time.sleep(0.02)

    @contextlib.contextmanager
    def going_up(self) -> Iterator[subprocess.Popen[bytes]]:
        """`pulumi up` at work. Engine and plugins end with the context, by SIGKILL if they have not before."""
        settings = [f"{key}={value}" for key, value in self.environment.items()]
        words = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
        engine = subprocess.Popen(
            [self.sandbox.cloud, "run", "env", *settings, *words, "--stack", self.name],
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield engine
        finally:
            if engine.poll() is None:
                for pid in [engine.pid, *descendants(engine.pid)]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                engine.wait()


def committed(name: str) -> dict[str, Any]:
    """What a committed stack's config is on the sandbox, without the prefix."""
    return {key.removeprefix("gaia:"): value for key, value in project.config(Layout(ROOT), name).items()}


class Committed(Stack):
    """A committed stack as it comes up on the sandbox (`sandbox/project.py`), by plain commands from the checkout."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox, self.name, self.directory, self.environment = sandbox, name, ROOT, {}
        self.file = Layout(ROOT).project / f"Pulumi.{name}.yaml"
        self.run("pulumi", "stack", "select", "--create", name, "--non-interactive")


def tools(directory: Path) -> dict[str, str]:
    """The environment of the checkout's own pulumi without any cloud, with a state below this directory."""
    return {
        "PATH": f"{ROOT / '.tools/bin'}:{os.environ['PATH']}",
        "PULUMI_HOME": str(ROOT / ".tools/pulumi"),
        "PULUMI_BACKEND_URL": f"file://{directory / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        **acquisition(Layout(ROOT)),
    }


class LocalStack:
    """A stack of any program without a cloud, in a folder of its own, with its state beside it."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        runtime = "{name: python, options: {toolchain: pip, virtualenv: " + str(ROOT / ".venv") + "}}"
        (folder / "Pulumi.yaml").write_text(f"name: tools\nruntime: {runtime}\n")
        (folder / "__main__.py").write_text(program)
        (folder / "state").mkdir()
        self.pulumi("stack", "init", "test")

    def pulumi(self, *arguments: str, check: bool = True) -> str:
        """What a pulumi command prints."""
        environment = {**os.environ, **tools(self.folder)}
        command = ["pulumi", "--non-interactive", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            pytest.fail(f"pulumi {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(status.parent.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found

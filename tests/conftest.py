"""Fixtures that every tier shares. Whatever a test needs it brings up itself, or it fails and says how to get it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import processes
from sandbox.layout import Layout

ROOT = Path(__file__).parent.parent
MARK = "made-by-tests"


@dataclass(frozen=True)
class Sandbox:
    """The checkout's sandbox: an OpenStack cloud of its own."""

    root: Path = ROOT

    @property
    def cloud(self) -> str:
        """Its one executable."""
        return str(self.root / "sandbox" / "cloud")

    @staticmethod
    def _needs_root() -> None:
        if os.geteuid() != 0:
            pytest.fail("the sandbox needs root: run the tests as root, or only `make test-unit`")

    def build(self) -> None:
        """What it makes once, and nothing more."""
        self._needs_root()
        subprocess.run([self.cloud, "build"], check=True)

    def up(self, hosts: str) -> None:
        """A sandbox that is ready: `nspawn` (hosts boot) or `none` (hosts boot nothing), in a fresh state."""
        self._needs_root()
        state = self.root / ".sandbox" / "state"
        if (state / "clouds.yaml").exists() and not (state / MARK).exists():
            pytest.fail("this checkout's sandbox holds a cloud that the tests did not make: `make demo-down` first")
        self.reset()
        subprocess.run([self.cloud, "up", "--hosts", hosts], check=True)
        (state / MARK).touch()

    def kill(self, service: str) -> None:
        """End one of its services as a crash would."""
        running = processes.find(Layout(self.root), service)
        assert running, f"{service} does not run"
        running.signal(signal.SIGKILL)

    def repair(self) -> None:
        """Start again what was killed."""
        subprocess.run([self.cloud, "up"], check=True)

    def reset(self) -> None:
        """Nothing of it left running, and its cloud thrown away."""
        subprocess.run([self.cloud, "reset"], check=True)

    def down(self) -> None:
        """Nothing of it left running."""
        subprocess.run([self.cloud, "down"], check=True)

    def run(
        self,
        *argv: str,
        check: bool = True,
        environment: dict[str, str] | None = None,
        directory: Path | None = None,
        timeout: float = 900,
    ) -> subprocess.CompletedProcess[str]:
        """A command in the sandbox's network. Raises AssertionError with what it printed when it fails."""
        settings = [f"{key}={value}" for key, value in (environment or {}).items()]
        done = subprocess.run(
            [self.cloud, "run", "env", *settings, *argv],
            cwd=directory or self.root,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-6000:]}"
        return done


@pytest.fixture(scope="session")
def built() -> Path:
    """The directory of what the sandbox makes once: the hosts' image, the mirror's archives and wheels."""
    sandbox = Sandbox()
    sandbox.build()
    return sandbox.root / ".sandbox" / "cache"


@pytest.fixture(scope="session")
def empty_cloud() -> Iterator[Sandbox]:
    """A fresh sandbox whose hosts boot nothing."""
    sandbox = Sandbox()
    sandbox.up("none")
    yield sandbox
    sandbox.reset()


@pytest.fixture(scope="session")
def booting_cloud() -> Iterator[Sandbox]:
    """A fresh sandbox whose hosts really boot."""
    sandbox = Sandbox()
    sandbox.up("nspawn")
    yield sandbox
    sandbox.reset()

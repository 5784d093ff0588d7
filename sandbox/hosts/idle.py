"""A server that boots nothing, for scale: a directory that says whether it is switched on."""

# ruff: noqa: ARG002 - the signatures are those of a host that boots

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.hosts.bounds import Bounds
from sandbox.hosts.host import PLATFORM, Interface
from sandbox.layout import Layout


class Idle:
    """What Nova's driver wants of a host, without one."""

    def __init__(self, layout: Layout, server_id: str) -> None:
        self.server_id = server_id
        self.directory = layout.instances / server_id
        self.console = self.directory / "console.log"
        self._power = self.directory / "power"

    @property
    def exists(self) -> bool:
        return self._power.exists()

    @property
    def running(self) -> bool:
        return self.exists and self._power.read_text() == "on"

    def create(self, files: Mapping[str, str | bytes], tree: str = PLATFORM) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._power.write_text("off")

    def start(self, hostname: str, bounds: Bounds, stopped: Callable[[], None]) -> None:
        self._power.write_text("on")

    def stop(self, patience: float = 0) -> None:
        self._power.write_text("off")

    def destroy(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    def prepare(self) -> None:
        """It has no root."""

    def release(self) -> None:
        """It holds nothing."""

    def watch(self, stopped: Callable[[], None]) -> None:
        """It never ends by itself."""

    def plug(self, interface: Interface) -> None:
        """It has no interface."""

    def unplug(self, tap: str) -> None:
        """It has no interface."""

    def attach(self, name: str, file: Path, device: str) -> None:
        """It has no disk."""

    def attach_local(self, gib: int, device: str) -> None:
        """It has no disk."""

    def detach(self, name: str, file: Path) -> None:
        """It has no disk."""

"""Fixtures that every tier shares. Whatever a test needs it brings up itself, or it fails and says how to get it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import processes
from sandbox.layout import Layout
from sandbox.lifecycle import Stamp
from tests import complaints

ROOT = Path(__file__).parent.parent
LABEL = "tests"  # of the cloud that the tests make: they touch no other
SHARE = "aglais-data-gaia-dr3-2048-20221107"  # of the catalogue
ROWS = 200_000  # that the tests put there
OPS = ("python", "-W", "ignore", "-m", "ops")  # as an operator says it; libraries' warnings are not what tests read
LONGEST_UP = 1200  # seconds, on a machine that has to build everything


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep-cloud",
        action="store_true",
        help="go on with the cloud that tests before made, and leave it running: for one test, again and again",
    )


LOGS = pytest.StashKey[dict[Path, int]]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[LOGS] = complaints.sizes(Layout(ROOT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the sandbox's services complained of."""
    report = yield
    if report.failed and (said := complaints.since(Layout(ROOT), item.stash.get(LOGS, {}))):
        report.sections.append(("Complaints of the sandbox's services", said))
    return report


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

    def build(self, *options: str) -> None:
        """What it makes once, and nothing more."""
        self._needs_root()
        subprocess.run([self.cloud, "build", *options], check=True)

    def refuse_another(self) -> None:
        """Fail if the checkout's cloud is somebody's; one whose first start was interrupted is nobody's."""
        self._needs_root()
        stamp = Stamp.of(Layout(self.root))
        if stamp and stamp.label != LABEL:
            pytest.fail("this checkout's sandbox holds a cloud that the tests did not make: `make demo-down` first")

    def up(self) -> None:
        """A sandbox that is ready: a new cloud for tests, or the one that is there."""
        subprocess.run([self.cloud, "up", "--label", LABEL], check=True, timeout=LONGEST_UP)

    def kill(self, service: str) -> None:
        """End one of its services as a crash would."""
        running = processes.find(Layout(self.root), service)
        assert running, f"{service} does not run"
        running.signal(signal.SIGKILL)

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

    def pulumi(self, *words: str) -> str:
        """What a pulumi command on the checkout's own stacks prints. Raises AssertionError when it fails."""
        return self.run("pulumi", *words, "--non-interactive").stdout

    def ops(self, *words: str) -> str:
        """What a verb of `ops` prints. Raises AssertionError when it fails."""
        return self.run(*OPS, *words).stdout


@pytest.fixture(scope="session")
def built() -> Path:
    """The directory of what the sandbox makes once: the hosts' image, the mirror's archives and wheels."""
    sandbox = Sandbox()
    sandbox.build()
    return sandbox.root / ".sandbox" / "cache"


@pytest.fixture(scope="session")
def cloud(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The checkout's sandbox, with a new cloud that all tests of the session share."""
    sandbox = Sandbox()
    sandbox.refuse_another()
    kept = request.config.getoption("--keep-cloud")
    if not kept:
        sandbox.reset()
    try:
        sandbox.up()
        yield sandbox
    finally:
        if not kept:
            sandbox.reset()


@pytest.fixture(scope="session")
def state_backend(cloud: Sandbox) -> str:
    """The S3 backend on the sandbox's Swift, made as an operator makes it; what `cloud.run` uses from then on."""
    file = Layout(ROOT).operator_environment
    words = ["state", "--cloud", "iris-gaia-demo", "--bucket", "pulumi-state", "--environment", str(file)]
    said = cloud.ops(*words)
    assert "PUT, GET, LIST, COPY and DELETE work" in said
    assert file.stat().st_mode & 0o777 == 0o600
    return dict(word.split("=", 1) for word in shlex.split(file.read_text()))["PULUMI_BACKEND_URL"]


@pytest.fixture(scope="session")
def catalogue(cloud: Sandbox, state_backend: str) -> str:
    """The committed stack of the catalogue, which every deployment finds its shares in; its name."""
    assert state_backend
    stack = "gaia-data"
    cloud.pulumi("stack", "select", "--create", stack)
    cloud.pulumi("up", "--yes", "--skip-preview", "-s", stack)
    return stack


@pytest.fixture(scope="session")
def filled(cloud: Sandbox, catalogue: str) -> str:
    """The name of the catalogue's share, which is filled."""
    assert catalogue == "gaia-data"
    fill = ["fill", "--cloud", "iris-gaia-data", "--share", SHARE, "--"]
    cloud.ops(*fill, "python", "-m", "jobs.catalogue", "--rows", str(ROWS))
    return SHARE

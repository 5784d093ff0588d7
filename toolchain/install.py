"""Everything that `make tools` does, in order; safe to interrupt and to repeat."""

import argparse
import fcntl
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from toolchain import charts, csi, golang, nodes, pulumi, python, schemas, shell, sign_on


@contextmanager
def alone() -> Iterator[None]:
    """Two runs in one checkout take turns."""
    shell.TOOLS.mkdir(exist_ok=True)
    with (shell.TOOLS / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            shell.say("another `make tools` is at work in this checkout: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m toolchain", description=__doc__)
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        "--only-build-providers",
        action="store_true",
        help="build the providers from source, also where the official ones are in use (the tests compare them)",
    )
    only.add_argument(
        "--only-kubernetes", action="store_true", help="build what a Kubernetes cluster runs, and what deploys onto it"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    steps = [pulumi.provide, python.make_venv]
    if given.only_build_providers:
        steps = [partial(golang.build, pulumi.PROVIDERS)]
    elif given.only_kubernetes:
        steps = [kubernetes]
    return shell.told(partial(install, steps))


def kubernetes() -> None:
    """One after the other: each fills the machine's processors, and takes gigabytes of memory."""
    nodes.provide()
    csi.provide()
    sign_on.provide()
    pulumi.provide_kubernetes()
    charts.provide()
    schemas.provide()


def install(steps: list[Callable[[], None]]) -> None:
    """What every step needs, then the steps at the same time. Raises shell.Problem."""
    with alone():
        python.install_uv()
        shell.in_parallel(*steps)
    shell.say("ready")

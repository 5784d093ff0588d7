"""Everything that `make tools` does, in order; safe to interrupt and to repeat."""

import argparse
import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from toolchain import golang, pulumi, python, shell


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
    parser.add_argument(
        "--only-build-providers",
        action="store_true",
        help="build the providers from source, also where the official ones are in use (the tests compare them)",
    )
    only_providers = parser.parse_args().only_build_providers
    signal.signal(signal.SIGTERM, interrupt)
    return shell.told(partial(install, only_providers))


def install(only_providers: bool) -> None:
    """Bring everything, or only build the providers. Raises shell.Problem."""
    with alone():
        python.install_uv()
        if only_providers:
            golang.build(pulumi.PROVIDERS)
        else:
            shell.in_parallel(pulumi.provide, python.make_venv)
    if not only_providers:
        shell.say("ready")

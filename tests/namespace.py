"""The test process itself inside the sandbox's network, for tests that speak to its APIs."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Within it, this thread and the threads and processes that it starts are in a network namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as outside, Path("/run/netns", namespace).open() as within:
        assert library.setns(within.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert library.setns(outside.fileno(), CLONE_NEWNET) == 0

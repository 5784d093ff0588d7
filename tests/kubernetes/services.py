"""Stacks of services on the cluster of `gaia-dev`: in the same state backend, each with a passphrase of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kubernetes.cluster import CLOUD, STACK, Cluster
from tests.stack import Stack, committed


def services(cluster: Cluster, backend: str, directory: Path, name: str, **config: Any) -> Stack:
    """A stack, not yet made, with the sandbox's charts and images; its passphrase is in `directory`."""
    passphrase = directory / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(f"of who operates {name}\n")
    known = committed(STACK)
    common = {"platform": "services", "site": "sandbox", "cloud": CLOUD, "cluster_name": STACK}
    common |= {key: known[key] for key in ("charts", "images")}
    return Stack(cluster.stack.sandbox, directory, name, common | config, backend, passphrase)

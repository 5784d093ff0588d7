"""A stack's outputs, and SSH to its hosts by them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from components.settings.common import DEPLOY_USER
from ops.cloud import OpsError
from ops.command import pulumi


def outputs(stack: str) -> dict[str, Any]:
    """The outputs of a stack with its secrets, by the plain `pulumi` command."""
    found: dict[str, Any] = json.loads(pulumi("stack", "output", "--json", "--show-secrets", stack=stack))
    return found


@contextmanager
def ssh(found: dict[str, Any]) -> Iterator[list[str]]:
    """The beginning of an `ssh` command line to the stack's hosts with its deploy key; host keys are the pinned ones.

    Key and configuration lie in a directory of mode 700 for as long as the context is open.
    """
    with tempfile.TemporaryDirectory(prefix="gaia-ssh-") as directory:
        key, config = Path(directory, "key"), Path(directory, "config")
        hosts = Path(directory, "known_hosts")
        key.touch(mode=0o600)
        key.write_text(found["deploy_key"], encoding="utf-8")
        hosts.write_text(found["known_hosts"], encoding="utf-8")
        config.write_text(
            f"{found['ssh_config']}\nHost *\n  User {DEPLOY_USER}\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {hosts}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
            "  LogLevel ERROR\n  ConnectTimeout 10\n",
            encoding="utf-8",
        )
        yield ["ssh", "-F", str(config)]


def remote(
    ssh_command: list[str],
    host: str,
    command: str,
    stdin: bytes | IO[bytes] = b"",
    into: IO[bytes] | None = None,
) -> bytes:
    """Run a command on a host; what it printed is written `into` a file or returned.

    Raises OpsError with the end of its errors.
    """
    source: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run(
        [*ssh_command, host, command], stdout=into or subprocess.PIPE, stderr=subprocess.PIPE, check=False, **source
    )
    said = done.stdout or b""
    if done.returncode:
        told = (said + done.stderr).decode(errors="replace").strip()
        raise OpsError(f"{host}: the command ended with status {done.returncode}:\n{told[-3000:]}")
    return said

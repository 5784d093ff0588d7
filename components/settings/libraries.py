"""The lock of a stack's Python libraries: `Pulumi.STACK.libraries.txt`, beside the stack's file. Pure but for `read`.

`python -m ops libraries` makes it. A comment says for which requirements; then there is a line for each package, with
its version and the hashes of its wheels, as pip and uv read it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

INSTALLER = "uv"  # one of the packages: what hosts install the others with


def file_name(stack: str) -> str:
    """What the lock of a stack is called."""
    return f"Pulumi.{stack}.libraries.txt"


def command(stack: str) -> str:
    """What makes it."""
    return f"python -m ops libraries -s {stack}"


def read(directory: Path, stack: str) -> str | None:
    """The text of a stack's lock in the directory of its file; None if there is none."""
    file = directory / file_name(stack)
    return file.read_text(encoding="utf-8") if file.exists() else None


def digest(requirements: Iterable[str]) -> str:
    """What tells whether requirements are those that a lock was made for; their order is no difference."""
    return hashlib.sha256("\n".join(sorted(requirements)).encode()).hexdigest()


@dataclass(frozen=True)
class Lock:
    """What a lock says: a line for each package, as a file of requirements has it, and what it was made for."""

    packages: tuple[str, ...]
    made_for: str

    @classmethod
    def parse(cls, text: str) -> Lock:
        """From the text of its file, also of one that somebody has damaged: that was made for nothing."""
        lines = tuple(line for line in text.splitlines() if line and not line.startswith("#"))
        made_for = re.findall(r"^# requirements sha256:(\w+)$", text, re.MULTILINE)
        return cls(lines, made_for[0] if len(made_for) == 1 else "")

    def text(self, comment: str) -> str:
        """The text of its file; the comment says how it was made."""
        return "\n".join([f"# {comment}", f"# requirements sha256:{self.made_for}", *self.packages]) + "\n"

    @property
    def installer(self) -> str:
        """The line of what installs the others."""
        return "".join(line for line in self.packages if line.startswith(f"{INSTALLER}=="))

    @property
    def libraries(self) -> str:
        """The other lines."""
        return "\n".join(line for line in self.packages if line != self.installer)


def problem(requirements: Sequence[str], text: str | None, stack: str) -> str:
    """Why hosts cannot have these requirements with this lock, as what follows their key; empty if they can."""
    if text is None:
        return f"have no {file_name(stack)}, which every host is to install alike: {command(stack)}"
    lock = Lock.parse(text)
    if not lock.installer or lock.made_for != digest(requirements):
        return f"changed since {file_name(stack)} was made: {command(stack)}"
    return ""

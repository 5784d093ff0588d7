"""The passwords of one cloud: random, made at its cold start, in files that only root reads."""

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.layout import ADMIN, PROJECTS, SERVICE, Layout


def private_file(path: Path, text: str) -> None:
    """Write a file of mode 600 that is there either wholly or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


@dataclass(frozen=True)
class Secrets:
    """Passwords of the users, by name, and Swift's hash prefix."""

    users: dict[str, str]
    swift_hash: str

    @property
    def service(self) -> str:
        return self.users[SERVICE]

    @property
    def metadata(self) -> str:
        """What the metadata daemon and Nova share; made from another, so that older states have it too."""
        return hashlib.sha256(f"metadata {self.service}".encode()).hexdigest()

    @property
    def admin(self) -> str:
        return self.users[ADMIN]


def secrets_of(layout: Layout) -> Secrets:
    """The secrets of the present state; made if it has none yet."""
    path = layout.state / "secrets.json"
    if not path.exists():
        users = {name: secrets.token_urlsafe(18) for name in (ADMIN, SERVICE, *PROJECTS)}
        private_file(path, json.dumps(asdict(Secrets(users, secrets.token_hex(8)))))
    return Secrets(**json.loads(path.read_text()))

"""Keystone: identity."""

from sandbox.configuration.common import Configuration, Ini
from sandbox.configuration.common import no_directories as directories

__all__ = ["directories", "files"]


def files(c: Configuration) -> dict[str, Ini]:
    data = c.layout.data / "keystone"
    return {
        "keystone/keystone.conf": {
            "DEFAULT": c.default("keystone", state=False),
            "token": {"provider": "fernet", "expiration": 86400},
            "fernet_tokens": {"key_repository": data / "fernet-keys"},
            "credential": {"key_repository": data / "credential-keys"},
            # random passwords of 24 characters on a sandbox: the cheapest hash is enough and saves 0.2 s per login
            "identity": {"password_hash_rounds": 4},
            "cache": {"enabled": True, "backend": "dogpile.cache.memory"},
            **c.tail("keystone"),
        }
    }

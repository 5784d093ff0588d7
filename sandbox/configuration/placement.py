"""Placement: what the hosts have and who uses it."""

from sandbox.configuration.common import Configuration, Ini
from sandbox.configuration.common import no_directories as directories

__all__ = ["directories", "files"]


def files(c: Configuration) -> dict[str, Ini]:
    return {
        "placement/placement.conf": {
            "DEFAULT": {"use_stderr": True},
            "placement_database": c.database("placement"),
            "keystone_authtoken": c.token_check(),
        }
    }

"""versions.toml, and how versions compare."""

import re
import tomllib
from pathlib import Path
from typing import Any

VERSIONS: dict[str, Any] = tomllib.loads((Path(__file__).resolve().parents[1] / "versions.toml").read_text())


def number(version: str) -> tuple[int, ...]:
    """ "v3.259.0-dev" -> (3, 259, 0); what is no version compares lower than every version."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, match[1].split("."))) if match else ()


def fits(version: str) -> bool:
    """Whether this Pulumi can be used: same major version, not older than the oldest that works."""
    oldest = number(VERSIONS["tools"]["pulumi_oldest"])
    return number(version)[:1] == oldest[:1] and number(version) >= oldest

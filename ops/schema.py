"""The JSON schema of the stacks' files, for editors: `Pulumi.schema.json` beside them."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from components.platforms import PLATFORMS
from components.settings.schema import schema

FILE = "Pulumi.schema.json"


def text(project: Path) -> str:
    """The schema as it is committed, by the keys that the project's Pulumi.yaml declares."""
    declared = yaml.safe_load((project / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    made = schema({name: platform.settings for name, platform in PLATFORMS.items()}, declared)
    return json.dumps(made, indent=1) + "\n"


def write(project: Path) -> list[str]:
    """Write it after the settings have changed; a line that says whether it did."""
    file, made = project / FILE, text(project)
    if file.exists() and file.read_text(encoding="utf-8") == made:
        return [f"{FILE} is as the settings are"]
    file.write_text(made, encoding="utf-8")
    return [f"{FILE} is written"]

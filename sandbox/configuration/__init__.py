"""The configuration of every service, one module per project; rendered anew at each start."""

import json
from pathlib import Path

from sandbox.configuration import (
    ceph,
    cinder,
    glance,
    keystone,
    magnum,
    manila,
    neutron,
    nova,
    octavia,
    placement,
    swift,
)
from sandbox.configuration.common import Configuration, Ini
from sandbox.configuration.secrets import private_file

__all__ = ["Configuration", "Ini", "render"]

PROJECTS = (keystone, placement, glance, neutron, nova, cinder, manila, octavia, magnum, swift, ceph)


def render(configuration: Configuration) -> None:
    """Write all configuration files and make the directories that they name."""
    layout = configuration.layout
    layout.etc.mkdir(parents=True, exist_ok=True)
    layout.etc.chmod(0o700)
    for project in PROJECTS:
        name = project.__name__.rpartition(".")[2]
        for directory in (layout.data / name, layout.data / "lock" / name, *project.directories(layout)):
            directory.mkdir(parents=True, exist_ok=True)
        for path, sections in project.files(configuration).items():
            private_file(layout.etc / path, text(sections))
    _clouds(configuration)


def text(sections: Ini) -> str:
    """The sections in the form that oslo.config, paste and Ceph read."""
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_value(value)}" for key, value in options.items()]
        lines.append("")
    return "\n".join(lines)


def _value(value: str | int | float | bool | Path) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _clouds(configuration: Configuration) -> None:
    """clouds.yaml (in JSON, which YAML contains): one entry per project, and the administrator's."""
    clouds = {name: configuration.cloud(name, password) for name, password in configuration.secrets.users.items()}
    private_file(configuration.layout.clouds_yaml, json.dumps({"clouds": clouds}, indent=2) + "\n")

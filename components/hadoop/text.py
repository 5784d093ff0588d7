"""The file formats of the Hadoop world: its XML, Java properties, units of systemd. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

Value = str | int | float | bool


def value(what: Value) -> str:
    """A setting as these formats write it: lower-case booleans."""
    return str(what).lower() if isinstance(what, bool) else str(what)


def hadoop_xml(settings: Mapping[str, Value]) -> str:
    """A *-site.xml file."""
    lines = [
        f"  <property><name>{escape(name)}</name><value>{escape(value(what))}</value></property>"
        for name, what in settings.items()
    ]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<configuration>", *lines, "</configuration>"]) + "\n"


def spark_properties(settings: Mapping[str, Value]) -> str:
    """A spark-defaults.conf file: name, white space, value."""
    width = max(map(len, settings), default=0) + 2
    return "".join(f"{name:<{width}}{value(what)}\n" for name, what in settings.items())


def environment(settings: Mapping[str, Value]) -> str:
    """Assignments that both a shell and systemd's EnvironmentFile read."""
    return "".join(f'{name}="{value(what)}"\n' for name, what in settings.items())


def unit(sections: Mapping[str, Iterable[tuple[str, Value]]]) -> str:
    """A unit file; a name may come more than once."""
    blocks = [
        "\n".join([f"[{section}]", *(f"{name}={value(what)}" for name, what in lines)])
        for section, lines in sections.items()
    ]
    return "\n\n".join(blocks) + "\n"


def on_host(name: str) -> str:
    """The text of a program in `components/on_host`, which runs on hosts as it is."""
    return (Path(__file__).parent.parent / "on_host" / name).read_text(encoding="utf-8")

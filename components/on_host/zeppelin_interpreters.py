"""Puts the platform's properties into the notebook server's settings: SETTINGS.json INTERPRETER.json INTERPRETERS.

SETTINGS has them by interpreter: `properties`, and `option` for how its processes are shared.
INTERPRETER.json is the server's own file, which it reads when it starts and rewrites whenever somebody changes a
setting in its pages: everything in it that SETTINGS does not name stays as it is.
INTERPRETERS is the directory of the archive with the interpreters; one that the archive has not is left out.
Standard library only (Python 3.9 or newer). It runs before the server, never beside it.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

TEMPLATE = "interpreter-setting.json"

Setting = dict[str, Any]


def template(directory: Path) -> list[Setting] | None:
    """What the interpreter in this directory says of itself, beside its jars or in one; None where there is none.

    A jar of another interpreter may lie there too: the group's name tells them apart.
    """
    found = [path.read_bytes() for path in (directory / TEMPLATE,) if path.exists()]
    for jar in [] if found else sorted(directory.glob("*.jar")):
        with zipfile.ZipFile(jar) as archive:
            found += [archive.read(TEMPLATE)] if TEMPLATE in archive.namelist() else []
    declared = [list(json.loads(text)) for text in found]
    return next((parts for parts in declared if parts[0]["group"] == directory.name), None)


def fresh(name: str, declared: list[Setting]) -> Setting:
    """A setting as the server makes it of an interpreter that it sees for the first time."""
    properties = {
        key: {
            "name": key,
            "value": given.get("defaultValue"),
            "type": given.get("type") or "string",
            "description": given.get("description"),
        }
        for part in declared
        for key, given in part["properties"].items()
    }
    return {"id": name, "name": name, "group": name, "properties": properties, "dependencies": [], "option": {}}


def decide(setting: Setting, decided: dict[str, Any]) -> None:
    """Give a setting these properties and options, and leave its other ones."""
    if "option" in decided:
        setting["option"] = {**setting.get("option", {}), **decided["option"]}
    for name, value in decided["properties"].items():
        now = setting["properties"].get(name)
        kept = now if isinstance(now, dict) else {"type": "checkbox" if isinstance(value, bool) else "string"}
        setting["properties"][name] = {**kept, "name": name, "value": value}


def main(settings: Path, target: Path, interpreters: Path) -> None:
    """Write the server's file anew if it differs."""
    before = target.read_text(encoding="utf-8") if target.exists() else "{}"
    try:
        saved = json.loads(before)
        found = saved.setdefault("interpreterSettings", {})
        for name, decided in json.loads(settings.read_text(encoding="utf-8")).items():
            declared = template(interpreters / name)
            if declared is None:
                continue
            decide(found.setdefault(name, fresh(name, declared)), decided)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        what = f"{target} is not what the server writes ({problem!r})"
        sys.exit(f"zeppelin-interpreters: {what}: move it away and start zeppelin.service, which makes it anew")
    if saved != json.loads(before):
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_text(json.dumps(saved, indent=2) + "\n", encoding="utf-8")
        part.replace(target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

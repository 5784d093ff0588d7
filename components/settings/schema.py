"""The JSON schema of the stacks' files, made from the settings' own types: editors complete and check them by it. Pure.

It knows keys, types, ranges, choices and patterns. What follows from several keys together only a preview says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from components.settings import PROJECT, SECRET_KEYS, SECRETS_OF, said_elsewhere, sites

Schema = dict[str, Any]
PLATFORM = f"{PROJECT}:platform"
DEFINITIONS = "#/definitions/"
SECRET: Schema = {
    "description": "pulumi config set --secret",
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
SECRETS: Schema = {"type": "object", "additionalProperties": SECRET}


def schema(platforms: Mapping[str, type[BaseModel]], declared: Mapping[str, Mapping[str, Any]]) -> Schema:
    """What a file may say whose stack is of one of these platforms; `declared` are the keys of Pulumi.yaml."""
    wanted = [(model, "validation") for model in platforms.values()]
    _, known = models_json_schema(wanted, ref_template=DEFINITIONS + "{model}")  # type: ignore[arg-type]
    models: Schema = _untitled(known["$defs"])
    kinds = {name: models.pop(model.__name__) for name, model in platforms.items()}
    elsewhere = said_elsewhere()
    said = [kind["properties"][key] for kind in kinds.values() for key in elsewhere & kind["properties"].keys()]
    for name in _used(said, models, set()):
        models[name].pop("required", None)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": ["config"],
        "properties": {
            "encryptionsalt": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "config": {
                "type": "object",
                "required": [PLATFORM],
                "properties": {PLATFORM: {"enum": list(kinds), "description": declared[PLATFORM]["description"]}},
                "allOf": [
                    {
                        "if": {"properties": {PLATFORM: {"const": name}}, "required": [PLATFORM]},
                        "then": _keys(kind, declared, elsewhere),
                    }
                    for name, kind in kinds.items()
                ],
            },
        },
        "definitions": dict(sorted(models.items())),
    }


def _keys(model: Schema, declared: Mapping[str, Mapping[str, Any]], elsewhere: set[str]) -> Schema:
    """A platform's keys in the project's namespace; other namespaces are Pulumi's."""
    found = {f"{PROJECT}:{key}": _as_set(key, part) for key, part in model["properties"].items()}
    found |= {f"{PROJECT}:{key}": SECRET for key in SECRET_KEYS} | {f"{PROJECT}:{key}": SECRETS for key in SECRETS_OF}
    for key in found.keys() & declared.keys():
        found[key] = {"description": declared[key]["description"], **found[key]}
    return {
        "properties": {PLATFORM: True, **dict(sorted(found.items()))},
        "required": [f"{PROJECT}:{key}" for key in model.get("required", []) if key not in elsewhere],
        "patternProperties": {f"^(?!{PROJECT}:)": True},
        "additionalProperties": False,
    }


def _as_set(key: str, part: Schema) -> Schema:
    """A key's schema, also for what `pulumi config set` makes of a truth value; of a site, which ones there are."""
    if key == "site":
        return {**part, "enum": ["", *sites()]}
    if part.get("type") == "boolean":
        return {**{name: what for name, what in part.items() if name != "type"}, "enum": [True, False, "true", "false"]}
    return part


def _untitled(part: Any) -> Any:
    """Without what pydantic makes of names, and defaults that are objects: editors would show all of it."""
    if isinstance(part, list):
        return [_untitled(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        name: _untitled(what)
        for name, what in part.items()
        if not (name == "title" and isinstance(what, str)) and not (name == "default" and isinstance(what, dict))
    }


def _used(part: Any, models: Schema, found: set[str]) -> set[str]:
    """The definitions that a schema refers to, and those that these do, added to what is found."""
    for name, what in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if name != "$ref":
            _used(what, models, found)
        elif (used := what.removeprefix(DEFINITIONS)) not in found:
            found.add(used)
            _used(models[used], models, found)
    return found

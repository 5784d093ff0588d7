"""The stack's settings: typed, validated, with every error at once. No cloud calls.

`Pulumi.yaml` declares the keys with their descriptions; a stack's own file sets them, over what its site and
`versions.toml` say. Keys are read in the project's namespace: `gaia:cloud`, `gaia:hosts`, ...
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Container, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from components.settings.base import PROJECT, SettingsError, problems

__all__ = ["PROJECT", "SECRET_KEYS", "SettingsError", "laid_over", "over_defaults", "parse", "platform_of",
           "said_elsewhere", "sites", "versions"]

SITES = Path(__file__).with_name("sites.yaml")
VERSIONS = Path(__file__).parents[2] / "versions.toml"
VERSIONED = ("archives", "charts", "images")  # keys whose defaults stand in the versions file
# Keys whose values are secrets: read one by one by the program as Pulumi secrets, never through the settings. Each
# with the least number of characters that it must have.
SECRET_KEYS = {"notebook_password": 12, "drupal_database_password": 12}
# Such keys that are objects: a secret for each entry of another key, under the entry's name.
SECRETS_OF = {"sign_on_secrets": "sign_on"}

M = TypeVar("M", bound=BaseModel)
Values = dict[str, Any]


@cache
def versions() -> Values:
    """The one versions file; nobody changes what this returns."""
    return tomllib.loads(VERSIONS.read_text(encoding="utf-8"))


def platform_of(config: Mapping[str, str], stack: str, known: Mapping[str, object]) -> str:
    """Which platform a stack is of. Raises SettingsError when it is none of those that are known."""
    platform = _own(config).get("platform", "")
    if platform not in known:
        raise SettingsError.of(stack, [f"platform must be {' or '.join(known)}; is {platform or 'not set'}"])
    return platform


def parse(
    config: Mapping[str, str], stack: str, model: type[M], clear: Container[str] = (), lock: str | None = None
) -> M:
    """The typed settings of a stack from its config (full keys, such as `gaia:cloud`, to text).

    `clear`: those of them that stand in the stack's file as they are. `lock`: the text of the lock of its Python
    libraries. Raises SettingsError with one line for each thing that is wrong: file, key, what is expected.
    """
    given = _own(config)
    given.pop("platform", None)
    wrong = [
        f"{key} has {len(given[key])} characters, must have {least} or more"
        for key, least in SECRET_KEYS.items()
        if key in given and len(given[key]) < least
    ]
    secret = SECRET_KEYS.keys() | SECRETS_OF.keys()
    wrong += [
        f"{key} stands in the file in clear, for everybody who reads it. Choose another: `{_how_to_set(key)}`"
        for key in sorted(secret & given.keys())
        if f"{PROJECT}:{key}" in clear
    ]
    values = {key: _decode(text, model, key) for key, text in given.items() if key not in secret}
    # Pulumi.yaml declares every platform's keys, with an empty default: empty means not set
    values = {key: value for key, value in values.items() if value not in ("", {}, [], False)}
    unknown_site = "site" in values and values["site"] not in sites()
    if unknown_site:
        wrong.append(f"site must be one of {', '.join(sites())}; is {values['site']!r}")
    for key, of in SECRETS_OF.items():
        wrong += _secrets_of(key, given.get(key, "{}"), of, values.get(of, {}))
    layered = over_defaults(values, versions())
    try:
        known = {k: v for k, v in layered.items() if k in values or k in model.model_fields}
        settings = model.model_validate(known, context={"name": stack, "lock": lock})
    except ValidationError as error:
        wrong += [line for line in problems(error) if not (unknown_site and _of_sites(line))]
    if wrong:
        raise SettingsError.of(stack, wrong)
    return settings


def _how_to_set(key: str, name: str = "NAME") -> str:
    path, entry = ("--path ", f".{name}") if key in SECRETS_OF else ("", "")
    return f"pulumi config set --secret {path}{PROJECT}:{key}{entry}"


def _secrets_of(key: str, text: str, of: str, entries: Any) -> list[str]:
    """What is wrong with an object of secrets; none of them is shown."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    names = set(entries) if isinstance(entries, dict) else set()
    if not isinstance(found, dict):
        return [f"{key} must have a secret for each entry of {of}: {_how_to_set(key)}"]
    empty = [name for name, value in found.items() if not (isinstance(value, str) and value.strip())]
    return [
        *(f"{key}.{name} is not set: {_how_to_set(key, name)}" for name in sorted(names - found.keys())),
        *(f"{key}.{name} is of no entry of {of}" for name in sorted(found.keys() - names)),
        *(f"{key}.{name} must be a text that is not empty" for name in sorted(empty)),
    ]


def over_defaults(own: Values, known: Values) -> Values:
    """A stack's own values over what its site says, and that over the versions file's; an unknown site says nothing.

    What a site says may be of keys that the stack's platform does not have.
    """
    below = laid_over({key: known[key] for key in VERSIONED if key in known}, sites().get(own.get("site", ""), {}))
    layered: Values = laid_over(below, own)
    return layered


@cache
def sites() -> Values:
    """What each site says; nobody changes what this returns."""
    found: Values = yaml.safe_load(SITES.read_text(encoding="utf-8"))
    return found


def said_elsewhere() -> set[str]:
    """The keys that a stack's file need not say in full: the site does, or the versions file."""
    return {*VERSIONED, *_site_keys()}


def _site_keys() -> set[str]:
    return {key for site in sites().values() for key in site}


def _of_sites(problem: str) -> bool:
    """Whether a line of `problems` says that something is not set which sites say."""
    return problem.endswith(" is not set") and re.split(r"[. ]", problem)[0] in _site_keys()


def _own(config: Mapping[str, str]) -> dict[str, str]:
    prefix = PROJECT + ":"
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def _decode(text: str, model: type[BaseModel], key: str) -> Any:
    """Pulumi hands every value over as text: objects and lists are JSON, scalars are as written."""
    field = model.model_fields.get(key)
    if field is not None and field.annotation is str:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def laid_over(below: Any, above: Any) -> Any:
    """One piece of config laid over another: objects key by key, everything else as a whole."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: laid_over(below[key], value) if key in below else value for key, value in above.items()}}

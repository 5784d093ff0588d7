"""What every platform's settings are made of: strict models, named types, and errors that name file and key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema

PROJECT = "gaia"
# Where nothing may be mounted over: the system's own directories, and those of the platform's volumes.
SYSTEM_DIRECTORIES = frozenset(
    (
        *("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "mnt", "opt"),
        *("proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var"),
    )
)


PATH, NAME, SHA512, URL = r"(/[A-Za-z0-9._-]+)+", r"[a-z][a-z0-9-]{0,30}", r"[0-9a-f]{128}", r"https?://[^\s/]+(/\S*)?"


class SettingsError(Exception):
    """The stack's config is wrong. Its text lists every error by key and says what is expected."""

    @classmethod
    def of(cls, stack: str, problems: Iterable[str]) -> SettingsError:
        """The error of a stack's file; each problem begins with the key that it is about."""
        return cls("\n".join(f"  Pulumi.{stack}.yaml: {PROJECT}:{problem}" for problem in problems))


class Model(BaseModel):
    """Refuses unknown keys, so that a misspelt one is an error and not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(path: str) -> str:
    if not re.fullmatch(PATH, path):
        raise ValueError(
            f"must be an absolute path without spaces or a trailing slash, such as /data/gaia/GDR3; is {path!r}"
        )
    return path


def _mount(path: str) -> str:
    top = _absolute(path).split("/")[1]
    if top in SYSTEM_DIRECTORIES:
        raise ValueError(f"must not lie in a directory of the system (/{top}); use /data/... or /user/...; is {path!r}")
    return path


def _name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError(f"must be 1 to 31 lower-case letters, digits and '-', beginning with a letter; is {name!r}")
    return name


def _sha512(digest: str) -> str:
    if not re.fullmatch(SHA512, digest):
        raise ValueError("must be 128 hexadecimal digits: publishers offer it as URL.sha512 beside the archive")
    return digest


def _url(url: str) -> str:
    if not re.fullmatch(URL, url):
        raise ValueError(f"must be an http:// or https:// URL; is {url!r}")
    return url


def _as_written(values: Any) -> Any:
    """YAML and `pulumi config set` make numbers and booleans of what looks like them."""
    if not isinstance(values, dict):
        return values
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def _text(pattern: str) -> WithJsonSchema:
    """What editors are told of a text."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


MountPoint = Annotated[str, AfterValidator(_mount), _text(PATH)]
Name = Annotated[str, AfterValidator(_name), _text(NAME)]
Sha512 = Annotated[str, AfterValidator(_sha512), _text(SHA512)]
# for programs that want the text of any value
Texts = Annotated[
    dict[str, str], BeforeValidator(_as_written, json_schema_input_type=dict[str, str | int | float | bool])
]
Url = Annotated[str, AfterValidator(_url), _text(URL)]


def problems(error: ValidationError) -> Iterable[str]:
    """What pydantic found, a line for each, beginning with its key."""
    for detail in error.errors():
        key = ".".join(str(part) for part in detail["loc"])
        message = str(detail["msg"]).removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = "is not a known key"
        elif detail["type"] == "missing":
            message = "is not set"
        elif detail["type"] != "value_error":
            message = f"{message[0].lower()}{message[1:]}; is {detail['input']!r}"
        for line in message.splitlines():
            yield f"{key} {line}" if key else line

"""Secrets: marking values as such, passwords that the config gives or that are made."""

from __future__ import annotations

from typing import TypeVar, cast

import pulumi
import pulumi_random as random

from components.settings import PROJECT

T = TypeVar("T")


def secret(value: pulumi.Output[T]) -> pulumi.Output[T]:
    """The same output, encrypted in the state and hidden in everything that is shown."""
    return cast("pulumi.Output[T]", pulumi.Output.secret(cast("pulumi.Input[T]", value)))


def password(key: str, name: str, length: int, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """The config's secret of this key, or one of letters and digits that is made and kept (RandomPassword)."""
    given: pulumi.Output[str] | None = pulumi.Config(PROJECT).get_secret(key)
    return given or random.RandomPassword(name, length=length, special=False, opts=opts).result

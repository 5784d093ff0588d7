"""Marking values as secrets."""

from __future__ import annotations

from typing import TypeVar, cast

import pulumi

T = TypeVar("T")


def secret(value: pulumi.Output[T]) -> pulumi.Output[T]:
    """The same output, encrypted in the state and hidden in everything that is shown."""
    return cast("pulumi.Output[T]", pulumi.Output.secret(cast("pulumi.Input[T]", value)))

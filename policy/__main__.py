"""The policy pack: `pulumi preview --policy-pack policy`. What it says stands in rules.py."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # what the rules compare with is the program's

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policy import rules


def known(props: Mapping[str, Any]) -> dict[str, Any]:
    """The properties, also of what is not made yet."""

    def value(key: str) -> Any:
        try:
            return props[key]
        except UnknownValueError:
            return rules.UNKNOWN

    return {key: value(key) for key in props}


def summary(rule: object) -> str:
    """What a rule is for, in a line."""
    return str(rule.__doc__).partition("\n")[0]


def of_stack(name: str, rule: rules.Rule) -> StackValidationPolicy:
    """A rule as the engine wants it."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        seen = [
            rules.Seen(one.urn, one.resource_type, known(one.props), bool(one.opts.protect)) for one in args.resources
        ]
        for wrong, one in rules.violations(rule, seen):
            report(wrong, one.urn)

    return StackValidationPolicy(name=name, description=summary(rule), validate=validate)


def of_one(name: str, rule: rules.OfOne) -> ResourceValidationPolicy:
    """A rule that looks at what is asked for, before it is made."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if wrong := rule(args.resource_type, known(args.props)):
            report(wrong, None)

    return ResourceValidationPolicy(name=name, description=summary(rule), validate=validate)


PolicyPack(
    name="gaia",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        *(of_stack(name, rule) for name, rule in rules.RULES.items()),
        *(of_one(name, rule) for name, rule in rules.OF_ONE.items()),
    ],
)

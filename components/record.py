"""What a deployment remembers of itself in its state: where it was made, as what, and what was rebuilt.

A state's resources are ids in one project. With the credentials of another they would all look deleted, or be made a
second time there; and a renamed stack would get all its hosts anew, under the new name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pulumi
import pulumi_openstack as openstack
from pulumi.runtime import invoke

from components.cloud import project_of
from components.settings import PROJECT, SettingsError

NAME = "deployment"


@dataclass(frozen=True, kw_only=True)
class Record:
    """`name`: what names in the cloud begin with; `project` and `project_id`: Keystone's project; `rebuild`: the last
    number that each host or role had in `gaia:hosts.rebuild`, also after it was taken out of the config.
    """

    name: str
    project: str
    project_id: str
    rebuild: dict[str, int] = field(default_factory=dict)

    def told(self, site: str, live: bool = False, let_go: Sequence[str] = ()) -> dict[str, Any]:
        """What a platform says of itself among its outputs in the state, for the policies (policy/rules.py)."""
        return {"deployment": self.name, "site": site, "live": live, "letGo": list(let_go)}

    def keep(self, opts: pulumi.ResourceOptions) -> None:
        """Note it in the state: a Stash, which is nothing in the cloud."""
        pulumi.Stash(NAME, input=asdict(self), opts=opts)


def resources(stack: str) -> dict[str, dict[str, Any]]:
    """What the stack's state has: URN -> outputs; nothing for a stack that has made nothing yet.

    The state is read by the engine, as for a reference to another stack: before anything is registered, so that it
    can be acted on at once, also in a preview.
    """
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"
    found = invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": name}).value or {}
    return {urn: resource["outputs"] for urn, resource in found.get("outputs", {}).items()}


def stashed(found: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any] | None:
    """What lies in the Stash of this name; None where there is none. Pure."""
    return next((has["input"] for urn, has in found.items() if urn.endswith(f"pulumi:index:Stash::{name}")), None)


def type_of(urn: str) -> str:
    """A resource's own type, without its parents'. Pure."""
    return urn.split("::")[2].split("$")[-1]


def name_of(urn: str) -> str:
    """A resource's name in the program. Pure."""
    return urn.split("::")[-1]


def holds(found: Iterable[str], package: str) -> bool:
    """Whether one of these URNs is of a resource whose type begins so. Pure."""
    return any(type_of(urn).startswith(package) for urn in found)


def named(found: Iterable[str], type_: str) -> set[str]:
    """The names of those of these URNs whose type is this one. Pure."""
    return {name_of(urn) for urn in found if type_of(urn) == type_}


def last(found: Mapping[str, Mapping[str, Any]]) -> Record | None:
    """What a stack's state remembers, by its resources; None for a stack that has made nothing yet. Pure."""
    noted = stashed(found, NAME)
    if noted is None:
        return None
    rebuild = {host: int(number) for host, number in noted["rebuild"].items()}
    return Record(**{**noted, "rebuild": rebuild})


def noted(
    stack: str,
    name: str,
    provider: openstack.Provider,
    rebuild: dict[str, int] | None = None,
    state: Mapping[str, Mapping[str, Any]] | None = None,
) -> Record:
    """The record of a deployment called `name`, in the project that its provider leads to.

    `state`: the stack's resources, from who has read them already. Raises SettingsError where the stack is not where,
    or what, it was made.
    """
    project = project_of(provider)
    now = Record(name=name, project=project.name, project_id=project.id, rebuild=rebuild or {})
    return check(stack, now, last(resources(stack) if state is None else state))


def check(stack: str, now: Record, before: Record | None) -> Record:
    """The record to keep from now on. Raises SettingsError where the stack is not where, or what, it was made."""
    if before is None:
        return now
    wrong = []
    if before.project_id != now.project_id:
        wrong.append(
            f"cloud leads to the project {now.project!r} ({now.project_id}), but this stack was made in "
            f"{before.project!r} ({before.project_id}): name that project's entry of clouds.yaml, or, for a second "
            f"deployment, make a stack of its own"
        )
    if before.name != now.name:
        wrong.append(
            f"name is {now.name!r}, but this stack was made as {before.name!r}, and so are its hosts called: "
            f"`pulumi config set {PROJECT}:name {before.name}` keeps them (another name would replace them all)"
        )
    if wrong:
        raise SettingsError.of(stack, wrong)
    return replace(now, rebuild={**before.rebuild, **now.rebuild})

"""What a preview means, for the people who read a pull request: a comment made from the engine's own JSON.

It says first what is lost with what goes, then what changes and in which properties, and which daemons restart. Values
are those that the engine shows: it hides secrets, and so does this.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.hosts.configuration import COMMAND_TYPE
from components.record import name_of, type_of
from ops import picture
from ops.cloud import OpsError
from ops.forge import of_job

CREATE, UPDATE, REPLACE, DELETE = "create", "update", "replace", "delete"
VERBS = {DELETE: "deleted", REPLACE: "replaced", CREATE: "created", UPDATE: "updated"}  # as people want to know them
UNCHANGED = ("same", "read", "refresh")
# What holds something that no `up` brings back.
STATEFUL = {
    "openstack:blockstorage/volume:Volume": "what lies on it",
    "openstack:sharedfilesystem/share:Share": "what lies in it",
    "openstack:containerinfra/cluster:Cluster": "what its pods keep on its nodes",
    "kubernetes:core/v1:PersistentVolumeClaim": "the volume that was made for it",
}
POLICIES = Path(__file__).parent.parent / "policy"
UNITS = 2  # which of a push's triggers has its units' digests: components/hosts/configuration.py
LONGEST = 120  # characters of a value
MOST = 60_000  # characters of a comment: GitHub takes 65,536

State = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """What happens to one resource: the states before and after, as the engine shows them, and what differs."""

    urn: str
    verb: str
    before: State
    after: State
    properties: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The last word of its type; of a command that pushes a host's configuration, what it does."""
        kind = type_of(self.urn)
        return "Configuration" if kind == COMMAND_TYPE and self.urn.count("Configuration$") else kind.split(":")[-1]

    @property
    def name(self) -> str:
        return name_of(self.urn)

    @property
    def loses(self) -> str:
        """What is lost with it; empty where nothing is."""
        kept = self.before.get("protect") or self.before.get("retainOnDelete")
        return STATEFUL.get(type_of(self.urn), "") if self.verb in (DELETE, REPLACE) and not kept else ""

    @property
    def restarts(self) -> list[str]:
        """The units that a push restarts on its host."""
        if type_of(self.urn) != COMMAND_TYPE or not (self.before and self.after):
            return []
        before, after = _units(self.before), _units(self.after)
        return sorted(unit for unit in before.keys() & after.keys() if before[unit] != after[unit])


def _units(state: State) -> dict[str, str]:
    triggers = state.get("inputs", {}).get("triggers", [])
    return triggers[UNITS] if len(triggers) > UNITS and isinstance(triggers[UNITS], dict) else {}


def review(stack: str, svg: Path | None, post: bool) -> tuple[list[str], bool]:
    """Preview a stack and say what it means, if told to on the request whose job this is; and whether it worked."""
    forge = of_job(os.environ) if post else None  # what is missing for that is said before minutes have gone by
    seen = preview(stack)
    text = comment(stack, seen)
    if svg:
        svg.write_text(picture.svg(f"{stack}: {summary(changes(seen), errors(seen))}", drawn(seen)), encoding="utf-8")
    lines = [f"{stack}: {forge.comment(marker(stack), text)}"] if forge else [text]
    return lines, not (errors(seen) or seen["refused"])


def preview(stack: str) -> dict[str, Any]:
    """What the engine says that an `up` would do, also where it ends with an error; `refused`: what policies say.

    Raises OpsError when it says nothing.
    """
    with tempfile.TemporaryDirectory(prefix="gaia-preview-") as directory:
        events = Path(directory, "events")
        words = ["pulumi", "preview", "--json", "--show-sames", "--non-interactive", "--stack", stack]
        words += ["--policy-pack", str(POLICIES), "--event-log", str(events)]  # only there is what policies say
        environment = {**os.environ, "PULUMI_DEBUG_COMMANDS": "1"}  # without which it has no --event-log
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
        )
        refused = list(refusals(events.read_text(encoding="utf-8").splitlines())) if events.exists() else []
    try:
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise OpsError(f"pulumi preview says nothing of {stack}: {said}") from None
    if done.returncode and not (refused or errors(found)):
        found.setdefault("diagnostics", []).append({"severity": "error", "message": done.stderr.strip()[-1500:]})
    return {**found, "refused": refused}


def refusals(events: Iterable[str]) -> Iterator[str]:
    """What policies refuse, by the engine's log of events. Pure."""
    for line in events:
        found = json.loads(line).get("policyEvent", {})
        if found.get("enforcementLevel") == "mandatory":
            said = found["message"].partition("\n")[2].strip()  # after what the policy is for
            yield f"{name_of(found['resourceUrn'])}: {said}"


def changes(preview: State) -> list[Change]:
    """What a preview changes, one for each resource, in the order in which people want to know it."""
    steps: dict[str, list[State]] = {}
    for step in preview.get("steps", []):
        if step["op"] not in UNCHANGED:
            steps.setdefault(step["urn"], []).append(step)
    order = list(VERBS)
    found = [_change(urn, of) for urn, of in steps.items()]
    return sorted(found, key=lambda change: (order.index(change.verb), change.kind, change.name))


def _change(urn: str, steps: Sequence[State]) -> Change:
    """The change of a resource; one that is replaced comes in several steps."""
    ops = {step["op"] for step in steps}
    # others there are, such as an import, change what is known of a resource
    verb = REPLACE if any("replace" in op for op in ops) else next((op for op in ops if op in VERBS), UPDATE)
    before: State = next((step["oldState"] for step in steps if step.get("oldState")), {})
    news = [step["newState"] for step in steps if step.get("newState") and step["op"] != "delete-replaced"]
    differs = [key for step in steps for key in step.get("detailedDiff") or step.get("diffReasons") or ()]
    return Change(urn, verb, before, news[0] if news else {}, tuple(dict.fromkeys(differs)))


def comment(stack: str, preview: State) -> str:
    """The comment, in Markdown. Pure."""
    found, failed = changes(preview), errors(preview)
    parts = [f"### `{stack}`: {summary(found, failed)}"]
    if refused := preview.get("refused"):
        parts += _list("**Refused** (`policy/rules.py`):", refused)
    elif failed:
        parts += ["The preview ends with an error, so what follows may not be all:", _fenced("", failed)]
    lost = [one for one in found if one.loses]
    parts += _list("", [f"**{one.kind} `{one.name}` is {VERBS[one.verb]}, and with it {one.loses}**" for one in lost])
    parts += _list("Restarted:", [f"`{one.name}`: {', '.join(one.restarts)}" for one in found if one.restarts])
    if not found:
        return _whole(parts)
    parts += [_fenced("mermaid", picture.mermaid(drawn(preview))), _table(found)]
    whole = _whole([*parts, _folded("What differs", _fenced("diff", "\n".join(difference(found))))])
    return whole if len(whole) <= MOST else _whole([*parts, "What differs is too long for a comment."])[:MOST]


def _whole(parts: Sequence[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _list(title: str, entries: Sequence[str]) -> list[str]:
    """A list in Markdown; nothing where it would be empty."""
    return ["\n".join([*([title] if title else []), *(f"- {entry}" for entry in entries)])] if entries else []


def marker(stack: str) -> str:
    """By what the comment of a stack is found again."""
    return f"<!-- gaia preview of {stack} -->"


def summary(found: Sequence[Change], failed: str) -> str:
    """How many of each. Says so when there are none."""
    counted = Counter(change.verb for change in found)
    told = [f"{counted[verb]} {said}" for verb, said in VERBS.items() if counted[verb]]
    return ", ".join([*told, *(["**failed**"] if failed else [])]) or "no change"


def errors(preview: State) -> str:
    """What the engine says is wrong."""
    said = [one["message"] for one in preview.get("diagnostics", []) if one.get("severity") == "error"]
    return "\n".join(said).strip()


def _table(found: Sequence[Change]) -> str:
    rows = [f"| {one.verb} | {one.kind} `{one.name}` | {', '.join(one.properties[:6])} |" for one in found]
    return "\n".join(["| | resource | in |", "| --- | --- | --- |", *rows])


def difference(found: Sequence[Change]) -> Iterator[str]:
    """Lines of a diff: each resource, and the inputs that differ."""
    for one in found:
        yield f"  {one.verb} {one.kind} {one.name}"
        before, after = _inputs(one.before), _inputs(one.after)
        for key in sorted(before.keys() | after.keys()) if before and after else ():
            if before.get(key) != after.get(key):
                yield from (f"- {key}: {_shown(before[key])}",) if key in before else ()
                yield from (f"+ {key}: {_shown(after[key])}",) if key in after else ()


def _inputs(state: State) -> dict[str, Any]:
    return {key: value for key, value in state.get("inputs", {}).items() if not key.startswith("__")}


def _shown(value: Any) -> str:
    text = json.dumps(value, sort_keys=True).replace("`", "'")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def drawn(preview: State) -> list[picture.Room]:
    """The parts of the platform, each with the worst that happens to anything in it. Pure."""
    verbs = {change.urn: change.verb for change in changes(preview)}
    states = {step["urn"]: step.get("newState") or step.get("oldState") or {} for step in preview.get("steps", [])}
    order, worst = [*VERBS, ""], dict[tuple[str, str], str]()
    for urn in states:
        above = [urn]
        while parent := states.get(above[-1], {}).get("parent"):
            above.append(parent)
        if len(above) < 3:  # the stack, the platform, providers
            continue
        part, verb = above[-3], verbs.get(urn, "")
        if verb or not states[part].get("custom"):  # single resources only where something happens to them
            named = (_room(part), name_of(part))
            worst[named] = min(worst.get(named, ""), verb, key=order.index)
    return [picture.Room(kind, name, verb) for (kind, name), verb in worst.items()]


def _room(urn: str) -> str:
    """What kind of part of the platform this is: a host and its configuration are one."""
    kind = type_of(urn).split(":")[-1]
    return "Host" if kind == "Configuration" else kind


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"

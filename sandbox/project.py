"""The committed stacks on the sandbox: a Pulumi project of its own beside the state, so that no tracked file is edited.

Its stack files are the checkout's with `overlay.yaml` laid over them, and the locks of Python libraries beside them are
the checkout's: the mirror serves what they name. What somebody sets there (`pulumi config set`,
the salt of the passphrase) stays when the checkout's files or the overlay change: only what nobody changed is made
anew.

`pulumi` on the PATH of `sandbox/cloud run` is `bin/pulumi`, which ends up in `main`: a command for the checkout's
project goes to this one, any other to Pulumi as it is. It runs in the program's environment (`make tools`), for YAML.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from sandbox.layout import MIRROR, Layout

OVERLAY, SUMS = "sandbox/overlay.yaml", "sandbox/mirror/archives.toml"
HOSTS_ARCHIVES = ("hadoop", "spark", "zeppelin")  # those that `gaia:archives` names
BIN = "sandbox/bin"
HEADER = "# Pulumi.{stack}.yaml of the checkout with sandbox/overlay.yaml laid over it. What you set here stays.\n"
ABSENT: Any = object()
# Options that say where Pulumi works: with one of them the command is somebody's own business.
ELSEWHERE = ("-C", "--cwd", "--config-file")
# Options whose values are paths, which are meant from the directory that the command is given in.
PATHS = ("--file", "--policy-pack", "--policy-pack-config", "--plan", "--save-plan")


def laid_over(below: Any, above: Any) -> Any:
    """Objects merged key by key; anything else of `above` takes the place of what is below."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}


def kept(made: Any, found: Any, wanted: Any) -> Any:
    """What is found with all that nobody changed since it was made replaced by what is wanted now.

    Objects are looked at key by key. ABSENT stands for what is not there, on all three sides.
    """
    if found == made:
        return wanted
    if not isinstance(found, dict) or not (isinstance(wanted, dict) or wanted is ABSENT):
        return found
    before, now = (side if isinstance(side, dict) else {} for side in (made, wanted))
    keys = [*found, *(key for key in now if key not in found)]
    parts = {key: kept(before.get(key, ABSENT), found.get(key, ABSENT), now.get(key, ABSENT)) for key in keys}
    return {key: part for key, part in parts.items() if part is not ABSENT}


def _secret(value: Any) -> bool:
    """Whether a value of a stack's file is encrypted, wholly or in part: not with the sandbox's passphrase."""
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(_secret(part) for part in value.values())
    return isinstance(value, list) and any(_secret(part) for part in value)


def archives(sums: str) -> dict[str, dict[str, str]]:
    """What the mirror serves to hosts, as `gaia:archives` wants it, from the text of its checksums' file."""
    found = {}
    for file, digest in tomllib.loads(sums).items():
        name, version = re.findall(r"^(\w+)-(\d+(?:\.\d+)+)", file)[0]
        if name in HOSTS_ARCHIVES:
            found[name] = {"version": version, "url": f"http://{MIRROR}/archives/{file}", "sha512": digest}
    return found


def config(layout: Layout, stack: str) -> dict[str, Any]:
    """The config of a committed stack on the sandbox. Secrets of other places are left out, and their salt."""
    import yaml  # only here: most commands find everything made

    tracked = yaml.safe_load((layout.root / f"Pulumi.{stack}.yaml").read_text()).get("config") or {}
    above = (yaml.safe_load((layout.root / OVERLAY).read_text()) or {}).get(stack) or {}
    if above.get("gaia:archives") == "mirror":
        above = {**above, "gaia:archives": archives((layout.root / SUMS).read_text())}
    readable = {key: value for key, value in tracked.items() if not _secret(value)}
    merged: dict[str, Any] = laid_over(readable, above)
    return merged


def ensure(layout: Layout) -> Path:
    """The project directory, made or brought up to date; nothing is read but a few small files if all is as it was."""
    project, locks = layout.project, layout.locks
    tracked = sorted(layout.root.glob("Pulumi.*.yaml"))
    sources = [layout.root / "Pulumi.yaml", layout.root / OVERLAY, layout.root / SUMS, Path(__file__), *tracked, *locks]
    origin = hashlib.sha256(b"\0".join(str(path).encode() + path.read_bytes() for path in sources)).hexdigest()
    stamp = project / "made.json"
    made = json.loads(stamp.read_text()) if stamp.exists() else {"stacks": {}}
    # `pulumi stack rm` takes a stack's file away: the next `stack init` finds a new one
    if made.get("origin") == origin and all((project / path.name).exists() for path in (*tracked, *locks)):
        return project
    project.mkdir(parents=True, exist_ok=True)
    _project_file(layout, project / "Pulumi.yaml")
    stacks = {}
    for path in tracked:
        stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        stacks[stack] = config(layout, stack)
        _stack_file(project / path.name, stack, made["stacks"].get(stack, ABSENT), stacks[stack])
    texts = {path.name: path.read_text() for path in locks}
    for name, text in texts.items():
        _lock_file(project / name, made.get("locks", {}).get(name), text)
    _write(stamp, json.dumps({"origin": origin, "stacks": stacks, "locks": texts}))
    return project


def _project_file(layout: Layout, target: Path) -> None:
    import yaml

    values = yaml.safe_load((layout.root / "Pulumi.yaml").read_text())
    values["main"] = str(layout.root)
    values["runtime"]["options"]["virtualenv"] = str(layout.root / values["runtime"]["options"]["virtualenv"])
    _write(target, yaml.safe_dump(values, sort_keys=False))


def _stack_file(target: Path, stack: str, made: Any, wanted: dict[str, Any]) -> None:
    import yaml

    found = yaml.safe_load(target.read_text()) if target.exists() else None
    if not isinstance(found, dict):
        found = {}
    values = {**found, "config": kept(made, found["config"], wanted) if "config" in found else wanted}
    _write(target, HEADER.format(stack=stack) + yaml.safe_dump(values, sort_keys=False))


def _lock_file(target: Path, made: str | None, wanted: str) -> None:
    if not target.exists() or target.read_text() == made:
        _write(target, wanted)


def _write(target: Path, text: str) -> None:
    fresh = target.with_name(f".{target.name}.new")
    fresh.write_text(text)
    fresh.replace(target)


def is_checkouts(layout: Layout, directory: Path) -> bool:
    """Whether the checkout's own project is the one that Pulumi would find from a directory."""
    for place in (directory, *directory.parents):
        if (place / "Pulumi.yaml").exists():
            return place == layout.root
    return False


def arguments(words: Sequence[str], project: Path, directory: Path) -> list[str]:
    """The command's words with the project's directory; paths among them stay what they mean now."""
    meant, path_follows = [], False
    for word in words:
        option, sign, value = word.partition("=")
        if path_follows:
            word = str(directory / word)
        elif option in PATHS and sign:
            word = f"{option}={directory / value}"
        path_follows = word in PATHS
        meant.append(word)
    return ["--cwd", str(project), *meant]


def elsewhere(words: Sequence[str]) -> bool:
    """Whether the command says itself where it works."""
    return any(word.partition("=")[0] in ELSEWHERE or re.match(r"-C.", word) for word in words)


def main(words: Sequence[str]) -> NoReturn:
    """Become Pulumi."""
    layout, directory = Layout.here(), Path.cwd()
    path = [part for part in os.environ.get("PATH", "").split(":") if Path(part) != layout.root / BIN]
    program = shutil.which("pulumi", path=":".join(path))
    if program is None:
        sys.exit("pulumi is not installed: `make tools` brings it")
    words = list(words)
    if is_checkouts(layout, directory) and not elsewhere(words):
        try:
            words = arguments(words, ensure(layout), directory)
        except ImportError:
            sys.exit("the program's Python environment is not there: `make tools` makes it")
    os.execv(program, ["pulumi", *words])

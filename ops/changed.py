"""Which stacks a change is about, by the paths of its files: those that the job of a pull request previews."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import yaml

from components.settings import PROJECT
from ops.cloud import OpsError

OF_A_STACK = re.compile(r"Pulumi\.([a-z0-9-]+)\.(?:yaml|libraries\.txt)")
SANDBOX = "sandbox"  # a site: components/settings/sites.yaml
OF_ALL = ("__main__.py", "components/", "charts/", "Pulumi.yaml", "versions.toml", "requirements.txt")


def changed(project: Path, since: str) -> list[str]:
    """The stacks that have changed since they left a revision, as a JSON list in one line. Raises OpsError."""
    words = ["git", "diff", "--name-only", "--relative", f"{since}...HEAD"]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OpsError(f"{' '.join(words)}: {done.stderr.strip()}")
    return [json.dumps(stacks(done.stdout.splitlines(), deployed(project)))]


def deployed(project: Path) -> list[str]:
    """The committed stacks, without those that live on the sandbox alone."""
    found = []
    for file in project.glob("Pulumi.*.yaml"):
        config = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("config") or {}
        if config.get(f"{PROJECT}:site") != SANDBOX and (match := OF_A_STACK.fullmatch(file.name)):
            found.append(match[1])
    return found


def stacks(paths: Iterable[str], known: Iterable[str]) -> list[str]:
    """Of these stacks, those that the paths are about. Pure."""
    files = list(paths)
    if any(file.startswith(OF_ALL) for file in files):
        return sorted(set(known))
    own = {match[1] for file in files if (match := OF_A_STACK.fullmatch(file))}
    return sorted(own & set(known))

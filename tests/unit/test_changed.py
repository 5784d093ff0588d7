"""Which stacks the job of a pull request previews, and that the jobs say what the commands understand."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from ops import changed
from ops.__main__ import parser
from ops.cloud import OpsError
from tests.conftest import ROOT

KNOWN = ("gaia-data", "gaia-prod", "gaia-test")
GITHUB, GITLAB = ROOT / ".github/workflows/review.yml", ROOT / ".gitlab-ci.yml"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ((), ()),
        (("docs/hadoop.md", "tests/unit/test_ops.py", "sandbox/overlay.yaml"), ()),
        (("Pulumi.gaia-test.yaml",), ("gaia-test",)),
        (("Pulumi.gaia-test.libraries.txt", "README.md"), ("gaia-test",)),
        (("Pulumi.gaia-gone.yaml",), ()),
        (("components/hadoop/spark.py",), KNOWN),
        (("Pulumi.yaml",), KNOWN),
        (("requirements.txt", "Pulumi.gaia-test.yaml"), KNOWN),
    ],
)
def test_a_stack_is_previewed_when_something_of_it_has_changed(
    paths: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert changed.stacks(paths, KNOWN) == list(expected)


def git(directory: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *words], cwd=directory, check=True, capture_output=True)


def test_it_is_asked_of_git_since_the_branch_began(tmp_path: Path) -> None:
    for stack in KNOWN:
        (tmp_path / f"Pulumi.{stack}.yaml").write_text("config: {}")
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "one")
    git(tmp_path, "checkout", "-b", "change")
    (tmp_path / "Pulumi.gaia-prod.yaml").write_text("config: {a: b}")
    git(tmp_path, "commit", "-am", "two")
    assert changed.changed(tmp_path, "main") == ['["gaia-prod"]']
    with pytest.raises(OpsError, match=r"git diff .*nowhere"):
        changed.changed(tmp_path, "nowhere")


@pytest.mark.parametrize("file", [GITHUB, GITLAB], ids=lambda file: file.name)
def test_the_jobs_say_what_the_commands_understand(file: Path) -> None:
    said = re.findall(r"python -m ops ([^\n]*?)(?:\)\"|$)", file.read_text(), re.M)
    assert said
    for words in said:
        plain = re.sub(r"\$\{\{.*?\}\}", "gaia-test", words)
        parser().parse_args(shlex.split(plain))


def test_a_job_has_the_secrets_of_one_stack_and_a_fork_none() -> None:
    jobs = yaml.safe_load(GITHUB.read_text())["jobs"]
    assert "secrets." not in str({name: job for name, job in jobs.items() if name != "preview"})
    assert jobs["preview"]["environment"] == "${{ matrix.stack }}"
    assert jobs["preview"]["concurrency"]["group"] == "stack-${{ matrix.stack }}"
    assert "head.repo.full_name == github.repository" in jobs["stacks"]["if"]
    assert jobs["preview"]["needs"] == "stacks"


def test_gitlab_previews_every_committed_stack_but_the_sandboxs_own() -> None:
    jobs = yaml.safe_load(GITLAB.read_text())
    named = {job["variables"]["STACK"] for name, job in jobs.items() if name.startswith("preview ")}
    assert named == set(changed.deployed(ROOT))
    assert "gaia-demo" not in named
    assert jobs[".preview"]["resource_group"] == "$STACK"

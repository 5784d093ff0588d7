"""The committed stacks as a newcomer tries them: plain commands from the checkout, on the sandbox as it comes."""

from __future__ import annotations

import json
import subprocess

import pytest

from ops import orphans
from ops.recover import repeatable
from tests.conftest import ROOT, Sandbox

# How many servers each asks Nova for. (gaia-dev: tests/kubernetes, which have its provider.)
HOSTS = {"gaia-test": 5, "gaia-prod": 4, "gaia-demo": 4}


def git_status() -> str:
    words = ["git", "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def sandbox(cloud: Sandbox, catalogue: str) -> Sandbox:
    """With the catalogue's share, which every deployment looks up."""
    cloud.pulumi("preview", "--expect-no-changes", "-s", catalogue)
    return cloud


@pytest.mark.parametrize("stack", HOSTS)
def test_a_committed_stack_previews_as_it_is_and_no_tracked_file_is_edited(sandbox: Sandbox, stack: str) -> None:
    before = git_status()
    sandbox.pulumi("stack", "select", "--create", stack)
    sandbox.pulumi("config", "set", "-s", stack, "--secret", "gaia:notebook_password", "a long password")
    said = sandbox.pulumi("preview", "--json", "-s", stack)
    steps = json.loads(said[said.index("{") :])["steps"]
    assert {step["op"] for step in steps} == {"create"}
    made = [step["newState"] for step in steps]
    assert [one["type"] for one in made].count("openstack:compute/instance:Instance") == HOSTS[stack]
    unknown = [one["type"] for one in made if not repeatable(one) and orphans.kind_of(one["type"]) not in orphans.KINDS]
    assert unknown == [], "`ops recover` would not know what to do with these after an `up` that was cut off"
    assert "a long password" not in said
    sandbox.pulumi("stack", "rm", "--yes", "--preserve-config", "-s", stack)
    assert git_status() == before


def test_a_verb_of_ops_finds_the_stack_in_the_sandboxs_project(sandbox: Sandbox) -> None:
    said = sandbox.ops("recover", "-s", "gaia-data")
    assert "gaia-data: nothing to recover" in said

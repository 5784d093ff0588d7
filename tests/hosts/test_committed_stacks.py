"""The committed deployments in small, as a newcomer brings them up: plain commands from the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.leftovers import everything


@pytest.mark.parametrize("stack", ["gaia-test", "gaia-prod"])
def test_a_committed_stack_comes_up_as_it_is_computes_and_goes_without_a_trace(
    cloud: Sandbox, filled: str, stack: str, tmp_path: Path
) -> None:
    assert filled
    before = everything(cloud, f"iris-{stack}")
    cloud.run("pulumi", "stack", "select", "--create", stack, "--non-interactive")
    cloud.run("pulumi", "up", "--yes", "--skip-preview", "-s", stack, "--non-interactive")
    try:
        cloud.run("pulumi", "preview", "--expect-no-changes", "-s", stack, "--non-interactive")
        picture = tmp_path / "sky.png"
        said = cloud.run("python", "-W", "ignore", "-m", "ops", "smoke", "-s", stack, "--png", str(picture)).stdout
        assert picture.stat().st_size > 20_000
        assert "master yarn sum 499500" in said
    finally:
        cloud.run("pulumi", "destroy", "--yes", "--skip-preview", "-s", stack, "--non-interactive")
    assert everything(cloud, f"iris-{stack}") == before

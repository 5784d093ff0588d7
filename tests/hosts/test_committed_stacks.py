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
    cloud.pulumi("stack", "select", "--create", stack)
    cloud.pulumi("up", "--yes", "--skip-preview", "-s", stack)
    try:
        cloud.pulumi("preview", "--expect-no-changes", "-s", stack)
        picture = tmp_path / "sky.png"
        said = cloud.ops("smoke", "-s", stack, "--png", str(picture))
        assert picture.stat().st_size > 20_000
        assert "master yarn sum 499500" in said
    finally:
        cloud.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert everything(cloud, f"iris-{stack}") == before

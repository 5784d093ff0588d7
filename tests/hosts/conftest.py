"""What the hosts' tests share: a catalogue with rows."""

from __future__ import annotations

import pytest

from tests.conftest import Sandbox

SHARE = "aglais-data-gaia-dr3-2048-20221107"
ROWS = 200_000


@pytest.fixture(scope="session")
def filled(cloud: Sandbox, catalogue: str) -> str:
    """The name of the catalogue's share, which is filled."""
    assert catalogue == "gaia-data"
    fill = ["fill", "--cloud", "iris-gaia-data", "--share", SHARE, "--"]
    cloud.ops(*fill, "python", "-m", "jobs.catalogue", "--rows", str(ROWS))
    return SHARE

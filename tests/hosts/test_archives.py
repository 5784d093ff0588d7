"""The sandbox's mirror states the checksums of what it serves, as publishers do, and the stacks there name them."""

from __future__ import annotations

from tests.conftest import Sandbox


def test_what_the_mirror_serves_is_what_a_committed_stack_names_there(cloud: Sandbox) -> None:
    cloud.pulumi("stack", "select", "--create", "gaia-prod")
    said = cloud.ops("archives", "-s", "gaia-prod")
    lines = said.strip().splitlines()[-3:]
    assert [line.split()[0] for line in lines] == ["hadoop", "spark", "zeppelin"]
    assert all(": is " in line and "(http://203.0.113.2/archives/" in line for line in lines)

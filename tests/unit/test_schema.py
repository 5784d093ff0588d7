"""The schema by which editors complete and check the stacks' files: as the settings are, and of use."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ops import schema
from tests.conftest import ROOT

SCHEMA = json.loads(schema.text(ROOT))
STACKS = sorted(path for path in ROOT.glob("Pulumi.gaia-*.yaml"))
LINE = f"# yaml-language-server: $schema={schema.FILE}"


def problems(file: dict[str, Any]) -> list[str]:
    """What an editor underlines."""
    return [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(file)]


def stack(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())
    return found


def test_the_committed_schema_is_what_the_settings_say() -> None:
    assert (ROOT / schema.FILE).read_text() == schema.text(ROOT), "python -m ops schema"
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", STACKS, ids=lambda path: path.name)
def test_every_committed_stack_names_the_schema_and_is_as_it_says(file: Path) -> None:
    assert file.read_text().splitlines()[0] == LINE
    assert problems(yaml.safe_load(file.read_text())) == []


def with_key(name: str, path: str, value: Any) -> dict[str, Any]:
    """A committed stack's file with another value, at keys that are parted by slashes."""
    file = copy.deepcopy(stack(name))
    *parents, last = path.split("/")
    place = file["config"]
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return file


@pytest.mark.parametrize(
    ("name", "path", "value", "said"),
    [
        ("gaia-test", "gaia:platform", "hadoop", "'hadoop' is not one of"),
        ("gaia-test", "gaia:host", {}, "'gaia:host' does not match"),
        ("gaia-test", "gaia:site", "cumulonimbus", "'cumulonimbus' is not one of"),
        ("gaia-test", "gaia:cluster", {}, "'gaia:cluster' does not match"),  # of another platform
        ("gaia-test", "gaia:hosts/worker/count", 251, "251 is greater than the maximum of 250"),
        ("gaia-test", "gaia:hosts/worker/cuont", 2, "'cuont' was unexpected"),
        ("gaia-test", "gaia:hosts/master", {"volume_gib": 8}, "'flavor' is a required property"),
        ("gaia-test", "gaia:spark/spark.sql.shuffle.partitions", [64], "[64] is not valid under any"),
        ("gaia-test", "gaia:name", "Gaia", "'Gaia' is not valid under any"),
        ("gaia-test", "gaia:notebook_password", "in clear", "'in clear' is not of type 'object'"),
        ("gaia-dev", "gaia:cluster/masters/flavor", 3, "3 is not of type 'string'"),
    ],
)
def test_a_wrong_value_is_underlined(name: str, path: str, value: Any, said: str) -> None:
    assert any(said in problem for problem in problems(with_key(name, path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("gaia:live", "true"),  # as `pulumi config set` writes it
        ("gaia:notebook_password", {"secure": "v1:abc"}),
        ("gaia:network", {"cidr": "10.20.0.0/16"}),  # the rest is said by the site
        ("gaia:archives", {"spark": {"url": "https://mirror.example.org/spark.tgz"}}),
        ("gaia:spark/spark.sql.shuffle.partitions", 64),
        ("pulumi:disable-default-providers", ["*"]),
    ],
)
def test_what_pulumi_writes_and_what_others_have_said_is_right(path: str, value: Any) -> None:
    assert problems(with_key("gaia-test", path, value)) == []


def test_it_is_written_when_the_settings_have_changed(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    assert schema.write(tmp_path) == [f"{schema.FILE} is written"]
    assert schema.write(tmp_path) == [f"{schema.FILE} is as the settings are"]


def test_a_key_is_explained_as_pulumi_yaml_does() -> None:
    [hadoop] = [
        branch["then"]
        for branch in SCHEMA["properties"]["config"]["allOf"]
        if branch["if"]["properties"]["gaia:platform"]["const"] == "hadoop-yarn"
    ]
    for key in ("gaia:hosts", "gaia:live", "gaia:sizing"):
        assert len(hadoop["properties"][key]["description"]) > 20

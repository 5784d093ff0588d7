"""The web site on Kubernetes: what its parts are told. (What comes of it: tests/kubernetes.)"""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.kubernetes import charts, drupal
from components.settings import SettingsError
from components.settings.services import Drupal
from tests.unit.test_kubernetes_notebooks import parsed

SITE: dict[str, Any] = {"files_gib": 10, "database_gib": 20, "database_memory_mib": 1024}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"drupal": {"files_gib": 10}}, "drupal.database_gib is not set"),
        ({"drupal": {**SITE, "database_memory_mib": 64}}, "drupal.database_memory_mib input should be greater"),
        ({"images": {"mariadb": "mariadb"}}, "images.mariadb must be REGISTRY/NAME:TAG"),
        ({"drupal_database_password": "short"}, "drupal_database_password has 5 characters, must have 12 or more"),
    ],
)
def test_what_cannot_be_is_said_by_its_key(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        parsed(**changed)
    assert str(wrong.value).strip().startswith(f"Pulumi.gaia-dev.yaml: gaia:{said}")


def test_without_its_key_there_is_no_site() -> None:
    assert parsed().drupal is None


@pytest.mark.parametrize("password", ["plain", "it's", "back\\slash", "\\'; DROP TABLE node; --"])
def test_no_password_ends_the_text_that_it_stands_in(password: str) -> None:
    text = drupal.quoted(password)
    inside = text[1:-1].replace("\\\\", "").replace("\\'", "")
    assert text[0] == text[-1] == "'"
    assert "'" not in inside
    assert "\\" not in inside


def test_settings_and_users_agree_about_the_database() -> None:
    settings, users = drupal.settings_php("secret", "salt"), drupal.users_sql("secret")
    assert settings.startswith("<?php\n")
    assert "['password'] = 'secret';" in settings
    assert "['username'] = 'drupal';" in settings
    assert "'drupal'@'%' IDENTIFIED BY 'secret';" in users
    assert all(line.endswith(";") for line in users.splitlines()), "mariadbd reads a statement a line"


def test_every_value_is_one_that_the_chart_declares() -> None:
    given = parsed(drupal=SITE)
    schema = json.loads((charts.ROOT / charts.OWN / drupal.NAME / "values.schema.json").read_text())["properties"]
    found = drupal.values(given, Drupal.model_validate(SITE), "files", "database", "checksum")
    assert found.keys() <= schema.keys()
    for part in ("images", "site", "database"):
        assert found[part].keys() <= schema[part]["properties"].keys()
    assert found["database"]["bufferPoolMiB"] == 512

"""The notebook server on Kubernetes: what it is told, and what its chart is. (What comes of it: tests/kubernetes.)"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from components import settings
from components.in_pod import prepare_zeppelin
from components.kubernetes import charts, notebooks
from components.kubernetes.notebooks import Mount
from components.settings import SettingsError
from components.settings.kubernetes import Kubernetes
from tests.unit.test_kubernetes_platform import CLUSTER

MOUNT = Mount(claim="dr3", path="/data/gaia/GDR3", read_only=True)


def parsed(**changed: Any) -> Kubernetes:
    given = {"site": "cumulus", "cloud": "c", "data_cloud": "d", "cluster": CLUSTER, **changed}
    texts = {f"gaia:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    return settings.parse(texts, "gaia-dev", Kubernetes)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"images": {"spark": "apache/spark"}}, "images.spark must be REGISTRY/NAME:TAG"),
        ({"images": {"sprak": "apache/spark:1"}}, "images.sprak is not a known key"),
        ({"notebook": {"idle_min": 0}}, "notebook.idle_min input should be greater than or equal to 1; is 0"),
        ({"notebook": {"driver": {"memory_mib": 64}}}, "notebook.driver.memory_mib input should be greater"),
        (
            {"notebook": {"executors": {"cores": 8, "memory_mib": 2048}}},
            "notebook.executors memory_mib is 2048, must be 2498",
        ),
        ({"notebook": {"executors": {"count": 2}}}, "notebook.executors.count is not a known key"),
        ({"spark": {"executor.memory": "1g"}}, "spark 'executor.memory' is no setting of Spark"),
    ],
)
def test_what_cannot_be_is_said_by_its_key(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        parsed(**changed)
    assert str(wrong.value).strip().startswith(f"Pulumi.gaia-dev.yaml: gaia:{said}")


def test_each_notebook_has_a_process_of_its_own_where_notebooks_run() -> None:
    found = notebooks.interpreters(parsed())
    for decided in found.values():
        assert decided["option"] == {"perNote": "isolated", "perUser": "shared"}
        assert decided["properties"]["zeppelin.k8s.interpreter.namespace"] == notebooks.NOTEBOOKS
    assert found["spark"]["properties"]["spark.executor.memory"] == "", "spark-defaults.conf is the one place of sizes"


def test_an_executors_heap_and_overhead_are_together_what_it_may_take() -> None:
    sizes = {"cores": 4, "memory_mib": 8192, "most": 3}
    found = notebooks.spark_defaults(parsed(notebook={"executors": sizes}))
    assert (found["spark.executor.memory"], found["spark.executor.memoryOverhead"]) == ("7168m", "1024m")
    assert (found["spark.executor.cores"], found["spark.dynamicAllocation.maxExecutors"]) == ("4", "3")


def test_the_deployments_own_spark_settings_win() -> None:
    found = notebooks.spark_defaults(parsed(spark={"spark.executor.memory": "1g", "spark.ui.enabled": False}))
    assert (found["spark.executor.memory"], found["spark.ui.enabled"]) == ("1g", "false")


def test_a_driver_has_the_same_heap_in_both_places() -> None:
    given = parsed(notebook={"driver": {"memory_mib": 3000}})
    in_interpreter = notebooks.interpreters(given)["spark"]["properties"]["spark.driver.memory"]
    assert in_interpreter == notebooks.spark_defaults(given)["spark.driver.memory"] == "1500m"


def test_every_value_is_one_that_the_chart_declares() -> None:
    given = parsed()
    schema = json.loads((charts.ROOT / charts.OWN / notebooks.NAME / "values.schema.json").read_text())
    found = notebooks.values(given, [MOUNT], "notes", notebooks.configuration(given))
    for part, values in found.items():
        if part != "global":
            assert values.keys() <= schema["properties"][part]["properties"].keys()
    assert found["notebooks"]["mounts"] == [
        {"name": "share-0", "claim": "dr3", "path": "/data/gaia/GDR3", "readOnly": True}
    ]


def test_a_changed_interpreter_setting_starts_the_server_anew_and_a_spark_setting_does_not() -> None:
    def checksum(**changed: Any) -> Any:
        given = parsed(**changed)
        return notebooks.values(given, [], "notes", notebooks.configuration(given))["server"]["checksum"]

    assert checksum() == checksum(spark={"spark.ui.enabled": "false"})
    assert checksum() != checksum(notebook={"driver": {"memory_mib": 2048}})


def test_a_changed_file_of_a_chart_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "ROOT", tmp_path)
    template = tmp_path / charts.OWN / "ours/templates/a.yaml"
    template.parent.mkdir(parents=True)
    digests = set()
    for text in ("a: 1", "a: 2"):
        template.write_text(text)
        digests.add(charts.digest("ours"))
    template.rename(template.with_name("b.yaml"))
    assert len({*digests, charts.digest("ours")}) == 3


def test_the_server_finds_its_configuration_and_directories_that_it_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration, home, owned = tmp_path / "configuration", tmp_path / "home", {}
    configuration.mkdir()
    for name in prepare_zeppelin.FILES:
        (configuration / name).write_text(name)
    monkeypatch.setattr(prepare_zeppelin, "CONFIGURATION", configuration)
    monkeypatch.setattr(prepare_zeppelin, "HOME", home)
    monkeypatch.setattr(os, "chown", lambda path, user, group: owned.update({path: (user, group)}))
    for _ in range(2):  # also where they are already
        prepare_zeppelin.directories()
    account = (prepare_zeppelin.ACCOUNT, prepare_zeppelin.ACCOUNT)
    assert owned == dict.fromkeys((home, home / "conf", home / "notebook"), account)
    assert {path.name for path in (home / "conf").iterdir()} == set(prepare_zeppelin.FILES)

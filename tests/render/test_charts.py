"""Charts with the values that the program gives them, and the objects that it makes itself, read as the API server
would: by Helm, and by kubeconform with the pinned server's own schemas. (What comes of them: tests/kubernetes.)"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime import MockCallArgs

from components import platforms, settings
from components.kubernetes import certificates
from components.settings.kubernetes import Kubernetes
from tests.conftest import ROOT
from tests.stack import committed
from tests.unit.test_components import Recorder, record
from toolchain import charts, nodes, schemas

SECRET = "4dabf18193072939515e22adb298388d"  # the key by which Pulumi's protocol knows a secret
EVERY_CHART = [
    *(charts.CHARTS / f"{name}-{version}.tgz" for name, version in charts.VERSION_OF.items()),
    *sorted(file.parent for file in (ROOT / "charts").glob("*/Chart.yaml")),
]
# Releases of production whose charts no package registry has: read here only in the version of the sandbox.
OUT_OF_REACH = {"production": {"ceph-csi"}, "sandbox": set()}
Object = dict[str, Any]


class Cloud(Recorder):
    """A cloud that has whatever is asked for."""

    def new_resource(self, args: Any) -> tuple[str | None, dict[str, Any]]:
        name, outputs = super().new_resource(args)
        made: dict[str, dict[str, Any]] = {
            "ShareAccess": {"accessKey": "a key"},
            "ApplicationCredential": {"secret": "a secret"},
            "RandomPassword": {"result": "a password"},
            "RandomBytes": {"base64": "AAAAAAAAAAAAAAAAAAAAAA=="},
            "Share": {"exportLocations": [{"path": "10.0.0.1:6789:/volumes/_nogroup/own"}]},
        }
        return name, outputs | made.get(args.typ.rpartition(":")[2], {})

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        if args.token == "pulumi:pulumi:readStackResourceOutputs":
            return {"outputs": {}}, []
        if args.token.endswith("getAuthScope"):
            return {"projectId": "0123456789abcdef", "projectName": "a project"}, []
        location = {"path": "10.0.0.1:6789:/volumes/_nogroup/dr3", "preferred": "true"}
        return {**args.args, "id": "id", "size": 512, "exportLocations": [location]}, []


@dataclass(frozen=True)
class Made:
    """What the program makes of a committed stack, on the cloud that its file means or on the sandbox."""

    place: str
    releases: dict[str, Object]
    objects: list[Object]


def plain(value: Any) -> Any:
    """Without what marks secrets."""
    if isinstance(value, dict):
        return plain(value["value"]) if SECRET in value else {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def config(stack: str, place: str) -> dict[str, str]:
    """A stack's config as the program gets it."""
    tracked = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    values = tracked if place == "production" else {f"gaia:{key}": value for key, value in committed(stack).items()}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


STACKS = sorted(
    file.name.split(".")[1]
    for file in ROOT.glob("Pulumi.*.yaml")
    if yaml.safe_load(file.read_text())["config"].get("gaia:platform") == "kubernetes"
)


@pytest.fixture(scope="module", params=[(stack, place) for stack in STACKS for place in OUT_OF_REACH])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    stack, place = request.param
    yield program(stack, place, config(stack, place), tmp_path_factory.mktemp("clouds"))


def program(stack: str, place: str, given: dict[str, str], directory: Path) -> Made:
    """What the program makes of a config; `directory` is for its clouds.yaml."""
    auth = {
        "auth_url": "https://keystone",
        "username": "u",
        "password": "p",
        "project_name": "n",
        "user_domain_id": "d",
    }
    clouds = {given[key]: {"auth": auth, "region_name": "r"} for key in ("gaia:cloud", "gaia:data_cloud")}
    file = directory / "clouds.yaml"
    file.write_text(json.dumps({"clouds": clouds}))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("OS_")]:
            patch.delenv(name)
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
        recorded = record(lambda: platforms.build(stack, given), Cloud())
    return Made(
        place=place,
        releases={name: plain(inputs) for (kind, name), inputs in recorded.items() if kind == "Release"},
        objects=[plain(inputs) for inputs in recorded.values() if {"apiVersion", "kind"} <= inputs.keys()],
    )


def run(program: str, *words: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """One of the programs of `make tools-kubernetes`."""
    path = nodes.PROGRAMS / program
    if not path.exists():
        pytest.fail(f"{program} is not built: make tools-kubernetes")
    return subprocess.run([path, *words], input=text, capture_output=True, text=True, check=False, timeout=60)


def helm(*words: str | Path) -> str:
    done = run("helm", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def complaints(manifests: str) -> list[str]:
    """What the pinned API server would find wrong, by kind and name."""
    if not schemas.SCHEMAS.exists():
        pytest.fail("the server's schemas are not made: make tools-kubernetes")
    done = run("kubeconform", "-strict", "-output", "json", "-schema-location", schemas.LOCATION, text=manifests)
    found = json.loads(done.stdout)["resources"]
    assert bool(found) == bool(done.returncode), done.stderr
    return [f"{one['kind']} {one['name']}: {one['msg']}" for one in found]


def chart(release: Object) -> Path | None:
    """The chart of a release, in the checkout or packed; None where there is none."""
    own = ROOT / release["chart"]
    packed = charts.CHARTS / f"{release['chart']}-{release.get('version')}.tgz"
    return next((path for path in (own, packed) if path.exists()), None)


def test_charts_with_the_programs_values_are_sound_and_make_what_the_server_takes(made: Made, tmp_path: Path) -> None:
    found = {name: chart(release) for name, release in made.releases.items()}
    assert {name for name, path in found.items() if path is None} == OUT_OF_REACH[made.place]
    for name, path in found.items():
        if path is None:
            continue
        release = made.releases[name]
        (values := tmp_path / f"{name}.json").write_text(json.dumps(release["values"]))
        helm("lint", path, "--values", values, "--namespace", release["namespace"])
        version = ("--kube-version", nodes.VERSION_OF["kubernetes"])
        manifests = helm(
            *("template", name, path, "--values", values, "--namespace", release["namespace"], "--include-crds"),
            *version,
        )
        assert "kind: " in manifests
        assert complaints(manifests) == []


@pytest.mark.parametrize("place", OUT_OF_REACH)
def test_cert_managers_chart_takes_what_it_is_told(place: str, tmp_path: Path) -> None:
    """The publisher's own, of the version that production pins; no committed stack has it."""
    [stack] = STACKS
    chart = settings.parse(config(stack, place), stack, Kubernetes).charts.cert_manager
    told = tmp_path / "values.json"
    told.write_text(json.dumps(settings.laid_over(certificates.values(), chart.values)))
    path = charts.CHARTS / f"{chart.name}-{chart.version}.tgz"
    helm("lint", "--strict", path, "--values", told)
    made = helm("template", certificates.NAME, path, "--values", told, "--namespace", certificates.NAME)
    assert complaints(made) == []
    found = [one for one in yaml.safe_load_all(made) if one]
    own = {one["spec"]["names"]["kind"]: one for one in found if one["kind"] == "CustomResourceDefinition"}
    assert {"Issuer", "Certificate"} <= own.keys()
    kept = "helm.sh/resource-policy"
    assert not [kind for kind, one in own.items() if kept in one["metadata"].get("annotations", {})], "destroy keeps it"
    assert {one["metadata"].get("namespace", certificates.NAME) for one in found} == {certificates.NAME}


def test_objects_that_the_program_makes_itself_are_what_the_server_takes(made: Made) -> None:
    kinds = {one["kind"] for one in made.objects}
    assert {"StorageClass", "Secret", "Namespace", "PersistentVolume", "PersistentVolumeClaim"} <= kinds
    assert complaints(yaml.safe_dump_all(made.objects)) == []


@pytest.mark.parametrize("path", EVERY_CHART, ids=lambda path: path.name)
def test_a_chart_is_sound_by_itself(path: Path) -> None:
    helm("lint", "--strict", path)


def test_a_misspelt_field_of_an_object_is_refused(made: Made) -> None:
    [storage] = [one for one in made.objects if one["kind"] == "StorageClass"]
    misspelt = {**storage, "reclaimPolcy": storage["reclaimPolicy"]}
    [said] = complaints(yaml.safe_dump(misspelt))
    assert "additional properties 'reclaimPolcy' not allowed" in said


def test_a_misspelt_field_of_a_chart_and_a_kind_that_is_gone_are_refused(tmp_path: Path) -> None:
    """The field inside a pod's container, four objects deep."""
    name, version = next(iter(charts.VERSION_OF.items()))
    shutil.unpack_archive(charts.CHARTS / f"{name}-{version}.tgz", tmp_path)
    for template in (tmp_path / name / "templates").glob("*daemonset.yaml"):
        template.write_text(template.read_text().replace(" imagePullPolicy:", " imagePullPolcy:"))
    gone = {"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy", "metadata": {"name": "old"}, "spec": {}}
    found = complaints(helm("template", "web", tmp_path / name) + "\n---\n" + yaml.safe_dump(gone))
    assert any("additional properties 'imagePullPolcy' not allowed" in one for one in found)
    assert "PodSecurityPolicy old: could not find schema for PodSecurityPolicy" in found


def test_a_chart_that_is_not_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.2.3\n")
    (tmp_path / "templates" / "web.yaml").write_text("kind: {{ .Values.kind }\n")
    assert run("helm", "lint", tmp_path).returncode == 1

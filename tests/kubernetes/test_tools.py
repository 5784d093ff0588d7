"""What `make tools-kubernetes` builds besides what nodes run: it starts, is of its version, and does its work."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.golang import go_test
from tests.stack import LocalStack
from toolchain import charts, csi, nodes
from toolchain.versions import VERSIONS

PROGRAM = """
import pulumi, pulumi_kubernetes as kubernetes

provider = kubernetes.Provider("files", render_yaml_to_directory="manifests")
options = pulumi.ResourceOptions(provider=provider)
kubernetes.core.v1.Namespace("gaia", metadata={"name": "gaia"}, opts=options)
"""


def run(program: str, *arguments: str) -> str:
    """What a program prints; one that fails may do so."""
    command = [str(nodes.PROGRAMS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("program", "version"),
    [
        ("helm version", VERSIONS["tools"]["helm"]),
        ("kubeconform -v", VERSIONS["tools"]["kubeconform"]),
        ("csi-provisioner --version", VERSIONS["csi"]["provisioner"]),
        ("csi-resizer --version", VERSIONS["csi"]["resizer"]),
        ("csi-snapshotter --version", VERSIONS["csi"]["snapshotter"]),
        ("manila-csi-plugin --version", VERSIONS["csi"]["manila"]),
        ("cephcsi --version", VERSIONS["csi"]["cephcsi"]),
        ("oauth2-proxy --version", VERSIONS["sign_on"]["oauth2_proxy"]),
    ],
)
def test_a_program_says_the_version_that_is_pinned(program: str, version: str) -> None:
    assert re.search(rf"\bv{re.escape(version)}\b", run(*program.split()))


def test_the_registrar_says_what_it_is_not_told() -> None:
    assert "--kubelet-registration-path is missing" in run("csi-node-driver-registrar", "--v=5")


def test_the_registrar_passes_its_own_tests_against_a_driver_and_a_kubelets_client() -> None:
    done = go_test(csi.SIDECARS, "./csi-node-driver-registrar")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_provider_of_kubernetes_resources_is_the_one_that_is_pinned_and_works(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, PROGRAM)
    stack.pulumi("up", "--yes", "--skip-preview")
    assert list((tmp_path / "manifests").rglob("v1-namespace-*gaia.yaml"))
    plugins = json.loads(stack.pulumi("plugin", "ls", "--json"))
    versions = [plugin["version"] for plugin in plugins if plugin["name"] == "kubernetes"]
    assert VERSIONS["providers"]["kubernetes"] in versions
    schema = json.loads(stack.pulumi("package", "get-schema", "kubernetes"))
    assert "kubernetes:core/v1:Namespace" in schema["resources"]


def test_packed_charts_are_a_repository_whose_addresses_are_relative() -> None:
    index = yaml.safe_load((charts.CHARTS / "index.yaml").read_text())["entries"]
    named = {name: (entry["version"], entry["urls"]) for name, (entry,) in index.items()}
    versions: dict[str, str] = VERSIONS["packed_charts"]
    assert named == {name: (version, [f"{name}-{version}.tgz"]) for name, version in versions.items()}


@pytest.mark.parametrize("name", [name for name in VERSIONS["packed_charts"] if "csi" in name])
def test_a_packed_driver_makes_what_kubernetes_still_has(name: str) -> None:
    archive = charts.CHARTS / f"{name}-{VERSIONS['packed_charts'][name]}.tgz"
    without_attacher = ("--set", "provisioner.attacher.enabled=false")  # with it Ceph's chart has no CSIDriver
    rendered = run("helm", "template", "release", str(archive), *without_attacher)
    kinds = {(document["apiVersion"], document["kind"]) for document in yaml.safe_load_all(rendered) if document}
    assert ("storage.k8s.io/v1", "CSIDriver") in kinds
    assert not [version for version, _ in kinds if "beta" in version]

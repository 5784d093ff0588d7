"""What nodes pull: it is all there or not at all, and has what charts ask for; nothing that was killed goes on."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from sandbox import registry
from sandbox.image.images import ContainerImage, of_pods
from sandbox.image.oci import ImageLayout
from sandbox.layout import MIRROR
from sandbox.namespaces import inside
from sandbox.processes import run
from tests.conftest import ROOT, Sandbox
from tests.kubernetes.cluster import LAYOUT
from toolchain import charts, nodes
from toolchain.versions import VERSIONS


def test_every_image_that_manilas_chart_names_is_in_the_registry() -> None:
    """Ceph's is of another time: the stack on the sandbox names other sidecars."""
    chart = charts.CHARTS / f"openstack-manila-csi-{VERSIONS['packed_charts']['openstack-manila-csi']}.tgz"
    rendered = run([nodes.PROGRAMS / "helm", "template", "release", chart])
    named = set(re.findall(r"image: \"?([^\s\"]+)", rendered))
    assert len(named) == 5
    assert named <= {image.reference for image in of_pods(ROOT / "versions.toml")}


def test_the_mirror_serves_the_charts_that_its_index_names(node_cloud: Sandbox) -> None:
    def get(name: str) -> bytes:
        with inside(LAYOUT.namespace), urlopen(f"http://{MIRROR}/charts/{name}", timeout=10) as answer:
            content: bytes = answer.read()
            return content

    assert node_cloud
    for (entry,) in yaml.safe_load(get("index.yaml"))["entries"].values():
        (name,) = entry["urls"]
        assert hashlib.sha256(get(name)).hexdigest() == entry["digest"]


@pytest.fixture
def images(node_layer: str, tmp_path: Path) -> Path:
    """An OCI layout of one image."""
    assert node_layer
    (tmp_path / "program").write_bytes(bytes(range(256)) * 400_000)
    layout = ImageLayout(tmp_path / "images")
    layout.add(ContainerImage("quay.io/gaia/program:1", program="/program"), {"program": tmp_path / "program"})
    return tmp_path / "images"


def test_the_registry_has_images_with_the_digests_that_they_were_made_with(images: Path, tmp_path: Path) -> None:
    registry.fill(tmp_path / "storage", images)
    (made,) = json.loads((images / "index.json").read_text())["manifests"]
    top = tmp_path / "storage/docker/registry/v2"
    tag = top / "repositories/gaia/program/_manifests/tags/1/current/link"
    assert tag.read_text() == made["digest"]
    stored = {path.parent.name: path.stat().st_size for path in top.glob("blobs/sha256/*/*/data")}
    assert stored == {path.name: path.stat().st_size for path in (images / "blobs/sha256").iterdir()}


def test_nothing_goes_on_after_who_fills_the_registry_was_killed(images: Path, tmp_path: Path) -> None:
    call = "import sys, pathlib, sandbox.registry; sandbox.registry.fill(*map(pathlib.Path, sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", call, tmp_path / "storage", images], cwd=ROOT) as filling:
        _until(lambda: any("docker-registry" in line for line in _commands(images)))
        filling.send_signal(signal.SIGKILL)
    _until(lambda: _commands(images) == [])


def _commands(images: Path) -> list[str]:
    """The command lines of the processes that work with this layout."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended meanwhile
            continue
    return [line for line in found if str(images) in line]


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)

"""What Kubernetes nodes of the sandbox are made of, and what is said when they cannot be."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import socket
import tarfile
import tomllib
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from sandbox.hosts.host import Host, Unbootable
from sandbox.image import images, pod_network
from sandbox.image.images import BASES, ContainerImage
from sandbox.image.node import FILES, NodeLayer
from sandbox.image.oci import ImageLayout
from sandbox.layout import LOOPBACK, MIRROR, NODE, REGISTRY_PORT, Layout
from sandbox.metadata.nova import Server, headers
from sandbox.processes import CommandError
from sandbox.web import WebServer
from tests.conftest import ROOT


def test_the_images_that_a_node_names_are_those_that_it_brings_along() -> None:
    pause, coredns = images.of_nodes(ROOT / "versions.toml")
    assert f'sandbox = "{pause.reference}"' in (FILES / "etc/containerd/config.toml").read_text()
    assert f"image: {coredns.reference}\n" in (FILES / "etc/kubernetes/addons.yaml").read_text()


def test_whatever_registry_an_image_names_nodes_ask_the_sandboxs_alone() -> None:
    hosts = tomllib.loads((FILES / "etc/containerd/certs.d/_default/hosts.toml").read_text())
    assert hosts == {"server": f"http://{MIRROR}:{REGISTRY_PORT}", "capabilities": ["pull", "resolve"]}


def test_every_image_of_pods_has_a_whole_name_a_base_that_exists_and_something_to_run() -> None:
    for image in images.of_pods(ROOT / "versions.toml"):
        assert re.fullmatch(r"[a-z0-9.]+\.[a-z]+(/[a-z0-9-]+){2,}:[\w.-]+", image.reference)
        assert image.base in ("", *BASES)
        assert bool(image.program) != bool(image.command)
        # Debian's links: a layer with such a path would hide all that is below them
        assert not (image.base and re.match("/(bin|sbin|lib|lib64)/", image.program))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A layout with an image of a program, one of a base, and one of a program on that base."""
    return write(tmp_path / "layout", tmp_path)


def write(directory: Path, sources: Path) -> Path:
    (sources / "pause").write_bytes(b"\x7fELF" * 1000)
    (sources / "pause").chmod(0o755)
    with tarfile.open(sources / "base.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("etc/debian_version"))
    programs, layout = {"pause": sources / "pause"}, ImageLayout(directory)
    base = layout.base(sources / "base.tar")
    layout.add(ContainerImage("registry.example/pause:1", program="/pause"), programs)
    layout.add(ContainerImage("registry.example/library/debian:1", "debian", command=("bash",)), programs, base)
    layout.add(ContainerImage("registry.example/both:1", "debian", "/usr/bin/pause"), programs, base)
    return directory


def blob(layout: Path, described: dict[str, Any]) -> bytes:
    kind, _, digest = str(described["digest"]).partition(":")
    return (layout / "blobs" / kind / digest).read_bytes()


def manifests(layout: Path) -> dict[str, dict[str, Any]]:
    index = json.loads((layout / "index.json").read_text())["manifests"]
    return {found["annotations"]["io.containerd.image.name"]: json.loads(blob(layout, found)) for found in index}


def test_an_image_has_its_program_and_every_digest_is_true(written: Path) -> None:
    for path in (written / "blobs/sha256").iterdir():
        assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = manifests(written)["registry.example/pause:1"]
    config, (layer,) = json.loads(blob(written, manifest["config"])), manifest["layers"]
    assert config["config"] == {"Entrypoint": ["/pause"]}
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]
    assert len(blob(written, layer)) == layer["size"]
    with tarfile.open(fileobj=io.BytesIO(blob(written, layer))) as content:
        assert [(member.name, member.mode, member.uid) for member in content] == [("pause", 0o755, 0)]


def test_images_of_one_base_share_its_layer(written: Path) -> None:
    found = manifests(written)
    (base,), (below, own) = (found[f"registry.example/{name}:1"]["layers"] for name in ("library/debian", "both"))
    assert below == base
    with tarfile.open(fileobj=io.BytesIO(blob(written, own))) as content:
        assert content.getnames() == ["usr/bin/pause"]


def test_an_image_has_the_same_bytes_each_time_it_is_made(written: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again", tmp_path)
    assert (again / "index.json").read_bytes() == (written / "index.json").read_bytes()
    for layout in (written, again):
        packed = ImageLayout(tmp_path / f"{layout.name}-one")
        packed.add(ContainerImage("registry.example/pause:1", program="/pause"), {"pause": tmp_path / "pause"})
        packed.pack(tmp_path / f"{layout.name}.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "layout.tar").read_bytes()
    with tarfile.open(tmp_path / "again.tar") as archive:
        assert {"index.json", "oci-layout"} < set(archive.getnames())


def test_the_layer_without_its_programs_says_how_to_build_them(tmp_path: Path) -> None:
    (tmp_path / "versions.toml").symlink_to(ROOT / "versions.toml")
    with pytest.raises(CommandError, match=r"has no kube, etcd, .*pause, coredns: run `make tools-kubernetes`"):
        NodeLayer(Layout(tmp_path)).build()


def test_a_node_without_its_layer_says_how_to_make_it(tmp_path: Path) -> None:
    host = Host(Layout(tmp_path), "1234-5678")
    with pytest.raises(Unbootable, match=r"image/node is not there: .*`sandbox/cloud build --nodes`"):
        host.create({}, tree=NODE)


def test_a_node_on_an_overlay_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.hosts.host.run", lambda *_, **__: "overlayfs\n")
    with pytest.raises(Unbootable, match=r"lies on an overlay.*need a checkout on ext4, xfs or btrfs"):
        Host(Layout(tmp_path), "1234-5678").create({}, tree=NODE)


def test_a_node_is_reached_by_its_internal_address_once_it_has_a_range_for_pods() -> None:
    addresses = [{"type": "Hostname", "address": "worker-0"}, {"type": "InternalIP", "address": "10.0.0.5"}]
    node = {"spec": {"podCIDR": "10.100.1.0/24"}, "status": {"addresses": addresses}}
    assert pod_network.place(node) == ("10.100.1.0/24", "10.0.0.5")
    assert pod_network.place({"spec": {}}) == (None, None)


def test_nova_is_told_who_asks_with_a_signature_of_the_shared_secret() -> None:
    told = headers(Server("server-id", "project-id"), "10.0.0.5", "secret")
    assert told == {
        "X-Forwarded-For": "10.0.0.5",
        "X-Instance-ID": "server-id",
        "X-Tenant-ID": "project-id",
        "X-Instance-ID-Signature": hmac.new(b"secret", b"server-id", hashlib.sha256).hexdigest(),
    }


def test_a_web_server_of_the_sandbox_asks_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda *_: pytest.fail("asked for a name"))
    with WebServer((LOOPBACK, 0), BaseHTTPRequestHandler) as server:
        socket.create_connection(server.socket.getsockname(), 1).close()

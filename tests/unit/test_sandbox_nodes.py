"""What Kubernetes nodes of the sandbox are made of, and what is said when they cannot be."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import tarfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sandbox.hosts.host import Host, Unbootable
from sandbox.image import oci, pod_network
from sandbox.image.node import FILES, NodeLayer, references
from sandbox.layout import LOOPBACK, NODE, Layout
from sandbox.metadata.nova import Server, headers
from sandbox.processes import CommandError
from sandbox.web import WebServer
from tests.conftest import ROOT


def test_the_images_that_a_node_names_are_those_that_it_brings_along() -> None:
    named = references(ROOT / "versions.toml")
    assert f'sandbox = "{named["pause"]}"' in (FILES / "etc/containerd/config.toml").read_text()
    assert f"image: {named['coredns']}\n" in (FILES / "etc/kubernetes/addons.yaml").read_text()


def test_an_image_has_its_program_and_every_digest_is_true(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    oci.write(tmp_path / "pause.tar", "registry.example/pause:1", program)
    with tarfile.open(tmp_path / "pause.tar") as archive:
        files = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    blobs = {name: content for name, content in files.items() if name.startswith("blobs/sha256/")}
    assert all(name.endswith(hashlib.sha256(content).hexdigest()) for name, content in blobs.items())
    (described,) = json.loads(files["index.json"])["manifests"]
    assert described["annotations"] == {"io.containerd.image.name": "registry.example/pause:1"}
    manifest = json.loads(blobs[f"blobs/{described['digest'].replace(':', '/')}"])
    (layer,) = manifest["layers"]
    (tmp_path / "layer").write_bytes(blobs[f"blobs/{layer['digest'].replace(':', '/')}"])
    with tarfile.open(tmp_path / "layer") as content:
        assert [(member.name, member.mode, member.uid) for member in content] == [("pause", 0o755, 0)]


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

"""Container images as an OCI image layout: layers, configurations and manifests, each a file called by its digest.

The same files make the same bytes, so the same digests. Layers are plain tar archives: nodes get them over a bridge of
this machine, where to compress and decompress them takes longer than to send them.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.image.images import ContainerImage
from sandbox.mirror import archive

Descriptor = dict[str, Any]  # of a blob: media type, digest, size
IMAGE = "application/vnd.oci.image."
# By the first an image is called in containerd, by the second in the layout
NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


class ImageLayout:
    """A layout that is being written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._blobs = directory / "blobs/sha256"
        self._blobs.mkdir(parents=True)
        self._manifests: list[Descriptor] = []

    def add(self, image: ContainerImage, programs: Mapping[str, Path], *below: Descriptor) -> None:
        """An image of layers that are there already, the lowest first, and of its program by its name."""
        layers = list(below)
        runs: dict[str, object] = dict(image.runs)
        if image.program:
            layers.append(self.layer({image.program.lstrip("/"): programs[image.name]}))
            runs.setdefault("Entrypoint", [image.program])
        if image.command:
            runs["Cmd"] = image.command
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": runs,
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{IMAGE}manifest.v1+json",
            "config": self._document("config.v1+json", config),
            "layers": layers,
        }
        described = self._document("manifest.v1+json", manifest)
        self._manifests.append({**described, "annotations": dict.fromkeys(NAMES, image.reference)})
        _write(self._directory / "index.json", {"schemaVersion": 2, "manifests": self._manifests})
        _write(self._directory / "oci-layout", {"imageLayoutVersion": "1.0.0"})

    def base(self, tar: Path) -> Descriptor:
        """A layer that is an archive already, on the same file system."""
        draft = self._directory / "draft"
        os.link(tar, draft)
        return self._keep("layer.v1.tar", draft)

    def pack(self, target: Path) -> None:
        """The whole layout as one archive, which `ctr images import` takes."""
        target.parent.mkdir(parents=True, exist_ok=True)
        files = [path for path in self._directory.rglob("*") if path.is_file()]
        with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
            archive.add(tar, {str(path.relative_to(self._directory)): path for path in files})

    def layer(self, files: Mapping[str, Path]) -> Descriptor:
        """A layer of these files by their paths in it."""
        draft = self._directory / "draft"
        with tarfile.open(draft, "w", format=tarfile.GNU_FORMAT) as tar:
            archive.add(tar, files)
        return self._keep("layer.v1.tar", draft)

    def _document(self, kind: str, value: object) -> Descriptor:
        draft = self._directory / "draft"
        _write(draft, value)
        return self._keep(kind, draft)

    def _keep(self, kind: str, draft: Path) -> Descriptor:
        """Call a file by its digest."""
        with draft.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        size = draft.stat().st_size
        draft.rename(self._blobs / digest)
        return {"mediaType": IMAGE + kind, "digest": f"sha256:{digest}", "size": size}


def references(directory: Path) -> list[str]:
    """The images of a layout."""
    index = json.loads((directory / "index.json").read_text())
    return [manifest["annotations"][NAMES[0]] for manifest in index["manifests"]]


def _write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, sort_keys=True))

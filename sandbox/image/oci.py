"""Container images of one file each, as OCI archives: what `ctr images import` and registries take."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

IMAGE = "application/vnd.oci.image."


def write(archive: Path, name: str, program: Path) -> None:
    """An image with the reference `name`, of nothing but one static program, which it runs."""
    layer = _tar({program.name: program.read_bytes()}, mode=0o755)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs = [layer, _json(config)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{IMAGE}manifest.v1+json",
        "config": _descriptor("config.v1+json", blobs[1]),
        "layers": [_descriptor("layer.v1.tar", blobs[0])],
    }
    blobs.append(_json(manifest))
    named = {**_descriptor("manifest.v1+json", blobs[2]), "annotations": {"io.containerd.image.name": name}}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"})}
    files["index.json"] = _json({"schemaVersion": 2, "manifests": [named]})
    files |= {f"blobs/{_digest(blob).replace(':', '/')}": blob for blob in blobs}
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(_tar(files, mode=0o644))


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": IMAGE + kind, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _tar(files: dict[str, bytes], mode: int) -> bytes:
    """The same bytes each time: no times, no users."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()

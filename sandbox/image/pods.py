"""What the registry is filled with: the images of pods. Made only on request, as the layer of nodes is."""

import hashlib
import shutil
import time
from pathlib import Path

from sandbox import registry
from sandbox.image import debian, images, layer, oci, programs
from sandbox.image.images import BASES
from sandbox.layout import Layout
from sandbox.processes import run

# Of a base: what tells of the machine that it was made on, too
REMOVED = (*layer.REMOVED, "etc/resolv.conf", "etc/apt/sources.list")


class PodImages:
    """The images of a sandbox, in `storage`; the layers that they are based on are kept in `bases`."""

    def __init__(self, layout: Layout) -> None:
        self._layout, self._directory = layout, layout.registry
        self._images = images.of_pods(layout.root / "versions.toml")

    def build(self) -> None:
        """Make them, unless they are there; those of other versions go. A registry that runs goes on.

        Raises CommandError.
        """
        found = programs.find(self._layout, (image.name for image in self._images if image.program))
        content = _hash(self._images, _decisions(), Path(oci.__file__).read_bytes(), programs.state(found))
        storage, stamp = self._directory / "storage", self._directory / "done"
        if storage.is_dir() and stamp.is_file() and stamp.read_text() == content:
            print(f"image: {storage} is current", flush=True)
            return
        start = time.monotonic()
        stamp.unlink(missing_ok=True)
        new, old, written = (self._directory / name for name in ("new", "old", "written"))
        for directory in (new, old, written):  # of a build that was killed
            shutil.rmtree(directory, ignore_errors=True)
        self._write(written, found)
        registry.fill(new, written)
        if storage.exists():
            storage.rename(old)
        new.rename(storage)
        stamp.write_text(content)
        for directory in (old, written):
            shutil.rmtree(directory, ignore_errors=True)
        size, seconds = run(["du", "-sm", storage]).split()[0], time.monotonic() - start
        print(f"image: the registry, {len(self._images)} images, {size} MB, {seconds:.0f} s", flush=True)

    def _write(self, directory: Path, found: dict[str, Path]) -> None:
        """All images, as an OCI image layout."""
        layout = oci.ImageLayout(directory)
        bases = {name: layout.base(self._base(name)) for name in BASES}
        for image in self._images:
            layout.add(image, found, bases.get(image.base))

    def _base(self, name: str) -> Path:
        """The archive of a base, made where what decides its content has changed."""
        target, stamp = (self._directory / "bases" / f"{name}.{suffix}" for suffix in ("tar", "done"))
        content = _hash(BASES[name], _decisions())
        if target.is_file() and stamp.is_file() and stamp.read_text() == content:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        remove = f'--customize-hook=cd "$1" && rm -rf {" ".join(REMOVED)}'
        debian.bootstrap(target, "essential", BASES[name], target.with_suffix(".log"), remove, "--skip=output/dev")
        stamp.write_text(content)
        return target


def _decisions() -> str:
    """All that decides what is in a base, beside its packages."""
    return repr((debian.SUITE, debian.EXCLUDED, debian.EPOCH, REMOVED))


def _hash(*decisions: object) -> str:
    return hashlib.sha256(repr(decisions).encode()).hexdigest()

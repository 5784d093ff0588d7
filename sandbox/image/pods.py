"""What the registry is filled with: the images of pods. Made only on request, as the layer of nodes is."""

import hashlib
import shutil
import time
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox import registry
from sandbox.image import content, debian, images, layer, oci, programs
from sandbox.image.images import BASES
from sandbox.layout import Layout
from sandbox.mirror.assemble import Versions
from sandbox.processes import run

# Of a base: what tells of the machine that it was made on, too
REMOVED = (*layer.REMOVED, "etc/resolv.conf", "etc/apt/sources.list")
# Java's package registers pages there, although none are unpacked
MANUALS = 'mkdir -p "$1/usr/share/man/man1"'
# Whom containers run as that are not root: Java wants it to have a name. MariaDB's has the ids of its official image.
ACCOUNT = tuple(
    command
    for name, number in (("notebook", 1000), ("mysql", 999))
    for command in (
        f'echo {name}:x:{number}:{number}::/tmp:/bin/sh >> "$1/etc/passwd"',
        f'echo {name}:x:{number}: >> "$1/etc/group"',
    )
)


class PodImages:
    """The images of a sandbox, in `storage`; the layers that they are based on are kept in `bases`."""

    def __init__(self, layout: Layout) -> None:
        self._layout, self._directory = layout, layout.registry
        versions = layout.root / "versions.toml"
        self._images = images.of_pods(versions)
        self._versions = Versions(**tomllib.loads(versions.read_text())["mirror"])

    def build(self) -> None:
        """Make them, unless they are there; those of other versions go. A registry that runs goes on.

        Raises CommandError.
        """
        found = programs.find(self._layout, (image.name for image in self._images if image.program))
        layers = content.decisions(self._layout, self._versions)
        current = _hash(
            self._images, BASES, _decisions(), Path(oci.__file__).read_bytes(), programs.state(found), layers
        )
        storage, stamp = self._directory / "storage", self._directory / "done"
        if storage.is_dir() and stamp.is_file() and stamp.read_text() == current:
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
        stamp.write_text(current)
        for directory in (old, written):
            shutil.rmtree(directory, ignore_errors=True)
        size, seconds = run(["du", "-sm", storage]).split()[0], time.monotonic() - start
        print(f"image: the registry, {len(self._images)} images, {size} MB, {seconds:.0f} s", flush=True)

    def _write(self, directory: Path, found: dict[str, Path]) -> None:
        """All images, as an OCI image layout."""
        layout = oci.ImageLayout(directory)
        layers = {name: layout.base(self._base(name)) for name in BASES}
        layers |= {name: self._layer(layout, directory, name) for name in content.LAYERS}
        for image in self._images:
            below = (image.base, *image.layers) if image.base else ()
            layout.add(image, found, *(layers[name] for name in below))

    def _layer(self, layout: oci.ImageLayout, directory: Path, name: str) -> oci.Descriptor:
        with TemporaryDirectory(dir=directory) as draft:  # with the layout it is removed after a build that was killed
            root = Path(draft)
            content.LAYERS[name](self._layout, root, self._versions)
            files = (path for path in root.rglob("*") if path.is_file())
            return layout.layer({str(path.relative_to(root)): path for path in files})

    def _base(self, name: str) -> Path:
        """The archive of a base, made where what decides its content has changed."""
        target, stamp = (self._directory / "bases" / f"{name}.{suffix}" for suffix in ("tar", "done"))
        current = _hash(BASES[name], _decisions())
        if target.is_file() and stamp.is_file() and stamp.read_text() == current:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        hooks = (*ACCOUNT, f'cd "$1" && rm -rf {" ".join(REMOVED)}')
        options = (f"--essential-hook={MANUALS}", *(f"--customize-hook={hook}" for hook in hooks), "--skip=output/dev")
        debian.bootstrap(target, "essential", BASES[name], target.with_suffix(".log"), *options)
        stamp.write_text(current)
        return target


def _decisions() -> str:
    """All that decides what is in a base, beside its packages."""
    return repr((debian.SUITE, debian.EXCLUDED, debian.EPOCH, REMOVED, MANUALS, ACCOUNT))


def _hash(*decisions: object) -> str:
    return hashlib.sha256(repr(decisions).encode()).hexdigest()

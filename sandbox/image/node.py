"""The layer of Kubernetes nodes over the bare tree: their programs, their units, the images that every cluster needs.

Made only on request, from what `make tools-kubernetes` has built; a changed unit builds this layer anew and no other.
"""

import hashlib
import os
import shutil
import time
import tomllib
from pathlib import Path

from sandbox.image import layer, oci
from sandbox.image.build import Image
from sandbox.layout import NODE, Layout
from sandbox.processes import CommandError, run

FILES = Path(__file__).with_name("node_files")
POD_NETWORK = Path(__file__).with_name("pod_network.py")  # runs on nodes
PACKAGES = ("nftables", "ceph-fuse")  # those of the repository that a node needs
PROGRAMS = (
    *("kube", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet"),
    *("kube-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "runc"),
)
PLUGINS = ("ptp", "loopback", "host-local", "portmap")
BIN, CNI = "usr/local/bin", "opt/cni/bin"
IMAGES, SCRIPTS = "usr/local/share/kubernetes/images", "usr/local/lib/kubernetes"
UNITS = (
    *("node-prepare", "containerd", "kubelet", "kube-proxy", "pod-network"),
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubernetes-addons"),
)


def references(versions: Path) -> dict[str, str]:
    """The images that a node brings along: program -> name."""
    version = tomllib.loads(versions.read_text())["kubernetes"]
    return {
        "pause": f"registry.k8s.io/pause:{version['pause']}",
        "coredns": f"registry.k8s.io/coredns/coredns:v{version['coredns']}",
    }


class NodeLayer:
    """The layer of a sandbox."""

    def __init__(self, layout: Layout) -> None:
        self._image, self._packages = layout.image, layout.packages
        self._programs = layout.tools / "kubernetes"
        self._references = references(layout.root / "versions.toml")
        self._base = Image(layout).content_hash()
        self._target = layout.image / NODE
        self._stamp = layout.image / f"{NODE}.done"

    def build(self) -> None:
        """Make it, unless it is there. Raises CommandError."""
        content = self._content_hash()
        if self._target.is_dir() and self._stamp.is_file() and self._stamp.read_text() == content:
            print(f"image: {self._target} is current", flush=True)
            return
        if str(self._target) in Path("/proc/self/mounts").read_text():
            raise CommandError(f"{self._target} is in use by hosts: run `sandbox/cloud down` first")
        start = time.monotonic()
        self._stamp.unlink(missing_ok=True)
        shutil.rmtree(self._target, ignore_errors=True)
        upper = layer.install(self._image, self._packages, PACKAGES)
        self._fill(upper)
        upper.rename(self._target)
        self._stamp.write_text(content)
        size = run(["du", "-sm", self._target]).split()[0]
        print(f"image: the layer of Kubernetes nodes, {size} MB, {time.monotonic() - start:.0f} s", flush=True)

    def _content_hash(self) -> str:
        """Over all that decides what is in the layer; a program counts as the same while its file does."""
        total = hashlib.sha256(repr((self._base, self._references)).encode())
        sources = [Path(__file__), Path(layer.__file__), Path(oci.__file__), POD_NETWORK]
        for path in [*sources, *sorted(path for path in FILES.rglob("*") if path.is_file())]:
            total.update(f"{path.name} {path.stat().st_mode:o}".encode() + path.read_bytes())
        for path in self._built():
            status = path.stat()
            total.update(f"{path.name} {status.st_size} {status.st_mtime_ns}".encode())
        return total.hexdigest()

    def _built(self) -> list[Path]:
        names = (*PROGRAMS, *(f"cni/{plugin}" for plugin in PLUGINS), *self._references)
        if missing := [name for name in names if not (self._programs / name).exists()]:
            raise CommandError(f"{self._programs} has no {', '.join(missing)}: run `make tools-kubernetes`")
        return [self._programs / name for name in names]

    def _fill(self, root: Path) -> None:
        shutil.copytree(FILES, root, dirs_exist_ok=True)
        shutil.copy2(POD_NETWORK, root / SCRIPTS)
        for name in PROGRAMS:
            _link(self._programs / name, root / BIN / name)
        for name in PLUGINS:
            _link(self._programs / "cni" / name, root / CNI / name)
        for name, reference in self._references.items():
            oci.write(root / IMAGES / f"{name}.tar", reference, self._programs / name)
        run(["systemctl", f"--root={root}", "enable", *(f"{unit}.service" for unit in UNITS)])


def _link(source: Path, target: Path) -> None:
    """The same file under another name, where both are on one file system; a link stays one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)

"""The layer of Kubernetes nodes over the bare tree: their programs, their units, the images that every cluster needs.

Made only on request, from what `make tools-kubernetes` has built; a changed unit builds this layer anew and no other.
"""

import hashlib
import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.image import images, layer, oci, programs
from sandbox.image.build import Image
from sandbox.layout import NODE, Layout
from sandbox.processes import CommandError, run

FILES = Path(__file__).with_name("node_files")
POD_NETWORK = Path(__file__).with_name("pod_network.py")  # runs on nodes
PACKAGES = ("nftables", "ceph-fuse")  # those of the repository that a node needs
PROGRAMS = (
    *("kube", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet"),
    *("kube-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "runc", "openstack-cloud-controller-manager"),
)
PLUGINS = ("ptp", "loopback", "host-local", "portmap")
BIN, CNI = "usr/local/bin", "opt/cni/bin"
IMAGES, SCRIPTS = "usr/local/share/kubernetes/images", "usr/local/lib/kubernetes"
UNITS = (
    *("node-prepare", "containerd", "kubelet", "kube-proxy", "pod-network"),
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubernetes-addons"),
    "cloud-controller-manager",
)


class NodeLayer:
    """The layer of a sandbox."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._images = images.of_nodes(layout.root / "versions.toml")
        self._base = Image(layout).content_hash()
        self._target = layout.image / NODE
        self._stamp = layout.image / f"{NODE}.done"

    def build(self) -> None:
        """Make it, unless it is there. Raises CommandError."""
        found = self._find()
        content = self._content_hash(found)
        if self._target.is_dir() and self._stamp.is_file() and self._stamp.read_text() == content:
            print(f"image: {self._target} is current", flush=True)
            return
        if str(self._target) in Path("/proc/self/mounts").read_text():
            raise CommandError(f"{self._target} is in use by hosts: run `sandbox/cloud down` first")
        start = time.monotonic()
        self._stamp.unlink(missing_ok=True)
        shutil.rmtree(self._target, ignore_errors=True)
        upper = layer.install(self._layout.image, self._layout.packages, PACKAGES)
        self._fill(upper, found)
        upper.rename(self._target)
        self._stamp.write_text(content)
        size = run(["du", "-sm", self._target]).split()[0]
        print(f"image: the layer of Kubernetes nodes, {size} MB, {time.monotonic() - start:.0f} s", flush=True)

    def _find(self) -> dict[str, Path]:
        plugins = (f"cni/{plugin}" for plugin in PLUGINS)
        return programs.find(self._layout, (*PROGRAMS, *plugins, *(image.name for image in self._images)))

    def _content_hash(self, found: dict[str, Path]) -> str:
        """Over all that decides what is in the layer."""
        total = hashlib.sha256(repr((self._base, self._images)).encode() + programs.state(found))
        sources = [Path(__file__), Path(layer.__file__), Path(oci.__file__), POD_NETWORK]
        for path in [*sources, *sorted(path for path in FILES.rglob("*") if path.is_file())]:
            total.update(f"{path.name} {path.stat().st_mode:o}".encode() + path.read_bytes())
        return total.hexdigest()

    def _fill(self, root: Path, found: dict[str, Path]) -> None:
        shutil.copytree(FILES, root, dirs_exist_ok=True)
        shutil.copy2(POD_NETWORK, root / SCRIPTS)
        for name in PROGRAMS:
            _link(found[name], root / BIN / name)
        for name in PLUGINS:
            _link(found[f"cni/{name}"], root / CNI / name)
        for image in self._images:
            with TemporaryDirectory(dir=self._layout.image) as directory:
                layout = oci.ImageLayout(Path(directory))
                layout.add(image, found)
                layout.pack(root / IMAGES / f"{image.name}.tar")
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

"""What the machines of a Kubernetes cluster run, built from Go modules into `.tools/kubernetes`; only on request."""

import shutil
import subprocess

from toolchain import debian, golang, shell
from toolchain.golang import Module
from toolchain.versions import VERSIONS

PROGRAMS = shell.TOOLS / "kubernetes"
VERSION_OF: dict[str, str] = VERSIONS["kubernetes"]
MINOR = VERSION_OF["kubernetes"].split(".")[1]

KUBE_PACKAGE = "gaia/toolchain/kubernetes/kube"
# Charts and clients ask a server for its version: without these it says 0.0.0.
KUBE_VERSION = {"gitVersion": f"v{VERSION_OF['kubernetes']}", "gitMajor": "1", "gitMinor": MINOR}
KUBE = Module(
    "kubernetes/kube",
    (KUBE_PACKAGE,),
    "7 minutes on 2 cores",
    tuple(
        (KUBE_PACKAGE, f"{package}.{variable}", value)
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for variable, value in KUBE_VERSION.items()
    ),
)
# By these names `kube` is called: toolchain/kubernetes/kube/main.go knows them.
KUBE_NAMES = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"),
)
CONTAINERD_PACKAGE = "github.com/containerd/containerd/v2"
CONTAINERD_PROGRAMS = tuple(f"{CONTAINERD_PACKAGE}/cmd/{n}" for n in ("containerd", "containerd-shim-runc-v2", "ctr"))
CONTAINERD = Module(
    "kubernetes/containerd",
    CONTAINERD_PROGRAMS,
    "2 minutes on 2 cores",
    tuple((p, f"{CONTAINERD_PACKAGE}/version.Version", f"v{VERSION_OF['containerd']}") for p in CONTAINERD_PROGRAMS),
    tags=("no_btrfs", "no_devmapper", "no_zfs"),  # snapshotters that hosts of the sandbox cannot use
)
RUNC_PACKAGE = "github.com/opencontainers/runc"
# It enters namespaces in C before Go's runtime starts. Without seccomp no pod with a profile starts.
RUNC = Module(
    "kubernetes/runc",
    (RUNC_PACKAGE,),
    "half a minute on 2 cores",
    ((RUNC_PACKAGE, "main.version", VERSION_OF["runc"]),),
    tags=("seccomp",),
    cgo=True,
)
CNI_PLUGINS = ("main/ptp", "main/loopback", "ipam/host-local", "meta/portmap")
CNI = Module(
    "kubernetes/cni",
    tuple(f"github.com/containernetworking/plugins/plugins/{plugin}" for plugin in CNI_PLUGINS),
    "10 seconds on 2 cores",
    (),
)
COREDNS = Module("kubernetes/coredns", ("gaia/toolchain/kubernetes/coredns",), "1 minute on 2 cores", ())
MODULES = (KUBE, CONTAINERD, RUNC, CNI, COREDNS)
PAUSE_SOURCE = "build/pause/linux/pause.c"  # in the module k8s.io/kubernetes


def provide() -> None:
    """Build what is missing or out of date. Raises shell.Problem."""
    if not (shutil.which("gcc") and _has_seccomp()):
        packages = ("gcc", "libc6-dev", "pkg-config", "libseccomp-dev")
        debian.install(*packages, lack="runc needs a C compiler and libseccomp")
    for module in MODULES:
        golang.provide(module, PROGRAMS / "cni" if module is CNI else PROGRAMS)
    for name in KUBE_NAMES:
        (PROGRAMS / name).unlink(missing_ok=True)
        (PROGRAMS / name).symlink_to(KUBE.programs()[0].name)
    _build_pause()


def _has_seccomp() -> bool:
    words = ["pkg-config", "--exists", "libseccomp"]
    return bool(shutil.which("pkg-config")) and subprocess.run(words, check=False).returncode == 0


def _build_pause() -> None:
    """The first process of each pod: it holds the pod's namespaces, so it should be small."""
    target = PROGRAMS / "pause"
    source = golang.module_file(KUBE, "k8s.io/kubernetes", PAUSE_SOURCE)
    state = shell.digest(VERSION_OF["pause"], str(source))
    if shell.done("pause", state, target):
        return
    options = ["-Os", "-static", "-s", f"-DVERSION={VERSION_OF['pause']}"]
    shell.run("build pause", ["gcc", *options, "-o", target, source])
    shell.finish("pause", state)

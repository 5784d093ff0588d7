"""Helm, kubeconform, and the charts of the sandbox's mirror, packed from Go modules into `.tools/kubernetes/charts`.

A chart's repository may be out of reach where Go modules are not; several projects keep their chart in their module.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from toolchain import csi, golang, nodes, shell, sign_on
from toolchain.golang import Module
from toolchain.versions import VERSIONS

TOOLS: dict[str, str] = VERSIONS["tools"]
VERSION_OF: dict[str, str] = VERSIONS["packed_charts"]
CHARTS = nodes.PROGRAMS / "charts"  # a chart repository: NAME-VERSION.tgz, index.yaml

HELM_PACKAGE = "helm.sh/helm/v3/cmd/helm"
# Without a cluster, `helm template` and `helm lint` take the version that they are told here.
HELM_KUBERNETES = {"k8sVersionMajor": "1", "k8sVersionMinor": nodes.MINOR}
# Beside the provider, which has Helm inside: what one has compiled the other need not.
HELM = Module(
    "kubernetes/helm",
    (HELM_PACKAGE,),
    "1 minute on 2 cores",
    (
        (HELM_PACKAGE, "helm.sh/helm/v3/internal/version.version", f"v{TOOLS['helm']}"),
        *(
            (HELM_PACKAGE, f"helm.sh/helm/v3/pkg/{package}.{variable}", value)
            for package in ("chartutil", "lint/rules")
            for variable, value in HELM_KUBERNETES.items()
        ),
    ),
    source="kubernetes/provider",
)
KUBECONFORM_PACKAGE = "github.com/yannh/kubeconform/cmd/kubeconform"
KUBECONFORM = Module(
    "kubernetes/kubeconform",
    (KUBECONFORM_PACKAGE,),
    "10 seconds on 2 cores",
    ((KUBECONFORM_PACKAGE, "main.version", f"v{TOOLS['kubeconform']}"),),
)


# Of these the chart alone: nothing is built
HEADLAMP = Module("kubernetes/headlamp", (), "", ())
CERT_MANAGER = Module("kubernetes/cert-manager-chart", (), "", ())


@dataclass(frozen=True)
class Edit:
    """What has to be another text in a chart's file for the Kubernetes of today."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Chart:
    """A chart that lies in a Go module; or, without `module`, in the folder of `pinned` itself."""

    name: str
    pinned: Module  # its go.mod names the version of `module`
    module: str
    folder: str
    edits: tuple[Edit, ...] = ()
    unversioned: bool = False  # its project writes the version there only where it publishes it: it is the module's

    @property
    def source(self) -> Path:
        """Its files."""
        if self.module:
            return golang.module_file(self.pinned, self.module, self.folder)
        return self.pinned.folder / self.folder


PACKED = (
    Chart("openstack-manila-csi", csi.OPENSTACK, csi.OPENSTACK_MODULE, "charts/manila-csi-plugin"),
    Chart(
        "ceph-csi-cephfs",
        csi.CEPH,
        csi.CEPH_MODULE,
        "charts/ceph-csi-cephfs",
        # Since 1.22 Kubernetes has CSIDriver only as v1.
        (Edit("templates/csidriver-crd.yaml", "storage.k8s.io/v1beta1", "storage.k8s.io/v1"),),
    ),
    Chart("headlamp", HEADLAMP, "github.com/kubernetes-sigs/headlamp", "charts/headlamp"),
    Chart(
        "cert-manager",
        CERT_MANAGER,
        "github.com/cert-manager/cert-manager",
        "deploy/charts/cert-manager",
        unversioned=True,
    ),
    Chart("traefik", sign_on.TRAEFIK, "", "chart"),
)


def provide() -> None:
    """Build and pack what is missing or out of date. Raises shell.Problem."""
    for module in (HELM, KUBECONFORM):
        golang.provide(module, nodes.PROGRAMS)
    own = [file for chart in PACKED if not chart.module for file in chart.source.rglob("*") if file.is_file()]
    pinned = (chart.pinned.state() for chart in PACKED)
    state = shell.digest(HELM.state(), repr(PACKED), repr(VERSION_OF), *pinned, files=own)
    if shell.done("charts", state, CHARTS):
        return
    draft = CHARTS.with_name("charts.new")
    shutil.rmtree(draft, ignore_errors=True)
    for chart in PACKED:
        pack(chart, draft)
    shell.run("index charts", [nodes.PROGRAMS / "helm", "repo", "index", draft])
    shutil.rmtree(CHARTS, ignore_errors=True)
    draft.rename(CHARTS)
    shell.finish("charts", state)


def pack(chart: Chart, target: Path) -> None:
    """Let TARGET/NAME-VERSION.tgz be the chart. Raises shell.Problem where it is not the one that is described here."""
    folder = golang.BUILT / "charts" / chart.name
    shutil.rmtree(folder, ignore_errors=True)
    copy(chart.source, folder)
    for edit in chart.edits:
        change(chart, folder / edit.file, edit)
    version = VERSION_OF[chart.name]
    words = ["--version", version, "--app-version", version] if chart.unversioned else []
    shell.run(f"pack {chart.name}", [nodes.PROGRAMS / "helm", "package", folder, *words, "--destination", target])
    wanted = f"{chart.name}-{version}.tgz"
    if not (target / wanted).exists():
        packed = ", ".join(sorted(file.name for file in target.iterdir()))
        raise shell.Problem(f"there is no {wanted} among {packed}: correct [packed_charts] of versions.toml")


def copy(source: Path, target: Path) -> None:
    """Copy files without their modes: Go's module cache is read-only."""
    files = [file for file in source.rglob("*") if file.is_file()]
    if not files:
        raise shell.Problem(f"{source} is no folder with a chart: correct its entry in toolchain/charts.py")
    for file in files:
        shell.replace(target / file.relative_to(source), file.read_bytes())


def change(chart: Chart, file: Path, edit: Edit) -> None:
    text = file.read_text() if file.exists() else ""
    if edit.old not in text:
        raise shell.Problem(
            f"chart {chart.name}: {edit.file} has no {edit.old}: look whether its edit in toolchain/charts.py "
            "is still needed"
        )
    shell.replace(file, text.replace(edit.old, edit.new).encode())

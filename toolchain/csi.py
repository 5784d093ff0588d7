"""What the images of the Manila and Ceph CSI drivers run, and OpenStack's controller manager on masters, built from Go
modules into `.tools/kubernetes`."""

from toolchain import golang, nodes
from toolchain.golang import Module
from toolchain.versions import VERSIONS

VERSION_OF: dict[str, str] = VERSIONS["csi"]

SIDECAR_PACKAGES = {
    "provisioner": "github.com/kubernetes-csi/external-provisioner/v5/cmd/csi-provisioner",
    "resizer": "github.com/kubernetes-csi/external-resizer/cmd/csi-resizer",
    "snapshotter": "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
}
# In one module, for most of what they compile is the same.
SIDECARS = Module(
    "kubernetes/csi",
    (*SIDECAR_PACKAGES.values(), "gaia/toolchain/kubernetes/csi/csi-node-driver-registrar"),
    "2 minutes on 2 cores",
    tuple((package, "main.version", f"v{VERSION_OF[name]}") for name, package in SIDECAR_PACKAGES.items()),
)
OPENSTACK_MODULE = "k8s.io/cloud-provider-openstack"
OPENSTACK_PACKAGES = tuple(
    f"{OPENSTACK_MODULE}/cmd/{name}" for name in ("manila-csi-plugin", "openstack-cloud-controller-manager")
)
OPENSTACK = Module(
    "kubernetes/cloud-provider-openstack",
    OPENSTACK_PACKAGES,
    "2 minutes on 2 cores",
    tuple(
        (package, f"{OPENSTACK_MODULE}/pkg/version.Version", f"v{VERSION_OF['manila']}")
        for package in OPENSTACK_PACKAGES
    ),
)
CEPH_MODULE = "github.com/ceph/ceph-csi"
CEPH_PACKAGE = f"{CEPH_MODULE}/cmd"
CEPH = Module(
    "kubernetes/cephcsi",
    (CEPH_PACKAGE,),
    "half a minute on 2 cores",
    ((CEPH_PACKAGE, f"{CEPH_MODULE}/pkg/util.DriverVersion", f"v{VERSION_OF['cephcsi']}"),),
    program="cephcsi",
)


def provide() -> None:
    """Build what is missing or out of date. Raises shell.Problem."""
    for module in (SIDECARS, OPENSTACK, CEPH):
        golang.provide(module, nodes.PROGRAMS)

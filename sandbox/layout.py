"""Where everything of the sandbox lies, and the constants of its world.

Standard library only: the command line, the daemons and the code inside the services' virtual environment all
import this module. Whatever a path, an address, a port or a name of the sandbox is, it is decided here.
"""

import enum
import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

# Unix sockets may have paths of at most 107 bytes; the longest of ours under the root takes 47.
LONGEST_ROOT = 60
# Every daemon of a sandbox, and what `run` starts, carries this variable with the namespace prefix as its value: so
# it is found whoever started it, and however that one ended.
MARKER = "GAIA_SANDBOX"

REGION = "RegionOne"
LOOPBACK = "127.0.0.1"
COMPUTE_HOST = "sandbox"  # the one nova-compute, cinder-volume, manila-share host
# Loaded by their dotted names
NOVA_DRIVER = "sandbox.drivers.nova.Driver"
CINDER_DRIVER = "sandbox.drivers.cinder.Driver"
VOLUME_TYPE = "ceph"
SHARE_TYPE = "cephfsnativetype"


class Port(enum.IntEnum):
    """TCP ports of the APIs: OpenStack's standard ones.

    In the sandbox's namespace, on 127.0.0.1 for the services themselves and by TLS on `API` for everybody.
    """

    KEYSTONE = 5000
    SWIFT = 8080
    NOVA = 8774
    METADATA = 8775  # for the metadata daemon alone: on 127.0.0.1, without TLS
    CINDER = 8776
    PLACEMENT = 8778
    MANILA = 8786
    GLANCE = 9292
    MAGNUM = 9511
    NEUTRON = 9696
    OCTAVIA = 9876
    SWIFT_OBJECT = 6200
    SWIFT_CONTAINER = 6201
    SWIFT_ACCOUNT = 6202


@dataclass(frozen=True)
class ProviderNetwork:
    """An external network of the cloud, with a bridge that exists before any service starts."""

    name: str
    bridge: str  # in the fabric's namespace
    cidr: IPv4Network
    gateway: IPv4Address
    pool: tuple[IPv4Address, IPv4Address]

    @property
    def physical_network(self) -> str:
        """Neutron's label of the network (letters only, so that it is a valid option value)."""
        return self.name.replace("-", "")


def _provider(name: str, bridge: str, cidr: str, gateway: str, first: str, last: str) -> ProviderNetwork:
    pool = (IPv4Address(first), IPv4Address(last))
    return ProviderNetwork(name, bridge, IPv4Network(cidr), IPv4Address(gateway), pool)


INTERNET = _provider("internet", "br-internet", "203.0.113.0/24", "203.0.113.1", "203.0.113.10", "203.0.113.250")
STORAGE = _provider("cumulus-internal", "br-storage", "10.206.0.0/16", "10.206.0.1", "10.206.2.1", "10.206.250.250")
PROVIDER_NETWORKS = (INTERNET, STORAGE)
API = INTERNET.gateway  # where operators, hosts and pods reach the APIs, by TLS
METADATA = IPv4Address("169.254.169.254")  # on every router, port 80
MIRROR = IPv4Address("203.0.113.2")  # in the sandbox's namespace, port 80
REGISTRY_PORT = 5001  # of the images of pods, at the mirror's address
OPERATOR_STORAGE = IPv4Address("10.206.0.2")  # the sandbox's namespace's leg in the storage network
CEPH_MONITOR = IPv4Address("10.206.1.1")  # in the storage namespace
CEPH_MONITOR_PORT = 6789
CEPHFS = "cephfs"


@dataclass(frozen=True)
class Flavor:
    """A server size: virtual processors, RAM in MiB, root disk and local (ephemeral) disk in GiB."""

    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int = 0


FLAVORS = (
    Flavor("general.v1.tiny", 2, 6144, 20),
    Flavor("general.v1.small", 6, 22528, 22),
    Flavor("general.v1.medium", 14, 46080, 22, ephemeral=60),
    Flavor("general.v1.large", 27, 90112, 22),
    Flavor("general.v1.himem", 54, 180224, 22),
)


@dataclass(frozen=True)
class Image:
    """An image of the cloud. What boots is always a tree of the sandbox's own; `os_distro` is what Magnum reads."""

    name: str
    os_distro: str
    properties: tuple[tuple[str, str], ...] = ()


# What a project may have, by service: that of a modest project, in which each of the committed stacks has room.
QUOTAS = {
    "nova": {"instances": 32, "cores": 128, "ram": 512 * 1024},
    "cinder": {"volumes": 40, "gigabytes": 10240, "snapshots": 20},
    "neutron": {
        "network": 20,
        "subnet": 20,
        "port": 200,
        "router": 10,
        "floatingip": 10,
        "security_group": 20,
        "security_group_rule": 200,
    },
    "manila": {"shares": 20, "gigabytes": 10240, "snapshots": 20},
    "magnum": {"max_clusters_per_project": 5},
}

BOOT, NOTHING = "sandbox_boot", "nothing"  # an image property: servers of such an image boot nothing, for scale
# What its servers boot, instead of the tree with the platform's packages: one on which packages are still to be
# installed, or that of a Kubernetes node
TREE, BARE, NODE = "sandbox_tree", "bare", "node"
LOAD_BALANCER_PROVIDER = "sandbox"  # Octavia's driver
DEFAULT_CLUSTER_DRIVER, CLUSTER_API_DRIVER = "k8s_fedora_coreos", "k8s_capi_helm"  # Magnum's drivers
BUS, SCSI = "hw_disk_bus", "scsi"  # Nova's own image property: how a server's disks are named
IDLE_IMAGE, BARE_IMAGE, SCSI_IMAGE = "Debian-12-idle", "Debian-12-bare", "Debian-12-scsi"
IDLE_CLUSTER_IMAGE = "fedora-coreos-38-idle"
IMAGES = (
    Image("Debian-12", "debian"),
    Image(IDLE_IMAGE, "debian", ((BOOT, NOTHING),)),
    Image(BARE_IMAGE, "debian", ((TREE, BARE),)),
    Image(SCSI_IMAGE, "debian", ((BUS, SCSI), ("hw_scsi_model", "virtio-scsi"))),
    Image("Fedora-30-1.2", "fedora"),
    Image("Fedora-31-1.0", "fedora"),
    Image("fedora-coreos-38", "fedora-coreos", ((TREE, NODE),)),
    Image(IDLE_CLUSTER_IMAGE, "fedora-coreos", ((BOOT, NOTHING),)),
    Image("ubuntu-22.04-kube", "ubuntu", ((TREE, NODE), ("magnum_driver", CLUSTER_API_DRIVER))),
)

PROJECTS = ("iris-gaia-dev", "iris-gaia-test", "iris-gaia-prod", "iris-gaia-data", "iris-gaia-demo")
ADMIN = "admin"
SERVICE = "service"  # the project and user of the services themselves


@dataclass(frozen=True)
class Layout:
    """All paths and names of the sandbox of one checkout."""

    root: Path

    @classmethod
    def here(cls) -> "Layout":
        """The layout of the checkout that this module was imported from."""
        return cls(Path(__file__).resolve().parents[1])

    # -- directories
    @property
    def cache(self) -> Path:
        """What takes long to make and does not depend on a cloud's state; `reset` keeps it."""
        return self.root / ".sandbox/cache"

    @property
    def state(self) -> Path:
        """Everything of the present cloud; `reset` removes it."""
        return self.root / ".sandbox/state"

    @property
    def snapshot(self) -> Path:
        """A copy of the state right after the first cold start; new clouds start from it."""
        return self.root / ".sandbox/snapshot"

    @property
    def venv(self) -> Path:
        return self.cache / "venv"

    @property
    def python(self) -> Path:
        """The interpreter of the services; runs with `PYTHONPATH` = root."""
        return self.venv / "bin/python"

    @property
    def image(self) -> Path:
        """The hosts' image: the tree `bare/`, the layers `platform/` and `node/` over it, stamps of what is done."""
        return self.cache / "image"

    @property
    def packages(self) -> Path:
        """The Debian packages of the layer, as a repository that the mirror serves."""
        return self.mirror / "debian"

    @property
    def mirror(self) -> Path:
        """What the mirror serves."""
        return self.cache / "mirror"

    @property
    def registry(self) -> Path:
        """The images of pods: `storage/`, which the registry serves, and `bases/`, layers of them."""
        return self.cache / "registry"

    @property
    def tools(self) -> Path:
        return self.root / ".tools"

    @property
    def tmp(self) -> Path:
        """The temporary directory of operators' commands: what they leave, mounts too, `down` finds and removes."""
        return self.root / ".sandbox/tmp"

    @property
    def run(self) -> Path:
        """Process ids and sockets."""
        return self.state / "run"

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def etc(self) -> Path:
        """The services' configuration, rendered anew at each start."""
        return self.state / "etc"

    @property
    def data(self) -> Path:
        """The services' own files; `data/cinder/volumes` are the volumes, `data/nova/instances` the hosts."""
        return self.state / "data"

    @property
    def faults(self) -> Path:
        """One file for each request that is to fail: see services/faults.py."""
        return self.run / "faults"

    @property
    def mysql(self) -> Path:
        return self.state / "mysql"

    @property
    def ceph(self) -> Path:
        return self.state / "ceph"

    # -- files
    @property
    def lock(self) -> Path:
        return self.root / ".sandbox/lock"

    @property
    def database_socket(self) -> Path:
        """MariaDB's; user root without a password (the directory is root's alone); no TCP."""
        return self.run / "mysql.sock"

    @property
    def clouds_yaml(self) -> Path:
        return self.state / "clouds.yaml"

    @property
    def tls(self) -> Path:
        """The cloud's own certificate authority `ca.pem`, and the APIs' certificate `api.pem` with `api.key`."""
        return self.state / "tls"

    @property
    def passphrase(self) -> Path:
        """Pulumi's, for stacks on this sandbox. `reset` keeps it, for states that lie elsewhere."""
        return self.root / ".sandbox/passphrase"

    @property
    def project(self) -> Path:
        """The directory of the committed stacks' files here."""
        return self.state / "project"

    @property
    def locks(self) -> list[Path]:
        """The committed stacks' locks of Python libraries."""
        return sorted(self.root.glob("Pulumi.*.libraries.txt"))

    @property
    def operator_environment(self) -> Path:
        """Lines `KEY=VALUE`, quoted as a shell reads them, that `run` adds to the environment."""
        return self.state / "operator.env"

    @property
    def instances(self) -> Path:
        """One directory per host, named by the server's id."""
        return self.data / "nova/instances"

    @property
    def volumes(self) -> Path:
        return self.data / "cinder/volumes"

    # -- network namespaces
    @property
    def namespace(self) -> str:
        """The sandbox's namespace: APIs, operators' commands, the mirror; prefix of all others."""
        return "gaia-" + hashlib.sha256(str(self.root).encode()).hexdigest()[:4]

    @property
    def fabric_namespace(self) -> str:
        return self.namespace + "-fabric"

    @property
    def storage_namespace(self) -> str:
        return self.namespace + "-storage"

    def router_namespace(self, router_id: str) -> str:
        """Also a load balancer's, which is a router with one interface."""
        return f"{self.namespace}-r-{router_id[:8]}"

    def host_namespace(self, server_id: str) -> str:
        return f"{self.namespace}-h-{server_id[:8]}"

    # -- processes
    def environment(self) -> dict[str, str]:
        """What every daemon of this sandbox has in its environment, beside PATH."""
        return {
            MARKER: self.namespace,
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            # the second directory declares the drivers to Neutron, Octavia and Magnum
            "PYTHONPATH": f"{self.root}:{self.root / 'sandbox/entry_points'}",
            "PYTHONSAFEPATH": "1",  # not the directory that the command line was called in: another checkout's, perhaps
            "XDG_CACHE_HOME": str(self.cache / "xdg"),  # of stevedore, which would write to the home directory
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore",
            "LANG": "C.UTF-8",
        }

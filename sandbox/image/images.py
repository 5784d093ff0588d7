"""The table of container images: those that a node brings along, and those that pods pull from the registry."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sandbox.image.debian import SUITE

# Layers that images are based on: Debian's essential packages and these
DEBIAN, JAVA, APACHE, MARIADB = "debian", "java", "apache", "mariadb"
BASES = {
    DEBIAN: ("ca-certificates", "ceph-fuse", "curl", "mount", "procps"),
    JAVA: (
        "ca-certificates",
        "curl",
        "openjdk-17-jre-headless",
        "procps",
        "python3",
        "python3-jinja2",
        "python3-yaml",
        "tini",
    ),
    APACHE: ("apache2", "ca-certificates", "libapache2-mod-php8.2", "php8.2-mysql"),
    MARIADB: ("mariadb-client", "mariadb-server-core"),
}
# Its images, and which of its programs each is: that the first argument says
CERT_MANAGER = {
    "acmesolver": "acmesolver",
    "cainjector": "cainjector",
    "controller": "controller",
    "startupapicheck": "ctl",
    "webhook": "webhook",
}
TINI = ["/usr/bin/tini", "--"]
JAVA_HOME = "JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64"


@dataclass(frozen=True)
class ContainerImage:
    """One image: a program of `.tools/kubernetes`, or a base, or both; over a base also layers of `content`."""

    reference: str  # as charts and manifests say it
    base: str = ""
    program: str = ""  # its path in the image, which runs it
    command: tuple[str, ...] = ()  # what an image without a program runs
    layers: tuple[str, ...] = ()
    runs: Mapping[str, object] = field(default_factory=dict)  # further: Entrypoint, Env, User, WorkingDir

    @property
    def name(self) -> str:
        """The program's."""
        return PurePosixPath(self.program).name


def of_nodes(versions: Path) -> tuple[ContainerImage, ...]:
    """What every cluster needs, also where no registry answers; `versions` is versions.toml."""
    version = _section(versions, "kubernetes")
    return (
        ContainerImage(f"registry.k8s.io/pause:{version['pause']}", program="/pause"),
        ContainerImage(f"registry.k8s.io/coredns/coredns:v{version['coredns']}", program="/coredns"),
    )


def of_pods(versions: Path) -> tuple[ContainerImage, ...]:
    """What the registry has. Charts run some by a shell: those are on a base.

    There /bin is a link to /usr/bin: a layer with a path below it would take its place.
    """
    version = _section(versions, "csi")
    manila, sidecar = "registry.k8s.io/provider-os/manila-csi-plugin", "registry.k8s.io/sig-storage/csi"
    return (
        ContainerImage(f"docker.io/library/debian:{SUITE}", DEBIAN, command=("bash",)),
        ContainerImage(f"{manila}:v{version['manila']}", DEBIAN, "/usr/bin/manila-csi-plugin"),
        ContainerImage(f"quay.io/cephcsi/cephcsi:v{version['cephcsi']}", DEBIAN, "/cephcsi"),
        ContainerImage(
            f"{sidecar}-node-driver-registrar:v{version['registrar']}", DEBIAN, "/csi-node-driver-registrar"
        ),
        *(
            ContainerImage(f"{sidecar}-{name}:v{version[name]}", program=f"/csi-{name}")
            for name in ("provisioner", "resizer", "snapshotter")
        ),
        *_of_notebooks(_section(versions, "mirror")),
        *_of_sign_on(_section(versions, "sign_on")),
        # Drupal's code is in no registry: a page in its place, called as what it is
        ContainerImage(
            "docker.io/library/drupal:11-sandbox", APACHE, command=("apache2-foreground",), layers=("drupal",)
        ),
        ContainerImage("docker.io/library/mariadb:10.11", MARIADB, command=("mariadbd",)),
        ContainerImage(
            "ghcr.io/headlamp-k8s/headlamp:0.43-sandbox",
            JAVA,  # for its Python
            command=("-in-cluster",),
            layers=("headlamp",),
            runs={"Entrypoint": ["/headlamp/headlamp-server"]},
        ),
    )


def _of_notebooks(version: Mapping[str, str]) -> tuple[ContainerImage, ...]:
    """Named as Apache's, tagged as what they are: what the registries have of Zeppelin, with stand-ins for the rest."""
    spark = {"Env": [JAVA_HOME, "SPARK_HOME=/opt/spark"], "User": "1000", "WorkingDir": "/tmp"}
    zeppelin = {"Env": [JAVA_HOME, "ZEPPELIN_HOME=/opt/zeppelin"], "User": "1000", "WorkingDir": "/opt/zeppelin"}
    tag = f"{version['zeppelin_python']}-sandbox"
    return (
        ContainerImage(
            f"docker.io/apache/spark:{version['spark']}",
            JAVA,
            command=("bash",),
            layers=("libraries", "spark"),
            runs={**spark, "Entrypoint": ["/opt/entrypoint.sh"]},
        ),
        ContainerImage(
            f"docker.io/apache/zeppelin-server:{tag}",
            JAVA,
            command=("bin/zeppelin.sh",),
            layers=("zeppelin",),
            runs={**zeppelin, "Entrypoint": TINI},
        ),
        ContainerImage(
            f"docker.io/apache/zeppelin-interpreter:{tag}",
            JAVA,
            command=("bash",),
            layers=("libraries", "zeppelin"),
            runs={**zeppelin, "Entrypoint": TINI},
        ),
    )


def _of_sign_on(version: Mapping[str, str]) -> tuple[ContainerImage, ...]:
    """Programs and nothing else: what they trust and write, pods mount."""
    return (
        ContainerImage(f"quay.io/oauth2-proxy/oauth2-proxy:v{version['oauth2_proxy']}", program="/oauth2-proxy"),
        ContainerImage(f"ghcr.io/dexidp/dex:v{version['dex']}", program="/dex"),
        ContainerImage(f"docker.io/library/traefik:v{version['traefik']}", program="/traefik"),
        *(_of_cert_manager(name, program, version["cert_manager"]) for name, program in CERT_MANAGER.items()),
        ContainerImage(f"ghcr.io/letsencrypt/pebble:{version['pebble']}", program="/pebble"),
    )


def _of_cert_manager(name: str, argument: str, version: str) -> ContainerImage:
    program = "/cert-manager"
    runs = {"Entrypoint": [program, argument], "User": "1000"}
    return ContainerImage(f"quay.io/jetstack/cert-manager-{name}:v{version}", program=program, runs=runs)


def repository(reference: str) -> str:
    """What the sandbox's registry calls an image: its reference without the registry that publishes it."""
    return reference.partition("/")[2]


def _section(versions: Path, name: str) -> dict[str, str]:
    section: dict[str, str] = tomllib.loads(versions.read_text())[name]
    return section

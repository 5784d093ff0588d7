"""The key pairs of a node. Magnum signs: the cluster's authority stays with it, as on a cloud."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.clusters.records import Node

ADMINISTRATORS = "system:masters"
LOOPBACK = IPv4Address("127.0.0.1")
Sign = Callable[[str], str]  # of a certificate signing request: the certificate, both in PEM


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names: a user (and its group) of Kubernetes, and where it answers as a server."""

    file: str
    user: str
    group: str = ""
    names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address, ...] = ()


def subjects(node: Node, address: IPv4Address, floating: IPv4Address) -> tuple[Subject, ...]:
    """Those that a node needs; `floating` is where the cluster's API is reached from outside."""
    cluster = node.cluster
    kubelet = Subject("kubelet", f"system:node:{node.name}", "system:nodes", (node.name,), (address,))
    proxy = Subject("kube-proxy", "system:kube-proxy")
    if not node.group.is_master:
        return kubelet, proxy
    service = ["kubernetes", "default", "svc", *cluster.domain.split(".")]
    names = tuple(".".join(service[:length]) for length in (1, 2, 3, len(service)))
    return (
        kubelet,
        proxy,
        Subject(
            "apiserver",
            "kube-apiserver",
            names=("localhost", node.name, *names),
            addresses=(LOOPBACK, address, floating, cluster.kubernetes_service),
        ),
        Subject("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ADMINISTRATORS),
        Subject("controller-manager", "system:kube-controller-manager"),
        Subject("scheduler", "system:kube-scheduler"),
        Subject("admin", "admin", ADMINISTRATORS),
    )


def pairs(wanted: Iterable[Subject], sign: Sign) -> dict[str, str]:
    """File name -> PEM of a certificate and a key for each of them."""
    files = {}
    for subject in wanted:
        key = ec.generate_private_key(ec.SECP256R1())
        files[f"{subject.file}.crt"] = sign(_request(subject, key))
        files[f"{subject.file}.key"] = _pem(key)
    return files


def service_account_keys() -> dict[str, str]:
    """What service accounts' tokens are signed and checked with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"sa.key": _pem(key), "sa.pub": public.decode()}


def _request(subject: Subject, key: ec.EllipticCurvePrivateKey) -> str:
    name = [x509.NameAttribute(NameOID.COMMON_NAME, subject.user)]
    if subject.group:
        name.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.group))
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(name))
    alternatives = [
        *(x509.DNSName(name) for name in subject.names),
        *(x509.IPAddress(address) for address in subject.addresses),
    ]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _pem(key: CertificateIssuerPrivateKeyTypes) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

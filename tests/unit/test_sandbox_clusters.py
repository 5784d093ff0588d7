"""What Magnum's tables mean for a cluster's nodes, and what a node is told. (That it works: tests/kubernetes.)"""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sandbox.clusters import certificates, records
from sandbox.clusters.records import Cluster, Group, Node, missing, surplus
from sandbox.clusters.user_data import Credential, cloud_files, settings, user_data

ADDRESS, MASTER, FLOATING = (IPv4Address(a) for a in ("10.10.0.9", "10.10.0.5", "203.0.113.7"))


def group(name: str = "default-worker", role: str = "worker", default: bool = True, count: int = 1) -> Group:
    return Group(
        id=name,
        name=name,
        role=role,
        default=default,
        count=count,
        flavor="tiny",
        image="coreos",
        release="coreos",
        labels=("a=b",),
        taints=("k=v:NoSchedule",),
    )


def cluster(*groups: Group, labels: dict[str, str] | None = None, masters: int = 1) -> Cluster:
    return Cluster(
        id="0123456789",
        name="Gaia-dev",
        network="n",
        subnet="s",
        external_network="internet",
        keypair="",
        labels=tuple((labels or {}).items()),
        groups=(group("default-master", "master", count=masters), *groups),
    )


@pytest.mark.parametrize(
    ("number", "taken", "indexes"),
    [(2, [], [0, 1]), (1, [0, 2], [1]), (2, [1], [0, 2]), (0, [0], []), (-1, [0, 1], [])],
)
def test_new_nodes_get_the_lowest_indexes_that_are_free(number: int, taken: list[int], indexes: list[int]) -> None:
    assert missing(number, taken) == indexes


def test_of_too_many_nodes_those_with_the_highest_indexes_go() -> None:
    assert surplus(2, {5, 0, 3}) == [5]
    assert surplus(3, {5, 0, 3}) == []


def test_a_node_is_called_after_its_cluster_its_group_and_its_index() -> None:
    more = group("spark", default=False)
    named = cluster(group(), more)
    names = [Node(named, one, 2).name for one in named.groups]
    assert names == ["gaia-dev-01234567-master-2", "gaia-dev-01234567-node-2", "gaia-dev-01234567-spark-2"]


def test_labels_of_magnum_decide_the_ranges_of_pods_and_services() -> None:
    own = cluster(labels={"calico_ipv4pool": "10.50.0.0/16", "service_cluster_ip_range": "10.60.0.0/16"})
    assert str(own.pods) == "10.50.0.0/16"
    assert [str(address) for address in (own.kubernetes_service, own.name_server)] == ["10.60.0.1", "10.60.0.10"]
    assert str(cluster().pods) == "10.100.0.0/16"


@pytest.mark.parametrize(
    ("wrong", "said"), [(cluster(masters=3), "one master"), (cluster(), "")], ids=["three masters", "fine"]
)
def test_what_cannot_be_made_here_is_said(wrong: Cluster, said: str) -> None:
    if not said:
        wrong.check()
        return
    with pytest.raises(records.Unsupported, match=said):
        wrong.check()


def requests(node: Node) -> dict[str, x509.CertificateSigningRequest]:
    """What Magnum is asked to sign, by the file that the certificate goes to."""
    asked: list[str] = []

    def sign(request: str) -> str:
        asked.append(request)
        return f"signed {len(asked)}"

    files = certificates.pairs(certificates.subjects(node, ADDRESS, FLOATING), sign)
    order = [files[name] for name in files if name.endswith(".crt")]
    assert order == [f"signed {number + 1}" for number in range(len(asked))]
    names = [name.removesuffix(".crt") for name in files if name.endswith(".crt")]
    return {name: x509.load_pem_x509_csr(text.encode()) for name, text in zip(names, asked, strict=True)}


def test_a_worker_is_nobody_but_itself_and_kube_proxy() -> None:
    asked = requests(Node(cluster(group()), group(), 0))
    assert asked.keys() == {"kubelet", "kube-proxy"}
    kubelet = {attribute.oid: attribute.value for attribute in asked["kubelet"].subject}
    assert kubelet[NameOID.COMMON_NAME] == "system:node:gaia-dev-01234567-node-0"
    assert kubelet[NameOID.ORGANIZATION_NAME] == "system:nodes"


def test_the_apis_certificate_names_every_address_that_it_is_reached_at() -> None:
    made = cluster()
    asked = requests(Node(made, made.master, 0))["apiserver"]
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", str(ADDRESS), str(FLOATING), "10.254.0.1"}
    assert {"kubernetes", "kubernetes.default.svc.cluster.local"} <= set(names.get_values_for_type(x509.DNSName))


def test_the_clouds_controller_is_told_of_its_credential_in_a_file_of_roots_alone() -> None:
    told = cloud_files(Credential("an-id", "a secret"), "subnet", "external", "CA")
    written = user_data({}, {}, told)
    files = {file["path"]: file for file in json.loads(written.removeprefix("#cloud-config\n"))["write_files"]}
    conf = files["/etc/kubernetes/cloud.conf"]
    assert conf["permissions"] == "0600"
    for line in (
        'application-credential-secret = "a secret"',
        'subnet-id = "subnet"',
        'floating-network-id = "external"',
    ):
        assert line in conf["content"].splitlines()
    assert files["/etc/kubernetes/cloud-ca.pem"]["content"] == "CA"


def test_a_node_is_told_where_the_api_is_and_no_key_is_readable_by_others() -> None:
    made = cluster(group())
    told = settings(Node(made, group(), 0), ADDRESS, MASTER, 6144)
    assert told["API_SERVER"] == "https://10.10.0.5:6443"
    assert told["NODE_LABELS"].endswith("magnum.openstack.org/role=worker,a=b")
    assert told["NODE_TAINTS"] == "k=v:NoSchedule"
    assert settings(Node(made, made.master, 0), ADDRESS, MASTER, 6144)["API_SERVER"] == "https://127.0.0.1:6443"
    written = user_data(told, {"ca.crt": "C", "kubelet.key": "K"})
    files = {file["path"]: file for file in json.loads(written.removeprefix("#cloud-config\n"))["write_files"]}
    assert "NODE_IP=10.10.0.9\n" in files["/etc/kubernetes/cluster.env"]["content"]
    assert files["/etc/kubernetes/pki/kubelet.key"]["permissions"] == "0600"

"""What runs on the cluster: where charts come from, how shares become claims, what the drivers are told. (That pods
mount them is what tests/kubernetes proves.)"""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_openstack as openstack
import pytest

from components import settings
from components.cloud import Credential, Entry
from components.kubernetes import drivers
from components.kubernetes.charts import Source
from components.kubernetes.drivers import ShareDrivers, ShareDriversArgs
from components.kubernetes.notebooks import NOTEBOOKS
from components.kubernetes.platform import controllers_credential
from components.kubernetes.volumes import ShareVolume, ShareVolumeArgs, object_name
from components.settings import SettingsError
from components.settings.kubernetes import Kubernetes
from components.settings.services import Chart
from components.storage.shares import ShareGrant, ShareGrantArgs
from tests.unit.destination import own_cluster
from tests.unit.test_components import Made, Recorder, record
from tests.unit.test_kubernetes_platform import CLUSTER

CHART = Chart(name="web", version="1.2.3", repository="https://charts.example.org/stable/")
ENTRY = Entry(
    name="c", region="r", auth_url="https://cloud.example.org:5000", authorities="CERTIFICATE", credential=None
)
CREDENTIAL = Credential(id="an id", secret="a secret")


def parsed(**more: Any) -> Kubernetes:
    values = {"site": "cumulus", "cloud": "c", "data_cloud": "d", "cluster": CLUSTER, **more}
    texts = {f"gaia:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    return settings.parse(texts, "gaia-dev", Kubernetes)


@pytest.mark.parametrize(
    ("mirror", "chart", "repository"),
    [
        ("", "web", "https://charts.example.org/stable"),
        ("http://mirror/charts", "web", "http://mirror/charts"),
        ("oci://registry/charts", "oci://registry/charts/web", None),
        ("/srv/charts", "/srv/charts/web-1.2.3.tgz", None),
    ],
)
def test_a_chart_comes_from_its_repository_or_from_the_mirror_of_all(
    mirror: str, chart: str, repository: str | None
) -> None:
    assert Source.of(CHART, mirror) == Source(chart=chart, repository=repository, version="1.2.3")


def test_versions_of_charts_are_those_of_the_versions_file_unless_the_stack_says_another() -> None:
    known = settings.versions()["charts"]
    charts = parsed(charts={"ceph_csi": {"version": "9", "values": {"a": 1}}}).charts
    assert (charts.manila_csi.version, charts.mirror) == (known["manila_csi"]["version"], "")
    assert charts.ceph_csi == Chart(**{**known["ceph_csi"], "version": "9", "values": {"a": 1}})


def test_a_mirror_that_is_neither_a_url_nor_a_directory_is_told_by_its_key() -> None:
    with pytest.raises(SettingsError, match=r"gaia:charts\.mirror must be an http://, https:// or oci:// URL"):
        parsed(charts={"mirror": "charts"})


def installed(mounter: str = "fuse", values: dict[str, Any] | None = None) -> Made:
    charts = parsed(charts={"manila_csi": {"values": values or {}}}).charts

    def made() -> pulumi.Output[str]:
        args = ShareDriversArgs(
            destination=own_cluster(),
            charts=charts,
            cloud=ENTRY,
            credential=CREDENTIAL,
            share_type="t",
            mounter=mounter,
        )
        return ShareDrivers("shares", args).storage_class

    return record(made)


def test_manilas_driver_mounts_through_the_socket_of_cephs() -> None:
    made = installed()
    [protocol] = made["Release", "manila-csi"]["values"]["shareProtocols"]
    assert protocol["protocolSelector"] == "CEPHFS"
    assert protocol["fwdNodePluginEndpoint"]["dir"].endswith("/" + made["Release", "ceph-csi"]["values"]["driverName"])


def test_values_of_the_stacks_file_lie_over_the_programs() -> None:
    values = installed(values={"csimanila": {"pvcAnnotations": True}})["Release", "manila-csi"]["values"]
    assert values["csimanila"] == {"clusterID": "gaia-dev", "pvcAnnotations": True}


def test_the_pod_that_ceph_fuse_runs_in_is_not_replaced_by_an_upgrade() -> None:
    strategies = [
        installed(mounter)["Release", "ceph-csi"]["values"]["nodeplugin"]["updateStrategy"]
        for mounter in ("fuse", "kernel")
    ]
    assert strategies == ["OnDelete", "RollingUpdate"]


def test_the_driver_is_told_the_cloud_with_its_authorities_and_every_step_knows_the_secret() -> None:
    made = installed()
    secret, parameters = made["Secret", "manila-csi"], made["StorageClass", "cephfs"]["parameters"]
    assert secret["stringData"]["value"] == {  # of a secret of Pulumi's
        "os-authURL": "https://cloud.example.org:5000",
        "os-region": "r",
        "os-applicationCredentialID": "an id",
        "os-applicationCredentialSecret": "a secret",
        "os-certAuthority": "CERTIFICATE",
    }
    named = {parameters[f"csi.storage.k8s.io/{step}-secret-name"] for step in drivers.STEPS}
    assert named == {secret["metadata"]["name"]}
    assert parameters["type"] == "t"


def test_what_a_clouds_entry_does_not_say_is_not_told() -> None:
    bare = Entry(name="c", region="", auth_url="https://c", authorities="", credential=None)
    assert drivers.cloud_secret(bare, CREDENTIAL).keys() == {
        *("os-authURL", "os-applicationCredentialID", "os-applicationCredentialSecret")
    }


class Shares(Recorder):
    """A cloud that has the share."""

    def call(self, args: Any) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        location = "10.0.0.1:6789,10.0.0.2:6789:/volumes/_nogroup/dr3"
        return {**args.args, "id": "share", "size": 512, "exportLocations": [{"path": location}]}, []

    def new_resource(self, args: Any) -> tuple[str | None, dict[str, Any]]:
        name, outputs = super().new_resource(args)
        return name, {**outputs, "accessKey": "a key"} if "ShareAccess" in args.typ else outputs


def claimed(mode: str) -> Made:
    def made() -> None:
        grant = ShareGrantArgs(
            share="Gaia_DR3", mount="/data/gaia/GDR3", mode=mode, deployment="gaia-dev", project_id="0" * 32,
            data_provider=openstack.Provider("data"),
        )  # fmt: skip
        args = ShareVolumeArgs(
            destination=own_cluster(),
            grant=ShareGrant("dr3", grant),
            namespace=NOTEBOOKS,
            mounter="kernel",
        )
        ShareVolume("dr3", args)

    return record(made, Shares())


@pytest.mark.parametrize(
    ("mode", "access", "read_only"), [("ro", "ReadOnlyMany", True), ("rw", "ReadWriteMany", False)]
)
def test_a_share_is_a_claim_of_its_name_for_many_nodes_with_an_identity_of_its_own(
    mode: str, access: str, read_only: bool
) -> None:
    made = claimed(mode)
    volume, claim = made["PersistentVolume", "dr3"]["spec"], made["PersistentVolumeClaim", "dr3"]
    assert (claim["metadata"]["name"], claim["metadata"]["namespace"]) == ("gaia-dr3", NOTEBOOKS)
    assert volume["accessModes"] == claim["spec"]["accessModes"] == [access]
    assert volume["capacity"]["storage"] == claim["spec"]["resources"]["requests"]["storage"] == "512Gi"
    assert volume["persistentVolumeReclaimPolicy"] == "Retain"
    assert volume["claimRef"] == {"name": "gaia-dr3", "namespace": NOTEBOOKS}
    csi = volume["csi"]
    assert csi["readOnly"] is read_only
    assert csi["volumeAttributes"] == {
        "monitors": "10.0.0.1:6789,10.0.0.2:6789",
        "rootPath": "/volumes/_nogroup/dr3",
        "mounter": "kernel",
        "provisionVolume": "false",
    }
    key = made["Secret", "dr3"]
    assert csi["nodeStageSecretRef"] == {"name": key["metadata"]["name"], "namespace": drivers.NAMESPACE}
    assert key["stringData"]["value"] == {"userID": f"gaia_dev_00000000_gaia_dr3_{mode}", "userKey": "a key"}


def test_a_shares_name_becomes_one_that_kubernetes_takes() -> None:
    assert object_name("aglais-data-gaia-dr3-2048-20221107") == "aglais-data-gaia-dr3-2048-20221107"
    assert object_name("_Gaia DR3.1_") == "gaia-dr3-1"


def test_pods_get_no_persons_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entry, "find", lambda *_: ENTRY)
    assert controllers_credential("gaia-dev", parsed()) is None
    with pytest.raises(SettingsError, match=r"gaia:controllers_cloud names 'c', .* without application_cred"):
        controllers_credential("gaia-dev", parsed(controllers_cloud="c"))

"""The platform `kubernetes`: its settings, and what it asks the cloud for. (What comes of it: tests/cloud.)"""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components import settings
from components.kubernetes.cluster import MagnumCluster, MagnumClusterArgs, labels
from components.settings import SettingsError
from components.settings.kubernetes import Cluster, Kubernetes
from tests.unit.test_components import Made, network, record

CLUSTER: dict[str, Any] = {"image": "coreos", "masters": {"flavor": "tiny"}, "workers": {"flavor": "big", "count": 2}}


def complaint(**cluster: Any) -> list[str]:
    """What is said of a config with some of `gaia:cluster` changed; None takes a key away."""
    given = {key: value for key, value in {**CLUSTER, **cluster}.items() if value is not None}
    config = {"gaia:site": "cumulus", "gaia:cloud": "c", "gaia:data_cloud": "d", "gaia:cluster": json.dumps(given)}
    with pytest.raises(SettingsError) as wrong:
        settings.parse(config, "gaia-dev", Kubernetes)
    return [line.strip().removeprefix("Pulumi.gaia-dev.yaml: gaia:cluster") for line in str(wrong.value).splitlines()]


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"image": None}, " needs either template"),
        ({"template": "t"}, " needs either template"),
        ({"template": "t", "image": None, "network_driver": "calico"}, " network_driver is the template's to say"),
        ({"masters": {"flavor": "tiny", "count": 2}}, ".masters.count must be odd"),
        ({"masters": {"flavor": "tiny", "count": 3}}, " masters.count is 3: several masters need load_balancer: true"),
        ({"workers": {"flavor": "big"}}, ".workers needs either count, or both min and max"),
        ({"workers": {"flavor": "big", "count": 1, "min": 1, "max": 2}}, ".workers needs either count"),
        ({"workers": {"flavor": "big", "min": 3}}, ".workers needs either count"),
        ({"workers": {"flavor": "big", "min": 3, "max": 2}}, ".workers min is 3, more than max, which is 2"),
        ({"labels": {"min_node_count": "1"}}, ".labels min_node_count is not to be set here"),
        ({"node_groups": {"default-worker": {"flavor": "x", "count": 1}}}, ".node_groups 'default-worker' is no name"),
        ({"wrokers": 1}, ".wrokers is not a known key"),
    ],
)
def test_what_cannot_be_is_said_by_its_key(cluster: dict[str, Any], said: str) -> None:
    [line] = complaint(**cluster)
    assert line.startswith(said), line


def test_everything_that_is_wrong_is_said_at_once() -> None:
    wrong = complaint(masters={"flavor": "", "count": 2}, workers={"flavor": "big"}, labels={"max_node_count": 1})
    assert len(wrong) == 4


def test_labels_are_the_configs_and_what_its_other_keys_mean_to_magnum() -> None:
    fixed = Cluster.model_validate({**CLUSTER, "labels": {"kube_tag": "v1.34.9", "cinder_csi_enabled": False}})
    assert labels(fixed) == {"kube_tag": "v1.34.9", "cinder_csi_enabled": "false"}
    scaled = {**CLUSTER, "workers": {"flavor": "big", "min": 2, "max": 6}, "load_balancer": True}
    assert labels(Cluster.model_validate(scaled)) == {
        "auto_scaling_enabled": "true",
        "min_node_count": "2",
        "max_node_count": "6",
        "master_lb_floating_ip_enabled": "true",
    }


def build(**cluster: Any) -> Made:
    parsed = Cluster.model_validate({key: value for key, value in {**CLUSTER, **cluster}.items() if value is not None})

    def made() -> pulumi.Output[str]:
        args = MagnumClusterArgs(
            name="gaia-dev",
            settings=parsed,
            network=network(),
            external_network_id="ext",
            template_id="given" if parsed.template else None,
            key_pair="nodes",
        )
        return MagnumCluster("gaia-dev", args).cluster_id

    return record(made)


def test_a_cluster_is_on_the_deployments_own_network_by_its_ids() -> None:
    made = build()
    cluster = made["Cluster", "gaia-dev"]
    assert (cluster["fixedNetwork"], cluster["fixedSubnet"]) == ("Network-t", "Subnet-t")
    assert cluster["clusterTemplateId"] == "ClusterTemplate-gaia-dev"
    assert (cluster["floatingIpEnabled"], cluster["masterLbEnabled"], cluster["mergeLabels"]) == (True, False, True)
    assert made["ClusterTemplate", "gaia-dev"]["externalNetworkId"] == "ext"


def test_a_template_that_is_named_is_used_and_none_is_made() -> None:
    made = build(template="site", image=None)
    assert made["Cluster", "gaia-dev"]["clusterTemplateId"] == "given"
    assert ("ClusterTemplate", "gaia-dev") not in made


def test_another_image_is_another_template_since_magnum_changes_none_that_is_in_use() -> None:
    names = {build(image=image)["ClusterTemplate", "gaia-dev"]["name"] for image in ("coreos-38", "coreos-39")}
    assert len(names) == 2
    assert all(name.startswith("gaia-dev-") for name in names)

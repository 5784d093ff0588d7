"""The components' resources, recorded by mocks: names, planned addresses, what is asked for. (What the cloud makes of
them is what tests/cloud proves.)"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from components.hosts.host import Host, HostArgs
from components.network.addresses import AddressPlan
from components.network.cephfs_router import CephfsRouter, CephfsRouterArgs
from components.network.ingress import ANYWHERE, Ingress
from components.network.security_groups import SecurityGroups
from components.network.tenant import TenantNetwork, TenantNetworkArgs

PLAN = AddressPlan(IPv4Network("10.10.0.0/16"))


class Recorder(Mocks):
    """Remembers every resource by type and name, and every hook by its name."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, str], dict[str, Any]] = {}
        self.hooks: dict[str, Callable[[Any], Any]] = {}

    def register_error_hook(self, hook: pulumi.ErrorHook) -> None:
        self.hooks[hook.name] = hook

    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        self.hooks[hook.name] = hook

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        kind = args.typ.rpartition(":")[2]
        self.made[kind, args.name] = dict(args.inputs)
        outputs = dict(args.inputs)
        if kind == "PrivateKey":
            outputs |= {"publicKeyOpenssh": f"ssh-ed25519 {args.name}\n", "privateKeyOpenssh": f"PRIVATE {args.name}"}
        if kind == "Cluster":
            outputs["kubeconfig"] = {"raw_config": "kubeconfig"}
        if kind == "Stash":
            outputs["output"] = args.inputs["input"]
        return f"{kind}-{args.name}", outputs

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return dict(args.args), []


Made = dict[tuple[str, str], dict[str, Any]]


def record(build: Callable[[], Any], recorder: Recorder | None = None) -> Made:
    """What a function registers, by type and name, once all of it is."""
    recorder = recorder or Recorder()
    pulumi.runtime.set_mocks(recorder, project="gaia", stack="gaia-test", preview=False)
    # Pulumi's mocks know no hooks
    pulumi.runtime.settings.SETTINGS.callbacks = recorder
    pulumi.runtime.test(build)()  # type: ignore[no-untyped-call]
    return recorder.made


def network() -> TenantNetwork:
    return TenantNetwork("t", TenantNetworkArgs(name="gaia-test", plan=PLAN, external_network_id="ext"))


def cephfs(host_route: bool = False) -> CephfsRouter:
    return CephfsRouter(
        "c",
        CephfsRouterArgs(
            name="gaia-test-cephfs",
            plan=PLAN,
            tenant=network(),
            storage_network_id="storage",
            storage_cidr=IPv4Network("10.206.0.0/16"),
            host_route=host_route,
        ),
    )


def host(generation: int | str = 0) -> Host:
    return Host(
        "worker01",
        HostArgs(
            physical_name="gaia-test-worker01",
            hostname="worker01",
            role="worker",
            group="workers",
            generation=generation,
            flavor="general.v1.tiny",
            image_id="image",
            address="10.10.1.1",
            network=network(),
            security_group_ids=["group"],
            key_pair="pair",
            deploy_key="ssh-ed25519 DEPLOY",
            volume_gib=256,
            mount="/mnt/cinder/data",
        ),
    )


def test_the_tenant_subnet_hands_out_only_addresses_that_nobody_planned() -> None:
    subnet = record(network)["Subnet", "t"]
    assert subnet["cidr"] == "10.10.0.0/16"
    assert subnet["gatewayIp"] == "10.10.0.1"
    assert subnet["allocationPools"] == [{"start": "10.10.128.0", "end": "10.10.255.254"}]


def test_the_route_to_ceph_leads_through_the_cephfs_routers_own_port() -> None:
    made = record(cephfs)
    assert made["Router", "c"]["externalNetworkId"] == "storage"
    assert made["Port", "c"]["fixedIps"] == [{"subnetId": "Subnet-t", "ipAddress": "10.10.0.2"}]
    assert made["RouterInterface", "c"] == {"routerId": "Router-c", "portId": "Port-c"}
    assert made["RouterRoute", "c"] == {
        "routerId": "Router-t",
        "destinationCidr": "10.206.0.0/16",
        "nextHop": "10.10.0.2",
    }


def test_the_subnet_has_the_route_only_where_the_site_needs_it() -> None:
    assert ("SubnetRoute", "c") not in record(cephfs)
    route = record(lambda: cephfs(host_route=True))["SubnetRoute", "c"]
    assert (route["subnetId"], route["nextHop"]) == ("Subnet-t", "10.10.0.2")


def test_what_is_open_to_anywhere_is_open_in_both_families_and_the_rest_to_groups_only() -> None:
    table = {"front": [Ingress(ANYWHERE, 22, 22)], "back": [Ingress("front", 9000, 9001), Ingress("back")]}
    made = record(lambda: SecurityGroups("sg", table, "gaia-test"))
    rules = {name: rule for (kind, name), rule in made.items() if kind == "SecGroupRule"}
    assert set(rules) == {
        "sg-front-anywhere-22-ipv4",
        "sg-front-anywhere-22-ipv6",
        "sg-back-front-9000-9001-ipv4",
        "sg-back-back-tcp-ipv4",
    }
    assert rules["sg-back-front-9000-9001-ipv4"]["remoteGroupId"] == "SecGroup-sg-front"
    assert "portRangeMin" not in rules["sg-back-back-tcp-ipv4"]
    assert {rule["direction"] for rule in rules.values()} == {"ingress"}
    assert {rule["protocol"] for rule in rules.values()} == {"tcp"}


def test_a_host_has_its_planned_address_its_groups_and_a_human_name() -> None:
    made = record(host)
    port = made["Port", "worker01"]
    assert port["fixedIps"] == [{"subnetId": "Subnet-t", "ipAddress": "10.10.1.1"}]
    assert port["securityGroupIds"] == ["group"]
    server = made["Instance", "worker01"]
    assert server["name"] == port["name"] == made["Volume", "worker01"]["name"] == "gaia-test-worker01"
    assert server["networks"] == [{"port": "Port-worker01"}]
    assert "securityGroups" not in server, "groups on the port only: both would fight"


def test_a_volume_is_attached_by_its_own_resource_and_without_a_device_name() -> None:
    made = record(host)
    assert made["VolumeAttach", "worker01"] == {"instanceId": "Instance-worker01", "volumeId": "Volume-worker01"}
    assert made["Volume", "worker01"]["size"] == 256
    assert "blockDevices" not in made["Instance", "worker01"]


def test_user_data_carries_the_hosts_own_key_and_the_deploy_key_as_a_secret() -> None:
    text = record(host)["Stash", "worker01-userdata"]["input"]
    secret = text["value"] if isinstance(text, dict) else text
    assert "PRIVATE worker01-hostkey" in secret
    assert "ssh-ed25519 DEPLOY" in secret

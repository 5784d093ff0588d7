"""Octavia's load balancers on the sandbox: what its API says comes true in the kernel. Their members are the mirror."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from sandbox.layout import INTERNET, MIRROR, PROJECTS, Layout, Port
from sandbox.namespaces import inside
from sandbox.services.api import Api, ApiError
from tests.cloud.test_sandbox_apis import gone, until
from tests.conftest import ROOT, Sandbox

LAYOUT = Layout(ROOT)
PATH = "/v2/lbaas"
HTTP, CLOSED = 80, 81  # ports of the mirror


@dataclass
class Balanced:
    """A load balancer with a floating IP, and a listener whose pool has a monitor."""

    api: Api
    id: str
    pool: str
    port: str
    floating: str

    @property
    def status(self) -> str:
        return str(self.api.get(Port.OCTAVIA, f"{PATH}/loadbalancers/{self.id}")["loadbalancer"]["provisioning_status"])

    def members(self) -> dict[int, str]:
        """Their statuses by their ports."""
        found = self.api.get(Port.OCTAVIA, f"{PATH}/pools/{self.pool}/members")["members"]
        return {member["protocol_port"]: member["operating_status"] for member in found}

    def answers(self) -> bool:
        try:
            with urlopen(f"http://{self.floating}/archives/", timeout=5) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False


def graph(subnet: str, protocol: str = "TCP") -> dict[str, Any]:
    """A load balancer with all that is in it, as one request."""
    members = [{"address": str(MIRROR), "protocol_port": port} for port in (HTTP, CLOSED)]
    pool = {
        "name": "mirror",
        "protocol": protocol,
        "lb_algorithm": "ROUND_ROBIN",
        "members": members,
        "healthmonitor": {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1},
    }
    listeners = [{"protocol": protocol, "protocol_port": HTTP, "default_pool": pool}]
    return {"loadbalancer": {"name": "web", "vip_subnet_id": subnet, "listeners": listeners}}


@pytest.fixture
def subnet(cloud: Sandbox) -> Iterator[tuple[Api, str]]:
    """A subnet with a way out, and who may use it."""
    assert cloud.root == ROOT
    with inside(LAYOUT.namespace):
        api = Api(LAYOUT, PROJECTS[0])
        network = api.post(Port.NEUTRON, "/v2.0/networks", {"network": {"name": "balanced"}})["network"]["id"]
        wanted = {"network_id": network, "ip_version": 4, "cidr": "10.77.0.0/24"}
        made = api.post(Port.NEUTRON, "/v2.0/subnets", {"subnet": wanted})["subnet"]["id"]
        [outside] = api.get(Port.NEUTRON, f"/v2.0/networks?name={INTERNET.name}")["networks"]
        gateway = {"name": "balanced", "external_gateway_info": {"network_id": outside["id"]}}
        router = api.post(Port.NEUTRON, "/v2.0/routers", {"router": gateway})["router"]["id"]
        api.call("PUT", Port.NEUTRON, f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": made})
        yield api, made
        api.call("PUT", Port.NEUTRON, f"/v2.0/routers/{router}/remove_router_interface", {"subnet_id": made})
        api.delete(Port.NEUTRON, f"/v2.0/routers/{router}")
        api.delete(Port.NEUTRON, f"/v2.0/networks/{network}")


@pytest.fixture
def balanced(subnet: tuple[Api, str]) -> Iterator[Balanced]:
    api, subnet_id = subnet
    made = api.post(Port.OCTAVIA, f"{PATH}/loadbalancers", graph(subnet_id))["loadbalancer"]
    [outside] = api.get(Port.NEUTRON, f"/v2.0/networks?name={INTERNET.name}")["networks"]
    wanted = {"floating_network_id": outside["id"], "port_id": made["vip_port_id"]}
    address = api.post(Port.NEUTRON, "/v2.0/floatingips", {"floatingip": wanted})["floatingip"]
    yield Balanced(api, made["id"], made["pools"][0]["id"], made["vip_port_id"], address["floating_ip_address"])
    api.delete(Port.NEUTRON, f"/v2.0/floatingips/{address['id']}")
    path = f"{PATH}/loadbalancers/{made['id']}"
    until(lambda: api.get(Port.OCTAVIA, path)["loadbalancer"]["provisioning_status"], "ACTIVE")
    api.delete(Port.OCTAVIA, f"{path}?cascade=true")
    until(gone(lambda: api.get(Port.OCTAVIA, path)), True)
    assert api.get(Port.OCTAVIA, f"{PATH}/pools")["pools"] == []
    with pytest.raises(ApiError, match="404"):
        api.get(Port.NEUTRON, f"/v2.0/ports/{made['vip_port_id']}")


def test_connections_reach_members_that_answer_and_those_alone(balanced: Balanced) -> None:
    until(lambda: balanced.status, "ACTIVE")
    until(balanced.members, {HTTP: "ONLINE", CLOSED: "ERROR"})
    until(lambda: all(balanced.answers() for _ in range(6)), True)
    [monitor] = balanced.api.get(Port.OCTAVIA, f"{PATH}/healthmonitors")["healthmonitors"]
    balanced.api.delete(Port.OCTAVIA, f"{PATH}/healthmonitors/{monitor['id']}")
    until(balanced.members, {HTTP: "NO_MONITOR", CLOSED: "NO_MONITOR"})


def test_members_that_are_taken_out_get_no_connections_and_a_killed_octavia_goes_on(
    balanced: Balanced, cloud: Sandbox
) -> None:
    until(balanced.answers, True)
    cloud.kill("octavia")
    cloud.up()
    path = f"{PATH}/pools/{balanced.pool}/members"
    until(lambda: balanced.status, "ACTIVE")
    balanced.api.call("PUT", Port.OCTAVIA, path, {"members": []})
    until(lambda: balanced.status, "ACTIVE")
    assert balanced.members() == {}
    until(balanced.answers, False)
    member = {"address": str(MIRROR), "protocol_port": HTTP}
    balanced.api.post(Port.OCTAVIA, path, {"member": member})
    until(balanced.answers, True)


def test_what_the_sandbox_cannot_do_is_refused(subnet: tuple[Api, str]) -> None:
    api, subnet_id = subnet
    with pytest.raises(ApiError, match=r"501 .*no listeners of HTTP, only of TCP and UDP"):
        api.post(Port.OCTAVIA, f"{PATH}/loadbalancers", graph(subnet_id, protocol="HTTP"))
    assert api.get(Port.OCTAVIA, f"{PATH}/loadbalancers")["loadbalancers"] == []
    # Octavia itself leaves the port of a request that its driver refuses
    ports = api.get(Port.NEUTRON, "/v2.0/ports?device_owner=Octavia")["ports"]
    for port in ports:
        api.delete(Port.NEUTRON, f"/v2.0/ports/{port['id']}")


def test_a_projects_load_balancers_are_its_own(balanced: Balanced) -> None:
    other = Api(LAYOUT, PROJECTS[1])
    assert other.get(Port.OCTAVIA, f"{PATH}/loadbalancers")["loadbalancers"] == []
    with pytest.raises(ApiError, match="403"):
        other.get(Port.OCTAVIA, f"{PATH}/loadbalancers/{balanced.id}")

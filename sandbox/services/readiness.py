"""What `ready` means: `python -m sandbox.services.readiness wait | writes SECONDS` inside the sandbox's namespace.

An API that listens is not ready. Each has its policy rules loaded at its first request, in Neutron not safely for
threads: the first concurrent requests after a start can be refused with 403. So every API gets one authorised write,
alone, before anybody else may use it; the capacities that the schedulers need are waited for too.
"""

import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sandbox import processes, registry
from sandbox.layout import MIRROR, PROJECTS, REGISTRY_PORT, VOLUME_TYPE, Layout, Port
from sandbox.services.api import Api, ApiError

APIS = (
    Port.KEYSTONE,
    Port.PLACEMENT,
    Port.GLANCE,
    Port.NEUTRON,
    Port.NOVA,
    Port.CINDER,
    Port.MANILA,
    Port.MAGNUM,
    Port.OCTAVIA,
    Port.SWIFT,
)
PREFIX = "readiness-"  # of the names of everything that is made here
PROCESSES = {Port.PLACEMENT: "keystone"}  # the daemon behind a port, where it has another name


class Deadline:
    """The time by which everything has to be so."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return time.monotonic() > self._end


def until(deadline: Deadline, what: str, condition: Callable[[], bool]) -> None:
    """Wait for a condition; an API that does not answer yet or says 5xx counts as not fulfilled."""
    problem = ""
    while not deadline.passed:
        try:
            if condition():
                return
        except ApiError as error:
            if 0 < error.status < 500:
                raise
            problem = str(error)
        time.sleep(0.1)
    raise ApiError(f"{what}: not within {deadline.seconds:.0f} s. {problem}")


def login(api: Api, deadline: Deadline) -> None:
    """Wait until Keystone gives a token."""

    def given() -> bool:
        api.login()
        return True

    until(deadline, "Keystone answers", given)


def listening(layout: Layout, api: Api, port: Port, deadline: Deadline) -> None:
    """Wait until an API answers an authorised request."""
    paths = {
        Port.KEYSTONE: "/v3/auth/projects",
        Port.PLACEMENT: "/resource_providers",
        Port.GLANCE: "/v2/images?limit=1",
        Port.NEUTRON: "/v2.0/networks?limit=1",
        Port.NOVA: "/v2.1/flavors?limit=1",
        Port.CINDER: "/v3/PROJECT/types",
        Port.MANILA: "/v2/types",
        Port.MAGNUM: "/v1/clustertemplates?limit=1",
        Port.OCTAVIA: "/v2/lbaas/loadbalancers?limit=1",
        Port.SWIFT: "/v1/AUTH_PROJECT?limit=1",
    }

    def answers() -> bool:
        _runs(layout, PROCESSES.get(port, port.name.lower()))
        api.get(port, paths[port])
        return True

    until(deadline, f"{port.name.title()} answers on port {port}", answers)


def _runs(layout: Layout, name: str) -> None:
    """Raise ApiError for a daemon that has ended: waiting would not help."""
    if processes.find(layout, name) is None:
        raise ApiError(f"{name} ended: {layout.log / name}.log says why", status=410)


def images(layout: Layout, deadline: Deadline) -> None:
    """Wait until the registry answers: nodes that are there already pull at once."""

    def answers() -> bool:
        _runs(layout, "registry")
        return registry.answers(MIRROR)

    until(deadline, f"the registry answers on port {REGISTRY_PORT}", answers)


def write(api: Api, port: Port) -> None:
    """One authorised write, undone at once."""
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    if port is Port.KEYSTONE:
        blob = {"blob": name, "type": "readiness", "user_id": api.user_id, "project_id": api.project_id}
        made = api.post(port, "/v3/credentials", {"credential": blob})["credential"]
        api.delete(port, f"/v3/credentials/{made['id']}")
    elif port is Port.PLACEMENT:
        custom = f"/traits/CUSTOM_{name.upper().replace('-', '_')}"
        api.call("PUT", port, custom)
        api.delete(port, custom)
    elif port is Port.GLANCE:
        made = api.post(port, "/v2/images", {"name": name})
        api.delete(port, f"/v2/images/{made['id']}")
    elif port is Port.NEUTRON:
        _write_network(api, name)
    elif port is Port.NOVA:
        api.post(port, "/v2.1/os-keypairs", {"keypair": {"name": name, "public_key": PUBLIC_KEY}})
        api.delete(port, f"/v2.1/os-keypairs/{name}")
    elif port is Port.CINDER:
        made = api.post(port, "/v3/PROJECT/types", {"volume_type": {"name": name}})["volume_type"]
        api.delete(port, f"/v3/PROJECT/types/{made['id']}")
    elif port is Port.MANILA:
        specs = {"driver_handles_share_servers": "false"}
        made = api.post(port, "/v2/types", {"share_type": {"name": name, "extra_specs": specs}})
        api.delete(port, f"/v2/types/{made['share_type']['id']}")
    elif port is Port.MAGNUM:
        quota = {"project_id": api.project_id, "resource": "Cluster", "hard_limit": 1000}
        api.post(port, "/v1/quotas", quota)
        api.delete(port, "/v1/quotas/PROJECT/Cluster")
    elif port is Port.OCTAVIA:
        api.call("PUT", port, "/v2/lbaas/quotas/PROJECT", {"quota": {"load_balancer": 1000}})
        api.delete(port, "/v2/lbaas/quotas/PROJECT")
    else:
        api.call("PUT", port, f"/v1/AUTH_PROJECT/{name}")
        api.delete(port, f"/v1/AUTH_PROJECT/{name}")


# A key that exists for a second, of which nobody has the private half
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB6mOG4Bhn6uZyUdhXhRYSjqOXUOhpVJ5hWcsFzlHjH readiness"


def _write_network(api: Api, name: str) -> None:
    """A network, a subnet, a port, a security group: each resource has rules and a driver path of its own."""
    network = api.post(Port.NEUTRON, "/v2.0/networks", {"network": {"name": name}})["network"]
    of = {"network_id": network["id"]}
    api.post(Port.NEUTRON, "/v2.0/subnets", {"subnet": {**of, "ip_version": 4, "cidr": "192.0.2.0/24"}})
    port = api.post(Port.NEUTRON, "/v2.0/ports", {"port": of})["port"]
    group = api.post(Port.NEUTRON, "/v2.0/security-groups", {"security_group": {"name": name}})
    api.delete(Port.NEUTRON, f"/v2.0/security-groups/{group['security_group']['id']}")
    api.delete(Port.NEUTRON, f"/v2.0/ports/{port['id']}")
    api.delete(Port.NEUTRON, f"/v2.0/networks/{network['id']}")


def capacities(api: Api, deadline: Deadline) -> None:
    """Wait until the schedulers of Nova, Cinder and Manila know a host with room."""

    def compute() -> bool:
        services = api.get(Port.NOVA, "/v2.1/os-services?binary=nova-compute")["services"]
        providers = api.get(Port.PLACEMENT, "/resource_providers")["resource_providers"]
        return bool(providers) and any(service["state"] == "up" for service in services)

    def volumes() -> bool:
        # the list of pools would tell, but with in-process messages Cinder cannot serialise it
        volume = {"size": 1, "name": PREFIX + "volume", "volume_type": VOLUME_TYPE}
        path = "/v3/PROJECT/volumes"
        path += "/" + api.post(Port.CINDER, path, {"volume": volume})["volume"]["id"]
        states = ("available", "error")
        until(deadline, "Cinder makes a volume", lambda: api.get(Port.CINDER, path)["volume"]["status"] in states)
        made = api.get(Port.CINDER, path)["volume"]["status"] == "available"
        api.delete(Port.CINDER, path)
        return bool(made)

    def shares() -> bool:
        pools = api.get(Port.MANILA, "/v2/scheduler-stats/pools/detail")["pools"]
        return any(float(pool["capabilities"].get("free_capacity_gb") or 0) > 0 for pool in pools)

    until(deadline, "Nova has a compute host", compute)
    until(deadline, "Cinder knows its capacity", volumes)
    until(deadline, "Manila knows its capacity", shares)


def leftovers(api: Api) -> None:
    """Remove what an interrupted readiness check left: `up` may be killed between a write and its undoing."""
    for network in api.get(Port.NEUTRON, "/v2.0/networks")["networks"]:
        if network["name"].startswith(PREFIX):
            for port in api.get(Port.NEUTRON, f"/v2.0/ports?network_id={network['id']}")["ports"]:
                api.delete(Port.NEUTRON, f"/v2.0/ports/{port['id']}")
            api.delete(Port.NEUTRON, f"/v2.0/networks/{network['id']}")
    for volume in api.get(Port.CINDER, "/v3/PROJECT/volumes/detail")["volumes"]:
        if volume["name"].startswith(PREFIX) and volume["status"] in ("available", "error"):
            api.delete(Port.CINDER, f"/v3/PROJECT/volumes/{volume['id']}")
    for group in api.get(Port.NEUTRON, "/v2.0/security-groups")["security_groups"]:
        if group["name"].startswith(PREFIX):
            api.delete(Port.NEUTRON, f"/v2.0/security-groups/{group['id']}")


def wait(layout: Layout, deadline: Deadline) -> None:
    """Every API answers the administrator: enough to go on with a bootstrap."""
    api = Api(layout)
    login(api, deadline)
    with ThreadPoolExecutor(len(APIS)) as pool:
        list(pool.map(lambda port: listening(layout, api, port, deadline), APIS))


def writes(layout: Layout, deadline: Deadline) -> None:
    """Every API has taken a write, alone; every project's user gets a token; the capacities are known."""
    api = Api(layout)
    login(api, deadline)

    def check(port: Port) -> None:
        listening(layout, api, port, deadline)
        write(api, port)

    with ThreadPoolExecutor(len(APIS)) as pool:
        list(pool.map(check, APIS))
    capacities(api, deadline)
    images(layout, deadline)
    leftovers(api)
    for project in PROJECTS:
        Api(layout, project).login()


def main(what: str, seconds: str) -> int:
    try:
        {"wait": wait, "writes": writes}[what](Layout.here(), Deadline(float(seconds)))
    except ApiError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

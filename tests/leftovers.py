"""Everything that a project has in the cloud, asked of the APIs as its own user."""

from __future__ import annotations

import json

from tests.conftest import Sandbox

ASK = """
import json, sys, openstack
c = openstack.connect(cloud=sys.argv[1])
mine = {"project_id": c.current_project_id}
names = lambda found: sorted(r.name or r.id for r in found)
shares = {s.id: s.name for s in c.shared_file_system.shares(details=True)}
print(json.dumps({
    "servers": names(c.compute.servers()),
    "keypairs": names(c.compute.keypairs()),
    "volumes": names(c.block_storage.volumes()),
    "networks": names(c.network.networks(**mine)),
    "subnets": names(c.network.subnets(**mine)),
    "routers": names(c.network.routers(**mine)),
    "ports": names(c.network.ports(**mine)),
    "floating_ips": sorted(f.floating_ip_address for f in c.network.ips(**mine)),
    "security_groups": names(c.network.security_groups(**mine)),
    "shares": sorted(shares.values()),
    "access_rules": sorted(f"{name} {rule.access_to} {rule.access_level}" for share, name in shares.items()
                           for rule in c.shared_file_system.access_rules(share)),
    "clusters": names(c.container_infrastructure_management.clusters()),
    "cluster_templates": names(c.container_infrastructure_management.cluster_templates()),
    "application_credentials": names(c.identity.application_credentials(c.current_user_id)),
    "load_balancers": names(c.load_balancer.load_balancers()),
    "containers": names(c.object_store.containers()),
}))
"""


def everything(sandbox: Sandbox, cloud: str) -> dict[str, list[str]]:
    """Names of all resources of the project behind an entry of clouds.yaml, by kind."""
    said = sandbox.run("python", "-W", "ignore", "-c", ASK, cloud).stdout
    found: dict[str, list[str]] = json.loads(said[said.index("{") :])
    return found

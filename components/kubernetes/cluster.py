"""The Magnum cluster: its template, its masters and workers, its further node groups."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_openstack as openstack

from components.network.tenant import TenantNetwork
from components.settings.kubernetes import Cluster

# Magnum's own limits are in minutes; the provider has to wait a little longer than Magnum does.
SLACK_MIN = 5
DELETE_TIMEOUT = "30m"


@dataclass(frozen=True, kw_only=True)
class MagnumClusterArgs:
    """`external_network_id`: where the API's floating IP is. `template_id`: of a template that exists, or None.

    `dns`: the nodes' name server, or None for Magnum's default.
    """

    name: str
    settings: Cluster
    network: TenantNetwork
    external_network_id: str
    template_id: str | None
    key_pair: pulumi.Input[str]
    dns: str | None = None


class MagnumCluster(pulumi.ComponentResource):
    """A Kubernetes cluster on the deployment's own network.

    Children: ClusterTemplate (unless one was named), Cluster, a NodeGroup for each further group, one after the other:
    Magnum's Cluster API driver refuses two at a time. Not managed here: network and routers, the servers, ports and
    load balancers that Magnum and the cluster's own controllers make.
    """

    cluster: openstack.containerinfra.Cluster
    cluster_id: pulumi.Output[str]
    api_address: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, args: MagnumClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:MagnumCluster", name, None, opts)
        self._args, settings = args, args.settings
        workers, timeout = settings.workers, settings.create_timeout_min
        cluster = openstack.containerinfra.Cluster(
            name,
            name=args.name,
            cluster_template_id=args.template_id or self._template(name).id,
            # by id: Magnum refuses a name that two networks have
            fixed_network=args.network.network_id,
            fixed_subnet=args.network.subnet_id,
            keypair=args.key_pair,
            master_count=settings.masters.count,
            master_flavor=settings.masters.flavor,
            flavor=workers.flavor,
            node_count=workers.first_count,
            labels=labels(settings),
            merge_labels=True,
            master_lb_enabled=settings.load_balancer,
            floating_ip_enabled=not settings.load_balancer,
            create_timeout=timeout,
            opts=pulumi.ResourceOptions(
                parent=self,
                # nodes download what they need through the router, and the API's floating IP needs it
                depends_on=[args.network.interface],
                delete_before_replace=True,  # a second one would ask for as many servers again
                ignore_changes=["nodeCount"] if workers.scales else None,
                additional_secret_outputs=["kubeconfig"],
                custom_timeouts=_timeouts(timeout),
            ),
        )
        self.cluster = cluster
        self._node_groups(cluster)
        self.cluster_id, self.api_address = cluster.id, cluster.api_address
        self.kubeconfig = cluster.kubeconfig.apply(lambda config: str(config["raw_config"]))
        self.register_outputs({"clusterId": cluster.id, "apiAddress": cluster.api_address})

    def _template(self, name: str) -> openstack.containerinfra.ClusterTemplate:
        """One of the stack's own. Magnum changes no template that is in use: other content is another template."""
        content: dict[str, Any] = {
            "coe": "kubernetes",
            "image": self._args.settings.image,
            "external_network_id": self._args.external_network_id,
            "dns_nameserver": self._args.dns,
            "network_driver": self._args.settings.network_driver or None,
            "volume_driver": "cinder",
            "docker_storage_driver": "overlay2",
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
        return openstack.containerinfra.ClusterTemplate(
            name,
            name=f"{self._args.name}-{digest}",
            **content,
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=["*"]),
        )

    def _node_groups(self, cluster: openstack.containerinfra.Cluster) -> None:
        before: pulumi.Resource = cluster
        for group, nodes in sorted(self._args.settings.node_groups.items()):
            before = openstack.containerinfra.NodeGroup(
                group,
                name=group,
                cluster_id=cluster.id,
                flavor_id=nodes.flavor,
                node_count=nodes.first_count,
                min_node_count=nodes.min,
                max_node_count=nodes.max,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    depends_on=[before],
                    delete_before_replace=True,  # the name is taken
                    ignore_changes=["nodeCount"] if nodes.scales else None,
                    custom_timeouts=_timeouts(self._args.settings.create_timeout_min),
                ),
            )


def labels(settings: Cluster) -> dict[str, str]:
    """The labels of the cluster: those of the config, and what the config's other keys mean to Magnum. Pure."""
    found = dict(settings.labels)
    if settings.workers.scales:
        found |= {"auto_scaling_enabled": "true"}
        found |= {"min_node_count": str(settings.workers.min), "max_node_count": str(settings.workers.max)}
    if settings.load_balancer:
        found["master_lb_floating_ip_enabled"] = "true"
    return found


def _timeouts(minutes: int) -> pulumi.CustomTimeouts:
    limit = f"{minutes + SLACK_MIN}m"
    return pulumi.CustomTimeouts(create=limit, update=limit, delete=DELETE_TIMEOUT)

"""The platform `hadoop-yarn`: HDFS, YARN, Spark and Zeppelin on virtual machines."""

from __future__ import annotations

from typing import Any

import pulumi

from components import cloud, record
from components.hadoop import infrastructure, protection
from components.hadoop.configuration import configure
from components.hadoop.outputs import outputs
from components.hosts.configuration import COMMAND_TYPE
from components.settings.hadoop import Hadoop


class HadoopYarn(pulumi.ComponentResource):
    """A Spark cluster on VMs with its notebook server.

    Children: Stash (what the deployment remembers of itself), TenantNetwork, CephfsRouter, SecurityGroups, the deploy
    key (PrivateKey, Keypair), the gateway's FloatingIp and its association, a Host and a Configuration for each host,
    a ShareGrant for each share, the notebook's password and salt, and the health check that `up` ends with. Not
    managed here: the shares themselves.
    """

    exports: dict[str, Any]

    def __init__(self, stack: str, settings: Hadoop) -> None:
        planned = infrastructure.plan(stack, settings)
        entry = cloud.Entry.find(stack, "cloud", settings.cloud)
        data = cloud.Entry.find(stack, "data_cloud", settings.data_cloud)
        provider = entry.provider("deployment")
        state = record.resources(stack)
        noted = record.noted(stack, settings.name or stack, provider, settings.hosts.rebuild, state)
        refused = protection.refused(settings, planned, state)
        found = infrastructure.look_up(stack, settings, provider, refused)
        if reminder := protection.reminder(settings):
            pulumi.log.warn(reminder)

        super().__init__("gaia:hadoop:HadoopYarn", stack, None, pulumi.ResourceOptions(providers=[provider]))
        noted.keep(pulumi.ResourceOptions(parent=self))
        made = infrastructure.build(settings, noted, found, planned, self)
        self.exports = outputs(noted, settings, found, made)
        if settings.hosts.configure:
            at_work = record.named(state, COMMAND_TYPE)
            login = configure(settings, noted, found, made, data, at_work, self)
            self.exports |= {"notebook_user": login.name, "notebook_password": login.password}
        self.register_outputs(noted.told(settings.site, settings.live, settings.let_go))

"""The platform `hadoop-yarn`: HDFS, YARN, Spark and Zeppelin on virtual machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pulumi
import pulumi_command as command
import pulumi_openstack as openstack
import pulumi_random as random
import pulumi_tls as tls

from components import cloud
from components.hadoop import ports, zeppelin
from components.hadoop.bundles import bundle
from components.hadoop.cluster import Cluster, Download, NotebookUser
from components.hadoop.sizing import Flavor, Overrides, SizingError, compute
from components.hosts import ssh
from components.hosts.bundle import CephMount
from components.hosts.configuration import Access, Configuration, program
from components.hosts.distribution import DISTRIBUTIONS
from components.hosts.host import Host, HostArgs
from components.network.addresses import AddressPlan
from components.network.cephfs_router import CephfsRouter, CephfsRouterArgs
from components.network.security_groups import SecurityGroups
from components.network.tenant import TenantNetwork, TenantNetworkArgs
from components.secret import secret
from components.settings import PROJECT, Hadoop, SettingsError
from components.storage.shares import Export, ShareGrant, ShareGrantArgs

HEALTH = Path(__file__).with_name("health.py")
ROLES = ("zeppelin", "master", "worker")
GROUPS = {"zeppelin": ports.ZEPPELIN, "master": ports.MASTERS, "worker": ports.WORKERS}
PASSWORD_LENGTH, SALT_BYTES = 20, 16


class HadoopYarn(pulumi.ComponentResource):
    """A Spark cluster on VMs with its notebook server.

    Children: TenantNetwork, CephfsRouter, SecurityGroups, the deploy key (PrivateKey, Keypair), the gateway's
    FloatingIp and its association, a Host and a Configuration for each host, a ShareGrant for each share, the
    notebook's password and salt, and the health check that `up` ends with. Not managed here: the shares themselves.
    """

    exports: dict[str, Any]

    def __init__(self, stack: str, settings: Hadoop) -> None:
        self.stack, self.settings = stack, settings
        provider = cloud.provider("deployment", settings.cloud)
        super().__init__("gaia:hadoop:HadoopYarn", stack, None, pulumi.ResourceOptions(providers=[provider]))
        self.child = pulumi.ResourceOptions(parent=self)
        self.plan = AddressPlan(settings.network.cidr)
        self.names = self._names()
        self._look_up(provider)
        self._network()
        self._deploy_key()
        self.hosts = {name: self._host(name, role) for name, role in self.names.items()}
        self._floating_ip()
        self.exports = self._exports()
        if settings.hosts.configure:
            self._configure()
        self.register_outputs({})

    # ---- what the cloud has

    def _names(self) -> dict[str, str]:
        """Every host's name and role."""
        workers = (f"worker{number:02d}" for number in range(1, self.settings.hosts.worker.count + 1))
        return {"zeppelin": "zeppelin", "master01": "master", **dict.fromkeys(workers, "worker")}

    def _look_up(self, provider: openstack.Provider) -> None:
        hosts, lookup = self.settings.hosts, cloud.Lookup(self.stack, self.settings.cloud, provider)
        found = {role: lookup.flavor(f"hosts.{role}.flavor", getattr(hosts, role).flavor) for role in ROLES}
        self.image = lookup.image("image.name", self.settings.image.name)
        self.external = lookup.network("network.external", self.settings.network.external)
        self.storage = lookup.network("network.storage_network", self.settings.network.storage_network)
        lookup.done()
        self.flavors = {
            role: Flavor(name=flavor.name, vcpus=flavor.vcpus, ram_mib=flavor.ram) for role, flavor in found.items()
        }
        try:
            self.sizes = compute(
                gateway=self.flavors["zeppelin"],
                master=self.flavors["master"],
                worker=self.flavors["worker"],
                workers=hosts.worker.count,
                overrides=Overrides(**self.settings.sizing.model_dump()),
            )
        except SizingError as wrong:
            file = f"Pulumi.{self.stack}.yaml"
            lines = (f"  {file}: {PROJECT}:{line}" for line in str(wrong).splitlines())
            raise SettingsError("\n".join(lines)) from None

    # ---- infrastructure

    def _network(self) -> None:
        network = self.settings.network
        self.network = TenantNetwork(
            self.stack,
            TenantNetworkArgs(
                name=self.stack,
                plan=self.plan,
                external_network_id=self.external.id,
                dns=[str(address) for address in network.dns],
            ),
            self.child,
        )
        self.cephfs = CephfsRouter(
            f"{self.stack}-cephfs",
            CephfsRouterArgs(
                name=f"{self.stack}-cephfs",
                plan=self.plan,
                tenant=self.network,
                storage_network_id=self.storage.id,
                storage_cidr=network.storage_cidr,
                host_route=network.storage_host_route,
            ),
            self.child,
        )
        self.groups = SecurityGroups(self.stack, ports.SECURITY_GROUPS, self.stack, self.child)

    def _deploy_key(self) -> None:
        self.key = tls.PrivateKey("deploy", algorithm="ED25519", opts=self.child)
        self.key_pair = openstack.compute.Keypair(
            "deploy", name=f"{self.stack}-deploy", public_key=self.key.public_key_openssh, opts=self.child
        )

    def _host(self, name: str, role: str) -> Host:
        of_role = getattr(self.settings.hosts, role)
        return Host(
            name,
            HostArgs(
                physical_name=f"{self.stack}-{name}",
                hostname=name,
                role=role,
                generation=self.settings.hosts.generation(name, role),
                flavor=of_role.flavor,
                image_id=self.image.id,
                address=self.plan.host(name),
                network=self.network,
                security_group_ids=[self.groups.ids[GROUPS[role]]],
                key_pair=self.key_pair.name,
                deploy_key=self.key.public_key_openssh,
                volume_gib=of_role.volume_gib,
                mount=Cluster.volume,
            ),
            self.child,
        )

    def _floating_ip(self) -> None:
        # Neutron gives a floating IP only to ports behind a router on the external network
        behind = pulumi.ResourceOptions(parent=self, depends_on=[self.network.interface])
        self.floating_ip = openstack.networking.FloatingIp(
            "gateway", pool=self.settings.network.external, description=f"{self.stack} gateway", opts=behind
        )
        self.association = openstack.networking.FloatingIpAssociate(
            "gateway",
            floating_ip=self.floating_ip.address,
            port_id=self.hosts["zeppelin"].port_id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.network.interface], delete_before_replace=True),
        )

    # ---- configuration

    def _configure(self) -> None:
        grants = self._grants()
        cluster = self._notebook_password().apply(self._cluster)
        mounts = pulumi.Output.all(*(self._mount(grant) for grant in grants))
        gateway = self._access(self.hosts["zeppelin"], None)
        ready = [self.association, *self.groups.rules[ports.ZEPPELIN]]
        applied = []
        for name, host in self.hosts.items():
            access = gateway if name == "zeppelin" else self._access(host, gateway)
            needed = [
                host.server,
                host.volume.attachment,
                *ready,
                *self.groups.rules[GROUPS[host.role]],
                *self.cephfs.routes,
            ]
            made = self._bundle(host, cluster, mounts)
            applied.append(Configuration(name, access, made, host.server.id, needed, self.child).applied)
        self._health(gateway, applied)

    def _grants(self) -> list[ShareGrant]:
        if not self.settings.shares:
            return []
        data = cloud.provider("data", self.settings.data_cloud)
        return [
            ShareGrant(
                share.name,
                ShareGrantArgs(
                    share=share.name,
                    mount=share.mount,
                    mode=share.mode,
                    deployment=self.stack,
                    data_provider=data,
                ),
                self.child,
            )
            for share in self.settings.shares
        ]

    @staticmethod
    def _mount(grant: ShareGrant) -> pulumi.Output[CephMount]:
        def made(known: Sequence[str]) -> CephMount:
            export = Export.parse(known[0])
            return CephMount(
                mount=grant.mount,
                monitors=export.monitors,
                path=export.path,
                identity=grant.identity,
                key=known[1],
                read_only=grant.mode == "ro",
            )

        return pulumi.Output.all(grant.location, grant.key).apply(made)

    def _notebook_password(self) -> pulumi.Output[str]:
        """The hash of the notebook's password: the one of the config, or a generated one."""
        given = pulumi.Config(PROJECT).get_secret("notebook_password")
        self.password: pulumi.Output[str] = (
            given or random.RandomPassword("notebook", length=PASSWORD_LENGTH, special=False, opts=self.child).result
        )
        salt = random.RandomBytes("notebook-salt", length=SALT_BYTES, opts=self.child)
        self.exports |= {
            "notebook_user": self.settings.notebook.user,
            "notebook_password": secret(self.password),
        }
        return pulumi.Output.all(self.password, salt.base64).apply(
            lambda known: zeppelin.shiro_hash(known[0], known[1])
        )

    def _cluster(self, password_hash: str) -> Cluster:
        settings, user = self.settings, self.settings.notebook.user
        archives = settings.archives
        return Cluster(
            workers=tuple(name for name, role in self.names.items() if role == "worker"),
            gateway_flavor=self.flavors["zeppelin"],
            master_flavor=self.flavors["master"],
            worker_flavor=self.flavors["worker"],
            sizes=self.sizes,
            java_home=DISTRIBUTIONS[settings.image.family].java_home,
            replication=settings.replication,
            notebook_users=(NotebookUser(name=user, password_hash=password_hash, roles=("admin", "user")),),
            users=tuple(operator.name for operator in settings.operators),
            spark_settings=tuple(sorted(settings.spark.items())),
            hadoop=Download(**archives.hadoop.model_dump()),
            spark=Download(**archives.spark.model_dump()),
            zeppelin=Download(**archives.zeppelin.model_dump()),
        )

    def _bundle(self, host: Host, cluster: pulumi.Output[Cluster], mounts: pulumi.Output[list[CephMount]]) -> Any:
        addresses = {name: other.address for name, other in self.hosts.items()}
        return pulumi.Output.all(cluster, host.volume.serial, mounts).apply(
            lambda known: bundle(
                host=host.hostname,
                role=host.role,
                cluster=known[0],
                addresses=addresses,
                distribution=DISTRIBUTIONS[self.settings.image.family],
                operators=self.settings.operators,
                python=self.settings.python,
                serial=known[1],
                mounts=known[2],
            )
        )

    def _access(self, host: Host, gateway: Access | None) -> Access:
        address = self.floating_ip.address if host.role == "zeppelin" else host.address
        return Access(address=address, private_key=self.key.private_key_openssh, host_key=host.host_key, proxy=gateway)

    def _health(self, gateway: Access, applied: Sequence[pulumi.Output[str]]) -> None:
        check = {
            "master": "master01",
            "workers": [name for name, role in self.names.items() if role == "worker"],
            "namenode": f"http://master01:{ports.Port.NAMENODE_HTTP:d}",
            "resourcemanager": f"http://master01:{ports.Port.RM_HTTP:d}",
            "zeppelin": f"http://localhost:{ports.Port.ZEPPELIN:d}",
        }
        command.remote.Command(
            "health",
            connection=gateway.connection(),
            create="python3 -",
            stdin=program(HEALTH, check),
            logging=command.remote.Logging.STDERR,
            add_previous_output_in_env=False,
            # whatever was configured anew has to be seen working again
            triggers=list(applied),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    # ---- outputs

    def _exports(self) -> dict[str, Any]:
        hosts = {
            name: {"role": host.role, "address": host.address, "flavor": host.flavor}
            for name, host in self.hosts.items()
        }
        known = pulumi.Output.all(self.floating_ip.address, *(host.host_key for host in self.hosts.values()))
        names = list(self.hosts)
        return {
            "gateway": self.floating_ip.address,
            "zeppelin_url": self.floating_ip.address.apply(lambda address: f"http://{address}:{ports.Port.ZEPPELIN:d}"),
            "hosts": hosts,
            "shares": {share.name: {"mount": share.mount, "mode": share.mode} for share in self.settings.shares},
            "ssh_config": self.floating_ip.address.apply(
                lambda address: ssh.config(self.stack, address, {name: host["address"] for name, host in hosts.items()})
            ),
            "known_hosts": known.apply(lambda k: ssh.known_hosts(self.stack, dict(zip(names, k[1:], strict=True)))),
            "deploy_key": secret(self.key.private_key_openssh),
            "sizes": asdict(self.sizes),
        }

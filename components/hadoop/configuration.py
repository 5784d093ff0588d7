"""How the hosts of a hadoop-yarn platform become one: shares, passwords, each host's bundle, the health check."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pulumi
import pulumi_command as command

from components import cloud
from components.hadoop import daemons, ports
from components.hadoop.cluster import Cluster
from components.hadoop.host_bundle import host_bundle
from components.hadoop.infrastructure import Found, Infrastructure
from components.hosts.bundle import Bundle, CephMount, Disk
from components.hosts.configuration import ON_HOST, Access, Configuration, pushed
from components.hosts.distribution import DISTRIBUTIONS
from components.hosts.host import Host
from components.notebook.login import Login, first_login
from components.on_host.host import places
from components.record import Record
from components.settings.hadoop import Hadoop
from components.storage.shares import Export, ShareGrant, grants


def configure(
    settings: Hadoop,
    record: Record,
    found: Found,
    made: Infrastructure,
    data: cloud.Entry,
    at_work: Container[str],
    parent: pulumi.Resource,
) -> Login:
    """Push every host's configuration and wait until the platform works; all resources are children of `parent`.

    The gateway comes first: it gets the archives from their publishers, and the others get them from there. Hosts that
    are `at_work`, because they have been configured before, take turns: one whose daemons restart is at work again
    before the next one's do. New ones come all at once.
    """
    child = pulumi.ResourceOptions(parent=parent)
    login = first_login(settings.notebook.user, child)
    plain = _cluster(settings, found, made)
    cluster = login.user.apply(lambda user: replace(plain, notebook_users=(user,)))
    granted = grants(settings.shares, record.name, record.project_id, data, child, settings.keys.cephx)
    mounts = pulumi.Output.all(*(_mount(grant) for grant in granted))
    gateway = Access(
        address=made.floating_ip.address,
        private_key=made.key.private_key_openssh,
        host_key=made.gateway.host_key,
    )

    def push(host: Host, after: Sequence[pulumi.Resource]) -> Configuration:
        through = replace(gateway, address=host.address, host_key=host.host_key, proxy=gateway)
        access = gateway if host is made.gateway else through
        ready = [host.server, host.volume.attachment, *made.reachable, *made.groups.rules[host.group], *made.mountable]
        content = pulumi.Output.all(cluster, host.volume.volume_id, mounts).apply(
            lambda known: _bundle(settings, made, host, *known)
        )
        # without what a preview may not know yet, and no unit is restarted for
        digests = cluster.apply(lambda known: _bundle(settings, made, host, known, "", ()).digests())
        return Configuration(host.hostname, access, content, digests, host.server.id, [*ready, *after], child)

    first = push(made.gateway, ())
    pushed_all, turn = [first], first
    for host in made.hosts.values():
        if host is made.gateway:
            continue
        waits = host.hostname in at_work
        pushed_all.append(push(host, [turn.command if waits else first.command]))
        turn = pushed_all[-1] if waits else turn
    _health(made, gateway, [one.applied for one in pushed_all], parent)
    return login


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


def _cluster(settings: Hadoop, found: Found, made: Infrastructure) -> Cluster:
    return Cluster(
        workers=tuple(name for name, host in made.hosts.items() if host.role == "worker"),
        gateway_flavor=found.flavors["zeppelin"],
        master_flavor=found.flavors["master"],
        worker_flavor=found.flavors["worker"],
        sizes=found.sizes,
        java_home=DISTRIBUTIONS[settings.image.family].java_home,
        shares=tuple(share.mount for share in settings.shares),
        replication=settings.replication,
        idle_min=settings.notebook.idle_min,
        users=tuple(operator.name for operator in settings.operators),
        spark_settings=tuple(sorted(settings.spark.items())),
        archives=settings.archives,
    )


def _bundle(
    settings: Hadoop, made: Infrastructure, host: Host, cluster: Cluster, volume_id: str, mounts: Sequence[CephMount]
) -> Bundle:
    return host_bundle(
        host=host.hostname,
        role=host.role,
        cluster=cluster,
        addresses={name: other.address for name, other in made.hosts.items()},
        distribution=DISTRIBUTIONS[settings.image.family],
        operators=settings.operators,
        python=settings.python,
        disk=Disk(volume_id=volume_id, size_gib=host.volume.size, mount=host.volume.mount),
        mounts=mounts,
    )


def health_check(workers: Sequence[str], asked: str = "") -> str:
    """The program that waits until the platform works with these workers, for the gateway's `python3 -`.

    `asked`: what tells one question from another.
    """
    check = {
        "asked": asked,
        "master": "master01",
        "workers": list(workers),
        "namenode": f"http://master01:{ports.Port.NAMENODE_HTTP:d}",
        "resourcemanager": f"http://master01:{ports.Port.RM_HTTP:d}",
        "zeppelin": f"http://localhost:{ports.Port.ZEPPELIN:d}",
        "program": str(places.PROGRAM),
        "account": daemons.ZEPPELIN,
    }
    return pushed(ON_HOST / "health.py", check)


def _health(
    made: Infrastructure, gateway: Access, applied: Sequence[pulumi.Output[str]], parent: pulumi.Resource
) -> None:
    """Look at the platform at the end of every `up`, also of one that changes nothing.

    Each `up` asks anew, which the engine calls an update. A preview cannot look, and leaves that question out.
    """
    workers = [name for name, host in made.hosts.items() if host.role == "worker"]
    preview = pulumi.runtime.is_dry_run()
    command.remote.Command(
        "health",
        connection=gateway.connection(),
        create="python3 -",
        stdin=health_check(workers, asked="" if preview else datetime.now(UTC).isoformat()),
        logging=command.remote.Logging.STDERR,
        add_previous_output_in_env=False,
        # whatever was configured anew has to be seen working again
        triggers=[*applied, hashlib.sha256(health_check(workers).encode()).hexdigest()],
        opts=pulumi.ResourceOptions(
            parent=parent, delete_before_replace=True, ignore_changes=["stdin"] if preview else None
        ),
    )

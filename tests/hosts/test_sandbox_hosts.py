"""The sandbox's hosts and networks, through OpenStack's real APIs and SSH: they behave as a cloud's do.

No part of the platform takes part here: what fails in this file is the ground that it stands on.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openstack
import pytest

from sandbox import namespaces, processes
from sandbox.hosts.bounds import Bounds, ControlGroup
from sandbox.image.build import PLATFORM
from sandbox.layout import API, BARE_IMAGE, CEPH_MONITOR, CEPH_MONITOR_PORT, INTERNET, SCSI_IMAGE, STORAGE, Layout, Port
from sandbox.namespaces import inside
from tests.conftest import ROOT, Sandbox

CLOUD = "iris-gaia-test"
FLAVOR = "general.v1.tiny"
CIDR = "10.77.0.0/24"
LAYOUT = Layout(ROOT)
# the network that the tests were started in, where the machine's browsers are: the fixture `world` leaves it
MACHINE = os.open("/proc/self/ns/net", os.O_RDONLY)


def until(test: Callable[[], Any], limit: float = 40, pause: float = 0.1) -> float:
    """Wait until it is true; seconds waited."""
    start = time.monotonic()
    while not test():
        assert time.monotonic() - start < limit, f"not within {limit:g} s"
        time.sleep(pause)
    return time.monotonic() - start


def opens(address: str, port: int) -> bool:
    """Whether a TCP connection from the operator's side is accepted."""
    with contextlib.suppress(OSError):
        socket.create_connection((address, port), 0.5).close()
        return True
    return False


def keypair(path: Path) -> str:
    """A new SSH key; its public line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


@dataclass
class World:
    """A tenant's network with a router, two security groups and hosts; `gateway` has a floating IP."""

    api: Any
    directory: Path
    hosts: dict[str, str] = field(default_factory=dict)  # name -> server id
    addresses: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Path:
        return self.directory / "key"

    def build(self) -> None:
        api, made = self.api, self.made
        self.deploy_key = keypair(self.key)
        net = made["network"] = api.network.create_network(name="sandbox-test")
        subnet = made["subnet"] = api.network.create_subnet(
            name="sandbox-test", network_id=net.id, ip_version=4, cidr=CIDR, dns_nameservers=["10.77.0.53"],
            host_routes=[{"destination": "10.99.0.0/16", "nexthop": "10.77.0.1"}],
        )  # fmt: skip
        self.internet = api.network.find_network(INTERNET.name, ignore_missing=False)
        outward = {"network_id": self.internet.id}
        made["router"] = api.network.create_router(name="sandbox-test", external_gateway_info=outward)
        api.network.add_interface_to_router(made["router"], subnet_id=subnet.id)
        for name in ("gateway", "workers"):
            made[name] = api.network.create_security_group(name=f"sandbox-test-{name}")
        self.allow("gateway", 22)
        self.allow("workers", 22, remote_group_id=made["gateway"].id)

    def allow(self, group: str, port: int, **remote: str) -> Any:
        return self.api.network.create_security_group_rule(
            security_group_id=self.made[group].id, direction="ingress", ether_type="IPv4", protocol="tcp",
            port_range_min=port, port_range_max=port, **remote,
        )  # fmt: skip

    # -- hosts
    def boot(self, name: str, group: str, flavor: str = FLAVOR, image: str = "Debian-12") -> None:
        """Ask for a server; `reachable` waits for it."""
        server = self.api.compute.create_server(
            name=name, flavor_id=self.api.compute.find_flavor(flavor).id,
            image_id=self.api.image.find_image(image).id,
            networks=[{"uuid": self.made["network"].id}],
            security_groups=[{"name": f"sandbox-test-{group}"}],
            user_data=base64.b64encode(self._user_data(name).encode()).decode(),
        )  # fmt: skip
        self.hosts[name] = server.id

    def _user_data(self, name: str) -> str:
        """A login, and a host key that was made before the host."""
        host_key = self.directory / f"host-{name}"
        if not host_key.exists():
            keypair(host_key)
        config = {
            "ssh_deletekeys": True,
            "ssh_keys": {
                "ed25519_private": host_key.read_text(),
                "ed25519_public": host_key.with_suffix(".pub").read_text().strip(),
            },
            "users": ["default", {"name": "deploy", "shell": "/bin/bash", "sudo": "ALL=(ALL) NOPASSWD:ALL",
                                  "ssh_authorized_keys": [self.deploy_key]}],
            "write_files": [{"path": "/etc/role", "content": name, "permissions": "0640"}],
            "runcmd": ["echo ran on $(hostname) > /root/ran"],
        }  # fmt: skip
        return "#cloud-config\n" + json.dumps(config)

    def active(self, name: str) -> None:
        server = self.api.compute.get_server(self.hosts[name])
        server = self.api.compute.wait_for_server(server, interval=0.2, wait=40)
        (addresses,) = server.addresses.values()
        self.addresses[name] = next(a["addr"] for a in addresses if a["OS-EXT-IPS:type"] == "fixed")

    def publish(self) -> None:
        """Give `gateway` a floating IP."""
        (port,) = self.api.network.ports(device_id=self.hosts["gateway"])
        ip = self.api.network.create_ip(floating_network_id=self.internet.id, port_id=port.id)
        self.made["floating"], self.floating = ip, ip.floating_ip_address

    def reachable(self, name: str) -> None:
        self.active(name)
        self.write_ssh_config()
        until(lambda: self.ssh(name, "true", check=False).returncode == 0)
        self.ssh(name, "cloud-init status --wait")

    def write_ssh_config(self) -> None:
        """SSH that accepts no host key but the pinned one, through the gateway."""
        known = "".join(f"{name} {(self.directory / f'host-{name}.pub').read_text()}" for name in self.hosts)
        (self.directory / "known_hosts").write_text(known)
        lines = ["Host *", "User deploy", f"IdentityFile {self.key}", "IdentitiesOnly yes", "LogLevel ERROR",
                 "StrictHostKeyChecking yes", f"UserKnownHostsFile {self.directory}/known_hosts",
                 "ConnectTimeout 3", "BatchMode yes"]  # fmt: skip
        for name, address in self.addresses.items():
            lines += [f"Host {name}", f"HostKeyAlias {name}"]
            lines += (
                [f"HostName {self.floating}"] if name == "gateway" else [f"HostName {address}", "ProxyJump gateway"]
            )
        (self.directory / "config").write_text("\n".join(lines) + "\n")

    def ssh(self, name: str, command: str, check: bool = True, limit: float = 60) -> subprocess.CompletedProcess[str]:
        words = ["ssh", "-F", f"{self.directory}/config", name, command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=limit, check=False)
        assert not check or done.returncode == 0, f"{name}: {command}: {done.stdout}{done.stderr}"
        return done

    def said(self, name: str, command: str) -> str:
        return self.ssh(name, command).stdout.strip()

    def opens(self, source: str, address: str, port: int) -> bool:
        """Whether a host's TCP connection to there is accepted."""
        return self.ssh(source, f"nc -z -w1 {address} {port}", check=False).returncode == 0

    def status(self, name: str) -> str:
        return str(self.api.compute.get_server(self.hosts[name]).status)

    def delete(self, name: str) -> None:
        server = self.hosts.pop(name)
        self.addresses.pop(name, None)
        self.api.compute.delete_server(server)
        until(lambda: self.api.compute.find_server(server) is None)

    # -- volumes
    def volume(self, size: int = 1) -> Any:
        volume = self.api.block_storage.create_volume(name="sandbox-test", size=size)
        return self.api.block_storage.wait_for_status(volume, "available", interval=0.2, wait=20)

    def attach(self, name: str, volume: Any) -> None:
        self.api.compute.create_volume_attachment(self.hosts[name], volume_id=volume.id)
        self.api.block_storage.wait_for_status(volume, "in-use", interval=0.2, wait=20)

    def delete_volume(self, volume: Any) -> None:
        until(lambda: self.api.block_storage.get_volume(volume.id).status == "available")
        self.api.block_storage.delete_volume(volume)
        until(lambda: self.api.block_storage.find_volume(volume.id) is None)

    def demolish(self) -> None:
        api, made = self.api, self.made
        for name in list(self.hosts):
            self.delete(name)
        api.network.delete_ip(made["floating"])
        api.network.update_router(made["router"], routes=[])
        api.network.remove_interface_from_router(made["router"], subnet_id=made["subnet"].id)
        api.network.delete_router(made["router"])
        api.network.delete_network(made["network"])
        for name in ("gateway", "workers"):
            api.network.delete_security_group(made[name])


@pytest.fixture(scope="module")
def world(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two hosts that are up: `gateway` with a floating IP and `worker` behind it."""
    assert cloud.root == LAYOUT.root
    with inside(LAYOUT.namespace):
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(LAYOUT.clouds_yaml)
        world = World(openstack.connect(cloud=CLOUD), tmp_path_factory.mktemp("world"))
        world.build()
        world.boot("gateway", "gateway")
        world.boot("worker", "workers")
        world.active("gateway")
        world.publish()
        world.reachable("gateway")
        world.reachable("worker")
        yield world
        world.demolish()


def test_a_host_is_configured_by_its_config_drive(world: World) -> None:
    result = json.loads(world.said("worker", "cat /run/cloud-init/result.json"))["v1"]
    assert result["datasource"].startswith("DataSourceConfigDrive")
    assert result["errors"] == []
    assert world.said("worker", "hostname; sudo cat /etc/role; sudo cat /root/ran").split("\n") == [
        "worker",
        "workerran on worker",
    ]
    assert world.ssh("worker", "sudo grep WARN /var/log/cloud-init.log", check=False).stdout == ""
    assert world.said("worker", "systemctl is-system-running") == "running"


def test_only_root_on_a_host_can_read_its_config_drive(world: World) -> None:
    drive = "/var/lib/cloud/seed/config_drive"
    assert world.ssh("worker", f"ls {drive}", check=False).returncode != 0
    assert "user_data" in world.said("worker", f"sudo ls {drive}/openstack/latest")


METADATA = "curl -sf -m 20 http://169.254.169.254"


def test_the_metadata_service_tells_each_host_of_itself(world: World) -> None:
    for name, server_id in world.hosts.items():
        told = json.loads(world.said(name, f"{METADATA}/openstack/latest/meta_data.json"))
        server = world.api.compute.get_server(server_id)
        assert (told["uuid"], told["name"]) == (server_id, name)
        assert told["availability_zone"] == server.availability_zone
        assert world.said(name, f"{METADATA}/latest/meta-data/local-ipv4") == world.addresses[name]


def test_a_host_cannot_ask_the_metadata_service_in_anothers_name(world: World) -> None:
    claim = f"-H 'X-Instance-ID: {world.hosts['gateway']}' -H 'X-Forwarded-For: {world.addresses['gateway']}'"
    told = json.loads(world.said("worker", f"{METADATA}/openstack/latest/meta_data.json {claim}"))
    assert told["uuid"] == world.hosts["worker"]


def test_the_metadata_service_comes_back_after_it_was_killed(world: World, cloud: Sandbox) -> None:
    cloud.kill("metadata")
    assert world.ssh("worker", METADATA, check=False).returncode != 0
    cloud.up()
    until(lambda: world.ssh("worker", METADATA, check=False).returncode == 0)


def test_a_host_has_its_ports_address_routes_and_name_server(world: World) -> None:
    (port,) = world.api.network.ports(device_id=world.hosts["worker"])
    link = world.said("worker", "cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu").split()
    assert link == [port.mac_address, str(world.api.network.get_network(world.made["network"].id).mtu)]
    routes = world.said("worker", "ip route")
    assert "default via 10.77.0.1" in routes
    assert "10.99.0.0/16 via 10.77.0.1" in routes
    assert "10.77.0.53" in world.said("worker", "resolvectl dns eth0")


def test_a_host_answers_with_the_key_that_user_data_gave_it(world: World) -> None:
    scanned = world.said("worker", "ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null").split()[-1]
    assert scanned in (world.directory / "host-worker.pub").read_text()


def test_user_data_over_novas_limit_is_refused(world: World) -> None:
    flavor, image = world.api.compute.find_flavor(FLAVOR).id, world.api.image.find_image("Debian-12").id
    with pytest.raises(openstack.exceptions.BadRequestException, match=r"(?i)user_data"):
        world.api.compute.create_server(
            name="too-much", flavor_id=flavor, image_id=image, networks="none",
            user_data=base64.b64encode(b"#" * 49200).decode(),
        )  # fmt: skip


def test_a_rule_opens_a_port_at_once_and_without_it_the_port_is_shut(world: World) -> None:
    world.ssh("worker", "sudo systemd-run -q --unit=web python3 -m http.server 8080")
    worker = world.addresses["worker"]
    until(lambda: world.opens("worker", "127.0.0.1", 8080))
    assert not world.opens("gateway", worker, 8080)
    rule = world.allow("workers", 8080, remote_group_id=world.made["gateway"].id)
    assert until(lambda: world.opens("gateway", worker, 8080)) < 3
    world.api.network.delete_security_group_rule(rule)
    assert until(lambda: not world.opens("gateway", worker, 8080)) < 3


def test_a_host_cannot_use_an_address_that_is_not_its_own(world: World) -> None:
    gateway = world.addresses["gateway"]
    assert world.opens("worker", gateway, 22)
    false = "sudo ip address add 10.77.0.200/24 dev eth0; nc -z -w1 -s 10.77.0.200"
    assert world.ssh("worker", f"{false} {gateway} 22", check=False).returncode != 0
    world.ssh("worker", "sudo ip address delete 10.77.0.200/24 dev eth0")


def test_a_floating_ip_leads_to_its_host_only_while_it_is_associated(world: World) -> None:
    assert opens(world.floating, 22)
    assert not opens(world.addresses["gateway"], 22)
    (port,) = world.api.network.ports(device_id=world.hosts["gateway"])
    world.api.network.update_ip(world.made["floating"], port_id=None)
    assert until(lambda: not opens(world.floating, 22)) < 3
    world.api.network.update_ip(world.made["floating"], port_id=port.id)
    assert until(lambda: opens(world.floating, 22)) < 3


def test_hosts_pages_are_exposed_on_the_machines_own_loopback_and_no_group_is_passed_by(
    world: World, cloud: Sandbox
) -> None:
    worker = world.addresses["worker"]

    def expose(*words: str) -> dict[str, int]:
        done = subprocess.run([cloud.cloud, "expose", *words], check=True, capture_output=True, text=True)
        return {name: int(port) for name, port in re.findall(r"(\S+) +http://127\.0\.0\.1:(\d+)/", done.stdout)}

    def greets(port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    with inside(f"/proc/self/fd/{MACHINE}"):
        ports = expose(
            f"floating={world.floating}:22", f"member={worker}:22@gateway", f"router={worker}:22@sandbox-test"
        )
        assert {name: greets(port) for name, port in ports.items()} == {
            "floating": True, "member": True, "router": False,  # only the gateway's group is let in
        }  # fmt: skip
        killed = processes.find(LAYOUT, "expose-member")
        assert killed
        killed.signal(signal.SIGKILL)
        until(lambda: "member" not in expose())
        again = expose(f"member={worker}:22@gateway")
        assert greets(again["member"])
        assert expose("--stop") == {}
        assert not greets(again["member"])


def test_hosts_reach_the_internet_by_the_routers_address(world: World) -> None:
    (gateway,) = world.made["router"].external_gateway_info["external_fixed_ips"]
    with socket.create_server((str(INTERNET.gateway), 9999)) as listener:
        listener.settimeout(5)
        for host, source in (("gateway", world.floating), ("worker", gateway["ip_address"])):
            assert world.opens(host, str(INTERNET.gateway), 9999)
            assert listener.accept()[1][0] == source


@pytest.mark.parametrize(("port", "path"), [(Port.KEYSTONE, "/v3"), (Port.SWIFT, "/healthcheck")])
def test_hosts_reach_identity_and_objects_by_tls_of_the_clouds_own_authority(
    world: World, port: Port, path: str
) -> None:
    authority = base64.b64encode((LAYOUT.tls / "ca.pem").read_bytes()).decode()
    world.ssh("worker", f"echo {authority} | base64 -d > ca.pem")
    url = f"https://{API}:{port}{path}"
    assert world.said("worker", f"curl -sf --cacert ca.pem -o /dev/null -w '%{{http_code}}' {url}") == "200"
    assert world.ssh("worker", f"curl -s {url}", check=False).returncode == 60, "nobody else's authority will do"


def test_the_route_to_the_storage_network_opens_ceph(world: World) -> None:
    network, ceph = world.api.network, (str(CEPH_MONITOR), CEPH_MONITOR_PORT)
    storage = network.find_network(STORAGE.name, ignore_missing=False)
    router = network.create_router(name="sandbox-test-ceph", external_gateway_info={"network_id": storage.id})
    port = network.create_port(network_id=world.made["network"].id, name="sandbox-test-ceph")
    network.add_interface_to_router(router, port_id=port.id)
    try:
        assert not world.opens("worker", *ceph)
        hop = network.get_port(port.id).fixed_ips[0]["ip_address"]
        network.update_router(world.made["router"], routes=[{"destination": str(STORAGE.cidr), "nexthop": hop}])
        assert until(lambda: world.opens("worker", *ceph)) < 4
        assert "ceph v" in world.said("worker", f"nc -w1 {ceph[0]} {ceph[1]} </dev/null | head -c 8 | tr -d '\\0'")
        network.update_router(world.made["router"], routes=[])
        assert until(lambda: not world.opens("worker", *ceph)) < 4
    finally:
        network.update_router(world.made["router"], routes=[])
        network.remove_interface_from_router(router, port_id=port.id)
        network.delete_router(router)


def test_a_volume_is_found_by_its_id_and_outlives_its_server(world: World) -> None:
    volume = world.volume()
    by_id = f"/dev/disk/by-id/virtio-{volume.id[:20]}"
    mount = f"sudo mount {by_id} /mnt"
    world.attach("worker", volume)
    until(lambda: world.ssh("worker", f"test -b {by_id}", check=False).returncode == 0)
    world.ssh("worker", f"sudo mkfs.btrfs -q {by_id} && {mount} && echo kept | sudo tee /mnt/note")
    assert world.said("worker", "stat -f -c %T /mnt") == "btrfs"
    world.delete("worker")
    world.boot("worker", "workers")
    world.reachable("worker")
    world.attach("worker", volume)
    assert world.said("worker", f"{mount} && cat /mnt/note && sudo umount /mnt") == "kept"
    world.api.compute.delete_volume_attachment(world.hosts["worker"], volume.id)
    until(lambda: world.said("worker", "ls /dev/disk/by-id") == "")
    world.delete_volume(volume)


def test_a_volume_grows_under_a_running_host(world: World) -> None:
    volume = world.volume()
    world.attach("worker", volume)
    size = f"sudo blockdev --getsize64 /dev/disk/by-id/virtio-{volume.id[:20]}"
    assert world.said("worker", size) == str(1 << 30)
    extend = {"os-extend": {"new_size": 2}}
    world.api.block_storage.post(f"/volumes/{volume.id}/action", microversion="3.42", json=extend)
    until(lambda: world.said("worker", size) == str(2 << 30))
    world.api.compute.delete_volume_attachment(world.hosts["worker"], volume.id)
    world.delete_volume(volume)


def test_a_scsi_image_names_disks_as_scsi_does_and_a_local_disk_comes_formatted(world: World) -> None:
    volume = world.volume()
    world.boot("scsi", "workers", "general.v1.medium", SCSI_IMAGE)
    world.reachable("scsi")
    world.attach("scsi", volume)
    link = f"readlink -f /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{volume.id}"
    until(lambda: world.said("scsi", link) == "/dev/disk/sdc")
    assert world.said("scsi", "sudo blockdev --getsize64 /dev/sdc") == str(1 << 30)
    assert world.said("scsi", "sudo blkid -o value -s TYPE -s LABEL /dev/sdb").split() == ["ephemeral0", "ext4"]
    assert world.said("scsi", "sudo mount /dev/disk/by-label/ephemeral0 /mnt; findmnt -n -o SIZE /mnt") == "58.8G"
    world.delete("scsi")
    world.delete_volume(volume)


def test_on_the_bare_image_the_platforms_packages_are_installed_from_the_clouds_mirror(world: World) -> None:
    world.boot("bare", "workers", image=BARE_IMAGE)
    world.reachable("bare")
    commands = ("java", "git", "nft", "ceph-fuse", "mkfs.btrfs")
    have = " ; ".join(f"sudo sh -c 'command -v {command}'" for command in commands)
    assert world.ssh("bare", have, check=False).stdout == ""
    assert world.said("bare", "systemctl is-system-running") == "running"
    install = f"apt-get -q -y install --no-install-recommends {' '.join(PLATFORM)}"
    world.ssh(
        "bare", f"sudo sh -c 'apt-get -q update && DEBIAN_FRONTEND=noninteractive {install}' >apt.log 2>&1", limit=300
    )
    assert len(world.said("bare", have).split()) == len(commands)
    assert "openjdk version" in world.said("bare", "java -version 2>&1")
    assert world.said("bare", "python3 -m venv v && v/bin/python -c 'print(1)'") == "1"
    world.delete("bare")


@pytest.fixture(scope="module")
def volume(world: World) -> Iterator[Any]:
    """A volume that `worker` has from now on."""
    volume = world.volume()
    world.attach("worker", volume)
    yield volume
    world.api.compute.delete_volume_attachment(world.hosts["worker"], volume.id)
    world.delete_volume(volume)


@pytest.mark.parametrize("how", ["SOFT", "HARD", "from inside"])
def test_a_rebooted_host_keeps_its_files_and_volumes(world: World, volume: Any, how: str) -> None:
    world.ssh("worker", f"echo '{how}' | sudo tee /root/note; sudo touch /run/before")
    if how == "from inside":
        world.ssh("worker", "sudo systemctl reboot", check=False)
    else:
        world.api.compute.reboot_server(world.hosts["worker"], how)
    until(lambda: world.ssh("worker", "test ! -e /run/before", check=False).returncode == 0)
    assert world.said("worker", "sudo cat /root/note") == how
    assert world.said("worker", "sudo cat /root/ran") == "ran on worker"
    assert world.said("worker", "ls /dev/disk/by-id") == f"virtio-{volume.id[:20]}"
    until(lambda: world.status("worker") == "ACTIVE")


def test_a_rebuilt_host_is_new_but_keeps_its_address_and_volumes(world: World, volume: Any) -> None:
    world.ssh("worker", "sudo touch /root/old")
    world.api.compute.rebuild_server(world.hosts["worker"], image=world.api.image.find_image("Debian-12").id)
    until(lambda: world.ssh("worker", "sudo test ! -e /root/old", check=False).returncode == 0)
    until(lambda: world.status("worker") == "ACTIVE")
    world.ssh("worker", "cloud-init status --wait")
    assert world.said("worker", "sudo cat /root/ran") == "ran on worker"
    assert world.said("worker", "ls /dev/disk/by-id") == f"virtio-{volume.id[:20]}"


def test_an_interface_comes_and_goes_while_a_host_runs(world: World) -> None:
    port = world.api.network.create_port(network_id=world.made["network"].id)
    server, second = world.hosts["worker"], "cat /sys/class/net/eth1/address"
    world.api.compute.create_server_interface(server, port_id=port.id)
    until(lambda: world.ssh("worker", second, check=False).returncode == 0)
    assert world.said("worker", second) == port.mac_address
    world.api.compute.delete_server_interface(port.id, server=server)
    until(lambda: world.ssh("worker", second, check=False).returncode != 0)
    world.api.network.delete_port(port)


def test_a_host_that_switches_itself_off_is_shut_off_and_can_be_started_again(world: World) -> None:
    world.ssh("worker", "sudo systemctl poweroff", check=False)
    until(lambda: world.status("worker") == "SHUTOFF")
    world.api.compute.start_server(world.hosts["worker"])
    until(lambda: world.ssh("worker", "true", check=False).returncode == 0)
    assert world.status("worker") == "ACTIVE"


def test_the_console_shows_the_boot(world: World) -> None:
    console = world.api.compute.get_server_console_output(world.hosts["worker"])["output"]
    assert "Cloud-init" in console
    assert "Reached target" in console


def test_a_hosts_memory_is_bounded_by_its_flavor(world: World) -> None:
    flavor = world.api.compute.find_flavor(FLAVOR)
    bounds = Bounds.of_flavor(flavor.ram, flavor.vcpus)
    groups = ControlGroup(LAYOUT.namespace, LAYOUT.host_namespace(world.hosts["worker"]))
    limits = [path / name for path in groups.paths for name in ("memory.limit_in_bytes", "memory.max")]
    assert [int(path.read_text()) for path in limits if path.exists()] == [bounds.memory]
    until(lambda: any(b"sshd" in Path(f"/proc/{pid}/comm").read_bytes() for pid in groups.processes()))


def test_a_host_can_mount_by_fuse_and_filter_packets(world: World) -> None:
    world.ssh("worker", "test -c /dev/fuse && ceph-fuse --version")
    world.ssh("worker", "sudo nft add table inet mine && sudo nft list tables | grep -q 'inet mine'")
    hardened = "-p ProtectSystem=strict -p PrivateTmp=yes -p ProtectHome=yes -p NoNewPrivileges=yes"
    assert (
        world.said("worker", f"sudo systemd-run -q --wait --pipe {hardened} sh -c 'touch /tmp/a && echo fine'")
        == "fine"
    )


def traces() -> dict[str, list[str]]:
    """What hosts of this sandbox have in the kernel and on the disk now."""
    name = re.escape(LAYOUT.host_namespace(""))
    loops = Path("/sys/block").glob("loop*/loop/backing_file")
    links = subprocess.run(
        ["ip", "-n", LAYOUT.fabric_namespace, "-br", "link"], capture_output=True, text=True, check=True
    )
    commands = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return {
        "namespaces": [found for found in namespaces.existing(LAYOUT) if re.match(name, found)],
        "links": re.findall(r"^tap\S+", links.stdout, re.MULTILINE),
        "mounts": re.findall(rf"^{name}\S+", Path("/proc/self/mounts").read_text(), re.MULTILINE),
        "loop devices": [text for path in loops if str(LAYOUT.root) in (text := path.read_text())],
        "processes": re.findall(rf"^.*--machine={name}.*$", commands.stdout, re.MULTILINE),
        "groups": [str(group) for tree in ControlGroup(LAYOUT.namespace, "").paths for group in tree.glob("*/")],
        "files": [path.name for path in LAYOUT.instances.iterdir()],
        "volumes": [path.name for path in LAYOUT.volumes.iterdir()],
    }


def test_a_deleted_host_leaves_nothing(world: World) -> None:
    before = traces()
    volume = world.volume()
    world.boot("brief", "workers")
    world.reachable("brief")
    world.attach("brief", volume)
    during = traces()
    unchanged = [kind for kind, found in during.items() if len(found) <= len(before[kind])]
    assert unchanged == []
    world.delete("brief")
    world.delete_volume(volume)
    until(lambda: all(set(found) <= set(before[kind]) for kind, found in traces().items()))

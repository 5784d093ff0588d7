"""`status`: services, hosts, networks, memory and logs at a glance, read from processes and the database."""

import os
import time
from pathlib import Path

from sandbox import ceph, namespaces, processes
from sandbox.layout import FLAVORS, REGISTRY_PORT, Layout, Port
from sandbox.lifecycle import DAEMONS, Stamp, passing
from sandbox.processes import CommandError, Process
from sandbox.services import database

MIB = 2**20
PORTS = {
    "keystone": f"{Port.KEYSTONE:d},{Port.PLACEMENT:d}",
    "glance": f"{Port.GLANCE:d}",
    "neutron": f"{Port.NEUTRON:d}",
    "nova": f"{Port.NOVA:d}",
    "cinder": f"{Port.CINDER:d}",
    "manila": f"{Port.MANILA:d}",
    "magnum": f"{Port.MAGNUM:d}",
    "octavia": f"{Port.OCTAVIA:d}",
    "swift": f"{Port.SWIFT:d}",
    "metadata": "80",
    "mirror": "80",
    "registry": f"{REGISTRY_PORT}",
    ceph.MON: "3300,6789",
}
COUNTS = """
SELECT 'networks', COUNT(*) FROM neutron.networks UNION ALL SELECT 'routers', COUNT(*) FROM neutron.routers
UNION ALL SELECT 'ports', COUNT(*) FROM neutron.ports
UNION ALL SELECT 'floating IPs', COUNT(*) FROM neutron.floatingips
UNION ALL SELECT 'volumes', COUNT(*) FROM cinder.volumes WHERE deleted = 0
UNION ALL SELECT 'shares', COUNT(*) FROM manila.shares WHERE deleted = 'False'
UNION ALL SELECT 'clusters', COUNT(*) FROM magnum.cluster
UNION ALL SELECT 'load balancers', COUNT(*) FROM octavia.load_balancer WHERE provisioning_status <> 'DELETED';
"""
SERVERS = """
SELECT i.hostname, JSON_UNQUOTE(JSON_EXTRACT(e.flavor, '$.cur."nova_object.data".name')), i.vm_state,
  i.project_id, IFNULL((SELECT GROUP_CONCAT(DISTINCT a.ip_address ORDER BY a.ip_address SEPARATOR ' ')
    FROM neutron.ports p JOIN neutron.ipallocations a ON a.port_id = p.id WHERE p.device_id = i.uuid), ''),
  IFNULL((SELECT GROUP_CONCAT(f.floating_ip_address SEPARATOR ' ') FROM neutron.ports p
    JOIN neutron.floatingips f ON f.fixed_port_id = p.id WHERE p.device_id = i.uuid), ''), k.name
FROM nova_cell1.instances i JOIN nova_cell1.instance_extra e ON e.instance_uuid = i.uuid
JOIN keystone.project k ON k.id = i.project_id WHERE i.deleted = 0 ORDER BY k.name, i.hostname;
"""


def show(layout: Layout) -> int:
    """Print it; the exit status is 0 if everything runs."""
    stamp = Stamp.of(layout)
    if os.geteuid() != 0:
        print("sandbox: status reads what belongs to root: use sudo.")
        return 1
    found = {name: processes.find(layout, name) for name in DAEMONS}
    if not any(found.values()):
        state = "its cloud is kept, `sandbox/cloud up` goes on with it" if stamp else "`sandbox/cloud up` starts it"
        print(f"the sandbox is down; {state}")
        return 3
    missing = [name for name, process in found.items() if process is None]
    healthy = stamp is not None and not missing and namespaces.complete(layout)
    print(
        f"sandbox {layout.namespace}: {'up' if healthy else 'INCOMPLETE: `sandbox/cloud up` repairs it'}"
        + (f", a cloud for {stamp.label}" if stamp and stamp.label else "")
    )
    _services(found | {name: processes.find(layout, name) for name in passing(layout)})
    if found[database.NAME]:
        _cloud(layout)
    _scaled_down()
    print(f"\nlogs   {layout.log}/NAME.log (the run before: previous/)")
    return 0 if healthy else 1


def _services(found: dict[str, Process | None]) -> None:
    print(f"\n{'SERVICE':<10} {'PID':>8}  {'PORT':<10} {'MEMORY':>9}  UP SINCE")
    total = 0
    for name, process in found.items():
        if process is None:
            print(f"{name:<10} {'not running':>8}")
            continue
        memory = process.resident_bytes()
        total += memory
        since = time.strftime("%a %H:%M:%S", time.localtime(time.time() - process.uptime()))
        port = PORTS.get(name, "-")
        print(f"{name:<10} {process.pid:>8}  {port:<10} {memory / MIB:>5.0f} MiB  {since}")
    print(f"{'together':<10} {'':>8}  {'':<10} {total / MIB:>5.0f} MiB")


def _cloud(layout: Layout) -> None:
    try:
        servers = database.query(layout, SERVERS)
        counts = database.query(layout, COUNTS)
    except CommandError as problem:  # in the middle of the first start
        print(f"\nthe database does not answer yet: {problem}")
        return
    print(f"\n{'HOST':<28} {'PROJECT':<16} {'FLAVOR':<18} {'STATE':<8} ADDRESSES")
    for name, flavor, state, _, addresses, floating, project in servers:
        print(f"{name:<28} {project:<16} {flavor:<18} {state.upper():<8} {addresses} {floating}".rstrip())
    if not servers:
        print("none")
    print("\n" + ", ".join(f"{count} {name}" for name, count in counts))
    print(f"memory of hosts: {_hosts_memory(layout) / MIB:.0f} MiB")


def _hosts_memory(layout: Layout) -> int:
    """Bytes that the hosts' control groups hold, caches included."""
    total = 0
    for pattern in ("memory.current", "memory.usage_in_bytes"):
        groups = Path("/sys/fs/cgroup").glob(f"**/{layout.namespace}/{pattern}")
        total += sum(int(file.read_text()) for file in groups)
    return total


def _scaled_down() -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    cores = os.cpu_count() or 1
    beyond = [flavor.name for flavor in FLAVORS if flavor.ram > machine or flavor.vcpus > cores]
    if beyond:
        print(
            f"\nscaled down: this machine has {cores} cores and {machine} MiB; hosts of these flavors share them "
            f"and see no more: {', '.join(beyond)}"
        )

"""The address plan: every planned address of a deployment in one readable object. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

HOST = re.compile(r"(?P<role>zeppelin|master|worker)(?P<number>\d*)")
# Offsets into the subnet. Planned addresses lie in its first sixteenth, DHCP's in its second half.
GATEWAY, CEPHFS_ROUTER, ZEPPELIN, MASTERS, WORKERS = 1, 2, 10, 20, 256


@dataclass(frozen=True)
class AddressPlan:
    """Where everything is inside the tenant subnet (a /20 or larger)."""

    cidr: IPv4Network

    @property
    def gateway(self) -> str:
        """The tenant router's port."""
        return self._at(GATEWAY)

    @property
    def cephfs_router(self) -> str:
        """The CephFS router's port: next hop to the storage network."""
        return self._at(CEPHFS_ROUTER)

    @property
    def dhcp_pool(self) -> tuple[str, str]:
        """First and last address that Neutron may hand out by itself."""
        half = self.cidr.num_addresses // 2
        return self._at(half), self._at(self.cidr.num_addresses - 2)

    def host(self, name: str) -> str:
        """The fixed address of a host by its name: zeppelin, master01, worker17.

        Raises ValueError for a name that is no host's.
        """
        match = HOST.fullmatch(name)
        if match is None or (match["role"] == "zeppelin") == bool(match["number"]):
            raise ValueError(f"{name!r} is not the name of a host: zeppelin, masterNN or workerNN")
        base = {"zeppelin": ZEPPELIN, "master": MASTERS, "worker": WORKERS}[match["role"]]
        return self._at(base + int(match["number"] or 0))

    def _at(self, offset: int) -> str:
        return str(IPv4Address(int(self.cidr.network_address) + offset))

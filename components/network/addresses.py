"""The address plan: every planned address of a deployment in one readable object. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

# Offsets into the subnet: hosts' are their roles'. Planned addresses lie in the first half, DHCP's in the second.
GATEWAY, CEPHFS_ROUTER, FIRST_HOST = 1, 2, 10


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

    def host(self, offset: int) -> str:
        """The fixed address of a host by its offset into the subnet.

        Raises ValueError where the routers are, or DHCP hands out addresses.
        """
        if not FIRST_HOST <= offset < self.cidr.num_addresses // 2:
            raise ValueError(f"{offset} is no host's offset in {self.cidr}: those are from {FIRST_HOST} to its half")
        return self._at(offset)

    def _at(self, offset: int) -> str:
        return str(IPv4Address(int(self.cidr.network_address) + offset))

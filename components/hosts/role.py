"""Roles: what the hosts of one kind have in common, as plain data. A platform lists its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.network.addresses import AddressPlan


@dataclass(frozen=True, kw_only=True)
class Role:
    """One kind of host.

    `name` is its key in `gaia:hosts`; `host` the pattern of its hosts' names, which are numbered from 1 where it has
    a place for the number; `offset` where its addresses begin in the tenant subnet; `group` its security group.
    The `gateway` is the one host that has a floating IP, and that all others are reached through.
    """

    name: str
    host: str
    offset: int
    group: str
    gateway: bool = False

    def hosts(self, count: int) -> list[str]:
        """The names of its hosts."""
        return [self.host.format(number) for number in range(1, count + 1)]


@dataclass(frozen=True, kw_only=True)
class PlannedHost:
    """A host of the plan: its short name, its role and its address."""

    name: str
    role: Role
    address: str


def plan_hosts(roles: Sequence[Role], counts: dict[str, int], addresses: AddressPlan) -> Iterator[PlannedHost]:
    """Every host of a deployment, role by role. Raises ValueError when two of them would have one address."""
    taken: dict[str, str] = {}
    for role in roles:
        for number, name in enumerate(role.hosts(counts[role.name]), start=1):
            address = addresses.host(role.offset + number)
            if address in taken:
                raise ValueError(f"{name} and {taken[address]} would both have the address {address}")
            taken[address] = name
            yield PlannedHost(name=name, role=role, address=address)


def generation(host: str, role: str, rebuild: dict[str, int]) -> int | str:
    """What has to change for a host to be rebuilt: the number of its role and its own; 0 while neither has one."""
    numbers = rebuild.get(role, 0), rebuild.get(host, 0) if host != role else 0
    return f"{numbers[0]}.{numbers[1]}" if any(numbers) else 0

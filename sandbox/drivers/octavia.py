"""Octavia's provider driver: it takes in what the data plane can do, and refuses the rest by Octavia's own error.

Octavia's API writes the tables; the fabric's daemon follows them; services/octavia.py settles statuses.
"""

from typing import Any

from octavia_lib.api.drivers import exceptions
from octavia_lib.api.drivers.provider_base import ProviderDriver

PROTOCOLS = ("TCP", "UDP")
MONITORS = ("TCP", "HTTP")


def _refuse(what: str) -> None:
    raise exceptions.UnsupportedOptionError(user_fault_string=f"the sandbox has no {what}", operator_fault_string=what)


class Driver(ProviderDriver):  # type: ignore[misc]
    """Methods that are not here (rules of layer 7, failover, flavors) raise Octavia's NotImplementedError, so 501."""

    def loadbalancer_create(self, loadbalancer: Any) -> None:
        for listener in loadbalancer.listeners or ():
            self.listener_create(listener)
        for pool in loadbalancer.pools or ():
            self.pool_create(pool)

    def listener_create(self, listener: Any) -> None:
        if listener.protocol not in PROTOCOLS:
            _refuse(f"listeners of {listener.protocol}, only of {' and '.join(PROTOCOLS)}")
        if listener.l7policies:  # what is not set is false
            _refuse("rules of layer 7")

    def pool_create(self, pool: Any) -> None:
        if pool.protocol not in PROTOCOLS:
            _refuse(f"pools of {pool.protocol}, only of {' and '.join(PROTOCOLS)}")
        if pool.session_persistence:
            _refuse("session persistence")

    def pool_update(self, _old: Any, new: Any) -> None:
        if new.session_persistence:
            _refuse("session persistence")

    def health_monitor_create(self, healthmonitor: Any) -> None:
        if healthmonitor.type not in MONITORS:
            _refuse(f"monitors of {healthmonitor.type}, only of {' and '.join(MONITORS)}")

    def taken(self, *_: Any, **__: Any) -> None:
        """The tables say it all."""

    loadbalancer_update = loadbalancer_delete = listener_update = listener_delete = pool_delete = taken
    member_create = member_update = member_delete = member_batch_update = taken
    health_monitor_update = health_monitor_delete = taken

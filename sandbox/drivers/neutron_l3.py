"""L3 service plugin without agents: router ports are bound at once and an associated floating IP is ACTIVE."""

from typing import Any

from neutron.services.l3_router import l3_router_plugin
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins import directory

from sandbox.layout import COMPUTE_HOST

Body = dict[str, Any]


class L3Plugin(l3_router_plugin.L3RouterPlugin):  # type: ignore[misc]
    """Neutron's own router plugin; the fabric daemon makes the routers from its tables."""

    def create_router(self, context: Any, router: Body) -> Body:
        created: Body = super().create_router(context, router)
        self._bind_gateway(context, created)
        return created

    def update_router(self, context: Any, id: str, router: Body) -> Body:
        updated: Body = super().update_router(context, id, router)
        self._bind_gateway(context, updated)
        return updated

    def add_router_interface(self, context: Any, router_id: str, interface_info: Body | None = None) -> Body:
        interface: Body = super().add_router_interface(context, router_id, interface_info)
        self._bind(context, interface["port_id"])
        return interface

    def create_floatingip(self, context: Any, floatingip: Body) -> Body:
        return self._with_status(context, super().create_floatingip(context, floatingip))

    def update_floatingip(self, context: Any, id: str, floatingip: Body) -> Body:
        return self._with_status(context, super().update_floatingip(context, id, floatingip))

    def _bind(self, context: Any, port_id: str) -> None:
        port = {"port": {portbindings.HOST_ID: COMPUTE_HOST}}
        directory.get_plugin().update_port(context.elevated(), port_id, port)

    def _bind_gateway(self, context: Any, router: Body) -> None:
        if not router.get("external_gateway_info"):
            return
        wanted = {"device_id": [router["id"]], "device_owner": [constants.DEVICE_OWNER_ROUTER_GW]}
        for port in directory.get_plugin().get_ports(context.elevated(), wanted):
            if port["status"] != constants.PORT_STATUS_ACTIVE:
                self._bind(context, port["id"])

    def _with_status(self, context: Any, floating_ip: Body) -> Body:
        status = constants.FLOATINGIP_STATUS_ACTIVE if floating_ip.get("port_id") else constants.FLOATINGIP_STATUS_DOWN
        if floating_ip["status"] != status:
            self.update_floatingip_status(context, floating_ip["id"], status)
            floating_ip["status"] = status
        return floating_ip

"""ML2 mechanism driver that binds every port at once: the fabric daemon follows the database, no agent reports."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class MechanismDriver(api.MechanismDriver):  # type: ignore[misc]
    """Binds each port on its first segment as an Open vSwitch port whose filter the network provides."""

    def initialize(self) -> None:
        """Nothing is needed."""

    @property
    def connectivity(self) -> str:
        return str(portbindings.CONNECTIVITY_L2)

    def bind_port(self, context: api.PortContext) -> None:
        for segment in context.segments_to_bind:
            context.set_binding(
                segment[api.ID],
                portbindings.VIF_TYPE_OVS,
                {portbindings.CAP_PORT_FILTER: True},
                status=constants.PORT_STATUS_ACTIVE,
            )
            return

"""Magnum: conductor and API in one process."""

import sys
from typing import Any

from sandbox.layout import Layout, Port
from sandbox.services.serving import native_threads, prompt_messages, serve_wsgi


def serve(layout: Layout) -> Any:
    native_threads()
    prompt_messages()
    sys.argv = ["magnum", "--config-file", str(layout.etc / "magnum/magnum.conf")]
    from magnum.wsgi.api import application  # reads the configuration: before the others

    # isort: split
    import magnum.conf
    from magnum.common import rpc_service, short_id
    from magnum.conductor.handlers import (
        ca_conductor,
        cluster_conductor,
        conductor_listener,
        credential_conductor,
        federation_conductor,
        indirection_api,
        nodegroup_conductor,
    )
    from magnum.service import periodic

    _wait_for_conductor()
    # a cluster's state is read from the driver every second, not every ten
    periodic.MagnumPeriodicTasks._periodic_spacing["sync_cluster_status"] = 1
    modules = (
        indirection_api,
        cluster_conductor,
        conductor_listener,
        credential_conductor,
        ca_conductor,
        federation_conductor,
        nodegroup_conductor,
    )
    server = rpc_service.Service.create(
        magnum.conf.CONF.conductor.topic,
        short_id.generate_id(),
        [module.Handler() for module in modules],
        binary="magnum-conductor",
    )
    server.create_periodic_tasks()
    server.start()
    serve_wsgi(Port.MAGNUM, application)
    return server


def _wait_for_conductor() -> None:
    """Let the API answer only when the conductor has taken the request in.

    The answer names a cluster whose row the conductor makes: on a real cloud the conductor is nearly always faster
    than the client's next request, with messages inside one process it is not. A failure stays the conductor's:
    the API answers 202 as it would, and the cluster's status tells.
    """
    from magnum.common.rpc_service import API
    from oslo_log import log

    def cast(self: Any, method: str, *args: Any, **kwargs: Any) -> None:
        try:
            self._call(method, *args, **kwargs)
        except Exception:
            log.getLogger(__name__).exception("the conductor refused %s", method)

    API._cast = cast

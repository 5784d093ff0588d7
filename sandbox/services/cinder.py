"""Cinder: volume, scheduler and API in one process."""

import os
import shlex
import sys
from typing import Any

from sandbox.layout import Layout, Port
from sandbox.services.serving import prompt_messages, serve_wsgi


def serve(layout: Layout) -> list[Any]:
    sys.argv = ["cinder", "--config-file", str(layout.etc / "cinder/cinder.conf")]
    os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "1"
    from cinder import monkey_patch

    monkey_patch.patch()
    prompt_messages()
    from cinder import i18n

    i18n.enable_lazy()
    import os_brick
    from cinder import service, utils
    from cinder.common import constants
    from cinder.wsgi.api import application
    from oslo_config import cfg
    from oslo_privsep import priv_context

    conf = cfg.CONF
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    os_brick.setup(conf)
    # the volume service first: the scheduler asks it for its capacity as it starts
    kept = [
        service.Service.create(
            host=f"{conf.host}@{backend}",
            service_name=backend,
            binary=constants.VOLUME_BINARY,
            coordination=True,
        )
        for backend in conf.enabled_backends
    ]
    kept.append(service.Service.create(binary="cinder-scheduler"))
    for server in kept:
        server.start()
        print(f"{server.binary} started", flush=True)
    serve_wsgi(Port.CINDER, application)
    return kept

"""Manila: scheduler, share service and API in one process."""

import sys
import threading
import time
from typing import Any

from sandbox.ceph import ready_file
from sandbox.configuration.manila import TOKEN_SECTION
from sandbox.layout import Layout, Port
from sandbox.services.serving import prompt_messages, serve_wsgi


def serve(layout: Layout) -> list[Any]:
    sys.argv = ["manila", "--config-file", str(layout.etc / "manila/manila.conf")]
    from manila import monkey_patch

    monkey_patch.patch()
    prompt_messages()
    from keystoneauth1 import loading
    from oslo_config import cfg

    loading.register_auth_conf_options(cfg.CONF, TOKEN_SECTION)
    from manila import service
    from manila.wsgi.api import application

    _schedule_one_at_a_time()
    # A share service that starts while Ceph's capacity is still 0 refuses shares until it asks again
    while not ready_file(layout).exists():
        time.sleep(0.1)
    kept = [service.Service.create(binary="manila-scheduler", coordination=True)]
    kept += [
        service.Service.create(
            host=f"{cfg.CONF.host}@{backend}",
            service_name=backend,
            binary="manila-share",
            coordination=True,
        )
        for backend in cfg.CONF.enabled_share_backends
    ]
    for server in kept:
        server.start()
        print(f"{server.binary} started", flush=True)
    serve_wsgi(Port.MANILA, application)
    return kept


def _schedule_one_at_a_time() -> None:
    """With native threads two requests race: one reads a provisioned capacity that the other still computes."""
    from manila.scheduler.drivers.filter import FilterScheduler

    lock = threading.Lock()
    schedule = FilterScheduler._schedule_share

    def locked(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return schedule(*args, **kwargs)

    FilterScheduler._schedule_share = locked

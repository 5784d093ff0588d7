"""Manila: scheduler, share service and API in one process."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from sandbox.ceph import ready_file
from sandbox.configuration.manila import TOKEN_SECTION
from sandbox.layout import Layout, Port
from sandbox.services.serving import prompt_messages, serve_wsgi

PATIENCE = 120  # seconds for an answer of Ceph


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
    _wait_for_ceph()
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


def _wait_for_ceph() -> None:
    """What is asked of Ceph waits for a client whose host was killed, until Ceph gives that one up (a minute).

    Manila waits for 10 s and leaves the share in an error that only an administrator ends.
    """
    from manila.share.drivers.cephfs import driver

    driver.RADOS_TIMEOUT = PATIENCE


def _schedule_one_at_a_time() -> None:
    """With native threads two requests race: one reads a provisioned capacity that the other still computes.

    A share that is being extended would stay so: the scheduler answers for no other error than that there is no room.
    """
    from manila.scheduler.drivers.filter import FilterScheduler

    lock = threading.Lock()
    for name in ("_schedule_share", "host_passes_filters"):
        setattr(FilterScheduler, name, _alone(lock, getattr(FilterScheduler, name)))


def _alone(lock: threading.Lock, decide: Callable[..., Any]) -> Callable[..., Any]:
    def locked(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return decide(*args, **kwargs)

    return locked

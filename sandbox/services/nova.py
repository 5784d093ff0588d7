"""Nova: conductor, scheduler, compute, API and metadata API in one process."""

import importlib
import os
import shlex
import sys
import uuid
from typing import Any

from sandbox.layout import COMPUTE_HOST, LOOPBACK, NOVA_DRIVER, Layout, Port
from sandbox.services.serving import prompt_messages, serve_wsgi, wait_for_port


def serve(layout: Layout) -> list[Any]:
    sys.argv = ["nova-api"]
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
    os.environ["OS_NOVA_CONFIG_DIR"] = str(layout.etc / "nova")
    link = layout.etc / "nova/api-paste.ini"  # Nova insists on having it beside its configuration
    link.unlink(missing_ok=True)
    link.symlink_to(layout.venv / "etc/nova/api-paste.ini")
    from nova import monkey_patch

    monkey_patch.patch(backend="threading")
    prompt_messages()
    _fix_node_identity(layout)
    from nova.wsgi.osapi_compute import application  # reads the configuration

    _prepare()
    kept = list(_services())
    from nova import context
    from nova.objects import host_mapping

    host_mapping.discover_hosts(context.get_admin_context())
    from nova.api.metadata.handler import MetadataRequestHandler

    serve_wsgi(Port.NOVA, application)
    serve_wsgi(Port.METADATA, MetadataRequestHandler(), addresses=(LOOPBACK,))
    return kept


def _fix_node_identity(layout: Layout) -> None:
    """Give the compute host the same node identity in each process.

    Nova's fake driver, and what inherits from it, makes a random one; nova-compute refuses to start under another
    than the one it had.
    """
    node = str(uuid.uuid5(uuid.NAMESPACE_DNS, COMPUTE_HOST))
    (layout.data / "nova/compute_id").write_text(node)
    from oslo_utils.fixture import uuidsentinel

    setattr(uuidsentinel, f"node_{COMPUTE_HOST}", node)


def _prepare() -> None:
    import nova.conf
    import os_brick
    import os_vif
    from nova import objects, utils
    from nova.scheduler.client import report
    from oslo_privsep import priv_context

    conf = nova.conf.CONF
    # Nova looks for drivers only below nova.virt
    sys.modules["nova.virt.sandbox"] = importlib.import_module(NOVA_DRIVER.rpartition(".")[0])
    # At every claim nova-compute reads each allocation on its host, one request each, for drivers that want to
    # reshape them. None here does, and with 60 hosts that was most of the time that a boot took.
    report.SchedulerReportClient.get_allocations_for_provider_tree = lambda *_: {}
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    objects.register_all()
    os_brick.setup(conf)
    os_vif.initialize()


def _services() -> Any:
    from nova import service
    from nova.compute import rpcapi as compute
    from nova.conductor import rpcapi as conductor
    from nova.scheduler import rpcapi as scheduler

    for binary, topic, other in (
        ("nova-conductor", conductor.RPC_TOPIC, None),
        ("nova-scheduler", scheduler.RPC_TOPIC, None),
        ("nova-compute", compute.RPC_TOPIC, compute.RPC_TOPIC_ALT),
    ):
        if binary == "nova-compute":  # it reports to Placement as it starts
            wait_for_port(Port.KEYSTONE)
            wait_for_port(Port.PLACEMENT)
        server = service.Service.create(binary=binary, topic=topic, topic_alt=other)
        server.start()
        print(f"{binary} started", flush=True)
        yield server

"""Swift: proxy, account, container and object server in one process, under eventlet."""

from typing import Any

from sandbox.layout import API, LOOPBACK, Layout, Port
from sandbox.services.faults import Faulty

SERVERS = {
    "object": Port.SWIFT_OBJECT,
    "container": Port.SWIFT_CONTAINER,
    "account": Port.SWIFT_ACCOUNT,
    "proxy": Port.SWIFT,
}
RINGS = ("object", "container", "account")
BACKLOG = 256


def serve(layout: Layout) -> list[Any]:
    import eventlet

    eventlet.monkey_patch()
    from eventlet import wsgi
    from swift.common import utils
    from swift.common.storage_policy import reload_storage_policies
    from swift.common.wsgi import loadapp

    utils.set_swift_dir(str(layout.etc / "swift"))
    utils.validate_configuration()
    utils.disable_fallocate()
    _make_rings(layout)
    reload_storage_policies()
    kept = []
    for name, port in SERVERS.items():
        config = str(layout.etc / f"swift/{name}-server.conf")
        application = loadapp(config, global_conf={"log_requests": "false"})
        listeners = [eventlet.listen((LOOPBACK, int(port)), backlog=BACKLOG)]
        if name == "proxy":
            application = Faulty(layout, "swift", application)
            outside = eventlet.listen((str(API), int(port)), backlog=BACKLOG)
            files = {"certfile": layout.tls / "api.pem", "keyfile": layout.tls / "api.key"}
            listeners.append(eventlet.wrap_ssl(outside, server_side=True, **files))
        for listener in listeners:
            pool = eventlet.GreenPool(BACKLOG)
            kept.append(eventlet.spawn(wsgi.server, listener, application, log_output=False, custom_pool=pool))
        print(f"listening on port {port}", flush=True)
    return kept


def _make_rings(layout: Layout) -> None:
    """One device that holds the one copy of everything."""
    from swift.common.ring import RingBuilder

    for name in RINGS:
        path = layout.etc / f"swift/{name}.ring.gz"
        if path.exists():
            continue
        builder = RingBuilder(part_power=4, replicas=1, min_part_hours=1)
        address = {"ip": LOOPBACK, "port": int(SERVERS[name])}
        replication = {"replication_ip": LOOPBACK, "replication_port": int(SERVERS[name])}
        device = {"region": 1, "zone": 1, "device": "d1", "weight": 1, "meta": ""}
        builder.add_dev({**device, **address, **replication})
        builder.rebalance()
        builder.get_ring().save(str(path))

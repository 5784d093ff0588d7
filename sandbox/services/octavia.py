"""Octavia: the API, and what its other processes do with the sandbox's driver, in one process.

The API writes the tables; the fabric's daemon lets the kernel agree with them. Here statuses are settled, as a
provider's agent does, and members are looked after, as health monitors say.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox.layout import Layout, Port
from sandbox.services.health import Health
from sandbox.services.serving import native_threads, serve_wsgi

PERIOD = 0.25  # seconds, as the fabric's daemon
KINDS = ("members", "healthmonitors", "pools", "listeners", "loadbalancers")  # what is in another goes first


def serve(layout: Layout) -> Any:
    native_threads()
    sys.argv = ["octavia", "--config-file", str(layout.etc / "octavia/octavia.conf")]
    from octavia.wsgi.api import application  # reads the configuration: before the others

    # isort: split
    from octavia.api.drivers.driver_agent.driver_updater import DriverUpdater

    settled, watched, health = DriverUpdater(), DriverUpdater(), Health(layout)  # each thread has its own session
    threads = [_often(PERIOD, lambda: settle(settled)), _often(1, lambda: health.look(partial(_report, watched)))]
    serve_wsgi(Port.OCTAVIA, application)
    return threads


def _often(seconds: float, work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        while True:
            try:
                work()
            except Exception:  # the database is away, or what it was about has just gone
                traceback.print_exc()
            time.sleep(seconds)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def settle(updater: Any) -> None:
    """What the API calls pending is so: made, changed or gone."""
    statuses: dict[str, list[dict[str, str]]] = {kind: [] for kind in KINDS}
    for kind, row_id, pending, operating in _pending():
        if pending == "PENDING_DELETE":
            statuses[kind].append({"id": row_id, "provisioning_status": "DELETED"})
            continue
        status = {"id": row_id, "provisioning_status": "ACTIVE"}
        if operating == "OFFLINE":  # as the API leaves what it has made; a monitored member is for `Health` to judge
            status["operating_status"] = "NO_MONITOR" if kind == "members" else "ONLINE"
        statuses[kind].append(status)
    if any(statuses.values()):
        _report(updater, statuses)


def _report(updater: Any, statuses: dict[str, list[dict[str, str]]]) -> None:
    answer = updater.update_loadbalancer_status(statuses)
    if answer["status_code"] != 200:
        raise RuntimeError(f"Octavia does not take a status: {answer}")


def _pending() -> list[tuple[str, str, str, str]]:
    """Kind, id and both statuses of all that is pending, and of what is in a load balancer that goes."""
    from octavia.db import api, models

    session = api.get_session()
    with session.begin():
        going = [row.id for row in session.query(models.LoadBalancer).filter_by(provisioning_status="PENDING_DELETE")]
        found = []
        for kind, model, owner in (
            ("members", models.Member, models.Pool.load_balancer_id),
            ("healthmonitors", models.HealthMonitor, models.Pool.load_balancer_id),
            ("pools", models.Pool, models.Pool.load_balancer_id),
            ("listeners", models.Listener, models.Listener.load_balancer_id),
            ("loadbalancers", models.LoadBalancer, models.LoadBalancer.id),
        ):
            rows = session.query(model)
            rows = rows.join(models.Pool, model.pool_id == models.Pool.id) if hasattr(model, "pool_id") else rows
            pending = model.provisioning_status.like("PENDING%")
            found += [
                (kind, row.id, "PENDING_DELETE" if gone else row.provisioning_status, row.operating_status)
                for gone, condition in ((True, owner.in_(going)), (False, pending & owner.not_in(going)))
                for row in rows.filter(condition)
                # one that goes since we looked is for the next time, together with what is in it
                if gone or (kind, row.provisioning_status) != ("loadbalancers", "PENDING_DELETE")
            ]
        # a member that nobody looks after any more may not stay what it was called last
        unwatched = (
            session.query(models.Member)
            .join(models.HealthMonitor, models.HealthMonitor.pool_id == models.Member.pool_id)
            .join(models.Pool, models.Pool.id == models.Member.pool_id)
            .filter(models.HealthMonitor.provisioning_status == "PENDING_DELETE")
            .filter(models.Pool.load_balancer_id.not_in(going))
        )
        found += [("members", row.id, row.provisioning_status, "OFFLINE") for row in unwatched]
    return found

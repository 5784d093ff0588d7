"""Health monitors of load balancers: each member is asked from the load balancer's namespace."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from socket import create_connection

from sandbox.layout import Layout
from sandbox.namespaces import inside

MOST = 3  # seconds for an answer: on one machine nothing takes longer
HTTP_OK = range(200, 300)


@dataclass(frozen=True)
class Check:
    """What a monitor asks of a member."""

    member: str
    namespace: str
    kind: str
    address: str
    port: int
    path: str
    delay: int
    timeout: int
    falls: int  # after so many failures in a row it is down
    rises: int


@dataclass
class Seen:
    """What was seen of a member: when last, and how often in a row it did not agree with its status."""

    at: float = 0.0
    others: int = 0


@dataclass
class Health:
    """Looks after the members of all pools that have a monitor; remembers nothing that it could not see again."""

    layout: Layout
    _seen: dict[str, Seen] = field(default_factory=dict)

    def look(self, report: Callable[[dict[str, list[dict[str, str]]]], None]) -> None:
        """Ask every member whose time it is, and report those that changed."""
        found = list(checks(self.layout))
        self._seen = {check.member: self._seen.get(check.member, Seen()) for check, _ in found}
        now = time.monotonic()
        due = [(check, status) for check, status in found if now - self._seen[check.member].at >= check.delay]
        if not due:
            return
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda one: alive(one[0]), due))
        changed = []
        for (check, status), well in zip(due, answers, strict=True):
            if new := judged(self._seen[check.member], check, status, well):
                changed.append({"id": check.member, "operating_status": new})
        if changed:
            report({"members": changed})


def judged(seen: Seen, check: Check, status: str, well: bool) -> str:
    """The new status of a member that was asked, or none: a first answer counts at once."""
    seen.at = time.monotonic()
    wanted = "ONLINE" if well else "ERROR"
    seen.others = 0 if status == wanted else seen.others + 1
    enough = 1 if status not in ("ONLINE", "ERROR") else check.rises if well else check.falls
    return wanted if seen.others >= enough else ""


def alive(check: Check) -> bool:
    limit = min(check.timeout, MOST)
    try:
        with inside(check.namespace):
            if check.kind == "TCP":
                create_connection((check.address, check.port), limit).close()
                return True
            connection = HTTPConnection(check.address, check.port, timeout=limit)
            connection.request("GET", check.path)
            return connection.getresponse().status in HTTP_OK
    except (OSError, HTTPException):
        return False


def checks(layout: Layout) -> list[tuple[Check, str]]:
    """All checks, each with the status that its member has."""
    from octavia.db import api, models

    session = api.get_session()
    with session.begin():
        rows = (
            session.query(models.HealthMonitor, models.Member, models.Pool)
            .join(models.Pool, models.HealthMonitor.pool_id == models.Pool.id)
            .join(models.Member, models.Member.pool_id == models.Pool.id)
            .filter(models.HealthMonitor.enabled, models.Member.enabled)
        )
        return [
            (
                Check(
                    member=member.id,
                    namespace=layout.router_namespace(pool.load_balancer_id),
                    kind=monitor.type,
                    address=member.monitor_address or member.ip_address,
                    port=member.monitor_port or member.protocol_port,
                    path=monitor.url_path or "/",
                    delay=monitor.delay,
                    timeout=monitor.timeout,
                    falls=monitor.fall_threshold,
                    rises=monitor.rise_threshold,
                ),
                member.operating_status,
            )
            for monitor, member, pool in rows
        ]

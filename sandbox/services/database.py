"""MariaDB on a private socket: for root, without TCP."""

import shutil
import time

from sandbox import processes
from sandbox.layout import Layout
from sandbox.processes import CommandError, run

NAME = "mariadb"
DATABASES = (
    "keystone",
    "glance",
    "placement",
    "neutron",
    "nova_api",
    "nova_cell0",
    "nova_cell1",
    "cinder",
    "manila",
    "magnum",
    "octavia",
)
# A killed server loses nothing (each commit reaches the kernel); a machine that loses power may. Flushing to the
# disk at each commit would make every API call several times slower.
OPTIONS = (
    "--no-defaults",
    "--user=root",
    "--skip-networking",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=64M",
    "--sync-frm=0",
    "--max-connections=1000",
    "--character-set-server=utf8mb3",
    "--collation-server=utf8mb3_general_ci",
    "--performance-schema=0",
    "--transaction-isolation=READ-COMMITTED",
)


def start(layout: Layout, limit: float = 60) -> None:
    """Start the server, making its data directory if there is none, and wait until it answers."""
    _create(layout)
    files = (f"--datadir={layout.mysql}", f"--socket={layout.database_socket}", f"--tmpdir={layout.run}")
    processes.start(layout, NAME, ["mariadbd", *OPTIONS, *files, f"--pid-file={layout.run}/mariadbd.own-pid"])
    deadline = time.monotonic() + limit
    while True:
        try:
            query(layout, "SELECT 1")
            return
        except CommandError:
            if processes.find(layout, NAME) is None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def query(layout: Layout, sql: str, database: str = "") -> list[list[str]]:
    """The rows of a statement's result, as text."""
    client = ["mariadb", "--no-defaults", "-uroot", f"--socket={layout.database_socket}", "-BN", database]
    return [line.split("\t") for line in run([*filter(None, client)], stdin=sql).splitlines()]


def create_databases(layout: Layout) -> None:
    query(
        layout,
        "".join(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;" for name in DATABASES),
    )


def _create(layout: Layout) -> None:
    if layout.mysql.exists():
        return
    new = layout.mysql.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    # Debian's script wants to chown a plugin directory that server-core lacks: no authentication plugin is needed
    run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={new}",
            "--auth-root-authentication-method=normal",
            "--user=root",
            "--skip-test-db",
            "--skip-log-bin",
            "--innodb-log-file-size=64M",
        ]
    )
    new.replace(layout.mysql)

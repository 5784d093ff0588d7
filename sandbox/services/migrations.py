"""Create and migrate every database: `python -m sandbox.services.migrations` in the services' environment.

Each project's management module is imported once and forked for each of its commands; a few projects run at a time.
"""

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.configuration.common import KEYSTONE, PUBLIC_KEYSTONE, database_url
from sandbox.configuration.secrets import secrets_of
from sandbox.layout import REGION, Layout
from sandbox.services import database

PARALLEL = 3  # measured on 2 cores


@dataclass(frozen=True)
class Job:
    """The commands that bring one project's database up to date, by the main function of its management module."""

    name: str
    module: str
    config: str
    commands: list[list[str]]

    def run(self, layout: Layout) -> int:
        log = os.open(layout.log / f"migrate-{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        module = importlib.import_module(self.module)
        for command in self.commands:
            _, status = os.waitpid(fork(lambda words=command: self._main(layout, module, words)), 0)  # type: ignore[misc]
            if status:
                return 1
        return 0

    def _main(self, layout: Layout, module: object, words: list[str]) -> int:
        sys.argv = [self.name, "--config-file", str(layout.etc / self.config), *words]
        return int(module.main() or 0)  # type: ignore[attr-defined]


def jobs(layout: Layout) -> list[Job]:
    """All projects, the slowest first."""
    cell0, cell1 = database_url(layout, "nova_cell0"), database_url(layout, "nova_cell1")
    root = ["--keystone-user", "root", "--keystone-group", "root"]
    urls = ["--bootstrap-public-url", PUBLIC_KEYSTONE]
    urls += ["--bootstrap-internal-url", KEYSTONE, "--bootstrap-admin-url", KEYSTONE]
    # no process list shows this password: the command runs in a fork, not as a program with arguments
    password = ["--bootstrap-password", secrets_of(layout).admin]
    bootstrap = ["bootstrap", "--bootstrap-region-id", REGION, *password, *urls]
    cell = ["cell_v2", "create_cell", "--name", "cell1", "--transport-url", "fake://"]
    nova = [
        ["api_db", "sync"],
        ["cell_v2", "map_cell0", "--database_connection", cell0],
        [*cell, "--database_connection", cell1],
        ["db", "sync"],
    ]
    keystone = [["db_sync"], ["fernet_setup", *root], ["credential_setup", *root], bootstrap]
    return [
        Job("nova", "nova.cmd.manage", "nova/nova.conf", nova),
        Job("keystone", "keystone.cmd.manage", "keystone/keystone.conf", keystone),
        Job("neutron", "neutron.db.migration.cli", "neutron/neutron.conf", [["upgrade", "heads"]]),
        Job("manila", "manila.cmd.manage", "manila/manila.conf", [["db", "sync"]]),
        Job("glance", "glance.cmd.manage", "glance/glance-api.conf", [["db_sync"]]),
        Job("cinder", "cinder.cmd.manage", "cinder/cinder.conf", [["db", "sync"]]),
        Job("placement", "placement.cmd.manage", "placement/placement.conf", [["db", "sync"]]),
        Job("magnum", "magnum.cmd.db_manage", "magnum/magnum.conf", [["upgrade"]]),
        Job("octavia", "octavia.db.migration.cli", "octavia/octavia.conf", [["upgrade", "head"]]),
    ]


def fork(function: Callable[[], int]) -> int:
    """Call a function in a child process and return the child's id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        status = function()
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> int:
    layout = Layout.here()
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = str(layout.etc / "placement")
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
    os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "1"
    database.create_databases(layout)
    waiting, running, failed = jobs(layout), dict[int, tuple[str, float]](), list[str]()
    while waiting or running:
        while waiting and len(running) < PARALLEL:
            job = waiting.pop(0)
            running[fork(lambda job=job: job.run(layout))] = (job.name, time.monotonic())  # type: ignore[misc]
        pid, status = os.wait()
        name, began = running.pop(pid)
        if status:
            failed.append(str(layout.log / f"migrate-{name}.log"))
        print(f"{name} migrated in {time.monotonic() - began:.1f} s", flush=True)
    if failed:
        print(f"migrations failed: see {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())

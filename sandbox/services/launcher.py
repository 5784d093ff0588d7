"""Run each OpenStack project, its API and all its workers, in one process.

`python -m sandbox.services.launcher NAME...` in the services' environment: the libraries that the projects share are
imported once, then one process is forked for each project; this one then ends. A project's process is the daemon
NAME, its output goes to log/NAME.log.
"""

import gc
import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from sandbox import processes
from sandbox.layout import Layout
from sandbox.services import serving

# Each module here has a function serve(layout), which returns what has to live as long as the process.
PROJECTS = ("swift", "keystone", "neutron", "nova", "manila", "cinder", "glance", "octavia", "magnum")
SHARED = [
    "sqlalchemy.orm",
    "sqlalchemy.dialects.mysql.pymysql",
    "alembic",
    "oslo_config.cfg",
    "oslo_log.log",
    "oslo_db.api",
    "oslo_db.sqlalchemy.enginefacade",
    "oslo_policy.policy",
    "oslo_messaging",
    "oslo_messaging._drivers.impl_fake",
    "oslo_concurrency.processutils",
    "oslo_middleware",
    "oslo_versionedobjects.base",
    "oslo_utils.timeutils",
    "oslo_serialization.jsonutils",
    "keystoneauth1.loading",
    "keystonemiddleware.auth_token",
    "webob",
    "routes",
    "paste.deploy",
    "stevedore",
    "jsonschema",
    "cheroot.wsgi",
    "cryptography.x509",
    "requests",
    "osprofiler.web",
    "netaddr",
    "openstack.connection",
]


class _NoEventlet:
    """Keeps eventlet out of the shared imports: Nova refuses to run with native threads where it was imported."""

    def find_spec(self, fullname: str, *_: Any) -> None:
        if fullname.partition(".")[0] == "eventlet":
            raise ImportError("not while the shared libraries are loaded")


def main(names: list[str]) -> None:
    layout = Layout.here()
    # some of Magnum's calls take the public interface whatever is configured
    os.environ["REQUESTS_CA_BUNDLE"] = str(layout.tls / "ca.pem")
    if "swift" in names:  # it runs under eventlet: before anything else is imported
        _fork(layout, "swift")
    rest = [name for name in names if name != "swift"]
    if rest:
        _import_shared()
    for name in rest:
        _fork(layout, name)


def _import_shared() -> None:
    guard = _NoEventlet()
    sys.meta_path.insert(0, guard)
    serving.native_threads()
    for module in SHARED:
        importlib.import_module(module)
    sys.meta_path.remove(guard)
    gc.collect()
    gc.freeze()  # the pages stay shared between the forks


def _fork(layout: Layout, name: str) -> None:
    if processes.find(layout, name):
        return
    pid = os.fork()
    if pid:
        processes.register(layout, name, pid)
        return
    os.setsid()
    log = os.open(layout.log / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        serve: Callable[[Layout], object] = importlib.import_module(f"sandbox.services.{name}").serve
        _keep = serve(layout)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50000, 20, 50)
        while True:
            time.sleep(3600)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])

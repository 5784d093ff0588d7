"""Glance: images, in files."""

from pathlib import Path

from sandbox.configuration.common import Configuration, Ini
from sandbox.layout import LOOPBACK, Layout, Port

STORES = ("images", "staging", "tasks")


def directories(layout: Layout) -> tuple[Path, ...]:
    return tuple(layout.data / "glance" / store for store in STORES)


def files(c: Configuration) -> dict[str, Ini]:
    images, staging, tasks = directories(c.layout)
    return {
        "glance/glance-api.conf": {
            "DEFAULT": {
                **c.default("glance", state=False),
                "enabled_backends": "file:file",
                "worker_self_reference_url": f"http://{LOOPBACK}:{Port.GLANCE}",
            },
            "glance_store": {"default_backend": "file"},
            "file": {"filesystem_store_datadir": images},
            "os_glance_staging_store": {"filesystem_store_datadir": staging},
            "os_glance_tasks_store": {"filesystem_store_datadir": tasks},
            "paste_deploy": {"flavor": "keystone", "config_file": c.paste("glance")},
            "keystone_authtoken": c.token_check(),
            **c.tail("glance"),
        }
    }

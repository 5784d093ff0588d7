"""Cinder: volumes are sparse files."""

from pathlib import Path

from sandbox.configuration.common import NEVER_DOWN, Configuration, Ini
from sandbox.layout import CINDER_DRIVER, LOOPBACK, QUOTAS, VOLUME_TYPE, Layout, Port

FILTERS = "AvailabilityZoneFilter,CapacityFilter,CapabilitiesFilter"


def directories(layout: Layout) -> tuple[Path, ...]:
    return (layout.volumes, layout.data / "cinder/coordination")


def files(c: Configuration) -> dict[str, Ini]:
    paste = c.paste("cinder")
    return {
        "cinder/cinder.conf": {
            "DEFAULT": {
                **c.default("cinder"),
                "auth_strategy": "keystone",
                "api_paste_config": paste,
                "resource_query_filters_file": paste.with_name("resource_filters.json"),
                "enabled_backends": VOLUME_TYPE,
                "default_volume_type": VOLUME_TYPE,
                "glance_api_servers": f"http://{LOOPBACK}:{Port.GLANCE}",
                "scheduler_driver_init_wait_time": 1,
                "scheduler_default_filters": FILTERS,
                **{f"quota_{name}": most for name, most in QUOTAS["cinder"].items()},
                "report_interval": 10,
                "service_down_time": NEVER_DOWN,
                "backend_stats_polling_interval": 60,
            },
            VOLUME_TYPE: {"volume_backend_name": VOLUME_TYPE, "volume_driver": CINDER_DRIVER},
            "coordination": {"backend_url": f"file://{c.layout.data}/cinder/coordination"},
            "nova": c.identity(interface="internal"),
            "service_user": c.identity(send_service_user_token=True),
            "keystone_authtoken": c.token_check(),
            **c.tail("cinder"),
        }
    }

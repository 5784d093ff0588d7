"""Nova: API, conductor, scheduler and the one compute service."""

from pathlib import Path

from sandbox.configuration.common import NEVER_DOWN, Configuration, Ini, Options
from sandbox.layout import LOOPBACK, QUOTAS, Layout

# The launcher puts the sandbox's driver at this place below nova.virt, where Nova looks for drivers.
DRIVER = "sandbox.Driver"


def directories(layout: Layout) -> tuple[Path, ...]:
    return (layout.instances,)


def files(c: Configuration) -> dict[str, Ini]:
    services = ("placement", "glance")
    return {
        "nova/nova.conf": {
            "DEFAULT": _default(c),
            "api": {"auth_strategy": "keystone"},
            "wsgi": {"api_paste_config": c.paste("nova")},
            "api_database": c.database("nova_api"),
            "conductor": {"workers": 1},
            "scheduler": {"workers": 1},
            "filter_scheduler": {
                "enabled_filters": "ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter",
                "track_instance_changes": False,
                "host_subset_size": 1,
            },
            "notifications": {"notification_format": "unversioned"},
            "quota": dict(QUOTAS["nova"]),
            "vnc": {"enabled": False},
            "service_user": c.identity(send_service_user_token=True),
            "neutron": c.identity(service_metadata_proxy=True, metadata_proxy_shared_secret=c.secrets.metadata),
            **{name: c.identity() for name in services},
            "cinder": c.identity(catalog_info="volumev3::internalURL"),
            "keystone_authtoken": c.token_check(),
            **c.tail("nova", database="nova_cell1"),
        }
    }


def _default(c: Configuration) -> Options:
    # The one compute host offers far more than the machine has: `sandbox/cloud status` says so.
    ratios = {f"{when}{what}_allocation_ratio": 64 for what in ("cpu", "ram", "disk") for when in ("", "initial_")}
    return {
        **c.default("nova"),
        "compute_driver": DRIVER,
        "instances_path": c.layout.instances,
        "my_ip": LOOPBACK,
        "default_ephemeral_format": "ext4",
        "report_interval": 10,
        "service_down_time": NEVER_DOWN,
        "resume_guests_state_on_host_boot": True,
        "vif_plugging_is_fatal": False,
        "vif_plugging_timeout": 0,
        "block_device_allocate_retries_interval": 1,
        **ratios,
    }

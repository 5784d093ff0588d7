"""Manila: shares of a real CephFS, by Manila's own driver."""

from pathlib import Path

from sandbox.configuration.common import KEYSTONE, NEVER_DOWN, TOKEN_CHECK, Configuration, Ini
from sandbox.layout import CEPH_MONITOR, CEPH_MONITOR_PORT, CEPHFS, QUOTAS, SHARE_TYPE, Layout

# manila.share.manager and keystonemiddleware both register [keystone_authtoken] auth_url: in one process they
# clash, so the middleware reads its own from this section.
TOKEN_SECTION = "token_check"


def directories(layout: Layout) -> tuple[Path, ...]:
    return (layout.data / "manila/coordination",)


def files(c: Configuration) -> dict[str, Ini]:
    return {
        "manila/manila.conf": {
            "DEFAULT": {
                **c.default("manila"),
                "auth_strategy": "keystone",
                "api_paste_config": c.paste("manila"),
                "periodic_interval": 10,
                "enabled_share_protocols": "CEPHFS",
                "enabled_share_backends": "cephfs",
                "default_share_type": SHARE_TYPE,
                "report_interval": 10,
                "service_down_time": NEVER_DOWN,
            },
            "quota": dict(QUOTAS["manila"]),
            "cephfs": {
                "share_backend_name": "CEPHFS",
                "share_driver": "manila.share.drivers.cephfs.driver.CephFSDriver",
                "driver_handles_share_servers": False,
                "cephfs_protocol_helper_type": "CEPHFS",
                "cephfs_conf_path": c.layout.etc / "manila/ceph.conf",
                "cephfs_auth_id": "manila",
                "cephfs_cluster_name": "ceph",
                "cephfs_filesystem_name": CEPHFS,
                "cephfs_volume_mode": 755,
            },
            "coordination": {"backend_url": f"file://{c.layout.data}/manila/coordination"},
            **{name: c.identity(endpoint_type="internal") for name in ("neutron", "nova", "cinder", "glance")},
            "keystone_authtoken": {**TOKEN_CHECK, "auth_section": TOKEN_SECTION},
            TOKEN_SECTION: {**c.identity(), "www_authenticate_uri": KEYSTONE},
            **c.tail("manila"),
        },
        "manila/ceph.conf": {
            "global": {"mon_host": f"{CEPH_MONITOR}:{CEPH_MONITOR_PORT}"},
            "client.manila": {
                "keyring": c.layout.ceph / "keys/client.manila.keyring",
                "log_file": "",
                "client_mount_timeout": 5,
                "ms_max_backoff": 1,
                "objecter_tick_interval": 1,
                "objecter_timeout": 3,
            },
        },
    }

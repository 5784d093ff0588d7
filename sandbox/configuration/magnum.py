"""Magnum: Kubernetes clusters, of which this sandbox keeps the books and the certificates only."""

from pathlib import Path

from sandbox.configuration.common import Configuration, Ini
from sandbox.layout import QUOTAS, REGION, Layout


def directories(layout: Layout) -> tuple[Path, ...]:
    return (layout.data / "magnum/certificates",)


def files(c: Configuration) -> dict[str, Ini]:
    return {
        "magnum/magnum.conf": {
            "DEFAULT": {**c.default("magnum"), "periodic_interval_max": 2},
            "api": {"api_paste_config": c.paste("magnum")},
            "certificates": {
                "cert_manager_type": "x509keypair",
                "storage_path": c.layout.data / "magnum/certificates",
            },
            "quotas": dict(QUOTAS["magnum"]),
            **{f"{name}_client": {"endpoint_type": "internalURL"} for name in ("nova", "glance", "neutron")},
            "cinder_client": {"region_name": REGION, "endpoint_type": "internalURL"},
            "magnum_client": {"region_name": REGION},
            "keystone_auth": c.identity(),
            "keystone_authtoken": c.token_check(),
            **c.tail("magnum"),
        }
    }

"""Magnum: Kubernetes clusters."""

from pathlib import Path

from sandbox.configuration.common import Configuration, Ini
from sandbox.layout import DEFAULT_CLUSTER_DRIVER, QUOTAS, REGION, Layout


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
            # of images that name none (their property magnum_driver)
            "drivers": {"default_driver": DEFAULT_CLUSTER_DRIVER},
            "kubernetes": {"health_polling_interval": 10},
            **{f"{name}_client": {"endpoint_type": "internalURL"} for name in ("nova", "glance", "neutron")},
            "cinder_client": {"region_name": REGION, "endpoint_type": "internalURL"},
            "magnum_client": {"region_name": REGION},
            "keystone_auth": c.identity(),
            "keystone_authtoken": c.token_check(),
            **c.tail("magnum"),
        }
    }

"""Octavia: load balancers."""

from sandbox.configuration.common import Configuration, Ini, no_directories
from sandbox.layout import LOAD_BALANCER_PROVIDER, REGION

directories = no_directories


def files(c: Configuration) -> dict[str, Ini]:
    return {
        "octavia/octavia.conf": {
            "DEFAULT": c.default("octavia", state=False),
            "api_settings": {
                "enabled_provider_drivers": f"{LOAD_BALANCER_PROVIDER}:of this machine's kernel",
                "default_provider_driver": LOAD_BALANCER_PROVIDER,
            },
            "service_auth": c.identity(),
            "neutron": c.identity(region_name=REGION, valid_interfaces="internal"),
            "keystone_authtoken": c.token_check(),
            **c.tail("octavia"),
        }
    }

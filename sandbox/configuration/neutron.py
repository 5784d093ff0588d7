"""Neutron: the API and its database; the fabric daemon makes the networks from the latter."""

from sandbox.configuration.common import Configuration, Ini
from sandbox.configuration.common import no_directories as directories
from sandbox.layout import QUOTAS

__all__ = ["directories", "files"]


def files(c: Configuration) -> dict[str, Ini]:
    return {
        "neutron/neutron.conf": {
            "DEFAULT": {
                **c.default("neutron"),
                "core_plugin": "ml2",
                "service_plugins": "sandbox_l3",
                "api_paste_config": c.paste("neutron"),
                "dhcp_agent_notification": False,
                "notify_nova_on_port_status_changes": True,
                "notify_nova_on_port_data_changes": True,
                "send_events_interval": 1,
                "router_auto_schedule": False,
                "network_auto_schedule": False,
                "api_workers": 0,
                "rpc_workers": 0,
            },
            "ml2": {
                "type_drivers": "flat,vlan,vxlan,geneve",
                "tenant_network_types": "vxlan",
                "mechanism_drivers": "sandbox",
                "extension_drivers": "port_security",
                "path_mtu": 1500,
            },
            "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:3000"},
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vxlan": {"vni_ranges": "1:65000"},
            "securitygroup": {"enable_security_group": True},
            "quotas": {f"quota_{name}": most for name, most in QUOTAS["neutron"].items()},
            "nova": c.identity(endpoint_type="internal"),
            "placement": c.identity(endpoint_type="internal"),
            "keystone_authtoken": c.token_check(),
            **c.tail("neutron"),
        }
    }

"""SSH client configuration of a deployment: ready to paste, every host through the gateway. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from components.hosts.user_data import DEPLOY_USER

GATEWAY = "zeppelin"


def config(stack: str, gateway: str, addresses: Mapping[str, str]) -> str:
    """A Host entry for each host, called as its server (gaia-test-worker01); all but the gateway jump through it.

    Host keys are looked up under that name, not under an address that other deployments have too.
    """
    entries = []
    for name, address in addresses.items():
        reached = gateway if name == GATEWAY else address
        lines = [f"Host {stack}-{name}", f"  HostName {reached}", f"  HostKeyAlias {stack}-{name}"]
        lines += [f"  User {DEPLOY_USER}"]
        lines += [] if name == GATEWAY else [f"  ProxyJump {stack}-{GATEWAY}"]
        entries.append("\n".join(lines))
    return "\n".join(entries) + "\n"


def known_hosts(stack: str, host_keys: Mapping[str, str]) -> str:
    """The pinned host keys, for a file that `UserKnownHostsFile` names."""
    return "".join(f"{stack}-{name} {key}\n" for name, key in host_keys.items())

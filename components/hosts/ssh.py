"""SSH client configuration of a deployment: ready to paste, every host through the gateway. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.settings.common import DEPLOY_USER


def config(deployment: str, gateway: str, floating_ip: str, addresses: Mapping[str, str], people: Sequence[str]) -> str:
    """A Host entry for each host, called as its server (gaia-test-worker01); all but the gateway jump through it.

    Host keys are looked up under that name, not under an address that other deployments have too. The login is that
    of whoever pastes it, as ssh has it by default: only people who are not called so on their own machine name it.
    """
    prefix = f"{deployment}-"
    entries = [
        f"# Log in as one of {', '.join(people)}: where that is not your login here, add `User` to the first entry."
        if people
        else f"# gaia:operators names nobody: only {DEPLOY_USER}, with the stack's deploy_key, can log in.",
        f"Host {prefix}*",
        *([] if people else [f"  User {DEPLOY_USER}"]),
        "  ServerAliveInterval 30",
    ]
    for name, address in addresses.items():
        entries += [f"Host {prefix}{name}", f"  HostName {floating_ip if name == gateway else address}"]
        entries += [f"  HostKeyAlias {prefix}{name}"]
        entries += [] if name == gateway else [f"  ProxyJump {prefix}{gateway}"]
    return "\n".join(entries) + "\n"


def known_hosts(deployment: str, host_keys: Mapping[str, str]) -> str:
    """The pinned host keys, for a file that `UserKnownHostsFile` names."""
    return "".join(f"{deployment}-{name} {key}\n" for name, key in host_keys.items())

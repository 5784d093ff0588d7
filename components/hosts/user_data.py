"""A host's user_data: only what it needs to be reachable, stable for its life. Pure.

Everything else is pushed over SSH (`bundle.py`, `on_host/host`), so that a changed setting never replaces a server.
Packages, disks and logins are in the bundle too: they change during a host's life. user_data can be read from the
metadata service by anyone on the host, so the first push keeps all but root from that (`on_host/host/guard.py`).
"""

from __future__ import annotations

import json

from components.settings.common import DEPLOY_USER


def user_data(*, hostname: str, deploy_key: str, host_key_private: str, host_key_public: str) -> str:
    """The cloud-config of a host: its name, its pinned SSH host key, the deploy login.

    `deploy_key` and `host_key_public` are OpenSSH public key lines, `host_key_private` is a PEM: the whole text is
    a secret.
    """
    config = {
        "hostname": hostname,
        "preserve_hostname": False,
        # the pushed hosts file stays what it is; images let cloud-init write it anew at every boot
        "manage_etc_hosts": False,
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key_private, "ed25519_public": host_key_public.strip()},
        "users": [
            "default",
            {
                "name": DEPLOY_USER,
                "gecos": "Deployment",
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [deploy_key.strip()],
            },
        ],
    }
    # JSON is YAML: no quoting rules to get wrong
    return "#cloud-config\n" + json.dumps(config, indent=1) + "\n"

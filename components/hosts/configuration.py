"""A host's configuration, pushed over SSH: one command for each host, the bundle on its standard input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_command as command

from components.hosts.bundle import Bundle
from components.secret import secret
from components.settings.common import DEPLOY_USER

# Seconds: a fresh server answers on SSH after 2 s (containers) to about 90 s (large images on a busy cloud).
DIAL_ERROR_LIMIT, PER_DIAL_TIMEOUT = 40, 15
REMOTE = "sudo -n python3 -"
ON_HOST = Path(__file__).parent.parent / "on_host"  # programs that run on hosts


def pushed(source: Path, argument: Mapping[str, object]) -> str:
    """What `python3 -` gets on standard input: the program as a text, which it is handed too, and its argument.

    Nothing of it can be seen in the host's process list.
    """
    literals = (json.dumps(json.dumps(value, sort_keys=True)) for value in (source.read_text("utf-8"), argument))
    text, given = literals
    return (
        f"import json, sys\nsource = json.loads({text})\nprogram = {{'__name__': 'pushed', 'SOURCE': source}}\n"
        f"exec(compile(source, {source.name!r}, 'exec'), program)\nprogram['SOURCE'] = source\n"
        f"sys.exit(program['main'](json.loads({given})))\n"
    )


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a host by SSH: `proxy` is the gateway's own access, for all hosts but the gateway."""

    address: pulumi.Input[str]
    private_key: pulumi.Input[str]
    host_key: pulumi.Input[str]
    proxy: Access | None = None

    def connection(self) -> command.remote.ConnectionArgs:
        """The connection as the command provider wants it: host keys are pinned on both legs."""
        proxy = (
            None
            if self.proxy is None
            else command.remote.ProxyConnectionArgs(
                host=self.proxy.address,
                user=DEPLOY_USER,
                private_key=self.proxy.private_key,
                host_key=self.proxy.host_key,
                dial_error_limit=DIAL_ERROR_LIMIT,
                per_dial_timeout=PER_DIAL_TIMEOUT,
            )
        )
        return command.remote.ConnectionArgs(
            host=self.address,
            user=DEPLOY_USER,
            private_key=self.private_key,
            host_key=self.host_key,
            dial_error_limit=DIAL_ERROR_LIMIT,
            per_dial_timeout=PER_DIAL_TIMEOUT,
            proxy=proxy,
        )


class Configuration(pulumi.ComponentResource):
    """A host's configuration. Child: Command, which applies the bundle (`apply.py`) and reports what it changed.

    Only a changed bundle makes the command run again, and the host then touches only what differs. A changed bundle
    replaces the command, the old one first: after a push that failed, the state has none, so that the next `up`
    pushes whatever the config says by then. (After a failed update the engine would keep the old inputs, and take a
    config that was put back for what the host has.) Destroying it does nothing on the host: it needs no SSH.
    """

    applied: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        access: Access,
        bundle: pulumi.Output[Bundle],
        server_id: pulumi.Input[str],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gaia:hosts:Configuration", name, None, opts)
        stdin = secret(bundle.apply(lambda made: pushed(ON_HOST / "apply.py", made.as_dict())))
        self.command = command.remote.Command(
            name,
            connection=access.connection(),
            create=REMOTE,
            stdin=stdin,
            logging=command.remote.Logging.STDERR,
            add_previous_output_in_env=False,
            # a replaced server has lost its configuration
            triggers=[server_id, stdin.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(depends_on), delete_before_replace=True),
        )
        self.applied = self.command.id
        self.register_outputs({})

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
from components.hosts.user_data import DEPLOY_USER
from components.secret import secret

# Seconds: a fresh server answers on SSH after 2 s (containers) to about 90 s (large images on a busy cloud).
DIAL_ERROR_LIMIT, PER_DIAL_TIMEOUT = 40, 15
REMOTE = "sudo -n python3 -"
CONFIGURE = Path(__file__).with_name("configure.py")


def program(source: Path, argument: Mapping[str, object]) -> str:
    """What `python3 -` gets on standard input: the program, then its call with the argument.

    Nothing of it can be seen in the host's process list.
    """
    text = source.read_text(encoding="utf-8")
    return f"{text}\nsys.exit(main(json.loads({json.dumps(json.dumps(argument, sort_keys=True))})))\n"


def fingerprint(bundle: Bundle) -> str:
    """A digest of the whole bundle: what a change is told by, without showing what it holds."""
    return hashlib.sha256(json.dumps(bundle.as_dict(), sort_keys=True).encode()).hexdigest()


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
    """A host's configuration. Child: Command, which applies the bundle (`configure.py`) and reports what it changed.

    Only a changed bundle makes the command run again, and the host then touches only what differs. Destroying it
    does nothing on the host: it needs no SSH.
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
        self.command = command.remote.Command(
            name,
            connection=access.connection(),
            create=REMOTE,
            stdin=secret(bundle.apply(lambda made: program(CONFIGURE, made.as_dict()))),
            logging=command.remote.Logging.STDERR,
            add_previous_output_in_env=False,
            # a replaced server has lost its configuration
            triggers=[server_id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(depends_on), delete_before_replace=True),
        )
        self.applied = pulumi.Output.all(self.command.id, bundle.apply(fingerprint)).apply("/".join)
        self.register_outputs({})

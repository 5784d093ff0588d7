"""A host's configuration, pushed over SSH: one command for each host, the bundle on its standard input."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
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
    """What `python3 -` gets on standard input: a program of one file as a text, and the argument of its `main`.

    Nothing of it can be seen in the host's process list.
    """
    literals = (json.dumps(json.dumps(value, sort_keys=True)) for value in (source.read_text("utf-8"), argument))
    text, given = literals
    return (
        f"import json, sys\nprogram = {{'__name__': 'pushed'}}\n"
        f"exec(compile(json.loads({text}), {source.name!r}, 'exec'), program)\n"
        f"sys.exit(program['main'](json.loads({given})))\n"
    )


@cache
def host_program() -> bytes:
    """The program that lives on each host (`on_host/host`), as one file that Python runs; the same bytes each time."""
    made, sources = io.BytesIO(), sorted((ON_HOST / "host").glob("*.py"))
    with zipfile.ZipFile(made, "w") as archive:

        def add(name: str, text: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)

        for source in sources:
            add(f"host/{source.name}", source.read_bytes())
        add("__main__.py", b"import sys\nfrom host.__main__ import main\nsys.exit(main(sys.argv))\n")
    return made.getvalue()


def applied(bundle: Bundle) -> str:
    """What `python3 -` gets on standard input to apply a bundle: the host's program, which gets it the same way."""
    given = json.dumps(json.dumps(json.dumps(bundle.as_dict(), sort_keys=True)))  # a text, to be handed on
    return (
        "import base64, json, subprocess, sys, tempfile\n"
        f"program, bundle = base64.b64decode({base64.b64encode(host_program()).decode()!r}), json.loads({given})\n"
        "with tempfile.NamedTemporaryFile(suffix='.pyz') as file:\n"
        "    file.write(program)\n"
        "    file.flush()\n"
        "    done = subprocess.run([sys.executable, file.name, 'apply'], input=bundle, text=True, check=False)\n"
        "sys.exit(done.returncode)\n"
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


COMMAND_TYPE = "command:remote:Command"


class Configuration(pulumi.ComponentResource):
    """A host's configuration. Child: Command, which applies the bundle (`on_host/host`) and reports what it changed.

    Only a changed bundle makes the command run again, and the host then touches only what differs. A changed bundle
    replaces the command, the old one first: after a push that failed, the state has none, so that the next `up`
    pushes whatever the config says by then. (After a failed update the engine would keep the old inputs, and take a
    config that was put back for what the host has.) Destroying it does nothing on the host: it needs no SSH. `digests`
    are those of the bundle's units (`Bundle.digests`), also where a preview does not know all of the bundle yet.
    """

    applied: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        access: Access,
        bundle: pulumi.Output[Bundle],
        digests: pulumi.Output[dict[str, str]],
        server_id: pulumi.Input[str],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gaia:hosts:Configuration", name, None, opts)
        stdin = secret(bundle.apply(applied))
        self.command = command.remote.Command(
            name,
            connection=access.connection(),
            create=REMOTE,
            stdin=stdin,
            logging=command.remote.Logging.STDERR,
            add_previous_output_in_env=False,
            # a replaced server has lost its configuration; the units' digests are for people who read a preview
            triggers=[
                server_id,
                stdin.apply(lambda text: hashlib.sha256(text.encode()).hexdigest()),
                pulumi.Output.unsecret(digests),
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(depends_on), delete_before_replace=True),
        )
        self.applied = self.command.id
        self.register_outputs({})

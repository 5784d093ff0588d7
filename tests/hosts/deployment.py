"""A committed deployment on hosts that boot: brought up by plain commands, and reached as an operator reaches it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from components.hadoop.configuration import health_check
from tests import arguments
from tests.conftest import Sandbox
from tests.leftovers import everything
from tests.stack import Committed, committed


def up_computes_and_goes(cloud: Sandbox, stack: str, picture: Path) -> None:
    """A live committed stack as it is, as a newcomer tries it: up, unchanged, smoke test, and gone without a trace.

    It goes only when its config lets it.
    """
    before = everything(cloud, f"iris-{stack}")
    made = Committed(cloud, stack)
    made.up()
    try:
        made.assert_unchanged()
        said = made.ops("smoke", "--png", str(picture)).stdout
        assert picture.stat().st_size > 20_000
        assert "master yarn sum 499500" in said
        refused = made.pulumi("destroy", "--yes", check=False)  # with its preview, as people say it
        assert refused.returncode != 0
        assert "protected" in refused.stdout
        assert len(everything(cloud, f"iris-{stack}")["servers"]) == 4, "it has begun all the same"
        made.configure({**committed(stack), "let_go": ["all"]})
        assert "gaia:let_go lets all go" in made.up().stdout
    finally:
        made.pulumi("state", "unprotect", "--all", "--yes", check=False)
        made.destroy()
    assert everything(cloud, f"iris-{stack}") == before


class Platform:
    """The deployment under test, which comes up when this is made."""

    def __init__(self, stack: Committed, password: str, directory: Path) -> None:
        self.stack, self.directory = stack, directory
        stack.pulumi("config", "set", "--secret", "gaia:notebook_password", password)
        with arguments.watched() as self.arguments:
            self.said = stack.up().stdout
        self.outputs = stack.outputs()
        key = directory / "key"
        key.touch(mode=0o600)
        key.write_text(self.outputs["deploy_key"])
        self.let_in("deploy", key)

    def let_in(self, login: str, key: Path) -> None:
        """What somebody of this login has in their ~/.ssh: the stack's outputs, and what is their own."""
        outputs = self.stack.outputs()
        (self.directory / "known_hosts").write_text(outputs["known_hosts"])
        (self.directory / f"config.{login}").write_text(
            f"{outputs['ssh_config']}\nHost *\n User {login}\n IdentityFile {key}\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {self.directory}/known_hosts\n StrictHostKeyChecking yes\n LogLevel ERROR\n"
            " ConnectTimeout 10\n"
        )

    def ssh(self, host: str, command: str, check: bool = True, login: str = "deploy") -> str:
        """A command on a host; by whom the program itself logs in, or by another login."""
        words = ["ssh", "-F", str(self.directory / f"config.{login}"), f"{self.stack.name}-{host}", command]
        return self.stack.sandbox.run(*words, check=check).stdout.strip()

    def started(self, host: str, unit: str) -> str:
        """When a unit was started last."""
        return self.ssh(host, f"systemctl show -P ActiveEnterTimestampMonotonic {unit}")

    def health(self, workers: tuple[str, ...]) -> str:
        """What the check that `up` ends with says of the platform with these workers; it waits until all is well."""
        program = base64.b64encode(health_check(workers).encode()).decode()
        return self.ssh("zeppelin", f"echo {program} | base64 -d | python3 -", check=False)

    def committed(self) -> dict[str, Any]:
        """The config that it came up with."""
        return committed(self.stack.name)

    def configure(self, config: dict[str, Any]) -> None:
        """Write the stack's config; the notebook's password stays what it was set to."""
        self.stack.configure(config, keep=("notebook_password",))

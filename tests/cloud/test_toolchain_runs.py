"""The tools that `make tools` brings work together: engine, language host and providers, without a cloud."""

import json
import re
from pathlib import Path

from tests.golang import go_test
from tests.stack import LocalStack
from toolchain import pulumi

PROGRAM = """
import pulumi, pulumi_command, pulumi_random, pulumi_tls

key = pulumi_tls.PrivateKey("key", algorithm="ED25519")
password = pulumi_random.RandomPassword("password", length=20)
connection = pulumi_command.remote.ConnectionArgs(
    host="127.0.0.1", port=1, private_key=key.private_key_openssh, dial_error_limit=1
)
command = pulumi_command.remote.Command(
    "command", connection=connection, stdin=password.result, create=pulumi.Config().get("create")
)
pulumi.export("password", password.result)
pulumi.export("key", key.private_key_openssh)
pulumi.export("public", key.public_key_openssh)
"""


def test_a_stack_goes_up_stays_unchanged_says_why_a_command_fails_and_goes_down(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, PROGRAM)
    shown = stack.pulumi("up", "--yes", "--skip-preview")
    assert "warning" not in shown
    stack.pulumi("preview", "--expect-no-changes", "--diff")

    outputs = json.loads(stack.pulumi("stack", "output", "--json", "--show-secrets"))
    state = stack.pulumi("stack", "export")
    for secret in (outputs["password"], outputs["key"].splitlines()[1]):
        assert secret not in state, "a secret lies in the state in clear"
    assert outputs["public"].split()[1] in state

    stack.pulumi("config", "set", "create", "true")
    failed = stack.pulumi("up", "--yes", "--skip-preview", check=False)
    assert re.search(r"cannot connect to root@127\.0\.0\.1:1 after 1 attempts", failed)
    assert outputs["password"] not in failed

    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert json.loads(stack.pulumi("stack", "export"))["deployment"].get("resources", []) == []


def test_the_command_provider_passes_its_own_tests_against_an_ssh_server() -> None:
    done = go_test(pulumi.PROVIDERS, "./command")
    assert done.returncode == 0, done.stdout + done.stderr

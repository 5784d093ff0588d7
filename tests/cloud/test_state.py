"""The state bucket with what operators have for credentials; locks in it, as recovery holds them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox.layout import Layout
from tests.conftest import OPS, ROOT, Sandbox

CLOUD = "iris-gaia-test"
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}  # whatever the sandbox's operator has already
MAKE = """
import json, openstack
c = openstack.connect(cloud="iris-gaia-test")
made = c.identity.create_application_credential(c.current_user_id, name="operator")
print(json.dumps({"auth_url": c.session.auth.auth_url, "application_credential_id": made.id,
                  "application_credential_secret": made.secret}))
"""
REMOVE = """
import openstack
c = openstack.connect(cloud="iris-gaia-test")
[made] = c.identity.application_credentials(c.current_user_id, name="operator")
c.identity.delete_application_credential(c.current_user_id, made)
"""
HOLD = """
import os, subprocess
from ops import locks
with locks.of("held").held():
    done = subprocess.run(["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "held"],
                          capture_output=True, text=True)
    print("refused" if f"(pid {os.getpid()})" in done.stderr else done.stderr)
    print(len(locks.of("held").listed()), "lock")
print(len(locks.of("held").listed()), "locks")
"""


@pytest.fixture
def entry(cloud: Sandbox, tmp_path: Path) -> Iterator[Path]:
    """A clouds.yaml whose entry has an application credential, as a cloud's dashboard gives it."""
    said = cloud.run("python", "-W", "ignore", "-c", MAKE).stdout
    auth = json.loads(said[said.index("{") :])
    known = yaml.safe_load(Layout(ROOT).clouds_yaml.read_text())["clouds"][CLOUD]
    limited = {**known, "auth_type": "v3applicationcredential", "auth": auth}
    file = tmp_path / "clouds.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump({"clouds": {CLOUD: limited}}))
    yield file
    cloud.run("python", "-W", "ignore", "-c", REMOVE)


def words(*more: str) -> list[str]:
    return [*OPS, "state", "--cloud", CLOUD, "--bucket", "state-test", *more]


def test_an_application_credential_is_told_what_it_lacks_and_works_with_a_key_that_the_user_made(
    cloud: Sandbox, entry: Path, tmp_path: Path
) -> None:
    made, again = tmp_path / "made.env", tmp_path / "again.env"
    limited = {**NO_KEYS, "OS_CLIENT_CONFIG_FILE": str(entry)}
    refused = cloud.run(*words("--environment", str(again)), environment=limited, check=False)
    assert refused.returncode == 1
    assert "an application credential may neither see nor make one" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert not again.exists()

    said = cloud.run(*words("--environment", str(made)), environment=NO_KEYS).stdout
    assert "of Keystone" in said
    from_file = words("--environment", str(again), "--access-key-file", str(made))
    assert f"of {made}" in cloud.run(*from_file, environment=limited).stdout
    assert again.read_text() == made.read_text()
    keys = dict(word.split("=", 1) for word in shlex.split(made.read_text()))
    from_environment = {**limited, **{key: keys[key] for key in NO_KEYS}}
    said = cloud.run(*words("--environment", str(again)), environment=from_environment).stdout
    assert "of the environment" in said
    assert "PUT, GET, LIST, COPY and DELETE work" in said
    assert keys["AWS_SECRET_ACCESS_KEY"] not in said


def test_a_stack_in_the_bucket_is_held_against_engines_and_let_go(cloud: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "state.env"
    cloud.run(*words("--environment", str(file)), environment=NO_KEYS)
    environment = dict(word.split("=", 1) for word in shlex.split(file.read_text())) | {"PYTHONPATH": str(ROOT)}
    runtime = "{name: python, options: {toolchain: pip, virtualenv: " + str(ROOT / ".venv") + "}}"
    (tmp_path / "Pulumi.yaml").write_text(f"name: locks\nruntime: {runtime}\n")
    (tmp_path / "__main__.py").write_text("")
    pulumi = ["pulumi", "stack", "init", "held", "--non-interactive"]
    cloud.run(*pulumi, environment=environment, directory=tmp_path)
    said = cloud.run("python", "-c", HOLD, environment=environment, directory=tmp_path).stdout
    assert said.split("\n")[:3] == ["refused", "1 lock", "0 locks"]
    up = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "held"]
    cloud.run(*up, environment=environment, directory=tmp_path)

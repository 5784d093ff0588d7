"""The program's infrastructure, by the real engine and providers against the sandbox's OpenStack.

The servers boot nothing here (by their image; `hosts.configure: false`): that they work is what tests/hosts proves.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.layout import IDLE_IMAGE
from tests.conftest import ROOT, Sandbox
from tests.leftovers import everything
from tests.stack import Stack

CLOUD, OTHER_CLOUD = "iris-gaia-test", "iris-gaia-prod"
# A service, and what an `up` has under way when it is killed.
SERVICES_KILLED = (
    ("neutron", "networking/network:"),
    ("nova", "compute/instance:"),
    ("cinder", "compute/volumeAttach:"),
)
LONGEST_UP = 300  # seconds until also an `up` fails that waits for what will never be
# What an `up`, and those that go on with it, have under way when they are killed: each gets further.
KILLED_AT = (
    *("networking/network:", "networking/secGroupRule:", "networking/routerInterface:", "compute/instance:"),
    "compute/volumeAttach:",
)


def config(**changes: Any) -> dict[str, Any]:
    """The demo's config with hosts that are not configured, in the project that the tests use."""
    values = yaml.safe_load((ROOT / "Pulumi.gaia-demo.yaml").read_text())["config"]
    made = {key.removeprefix("gaia:"): value for key, value in values.items()}
    made |= {"cloud": CLOUD, "shares": [], "python": {}, "image": {"name": IDLE_IMAGE, "family": "debian"}}
    made["hosts"] = {**made["hosts"], "configure": False, "rebuild": {}}  # whatever somebody tried with the demo
    return made | changes


def hosts(**changes: Any) -> dict[str, Any]:
    """The `hosts` of the config with some changed."""
    return {**config()["hosts"], **changes}


def copied(directory: Path) -> None:
    """Another copy of the program, of the policies and of `ops`."""
    for part in ("components", "ops", "policy", "__main__.py", "versions.toml"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, directory / part)
    (directory / ".venv").symlink_to(ROOT / ".venv")


@pytest.fixture(scope="module")
def sandbox(cloud: Sandbox) -> Sandbox:
    return cloud


@pytest.fixture(scope="module")
def before(sandbox: Sandbox) -> dict[str, list[str]]:
    return everything(sandbox, CLOUD)


@pytest.fixture(scope="module")
def stack(sandbox: Sandbox, before: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(sandbox, tmp_path_factory.mktemp("stack"), "infra", config())
    made.up()
    yield made
    made.configure(config())
    made.destroy()
    assert everything(sandbox, CLOUD) == before


def test_a_second_run_changes_nothing(stack: Stack) -> None:
    stack.assert_unchanged()


def test_what_the_cloud_reports_is_what_the_program_asked_for(stack: Stack) -> None:
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.assert_unchanged()


def test_servers_ports_and_volumes_have_human_names_and_planned_addresses(stack: Stack) -> None:
    found = everything(stack.sandbox, CLOUD)
    names = [f"infra-{name}" for name in ("master01", "worker01", "worker02", "zeppelin")]
    assert found["servers"] == names
    assert found["volumes"] == names
    outputs = stack.outputs()["hosts"]
    assert {name: host["address"] for name, host in outputs.items()} == {
        "zeppelin": "10.10.0.10",
        "master01": "10.10.0.21",
        "worker01": "10.10.1.1",
        "worker02": "10.10.1.2",
    }


def test_only_the_gateway_has_a_floating_ip(stack: Stack) -> None:
    assert everything(stack.sandbox, CLOUD)["floating_ips"] == [stack.outputs()["gateway"]]


def test_the_private_keys_are_in_the_state_only_encrypted(stack: Stack) -> None:
    assert stack.outputs()["deploy_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert "PRIVATE KEY" not in stack.state()
    assert "cloud-config" not in stack.state()


def test_one_more_worker_adds_a_worker_and_touches_no_other_server(stack: Stack) -> None:
    stack.configure(config(hosts=hosts(worker={**hosts()["worker"], "count": 3})))
    operations = stack.operations()
    assert set(operations) == {"create"}
    assert all("worker03" in line for line in operations["create"] if "Instance" in line)
    stack.configure(config())


def test_the_comment_of_a_change_says_what_is_made_and_a_preflight_that_it_fits(stack: Stack, tmp_path: Path) -> None:
    stack.configure(config(hosts=hosts(worker={**hosts()["worker"], "count": 3})))
    said = stack.ops("review", "--svg", str(tmp_path / "change.svg")).stdout
    assert re.search(r"^### `infra`: \d+ created$", said, re.M)
    assert "| create | Volume `worker03` |" in said
    assert ">worker03</text>" in (tmp_path / "change.svg").read_text()
    before = stack.ops("preflight").stdout.splitlines()
    assert re.search(r"^instances +well +1 needed, \d+ free$", "\n".join(before), re.M)
    assert not [line for line in before if " wrong " in line]
    stack.configure(config(hosts=hosts(worker={**hosts()["worker"], "count": 40})))
    after = stack.ops("preflight", check=False)
    assert after.returncode == 1
    assert re.search(r"^instances +wrong +38 needed, .*: the project's quota is \d+ too small$", after.stdout, re.M)
    stack.configure(config(image={"name": "no-such-image", "family": "debian"}))
    for verb in ("review", "preflight"):
        refused = stack.ops(verb, check=False)
        assert refused.returncode == 1
        assert "no-such-image" in refused.stdout


def test_a_program_that_opens_a_port_to_everybody_is_refused_by_the_review(stack: Stack, tmp_path: Path) -> None:
    stack.configure(config())
    assert stack.ops("review").stdout.strip() == "### `infra`: no change"  # what the program makes breaks no rule
    copied(tmp_path)
    groups = tmp_path / "components/network/security_groups.py"
    text = groups.read_text()
    from_whom = "None if ingress.source == ANYWHERE else self.ids[ingress.source]"
    groups.write_text(text.replace(from_whom, "None"))
    assert groups.read_text() != text
    with stack.program(tmp_path):
        refused = stack.ops("review", check=False)
    assert refused.returncode == 1
    assert "port 9000 to 9000 is open to everybody, which only 22 and 8080 may be" in refused.stdout


def test_a_rebuild_number_replaces_that_server_and_keeps_its_port_and_volume(stack: Stack) -> None:
    stack.configure(config(hosts=hosts(rebuild={"worker01": 1})))
    operations = stack.operations()
    replaced = sorted(operations["replace"])
    assert [line for line in replaced if "compute/instance:Instance" in line] == [
        "openstack:compute/instance:Instance worker01"
    ]
    assert not [line for line in replaced if "Port" in line or "volume:Volume" in line or "master" in line]
    stack.up()
    stack.assert_unchanged()


def test_a_rebuild_number_that_is_taken_out_again_or_moved_to_another_host_rebuilds_nothing_else(stack: Stack) -> None:
    stack.configure(config())
    stack.assert_unchanged()
    stack.configure(config(hosts=hosts(rebuild={"worker02": 1})))
    replaced = [line for line in stack.operations()["replace"] if "compute/instance:Instance" in line]
    assert replaced == ["openstack:compute/instance:Instance worker02"]
    stack.configure(config())


def test_an_upgrade_of_the_user_data_replaces_no_server(stack: Stack, tmp_path: Path) -> None:
    copied(tmp_path)
    source = tmp_path / "components" / "hosts" / "user_data.py"
    text = source.read_text()
    source.write_text(text.replace('"gecos": "Deployment"', '"gecos": "Deployment of tomorrow"'))
    assert source.read_text() != text
    with stack.program(tmp_path):
        operations = stack.operations()
    assert set(operations) <= {"update", "replace"}
    assert [line for line in operations["update"] if "Stash" in line]
    assert not [line for lines in operations.values() for line in lines if "Instance" in line]


# ---- where a stack lives


def test_the_region_and_the_cloud_of_the_shell_change_nothing(stack: Stack) -> None:
    variables = {"OS_REGION_NAME": "elsewhere", "OS_CLOUD": OTHER_CLOUD, "OS_PROJECT_NAME": OTHER_CLOUD}
    stack.pulumi("preview", "--refresh", "--expect-no-changes", environment=variables)


def test_a_project_id_of_the_shell_is_refused_by_name_before_any_request(stack: Stack) -> None:
    said = stack.pulumi("preview", check=False, environment={"OS_PROJECT_ID": "0" * 32})
    assert said.returncode != 0
    assert f"gaia:cloud is '{CLOUD}', but the shell sets OS_PROJECT_ID, which would overrule" in said.stdout


def test_a_stack_refuses_another_project_than_its_own_by_name(stack: Stack) -> None:
    stack.configure(config(cloud=OTHER_CLOUD))
    said = stack.pulumi("preview", check=False)
    stack.configure(config())
    assert said.returncode != 0
    assert f"gaia:cloud leads to the project '{OTHER_CLOUD}'" in said.stdout
    assert f"but this stack was made in '{CLOUD}'" in said.stdout


def test_a_renamed_stack_keeps_its_hosts_by_their_name(stack: Stack) -> None:
    stack.rename("renamed")
    try:
        said = stack.pulumi("preview", check=False)
        assert said.returncode != 0
        assert "`pulumi config set gaia:name infra` keeps them" in said.stdout
        stack.configure(config(name="infra"))
        assert not [line for lines in stack.operations().values() for line in lines if "openstack:" in line]
    finally:
        stack.rename("infra")
        stack.configure(config())
    stack.assert_unchanged()


def test_a_name_that_the_cloud_does_not_have_is_told_by_key_before_anything_is_made(stack: Stack) -> None:
    wrong = config(
        image={"name": "Debian-99", "family": "debian"}, hosts=hosts(master={"flavor": "huge", "volume_gib": 1})
    )
    stack.configure(wrong)
    said = stack.pulumi("preview", check=False)
    stack.configure(config())
    assert said.returncode != 0
    assert re.search(r"gaia:hosts\.master\.flavor names the flavor 'huge'", said.stdout)
    assert re.search(r"gaia:image\.name names the image 'Debian-99'", said.stdout)
    assert re.search(r"gaia:hosts\.master\.volume_gib is 1, but the volume of master01 has 16 GiB", said.stdout)


def test_a_secret_that_was_set_without_its_option_is_refused_before_anything_is_made(stack: Stack) -> None:
    before = stack.file.read_text()
    stack.pulumi("config", "set", "--plaintext", "gaia:notebook_password", "hunter2 and more")
    said = stack.pulumi("preview", check=False)
    stack.file.write_text(before)
    assert said.returncode != 0
    assert "gaia:notebook_password stands in the file in clear" in said.stdout
    assert "hunter2" not in said.stdout


# ---- an `up` that is cut off


def test_recovery_is_refused_while_an_engine_is_at_work_and_says_whose_it_is(stack: Stack) -> None:
    with stack.going_up() as engine:
        limit = time.monotonic() + 30
        while not list((stack.directory / "state" / ".pulumi" / "locks").rglob("*.json")):
            assert time.monotonic() < limit
            time.sleep(0.02)
        os.kill(engine.pid, signal.SIGSTOP)  # at work for as long as recovery looks, however fast the machine is
        said = stack.ops("recover", check=False)
        os.kill(engine.pid, signal.SIGCONT)
        ended = engine.wait(timeout=LONGEST_UP)
    assert said.returncode == 1, said.stdout
    assert re.search(r"is locked, created by root@\S+ \(pid \d+\) at .* pulumi cancel --stack infra", said.stdout)
    assert ended == 0
    stack.assert_unchanged()


@pytest.fixture
def casualty(sandbox: Sandbox, tmp_path: Path) -> Iterator[Stack]:
    """A stack in a project of its own. What a failed test left of it is removed; nothing may be left at the end."""
    clean = everything(sandbox, OTHER_CLOUD)
    stack = Stack(sandbox, tmp_path, "casualty", config(cloud=OTHER_CLOUD))
    yield stack
    stack.ops("recover", check=False)
    stack.destroy()
    assert everything(sandbox, OTHER_CLOUD) == clean


def assert_complete(stack: Stack) -> None:
    """Everything is there once, and nothing is left to do."""
    stack.pulumi("preview", "--refresh", "--expect-no-changes")  # with the cloud, not with what the state thinks
    made = everything(stack.sandbox, OTHER_CLOUD)
    assert made["servers"] == [f"{stack.name}-{host}" for host in ("master01", "worker01", "worker02", "zeppelin")]
    assert {kind: names for kind, names in made.items() if len(set(names)) < len(names)} == {}


def test_an_up_that_was_killed_at_five_moments_is_completed_by_the_next_one(casualty: Stack) -> None:
    for kind in KILLED_AT:
        with casualty.going_up() as engine:
            casualty.stop_when_pending(kind, engine)  # and killed
        casualty.ops("recover")
    casualty.up()
    assert_complete(casualty)


def test_services_that_are_killed_during_an_up_leave_nothing_that_the_next_one_trips_over(casualty: Stack) -> None:
    for service, kind in SERVICES_KILLED:
        with casualty.going_up() as engine:
            casualty.stop_when_pending(kind, engine)
            casualty.sandbox.kill(service)
            os.kill(engine.pid, signal.SIGCONT)
            assert engine.wait(timeout=LONGEST_UP) != 0
        casualty.sandbox.up()
        casualty.ops("recover")
    casualty.up()
    assert_complete(casualty)

"""The demo's platform on hosts that really boot: what operators and astronomers get from `pulumi up`."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.hadoop.logins import RELOAD
from tests import arguments
from tests.conftest import ROOT, Sandbox
from tests.leftovers import everything
from tests.stack import Stack

CLOUD, DATA_CLOUD = "iris-gaia-demo", "iris-gaia-data"
SHARE = "aglais-data-gaia-dr3-2048-20221107"
CATALOGUE = "/data/gaia/GDR3"
PASSWORD = "canary-PASSWORD-4711"
HOSTS = ("zeppelin", "master01", "worker01", "worker02")
ROWS = 200_000


def config(name: str) -> dict[str, Any]:
    """A stack's config as the checkout has it, without what somebody may have rebuilt in the demo."""
    values = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    values.get("gaia:hosts", {}).pop("rebuild", None)
    return {key.removeprefix("gaia:"): value for key, value in values.items()}


def backend(sandbox: Sandbox) -> str:
    """The S3 backend on the sandbox's Swift, made as an operator makes it."""
    file = ROOT / ".sandbox" / "state" / "operator.env"
    words = ["state", "--cloud", CLOUD, "--bucket", "pulumi-state", "--environment", str(file)]
    said = sandbox.run("python", "-W", "ignore", "-m", "ops", *words).stdout
    assert "PUT, GET, LIST, COPY and DELETE work" in said
    assert file.stat().st_mode & 0o777 == 0o600
    return dict(word.split("=", 1) for word in shlex.split(file.read_text()))["PULUMI_BACKEND_URL"]


class Platform:
    """The deployment under test, and ways to reach its hosts as an operator does."""

    def __init__(self, sandbox: Sandbox, stack: Stack, directory: Path) -> None:
        self.sandbox, self.stack = sandbox, stack
        with arguments.watched() as self.arguments:
            self.said = stack.up().stdout
        outputs = stack.outputs()
        self.outputs, self.config = outputs, directory / "ssh_config"
        key, known = directory / "key", directory / "known_hosts"
        key.touch(mode=0o600)
        key.write_text(outputs["deploy_key"])
        known.write_text(outputs["known_hosts"])
        self.config.write_text(
            f"{outputs['ssh_config']}\nHost *\n IdentityFile {key}\n UserKnownHostsFile {known}\n"
            " StrictHostKeyChecking yes\n LogLevel ERROR\n ConnectTimeout 10\n"
        )

    def ssh(self, host: str, command: str, check: bool = True) -> str:
        """A command on a host, as the deploy user."""
        return self.sandbox.run(
            "ssh", "-F", str(self.config), f"{self.stack.name}-{host}", command, check=check
        ).stdout.strip()

    def started(self, host: str, unit: str) -> str:
        """When a unit was started last."""
        return self.ssh(host, f"systemctl show -P ActiveEnterTimestampMonotonic {unit}")


@pytest.fixture(scope="module")
def data(booting_cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The catalogue share, filled."""
    stack = Stack(
        booting_cloud, tmp_path_factory.mktemp("data"), "gaia-data", config("gaia-data"), backend(booting_cloud)
    )
    stack.up()
    fill = ["--cloud", DATA_CLOUD, "--share", SHARE, "--marker", "gaia_source"]
    words = ["python", "-W", "ignore", "-m", "ops", "fill", *fill, "--"]
    booting_cloud.run(*words, "python", "-m", "jobs.catalogue", "--rows", str(ROWS))
    return stack


@pytest.fixture(scope="module")
def before(booting_cloud: Sandbox, data: Stack) -> dict[str, list[str]]:
    assert data.name
    return everything(booting_cloud, CLOUD)


@pytest.fixture(scope="module")
def platform(
    booting_cloud: Sandbox, before: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    directory = tmp_path_factory.mktemp("demo")
    assert before["servers"] == []
    stack = Stack(booting_cloud, directory, "gaia-demo", config("gaia-demo"), backend(booting_cloud))
    stack.pulumi("config", "set", "--secret", "gaia:notebook_password", PASSWORD)
    yield Platform(booting_cloud, stack, directory)


def test_a_second_run_changes_nothing_even_after_a_refresh(platform: Platform) -> None:
    platform.stack.assert_unchanged()
    platform.stack.pulumi("refresh", "--yes", "--skip-preview")
    platform.stack.assert_unchanged()


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_knows_the_others_by_name(platform: Platform, host: str) -> None:
    said = platform.ssh(host, "hostname; getent hosts " + " ".join(HOSTS))
    assert said.splitlines()[0] == host
    assert len(said.splitlines()) == 1 + len(HOSTS)


@pytest.mark.parametrize("host", HOSTS)
def test_no_unit_of_any_host_has_failed(platform: Platform, host: str) -> None:
    assert platform.ssh(host, "systemctl list-units --state=failed --no-legend --plain") == ""


@pytest.mark.parametrize("host", HOSTS)
def test_the_catalogue_is_mounted_read_only_on_every_host(platform: Platform, host: str) -> None:
    assert platform.ssh(host, f"ls {CATALOGUE}").count("gaia_source") == 1
    said = platform.ssh(host, f"sudo touch {CATALOGUE}/mine 2>&1; sudo mount -o remount,rw {CATALOGUE} 2>&1; "
                              f"sudo touch {CATALOGUE}/mine 2>&1; ls {CATALOGUE}", check=False)  # fmt: skip
    assert "mine" not in said.splitlines()


@pytest.mark.parametrize("host", HOSTS)
def test_only_root_may_reach_the_metadata_service(platform: Platform, host: str) -> None:
    rules = platform.ssh(host, "sudo nft list table inet metadata_guard")
    assert "169.254.169.254" in rules
    assert "reject" in rules


def test_hdfs_and_yarn_have_every_worker(platform: Platform) -> None:
    report = platform.ssh("master01", "sudo -u hdfs hdfs dfsadmin -report")
    assert "Live datanodes (2)" in report
    nodes = platform.ssh("master01", "sudo -u yarn yarn node -list 2>/dev/null")
    assert re.search(r"Total Nodes:2", nodes)


def test_the_spark_job_draws_the_sky_and_a_notebook_paragraph_runs_on_yarn(platform: Platform, tmp_path: Path) -> None:
    picture = tmp_path / "sky.png"
    said = platform.stack.ops("smoke", "--png", str(picture)).stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
    assert f"{ROWS:,}" in said or str(ROWS) in said
    assert "master yarn sum 499500" in said


def test_the_notebook_wants_a_login(platform: Platform) -> None:
    url = platform.outputs["zeppelin_url"]
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
    assert platform.sandbox.run(*curl, f"{url}/api/version").stdout == "200"
    assert platform.sandbox.run(*curl, f"{url}/api/notebook").stdout in ("302", "401", "403")
    login = ["-d", "userName=gaia&password=wrong", f"{url}/api/login"]
    assert platform.sandbox.run(*curl, *login).stdout == "403"


def notebook(platform: Platform, path: str, *words: str) -> tuple[str, str]:
    """The status and body of what the notebook server answers."""
    argv = ("curl", "-s", "-w", "\n%{http_code}", *words, f"{platform.outputs['zeppelin_url']}/api/{path}")
    body, _, status = platform.sandbox.run(*argv).stdout.rpartition("\n")
    return status, body


def login(password: str) -> tuple[str, str]:
    """curl's words for a login of the first user."""
    return "--data-urlencode", f"password={password}"


def test_the_notebooks_interpreters_are_what_the_platform_decided(platform: Platform, tmp_path: Path) -> None:
    jar = str(tmp_path / "cookies")
    assert notebook(platform, "login", "-c", jar, "-d", "userName=gaia", *login(PASSWORD))[0] == "200"
    status, body = notebook(platform, "interpreter/setting", "-b", jar)
    assert status == "200"
    found = {setting["name"]: setting["properties"] for setting in json.loads(body)["body"]}
    decided = json.loads(platform.ssh("zeppelin", "sudo cat /etc/zeppelin/interpreters.json"))
    assert set(found) & set(decided)
    for name in set(found) & set(decided):
        assert {key: found[name][key]["value"] for key in decided[name]} == decided[name]


def test_a_changed_notebook_password_ends_no_session_and_restarts_no_server(platform: Platform, tmp_path: Path) -> None:
    jar, changed = str(tmp_path / "cookies"), PASSWORD + "-changed"
    assert notebook(platform, "login", "-c", jar, "-d", "userName=gaia", *login(PASSWORD))[0] == "200"
    since = platform.started("zeppelin", "zeppelin")
    secret = ("config", "set", "--secret", "gaia:notebook_password")
    platform.stack.pulumi(*secret, changed)
    platform.stack.up()
    time.sleep(RELOAD + 1)
    tries = {
        password: notebook(platform, "login", "-d", "userName=gaia", *login(password))[0]
        for password in (PASSWORD, changed)
    }
    assert tries == {PASSWORD: "403", changed: "200"}
    assert notebook(platform, "notebook", "-b", jar)[0] == "200"
    assert platform.started("zeppelin", "zeppelin") == since
    platform.stack.pulumi(*secret, PASSWORD)
    platform.stack.up()


def test_a_spark_setting_touches_only_the_hosts_that_have_it_and_no_server(platform: Platform) -> None:
    stack, changed = platform.stack, config("gaia-demo")
    daemons = {("master01", "namenode"), ("worker01", "datanode"), ("worker01", "nodemanager")}
    since = {pair: platform.started(*pair) for pair in daemons}
    stack.configure(
        changed | {"spark": changed["spark"] | {"spark.sql.shuffle.partitions": "64"}}, keep=("notebook_password",)
    )
    operations = stack.operations()
    touched = [line for lines in operations.values() for line in lines]
    assert not [line for line in touched if "openstack:" in line]
    stack.up()
    assert "64" in platform.ssh("zeppelin", "grep shuffle.partitions /etc/spark/conf/spark-defaults.conf")
    assert {pair: platform.started(*pair) for pair in daemons} == since
    stack.assert_unchanged()


def test_a_rebuilt_worker_still_has_its_hdfs_blocks(platform: Platform) -> None:
    stack = platform.stack
    platform.ssh("zeppelin", "head -c 20000000 /dev/urandom | sudo -u hdfs hdfs dfs -put -f - /tmp/kept")
    checksum = platform.ssh("zeppelin", "sudo -u hdfs hdfs dfs -checksum /tmp/kept").split()[-1]
    blocks = platform.ssh("worker01", "sudo find /mnt/cinder -name 'blk_*' ! -name '*.meta' -printf '%f %s\\n' | sort")
    assert "blk_" in blocks
    born = platform.ssh("worker01", "sudo stat -c %i /var/lib/cloud/instance/; cat /var/lib/cloud/data/instance-id")
    values = config("gaia-demo")
    values["hosts"]["rebuild"] = {"worker01": 1}
    stack.configure(values, keep=("notebook_password",))
    stack.up()
    now = platform.ssh("worker01", "sudo stat -c %i /var/lib/cloud/instance/; cat /var/lib/cloud/data/instance-id")
    assert now != born
    assert (
        platform.ssh("worker01", "sudo find /mnt/cinder -name 'blk_*' ! -name '*.meta' -printf '%f %s\\n' | sort")
        == blocks
    )
    assert platform.ssh("zeppelin", "sudo -u hdfs hdfs dfs -checksum /tmp/kept").split()[-1] == checksum
    stack.assert_unchanged()


def test_a_unit_that_fails_is_named_with_its_host_and_its_last_lines(platform: Platform) -> None:
    stack, dropin = platform.stack, "/etc/systemd/system/nodemanager.service.d"
    broken = '[Service]\\nExecStartPre=/bin/sh -c "echo the-disk-is-on-fire; exit 1"\\n'
    write = f"printf {shlex.quote(broken)} | sudo tee {dropin}/broken.conf"
    platform.ssh("worker02", f"sudo mkdir -p {dropin} && {write} && sudo systemctl daemon-reload")
    values = config("gaia-demo")
    values["hosts"]["rebuild"] = {"worker01": 1}
    values["sizing"]["container_max_mib"] = 4096
    stack.configure(values, keep=("notebook_password",))
    said = stack.up(check=False)
    platform.ssh("worker02", f"sudo rm -r {dropin}; sudo systemctl daemon-reload")
    assert said.returncode != 0
    assert "worker02: unit nodemanager.service" in said.stdout
    assert "the-disk-is-on-fire" in said.stdout
    stack.up()
    stack.assert_unchanged()


def test_a_download_that_is_not_what_was_chosen_is_refused_with_url_and_checksum(platform: Platform) -> None:
    values = config("gaia-demo")
    values["hosts"]["rebuild"] = {"worker01": 1}
    values["archives"]["zeppelin"]["sha512"] = "0" * 128
    platform.stack.configure(values, keep=("notebook_password",))
    said = platform.stack.up(check=False).stdout
    assert "zeppelin: " in said
    assert "has the SHA-512 6a38aecc" in said
    values["archives"] = config("gaia-demo")["archives"]
    platform.stack.configure(values, keep=("notebook_password",))
    platform.stack.up()


def test_no_secret_is_in_clear_in_state_logs_process_arguments_or_on_the_hosts(platform: Platform) -> None:
    key = re.sub(r"\s", "", platform.outputs["deploy_key"].split("-----")[2])[200:240]
    keyring = platform.ssh("worker01", "sudo sh -c 'cat /etc/ceph/*.keyring'")
    found = re.search(r"key = (\S+)", keyring)
    assert found
    secrets = {"password": PASSWORD, "deploy key": key, "cephx key": found[1]}
    places = {"state": re.sub(r"\\n", "", platform.stack.state()), "output of up": platform.said}
    places["outputs"] = str(platform.stack.outputs(secrets=False))
    assert any("pulumi-language-python" in line for line in platform.arguments)
    places["process arguments on the machine"] = "\n".join(platform.arguments)
    for host in HOSTS:
        places[f"process arguments on {host}"] = platform.ssh(host, "ps -eo args")
        places[f"journal of {host}"] = platform.ssh(host, "sudo journalctl --no-pager -o cat | tail -n 5000")
        readable = "find /etc /var/log /var/lib /opt/gaia -xdev -type f -size -200k -readable 2>/dev/null"
        texts = f"{readable} | xargs -d '\\n' cat 2>/dev/null | tr -cd '[:print:]'"
        places[f"what everybody may read on {host}"] = platform.ssh(host, f"sudo -u nobody sh -c {shlex.quote(texts)}")
    for name, secret in secrets.items():
        assert not [place for place, text in places.items() if secret in text], f"the {name} is in clear"


def test_destroy_leaves_nothing_and_the_catalogue_untouched(
    platform: Platform, before: dict[str, list[str]], booting_cloud: Sandbox
) -> None:
    platform.stack.destroy()
    assert everything(booting_cloud, CLOUD) == before
    data = everything(booting_cloud, DATA_CLOUD)
    assert data["shares"] == [SHARE]
    assert data["access_rules"] == []
    assert not [line for line in arguments.now() if "gaia-demo-" in line]

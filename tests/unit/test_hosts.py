"""What a host is told: user_data, the pushed bundle, SSH."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from components.hosts import configuration, ssh
from components.hosts.bundle import Bundle, File, Link, PythonEnvironment, Unit
from components.hosts.configuration import ON_HOST, applied, host_program, pushed
from components.hosts.user_data import user_data

MADE = user_data(
    hostname="worker01",
    deploy_key="ssh-ed25519 AAAA deploy\n",
    host_key_private="-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n",
    host_key_public="ssh-ed25519 BBBB\n",
)
PROGRAMS = (ON_HOST / "health.py", *(ON_HOST / "host").glob("*.py"))


def test_user_data_is_a_cloud_config_with_the_pinned_host_key_and_one_login() -> None:
    assert MADE.startswith("#cloud-config\n")
    config = yaml.safe_load(MADE)
    assert config["ssh_keys"]["ed25519_public"] == "ssh-ed25519 BBBB"
    assert [user["name"] for user in config["users"][1:]] == ["deploy"]
    assert config["ssh_pwauth"] is False


def test_user_data_stays_far_below_novas_limit() -> None:
    assert len(MADE) < 8192  # Nova's is 65535 bytes in base64


def test_user_data_knows_nothing_that_changes_during_a_hosts_life() -> None:
    assert not re.search("hadoop|spark|zeppelin|worker02|ceph", MADE)


def test_a_pushed_program_is_run_with_its_argument(tmp_path: Path) -> None:
    source = tmp_path / "told.py"
    source.write_text("def main(given):\n    print(given['a'], end='')\n    return 3\n")
    text = pushed(source, {"a": '"quoted"\n\\'})
    done = subprocess.run([sys.executable, "-"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, '"quoted"\n\\', "")


def test_a_units_digest_differs_when_something_that_it_is_restarted_for_does() -> None:
    def digests(conf: str = "a", link: str = "/opt/one", libraries: str = "x==1", text: str = "u") -> dict[str, str]:
        return Bundle(
            host="worker01",
            files=(File(path="/etc/conf/a.xml", content=conf),),
            links=(Link(path="/opt/hadoop", target=link),),
            python=PythonEnvironment(path="/opt/python", libraries=libraries),
            units=(
                Unit(name="a.service", content=text, watches=("/etc/conf",)),
                Unit(name="b.service", content="u", watches=("/opt/hadoop", "/etc/conf/a")),
                Unit(name="c.service", content="u", watches=("/opt/python",)),
            ),
        ).digests()

    def differ(**changes: str) -> set[str]:
        return {name[0] for name, digest in digests(**changes).items() if digest != digests()[name]}

    assert differ() == set()
    assert (differ(conf="b"), differ(text="v")) == ({"a"}, {"a"})
    assert (differ(link="/opt/two"), differ(libraries="x==2")) == ({"b"}, {"c"})


def test_a_bundle_reaches_the_hosts_program_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    echo = io.BytesIO()
    with zipfile.ZipFile(echo, "w") as archive:
        archive.writestr("__main__.py", "import sys\nprint(sys.argv[1:], sys.stdin.read(), end='')\nsys.exit(3)\n")
    monkeypatch.setattr(configuration, "host_program", echo.getvalue)
    bundle = Bundle(host="worker01", files=(File(path="/a", content='"quoted"\n\\ \U0001f30c'),))
    done = subprocess.run([sys.executable, "-"], input=applied(bundle), text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == f"['apply'] {json.dumps(bundle.as_dict(), sort_keys=True)}"


def test_the_hosts_program_is_one_file_that_tells_its_verbs_and_is_the_same_each_time(tmp_path: Path) -> None:
    (file := tmp_path / "host.pyz").write_bytes(host_program())
    done = subprocess.run([sys.executable, "-I", file], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The verbs: apply")
    host_program.cache_clear()
    assert host_program() == file.read_bytes()


def test_what_runs_on_a_host_needs_only_the_standard_library() -> None:
    for source in PROGRAMS:
        tree = ast.parse(source.read_text())
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not [name for name in names if name and name.split(".")[0] in ("components", "ops", "pulumi")]
        compile(tree, str(source), "exec")


def test_every_host_but_the_gateway_is_reached_through_it() -> None:
    addresses = {"zeppelin": "10.10.0.10", "worker01": "10.10.1.1"}
    config = ssh.config("gaia-demo", "zeppelin", "203.0.113.9", addresses, ["stv"])
    gateway, worker = config.split("Host gaia-demo-worker01")
    assert "HostName 203.0.113.9" in gateway
    assert "ProxyJump" not in gateway
    assert "ProxyJump gaia-demo-zeppelin" in worker
    assert "HostName 10.10.1.1" in worker


def test_people_log_in_as_themselves_and_the_deploy_login_is_for_deployments_without_people() -> None:
    addresses = {"zeppelin": "10.10.0.10"}
    assert "User" not in re.sub("#.*", "", ssh.config("gaia-demo", "zeppelin", "203.0.113.9", addresses, ["stv"]))
    assert "  User deploy" in ssh.config("gaia-demo", "zeppelin", "203.0.113.9", addresses, [])

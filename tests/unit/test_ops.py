"""What pulumi has no verb for: the parts that need no cloud."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ops import smoke, state
from ops.__main__ import parser
from ops.cloud import OpsError
from ops.command import pulumi


def test_the_backends_address_is_what_pulumi_wants_of_an_s3_compatible_store() -> None:
    assert (
        state.backend_url("gaia-state", "http://127.0.0.1:8080", "us-east-1")
        == "s3://gaia-state?endpoint=http%3A%2F%2F127.0.0.1%3A8080&s3ForcePathStyle=true&region=us-east-1"
    )


def test_the_environment_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "new" / "state.env"
    for secret in ("one", "two"):
        state.write_environment(file, {"AWS_SECRET_ACCESS_KEY": secret})
        assert file.read_text() == f"AWS_SECRET_ACCESS_KEY={secret}\n"
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_shell_reads_the_environment_file_as_it_was_meant(tmp_path: Path) -> None:
    file, url = tmp_path / "state.env", state.backend_url("gaia-state", "http://127.0.0.1:8080", "us-east-1")
    state.write_environment(file, {"PULUMI_BACKEND_URL": url})
    script = f"set -a; . {file}; exec printenv PULUMI_BACKEND_URL"
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip() == url


@pytest.mark.parametrize(
    "lines",
    [
        "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n",
        "# mine\nexport AWS_ACCESS_KEY_ID='a'\nexport AWS_SECRET_ACCESS_KEY=\"b\"\nAWS_REGION=here\n",
    ],
)
def test_an_access_key_is_read_from_lines_as_a_shell_reads_them(lines: str) -> None:
    assert state.given_credential(lines) == ("a", "b")


@pytest.mark.parametrize("lines", ["", "AWS_ACCESS_KEY_ID=a\n", "AWS_ACCESS_KEY_ID=\nAWS_SECRET_ACCESS_KEY=b\n"])
def test_half_an_access_key_is_none(lines: str) -> None:
    assert state.given_credential(lines) is None


@pytest.mark.parametrize("flag", ["-s", "--stack"])
def test_a_stack_can_be_named_as_pulumi_lets_it_be_named(flag: str) -> None:
    assert parser().parse_args(["recover", flag, "gaia-test"]).stack == "gaia-test"


@pytest.mark.parametrize(("failures", "works"), [(2, True), (1000, False)])
def test_a_state_that_an_engine_is_just_writing_is_read_again_for_a_while(
    failures: int, works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    script = f"""#!/bin/sh
echo "$@" >> {calls}
if [ $(wc -l < {calls}) -le {failures} ]; then
  echo 'error: getting stack: failed to load checkpoint: unexpected end of JSON input' >&2; exit 1
fi
echo read
"""
    (tmp_path / "pulumi").write_text(script)
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("time.sleep", lambda _: None)
    if works:
        assert pulumi("stack", "export", stack="gaia-test") == "read\n"
    else:
        with pytest.raises(OpsError, match=r"pulumi stack export failed: .*failed to load checkpoint"):
            pulumi("stack", "export", stack="gaia-test")
    assert set(calls.read_text().splitlines()) == {"stack export --stack gaia-test --non-interactive"}


@pytest.mark.parametrize("found", [{}, {"kubeconfig": "of a stack of services"}])
def test_a_stack_without_a_notebook_has_no_smoke_test_and_says_so(
    found: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "outputs", lambda _: found)
    with pytest.raises(OpsError, match="gaia-data has no notebook"):
        smoke.smoke("gaia-data", "/data", tmp_path / "sky.png")

"""What pulumi has no verb for: the parts that need no cloud."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops import state
from ops.__main__ import parser


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

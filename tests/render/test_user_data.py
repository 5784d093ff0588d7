"""user_data and the metadata guard, read by the programs that will read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.hosts.user_data import user_data
from components.on_host.host.guard import ADDRESSES, RULES, UNIT, UNIT_TEXT

MADE = user_data(
    hostname="worker01",
    deploy_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBYJlJc6fWm3XJ3Zt1JX1zvQ5F6mGm6p8k1m7S4wJwqk deploy",
    host_key_private="-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n",
    host_key_public="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBYJlJc6fWm3XJ3Zt1JX1zvQ5F6mGm6p8k1m7S4wJwqk",
)


@pytest.fixture(scope="session")
def image(built: Path) -> Path:
    """The file system of the sandbox's hosts."""
    return built / "image" / "bare"


def schema(image: Path, text: str) -> subprocess.CompletedProcess[str]:
    # in a mount namespace of its own, where the image has a file in /tmp that is not written into the image
    script = f"mount -t tmpfs none {image}/tmp && cat > {image}/tmp/user-data && "
    script += f"chroot {image} cloud-init schema --config-file /tmp/user-data"
    argv = ["unshare", "--mount", "sh", "-c", script]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False)


def test_cloud_init_finds_nothing_wrong_with_the_user_data(image: Path) -> None:
    done = schema(image, MADE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid" in done.stdout + done.stderr


def test_cloud_init_would_have_found_a_mistake(image: Path) -> None:
    assert schema(image, MADE.replace('"ssh_deletekeys": true', '"ssh_deletekeys": "maybe"')).returncode != 0


def test_the_kernel_accepts_the_metadata_guard_and_twice(tmp_path: Path, built: Path) -> None:
    assert built.is_dir(), "it brings nft"
    rules = tmp_path / "guard.nft"
    rules.write_text(RULES)
    command = f"nft -f {rules} && nft -f {rules} && nft list ruleset"
    done = subprocess.run(["unshare", "--net", "sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(done.stdout.count(address) == 1 for address in ADDRESSES.values())


def test_systemd_accepts_the_metadata_guards_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT
    unit.write_text(UNIT_TEXT.replace("ExecStart=nft", "ExecStart=/usr/sbin/nft"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert UNIT not in done.stderr

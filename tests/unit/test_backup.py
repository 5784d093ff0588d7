"""Copies of notebooks and of HDFS's list: what their shell does with files, and what the store keeps."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openstack.exceptions import NotFoundException

from ops import backup
from ops.cloud import OpsError

ASIDE = ".before-2026-11-27T15-00-00Z"


class Host:
    """A directory in the place of a part's, and programs that note what they are asked instead of doing it."""

    def __init__(self, directory: Path, name: str) -> None:
        self.home, self.calls = directory / "home", directory / "calls"
        programs = directory / "bin"
        programs.mkdir(parents=True)
        self.home.mkdir()
        for program in ("systemctl", "chown"):
            (programs / program).write_text(f'#!/bin/sh\necho {program} "$@" >> {self.calls}\n')
            (programs / program).chmod(0o755)
        self.environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
        self.part = replace(backup.PARTS[name], directory=f"echo {self.home}")

    def write(self, **texts: str) -> None:
        for path, text in texts.items():
            at = self.home / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text)

    def run(self, script: str, stdin: bytes = b"", check: bool = True) -> bytes:
        words = ["sh", "-ec", script]
        done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, env=self.environment, check=check)
        assert check or done.returncode
        return done.stdout

    def copy(self) -> bytes:
        return self.run(backup.reading(self.part))

    def found(self) -> dict[str, str]:
        return {str(path.relative_to(self.home)): path.read_text() for path in self.home.rglob("*") if path.is_file()}


@pytest.fixture
def gateway(tmp_path: Path) -> Host:
    return Host(tmp_path / "gateway", "notebooks")


@pytest.fixture
def master(tmp_path: Path) -> Host:
    return Host(tmp_path / "master", "hdfs")


NOTES = {"notebook/Sky_2A.zpln": "a", "notebook/.git/HEAD": "ref"}
ALLOWED = {"conf/notebook-authorization.json": "{}"}
IMAGES = {"current/fsimage_0000000000000000007": "old", "current/fsimage_0000000000000000019": "new"}


def with_sums(images: dict[str, str]) -> dict[str, str]:
    """Images as a NameNode has them: with their MD5 beside them."""
    sums = {
        f"{path}.md5": f"{hashlib.md5(text.encode()).hexdigest()} *{Path(path).name}\n" for path, text in images.items()
    }
    return {**images, **sums, "current/VERSION": "clusterID", "current/edits_inprogress_0000000000000000020": "x"}


def test_notebooks_come_back_as_they_were_and_what_was_there_stays_beside_them(gateway: Host) -> None:
    gateway.write(**NOTES, **ALLOWED, **{"conf/shiro.ini": "not of people"})
    copy = gateway.copy()
    (gateway.home / "notebook/Sky_2A.zpln").write_text("broken")
    (gateway.home / "notebook/later_2B.zpln").write_text("b")
    gateway.run(backup.putting_back(gateway.part, ASIDE), copy)
    assert gateway.found() == {
        **NOTES,
        **ALLOWED,
        "conf/shiro.ini": "not of people",
        f"notebook{ASIDE}/Sky_2A.zpln": "broken",
        f"notebook{ASIDE}/later_2B.zpln": "b",
        f"notebook{ASIDE}/.git/HEAD": "ref",
        f"conf/notebook-authorization.json{ASIDE}": "{}",
    }
    assert gateway.calls.read_text().splitlines() == [
        "chown -R zeppelin: .",
        "systemctl stop zeppelin",
        "systemctl start zeppelin",
    ]


def test_notebooks_whose_permissions_nobody_has_set_come_back_where_there_is_nothing(gateway: Host) -> None:
    gateway.write(**NOTES)
    copy = gateway.copy()
    (gateway.home / "notebook").rename(gateway.home / "gone")
    gateway.run(backup.putting_back(gateway.part, ASIDE), copy)
    assert (gateway.home / "notebook/Sky_2A.zpln").read_text() == "a"


def test_a_copy_that_is_cut_off_changes_nothing_and_the_server_runs(gateway: Host) -> None:
    gateway.write(**NOTES)
    copy = gateway.copy()
    gateway.run(backup.putting_back(gateway.part, ASIDE), copy[:-20], check=False)
    assert gateway.found() == NOTES
    assert gateway.calls.read_text().splitlines() == ["systemctl start zeppelin"]


def test_a_host_that_does_not_say_where_its_files_are_is_an_error(gateway: Host) -> None:
    gateway.part = replace(gateway.part, directory="true")
    gateway.run(backup.reading(gateway.part), check=False)


def test_hdfs_list_is_its_newest_image_alone_and_comes_back_with_the_number_of_its_last_change(master: Host) -> None:
    master.write(**with_sums(IMAGES))
    copy = master.copy()
    assert master.calls.read_text() == "systemctl start hdfs-checkpoint\n"
    (master.home / "current/VERSION").write_text("formatted anew")
    master.run(backup.putting_back(master.part, ASIDE), copy)
    newest = {path: text for path, text in with_sums(IMAGES).items() if "19" in path or "VERSION" in path}
    now = {path: text for path, text in master.found().items() if not path.startswith("current.before")}
    assert now == {**newest, "current/seen_txid": "19\n"}
    assert (master.home / f"current{ASIDE}/VERSION").read_text() == "formatted anew"


def test_an_image_that_is_not_what_the_namenode_wrote_is_not_put_back(master: Host) -> None:
    master.write(**with_sums(IMAGES))
    (master.home / "current/fsimage_0000000000000000019").write_text("rotten")
    copy, before = master.copy(), master.found()
    master.run(backup.putting_back(master.part, ASIDE), copy, check=False)
    assert master.found() == before


class Swift:
    """As much of a connection as the store asks."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.object_store = self

    def objects(self, container: str) -> list[Any]:
        if not self.kept:
            raise NotFoundException(container)
        return [type("Object", (), {"name": name}) for name in self.kept]

    def create_container(self, _: str) -> None:
        pass

    def create_object(self, _: str, name: str, filename: str, generate_checksums: bool) -> None:
        assert generate_checksums
        text = Path(filename).read_bytes()
        self.kept[name] = (text, {backup.SUM: hashlib.sha256(text).hexdigest()})

    def get_object(self, _: str, name: str, outfile: str) -> tuple[dict[str, str], None]:
        text, headers = self.kept[name]
        Path(outfile).write_bytes(text)
        return headers, None


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> Swift:
    swift = Swift()
    store = backup.Store(swift, "gaia-test")  # type: ignore[arg-type]
    monkeypatch.setattr(backup.Store, "of", lambda _: store)
    monkeypatch.setattr(backup, "outputs", lambda _: {"deploy_key": "", "known_hosts": "", "ssh_config": ""})
    return swift


def test_a_part_that_cannot_be_copied_is_told_and_the_others_are(
    swift: Swift, gateway: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.write(**NOTES)

    def remote(_: list[str], host: str, __: str, into: Any) -> None:
        if host != "gaia-test-zeppelin":
            raise OpsError(f"{host}: no route to host")
        into.write(gateway.copy())
        into.flush()

    monkeypatch.setattr(backup, "remote", remote)
    with pytest.raises(OpsError) as caught:
        backup.backup("gaia-test")
    said = str(caught.value).splitlines()
    assert said[:2] == ["not everything was copied.", "hdfs: gaia-test-master01: no route to host"]
    assert said[2].startswith("notebooks: 1 notes, 0 KiB -> gaia-test-backup/20")
    assert [name.split("/")[1] for name in swift.kept] == ["notebooks.tar.gz"]
    assert backup.listed("gaia-test") == [f"gaia-test-backup/{name}" for name in swift.kept]


def test_a_copy_is_put_back_by_its_time_and_never_a_rotten_one(
    swift: Swift, gateway: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.write(**NOTES)
    copy, put = gateway.copy(), []
    good = {backup.SUM: hashlib.sha256(copy).hexdigest()}
    swift.kept = {
        "2026-11-01T00-00-00Z/notebooks.tar.gz": (copy, good),
        "2026-11-02T00-00-00Z/notebooks.tar.gz": (copy[:-1], good),
    }
    monkeypatch.setattr(backup, "remote", lambda *given: put.append((given[1], given[3].read())))
    with pytest.raises(OpsError, match=r"not .* as it was kept"):
        backup.restore("gaia-test", "notebooks")
    with pytest.raises(OpsError, match=r"has no copy of the hdfs: `ops backup --list`"):
        backup.restore("gaia-test", "hdfs")
    [said] = backup.restore("gaia-test", "notebooks", of="2026-11-01")
    assert "1 notes of 2026-11-01T00-00-00Z/notebooks.tar.gz are in place" in said
    assert put == [("gaia-test-zeppelin", copy)]


def test_without_a_copy_the_list_says_so(swift: Swift) -> None:
    assert not swift.kept
    assert backup.listed("gaia-test") == ["gaia-test: no copy has been made yet"]

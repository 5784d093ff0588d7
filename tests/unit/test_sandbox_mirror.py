"""The mirror: archives with the same bytes everywhere, and a web server that gives nothing else away."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.layout import Layout
from sandbox.mirror import archive, assemble, serve
from sandbox.mirror.build import Mirror, locked
from sandbox.mirror.registries import RegistryError
from sandbox.web import WebServer
from tests.conftest import ROOT


@pytest.fixture
def members(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "big").write_bytes(bytes(range(256)) * 1000)
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o700)
    return {"lib/big": tmp_path / "big", "bin/run.sh": tmp_path / "run.sh"}


def test_an_archive_unpacks_with_tar_to_what_went_into_it(members: dict[str, Path], tmp_path: Path) -> None:
    digest = archive.write(tmp_path / "a.tar.gz", "top-1.0", members)
    assert digest == hashlib.sha512((tmp_path / "a.tar.gz").read_bytes()).hexdigest()
    subprocess.run(["tar", "xzf", tmp_path / "a.tar.gz", "-C", tmp_path], check=True)
    assert (tmp_path / "top-1.0/lib/big").read_bytes() == members["lib/big"].read_bytes()
    assert (tmp_path / "top-1.0/bin/run.sh").stat().st_mode & 0o777 == 0o755


def test_an_archives_bytes_do_not_depend_on_order_times_or_owners(members: dict[str, Path], tmp_path: Path) -> None:
    first = archive.write(tmp_path / "a.tar.gz", "top", members)
    for path in members.values():
        path.touch()
    assert archive.write(tmp_path / "b.tar.gz", "top", dict(reversed(members.items()))) == first
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}


def test_an_archive_that_would_lack_a_needed_part_is_refused() -> None:
    with pytest.raises(RegistryError, match="would lack jars/spark-yarn_"):
        assemble.check({"bin/spark-submit": Path()}, "spark-3.5.9-bin-hadoop3.tgz")


def test_an_archive_with_another_checksum_than_the_committed_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    mirror = Mirror(tmp_path / "mirror", ROOT / "versions.toml", [])
    item = assemble.Assembly("hadoop-9.tar.gz", "hadoop-9", lambda *_: {
        "share/hadoop/hdfs/webapps/a": tmp_path / "a",
        "share/hadoop/yarn/hadoop-yarn-server-nodemanager-9.jar": tmp_path / "a",
    })  # fmt: skip
    with pytest.raises(RegistryError, match=r"but .*archives\.toml says 0000"):
        mirror._archive(item, "0" * 128, lambda _: None)
    assert not (tmp_path / "mirror/archives/hadoop-9.tar.gz.sha512").exists()


def test_the_wheels_are_those_of_all_committed_locks_which_agree_about_versions() -> None:
    locks = Layout(ROOT).locks
    assert len(locks) == 3
    wanted = locked(path.read_text() for path in locks).splitlines()
    names = [line.partition("==")[0] for line in wanted]
    assert sorted(set(names)) == sorted(names), "`python -m ops libraries --upgrade` for each of the stacks"
    assert "uv" in names
    assert all(" --hash=sha256:" in line for line in wanted)


def test_charts_are_served_with_their_index_and_none_of_before_is_left(tmp_path: Path) -> None:
    mirror, packed = Mirror(tmp_path / "mirror", ROOT / "versions.toml", []), tmp_path / "charts"
    with pytest.raises(RegistryError, match=r"charts has no index\.yaml: run `make tools-kubernetes`"):
        mirror.copy_charts(packed)
    for version in ("1", "2"):
        shutil.rmtree(packed, ignore_errors=True)
        packed.mkdir()
        (packed / "index.yaml").write_text(version)
        (packed / f"csi-{version}.tgz").touch()
        mirror.copy_charts(packed)
    assert (mirror.charts / "index.yaml").read_text() == "2"
    assert {path.name for path in mirror.charts.iterdir()} == {"index.yaml", "csi-2.tgz"}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A served directory; beside it lies what nobody may get."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "wheels").mkdir(parents=True)
    (root / "wheels/a-1.whl").write_bytes(b"wheel")
    (root / "wheels/.requirements").write_text("hidden")
    (root / "link").symlink_to(tmp_path / "secret")
    handler = type("Handler", (serve.Handler,), {"root": root})
    with WebServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.socket.getsockname()
        server.shutdown()


def get(address: tuple[str, int], path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_files_and_listings_are_served(address: tuple[str, int]) -> None:
    assert get(address, "/wheels/a-1.whl") == (200, b"wheel")
    status, listing = get(address, "/wheels/")
    assert status == 200
    assert b'<a href="a-1.whl">' in listing
    assert b"requirements" not in listing
    assert get(address, "/wheels/a-1.whl", "HEAD") == (200, b"")


@pytest.mark.parametrize(
    "path", ["/../secret", "/%2e%2e/secret", "/link", "/wheels/.requirements", "/nothing", "/wheels%00/a-1.whl"]
)
def test_nothing_outside_and_nothing_hidden_is_served(address: tuple[str, int], path: str) -> None:
    status, body = get(address, path)
    assert status == 404
    assert b"secret" not in body.replace(path.encode(), b"")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_nothing_can_be_changed(address: tuple[str, int], method: str) -> None:
    assert get(address, "/wheels/a-1.whl", method)[0] == 501


def test_a_checkout_without_locks_does_not_take_the_wheels_of_one_that_has_them(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror", ROOT / "versions.toml", [])
    mirror.wheels.mkdir(parents=True)
    (mirror.wheels / "numpy.whl").touch()
    with pytest.raises(RegistryError, match="not a complete checkout"):
        mirror.serve_wheels(print)
    assert (mirror.wheels / "numpy.whl").exists()

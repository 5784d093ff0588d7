"""The program that applies a bundle on a host: the parts that need no host."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.hosts.bundle import Archive, Bundle, CephMount, File, Link, Unit
from components.on_host import apply
from components.on_host.apply import Changes, Failed


@pytest.fixture
def changes(tmp_path: Path) -> Changes:
    return Changes(tmp_path / "pending.json")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and the URL that it is served at."""
    root = tmp_path / "served"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(root))

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield root, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def mine(path: Path, **more: Any) -> dict[str, Any]:
    """A file of the bundle that belongs to whoever runs the tests."""
    import grp
    import pwd

    names = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
    return Bundle(host="w", files=(File(path=str(path), **names, **more),)).as_dict()


def test_a_file_is_written_once_and_then_left_alone(tmp_path: Path, changes: Changes) -> None:
    bundle = mine(tmp_path / "etc" / "a.xml", content="x", mode="0640")
    apply.files(bundle, changes)
    assert changes.lines == [f"wrote {tmp_path}/etc/a.xml"]
    assert (tmp_path / "etc" / "a.xml").stat().st_mode & 0o777 == 0o640
    again = Changes(tmp_path / "other.json")
    apply.files(bundle, again)
    assert again.lines == []


def test_a_wrong_mode_is_mended(tmp_path: Path, changes: Changes) -> None:
    bundle = mine(tmp_path / "a", content="x", mode="0600")
    apply.files(bundle, changes)
    (tmp_path / "a").chmod(0o644)
    apply.files(bundle, changes)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_run_changed_is_still_known_to_the_next_one(tmp_path: Path) -> None:
    pending = tmp_path / "pending.json"
    Changes(pending).add("/etc/hadoop/conf/yarn-site.xml", "wrote it")
    # killed here: the unit was not restarted
    next_run = Changes(pending)
    assert next_run.touch(["/etc/hadoop/conf"])
    next_run.done()
    assert not Changes(pending).touch(["/etc/hadoop/conf"])


def test_a_unit_watches_files_and_whole_directories_but_not_their_namesakes(changes: Changes) -> None:
    changes.add("/opt/hadoop-3.5.0", "unpacked")
    changes.add("/etc/spark/conf/spark-defaults.conf", "wrote")
    assert changes.touch(["/opt/hadoop-3.5.0"])
    assert changes.touch(["/etc/spark/conf"])
    assert not changes.touch(["/etc/spark/con", "/opt/hadoop"])
    assert not changes.touch([])


def test_a_download_is_verified(served: tuple[Path, str], tmp_path: Path) -> None:
    root, url = served
    (root / "a.tgz").write_bytes(b"content")
    apply.download(f"{url}/a.tgz", hashlib.sha512(b"content").hexdigest(), tmp_path / "a.tgz")
    assert (tmp_path / "a.tgz").read_bytes() == b"content"


def test_a_download_with_another_checksum_is_refused_by_url_and_both_checksums(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    root, url = served
    (root / "a.tgz").write_bytes(b"tampered")
    with pytest.raises(Failed) as refused:
        apply.download(f"{url}/a.tgz", "0" * 128, tmp_path / "a.tgz")
    said = str(refused.value)
    assert f"{url}/a.tgz" in said
    assert "0" * 128 in said
    assert hashlib.sha512(b"tampered").hexdigest() in said


def test_a_download_that_is_not_there_is_tried_again_and_then_named(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with pytest.raises(Failed, match=r"could not be downloaded \(5 tries\): HTTP Error 404"):
        apply.download(f"{served[1]}/none.tgz", "0" * 128, tmp_path / "x")
    assert len(pauses) == apply.DOWNLOAD_TRIES - 1


def test_an_archive_is_unpacked_without_its_top_directory_and_replaced_when_its_checksum_changes(
    served: tuple[Path, str], tmp_path: Path, changes: Changes
) -> None:
    root, url = served
    for version in ("1", "2"):
        (tmp_path / f"tool-{version}" / "bin").mkdir(parents=True)
        (tmp_path / f"tool-{version}" / "bin" / f"run{version}").write_text(version)
        apply.run("tar", "-czf", str(root / "tool.tgz"), "-C", str(tmp_path), f"tool-{version}")
        digest = hashlib.sha512((root / "tool.tgz").read_bytes()).hexdigest()
        target = tmp_path / "opt" / "tool"
        target.parent.mkdir(exist_ok=True)
        archive = Archive(name="tool", url=f"{url}/tool.tgz", sha512=digest, directory=str(target))
        apply.archives(Bundle(host="w", archives=(archive,)).as_dict(), changes)
        assert [path.name for path in (target / "bin").iterdir()] == [f"run{version}"]
    assert changes.touch([str(target)])


def test_a_link_is_moved_to_its_new_target(tmp_path: Path, changes: Changes) -> None:
    for target in ("/opt/hadoop-3.4", "/opt/hadoop-3.5"):
        bundle = Bundle(host="w", links=(Link(path=str(tmp_path / "hadoop"), target=target),)).as_dict()
        apply.links(bundle, changes)
        assert str((tmp_path / "hadoop").readlink()) == target


def test_fstab_has_one_line_for_a_mount_and_none_for_a_removed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "fstab"
    table.write_text("# ours\nUUID=1 / ext4 defaults 0 1\n")
    monkeypatch.setattr(apply, "FSTAB", table)
    monkeypatch.setattr(apply, "run", lambda *_: "")
    assert apply.fstab("/data", "none /data fuse.ceph ro 0 0")
    assert not apply.fstab("/data", "none /data fuse.ceph ro 0 0")
    assert apply.fstab("/data", "none /data fuse.ceph rw 0 0")
    assert table.read_text().count("/data") == 1
    assert apply.fstab("/data", "")
    assert table.read_text() == "# ours\nUUID=1 / ext4 defaults 0 1\n"


def test_the_manifest_lists_what_a_later_bundle_may_have_to_remove() -> None:
    share = CephMount(mount="/data", monitors="m:6789", path="/v", identity="gaia_ro", key="k")
    bundle = Bundle(host="w", units=(Unit(name="a.service", content=""),), ceph_mounts=(share,)).as_dict()
    listed = apply.manifest(bundle)
    assert listed["units"] == ["a.service"]
    assert listed["shares"] == ["/data"]
    assert "k" not in str(listed["identities"])


def test_a_command_that_fails_says_which_and_shows_the_end_of_what_it_printed() -> None:
    with pytest.raises(Failed, match=r"(?s)sh -c .*ended with status 3:.*the last line"):
        apply.run("sh", "-c", "echo the last line; exit 3")

"""The program that applies a bundle on a host: the parts that need no host."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.hosts.bundle import Archive, Bundle, CephMount, Disk, File, Link, PythonEnvironment, Unit
from components.on_host.host import accounts, archives, boot, commands, disks, files, last, libraries, places
from components.on_host.host.changes import Changes, switch
from components.on_host.host.commands import Failed


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
    files.files(bundle, changes)
    assert changes.lines == [f"wrote {tmp_path}/etc/a.xml"]
    assert (tmp_path / "etc" / "a.xml").stat().st_mode & 0o777 == 0o640
    again = Changes(tmp_path / "other.json")
    files.files(bundle, again)
    assert again.lines == []


def test_a_wrong_mode_is_mended(tmp_path: Path, changes: Changes) -> None:
    bundle = mine(tmp_path / "a", content="x", mode="0600")
    files.files(bundle, changes)
    (tmp_path / "a").chmod(0o644)
    files.files(bundle, changes)
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
    archives.download(f"{url}/a.tgz", hashlib.sha512(b"content").hexdigest(), tmp_path / "a.tgz")
    assert (tmp_path / "a.tgz").read_bytes() == b"content"


def test_a_download_with_another_checksum_is_refused_by_url_and_both_checksums(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    root, url = served
    (root / "a.tgz").write_bytes(b"tampered")
    with pytest.raises(Failed) as refused:
        archives.download(f"{url}/a.tgz", "0" * 128, tmp_path / "a.tgz")
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
        archives.download(f"{served[1]}/none.tgz", "0" * 128, tmp_path / "x")
    assert len(pauses) == archives.TRIES - 1


class CutOff(http.server.BaseHTTPRequestHandler):
    """Answers with less than it says that it will send; the second time with all of it."""

    asked = 0

    def do_GET(self) -> None:
        CutOff.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"content" if CutOff.asked > 1 else b"cont")

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def test_a_download_that_ends_early_is_tried_again_and_not_called_tampering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CutOff)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/a.tgz"
        archives.download(url, hashlib.sha512(b"content").hexdigest(), tmp_path / "a.tgz")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (tmp_path / "a.tgz").read_bytes() == b"content"
    assert CutOff.asked == 2


def an_archive(root: Path, url: str, directory: Path, version: str, keep: str = "") -> Archive:
    """An archive of a tool in this version, served at the URL."""
    (directory / f"tool-{version}" / "bin").mkdir(parents=True)
    (directory / f"tool-{version}" / "bin" / f"run{version}").write_text(version)
    commands.run("tar", "-czf", str(root / f"tool-{version}.tgz"), "-C", str(directory), f"tool-{version}")
    digest = hashlib.sha512((root / f"tool-{version}.tgz").read_bytes()).hexdigest()
    place = str(directory / "opt" / "tool")
    return Archive(
        name=f"tool-{version}", url=f"{url}/tool-{version}.tgz", sha512=digest, directory=place, keep=keep
    )  # fmt: skip


def test_an_archive_is_unpacked_without_its_top_directory_beside_the_one_in_use_and_switched_at_once(
    served: tuple[Path, str], tmp_path: Path, changes: Changes
) -> None:
    place = tmp_path / "opt" / "tool"
    for version in ("1", "2"):
        archive = an_archive(*served, tmp_path, version)
        archives.archives(Bundle(host="w", archives=(archive,)).as_dict(), changes)
        assert [path.name for path in (place / "bin").iterdir()] == [f"run{version}"]
    assert changes.touch([str(place)])
    assert sorted(tree.name[:6] for tree in (tmp_path / "opt" / ".gaia").iterdir()) == ["tool-1", "tool-2"]


def test_an_archive_that_cannot_be_had_leaves_the_one_in_use(
    served: tuple[Path, str], tmp_path: Path, changes: Changes
) -> None:
    first, second = (an_archive(*served, tmp_path, version) for version in ("1", "2"))
    archives.archives(Bundle(host="w", archives=(first,)).as_dict(), changes)
    with pytest.raises(Failed, match="has the SHA-512"):
        archives.archives(Bundle(host="w", archives=(replace(second, sha512="0" * 128),)).as_dict(), changes)
    assert (tmp_path / "opt" / "tool" / "bin" / "run1").exists()


def test_an_archive_is_kept_for_others_and_only_what_is_in_use_or_was_last_stays(
    served: tuple[Path, str], tmp_path: Path, changes: Changes
) -> None:
    manifest: dict[str, Any] = {}
    store, half = tmp_path / "store", tmp_path / "opt" / ".gaia" / "tool-0"
    store.mkdir()
    half.mkdir(parents=True)
    for version in ("1", "2", "3"):
        archive = an_archive(*served, tmp_path, version, keep=str(store / f"tool-{version}.tgz"))
        bundle = Bundle(host="w", archives=(archive,)).as_dict()
        for _ in range(2):  # also after a push that changed nothing
            archives.archives(bundle, changes)
            manifest = {"trees": last.sweep(bundle, manifest)}
    assert [file.name for file in store.iterdir()] == ["tool-3.tgz"]
    assert sorted(tree.name[:6] for tree in (tmp_path / "opt" / ".gaia").iterdir()) == ["tool-2", "tool-3"]


def test_what_an_older_program_unpacked_in_place_gives_way_to_a_link(tmp_path: Path) -> None:
    (tmp_path / "tool" / "bin").mkdir(parents=True)
    (tmp_path / "fresh").mkdir()
    assert switch(tmp_path / "tool", tmp_path / "fresh")
    assert (tmp_path / "tool").readlink() == tmp_path / "fresh"
    assert not switch(tmp_path / "tool", tmp_path / "fresh")


def test_an_environment_that_cannot_be_made_leaves_the_one_in_use(
    tmp_path: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gaia" / "python"
    used = tmp_path / "gaia" / "python-used"
    used.mkdir(parents=True)
    path.symlink_to(used)

    def refuse(*argv: str, **_: Any) -> str:
        raise Failed(f"{argv[0]} failed")

    monkeypatch.setattr(libraries, "run", refuse)
    wanted = PythonEnvironment(path=str(path), installer="uv==1", libraries="no-such-library==1")
    with pytest.raises(Failed):
        libraries.python_environment(Bundle(host="w", python=wanted).as_dict(), changes)
    assert path.readlink() == used


def test_exactly_what_is_locked_is_installed_by_hash_and_looked_at(
    tmp_path: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def note(*argv: str, **_: Any) -> str:
        calls.append([Path(argv[0]).name, *argv[1:]])
        if "venv" in argv:
            Path(argv[-1]).mkdir()
        return ""

    monkeypatch.setattr(libraries, "run", note)
    pins = "numpy==1 --hash=sha256:aa\nscipy==2 --hash=sha256:bb"
    wanted = PythonEnvironment(path=str(tmp_path / "python"), installer="uv==3 --hash=sha256:cc", libraries=pins)
    for _ in range(2):  # the second time all of it is there
        libraries.python_environment(Bundle(host="w", python=wanted).as_dict(), changes)
    made = (tmp_path / "python").readlink()
    assert (made / "installer.txt").read_text() == "uv==3 --hash=sha256:cc\n"
    assert (made / "libraries.txt").read_text() == pins + "\n"
    exactly = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r"]
    assert calls[0] == ["python3", "-m", "venv", "--clear", str(made)]
    assert calls[1][:2] == ["pip", "install"]
    assert calls[1][-6:] == [*exactly, str(made / "installer.txt")]
    assert calls[2][:3] == ["uv", "pip", "install"]
    assert calls[2][-6:] == [*exactly, str(made / "libraries.txt")]
    assert calls[3][:3] == ["uv", "pip", "check"]
    assert len(calls) == 4
    closed = replace(wanted, find_links="http://mirror/wheels/")
    libraries.python_environment(Bundle(host="w", python=closed).as_dict(), changes)
    for call in calls[5:7]:
        assert "--no-index" in call
        assert "http://mirror/wheels/" in call


def test_without_libraries_there_is_a_python_that_runs_and_nothing_is_asked_of_a_network(
    tmp_path: Path, changes: Changes
) -> None:
    bundle = Bundle(host="w", python=PythonEnvironment(path=str(tmp_path / "python"))).as_dict()
    libraries.python_environment(bundle, changes)
    assert commands.run(str(tmp_path / "python/bin/python"), "-c", "print(6 * 7)") == "42\n"
    assert last.trees(bundle) == {str(tmp_path / "python"): str((tmp_path / "python").readlink())}


def test_to_go_back_to_a_bundle_of_an_older_program_leaves_the_environment_in_use(
    tmp_path: Path, changes: Changes
) -> None:
    (tmp_path / "python").symlink_to(tmp_path)
    older = {"path": str(tmp_path / "python"), "requirements": ["numpy"], "uv": "1", "find_links": ""}
    libraries.python_environment({"python": older}, changes)
    assert (tmp_path / "python").readlink() == tmp_path
    assert last.trees({"archives": [], "python": {**older, "path": str(tmp_path / "never-made")}}) == {}


def test_a_disk_that_cannot_be_read_is_not_taken_for_a_blank_one(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="cannot be read, so nobody knows what is on it"):
        disks.blank(tmp_path)  # a directory: opening it fails as a broken disk does


def test_a_zeroed_disk_is_blank_and_one_with_a_file_system_is_not(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(4 << 20))
    assert disks.blank(disk)
    commands.run("mkfs.ext4", "-q", str(disk))
    assert not disks.blank(disk)


def test_a_disk_that_was_mounted_before_is_never_formatted_again(
    tmp_path: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "virtio-c4791f43-a915-4746-9"
    device.write_bytes(bytes(4 << 20))
    (tmp_path / "fstab").write_text(f"{device} /mnt/cinder/data btrfs defaults,noauto 0 0\n")
    for name, path in (("BY_ID", tmp_path), ("FSTAB", tmp_path / "fstab")):
        monkeypatch.setattr(places, name, path)
    disk = Disk(volume_id="c4791f43-a915-4746-9d2a-0123456789ab", size_gib=1, mount="/mnt/cinder/data")
    with pytest.raises(Failed, match="no file system is found on it: look at it; nothing was formatted"):
        disks.disks(Bundle(host="w", disks=(disk,)).as_dict(), changes)
    assert device.read_bytes() == bytes(4 << 20)


def test_a_volume_is_found_by_the_names_of_virtio_and_of_virtio_scsi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "BY_ID", tmp_path)
    volume = "c4791f43-a915-4746-9d2a-0123456789ab"
    disk = {"volume_id": volume, "mount": "/mnt"}
    with pytest.raises(Failed, match="did not appear"):
        disks.find_device(disk, wait=0)
    for name in (f"scsi-0QEMU_QEMU_HARDDISK_{volume}", "virtio-c4791f43-a915-4746-9"):
        (tmp_path / name).touch()
        assert disks.find_device(disk) == tmp_path / name
    assert len("c4791f43-a915-4746-9") == 20


def test_a_device_that_does_not_grow_with_its_volume_is_named_with_both_sizes(tmp_path: Path, changes: Changes) -> None:
    device = tmp_path / "device"
    device.write_bytes(bytes(16))
    with pytest.raises(Failed, match=r"has 20 GiB in Cinder, but its device .* still shows 0 GiB"):
        disks.grow(device, {"mount": "/mnt", "size_gib": 20, "filesystem": "btrfs"}, changes, wait=0)


def test_a_command_that_does_not_end_is_ended_and_named() -> None:
    with pytest.raises(Failed, match=r"(?s)sh -c .* did not end within 0 s:.*begun"):
        commands.run("sh", "-c", "echo begun; exec sleep 60", limit=0.3)


def test_a_run_that_does_not_end_is_ended_wherever_it_is() -> None:
    with pytest.raises(Failed, match="not done within 1 s"), commands.within(1):
        commands.run("sleep", "60")


def test_a_boot_leaves_all_to_a_push_that_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "boot.json").write_text(json.dumps({"hosts_file": [], "disks": [], "units": [], "ceph_mounts": []}))
    for name, path in (("BOOT", "boot.json"), ("LOCK", "lock"), ("HOSTS", "hosts"), ("RUN", "")):
        monkeypatch.setattr(places, name, tmp_path / path)
    monkeypatch.setattr(places, "CLOUD_INIT", tmp_path / "none" / "cfg")
    with commands.exclusive():
        assert boot.booted("volumes") == 0
    assert "a bundle is being applied" in capsys.readouterr().out
    assert not (tmp_path / "hosts").exists()
    if os.geteuid() == 0:
        assert boot.booted("volumes") == 0
        assert "localhost" in (tmp_path / "hosts").read_text()


def test_the_processes_of_a_user_are_found() -> None:
    assert os.getpid() in accounts.processes_of(os.getuid())
    assert accounts.processes_of(59_998) == []


def test_a_link_is_moved_to_its_new_target(tmp_path: Path, changes: Changes) -> None:
    for target in ("/opt/hadoop-3.4", "/opt/hadoop-3.5"):
        bundle = Bundle(host="w", links=(Link(path=str(tmp_path / "hadoop"), target=target),)).as_dict()
        files.links(bundle, changes)
        assert str((tmp_path / "hadoop").readlink()) == target


def test_fstab_has_one_line_for_a_mount_and_none_for_a_removed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "fstab"
    table.write_text("# ours\nUUID=1 / ext4 defaults 0 1\n")
    monkeypatch.setattr(places, "FSTAB", table)
    monkeypatch.setattr(disks, "run", lambda *_: "")
    assert disks.fstab("/data", "none /data fuse.ceph ro 0 0")
    assert not disks.fstab("/data", "none /data fuse.ceph ro 0 0")
    assert disks.fstab("/data", "none /data fuse.ceph rw 0 0")
    assert table.read_text().count("/data") == 1
    assert disks.fstab("/mnt", "LABEL=d /mnt btrfs defaults 0 0")
    for mount, line in (("/data", "none /data fuse.ceph rw 0 0"), ("/mnt", "LABEL=d /mnt btrfs defaults 0 0")):
        assert not disks.fstab(mount, line), "a share would be mounted anew by every push"
    assert disks.fstab("/mnt", "")
    assert disks.fstab("/data", "")
    assert table.read_text() == "# ours\nUUID=1 / ext4 defaults 0 1\n"


def test_the_manifest_lists_what_a_later_bundle_may_have_to_remove() -> None:
    share = CephMount(mount="/data", monitors="m:6789", path="/v", identity="gaia_ro", key="k")
    bundle = Bundle(host="w", units=(Unit(name="a.service", content=""),), ceph_mounts=(share,)).as_dict()
    listed = last.manifest(bundle)
    assert listed["units"] == ["a.service"]
    assert listed["shares"] == ["/data"]
    assert "k" not in str(listed["identities"])


def test_a_command_that_fails_says_which_and_shows_the_end_of_what_it_printed() -> None:
    with pytest.raises(Failed, match=r"(?s)sh -c .*ended with status 3:.*the last line"):
        commands.run("sh", "-c", "echo the last line; exit 3")

"""What `ops fill` notes of a share and compares later. What it mounts is in tests/cloud/test_fill.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops import listing
from ops.catalogue import leftovers

# As the module's documentation says it.
BY_SHELL = "find . ! -type d ! -path './.gaia-fill.json*' -printf '%s %P\\0' | LC_ALL=C sort -z | sha256sum"


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """Files, an empty directory, links to a file and to a directory, a name that is no text."""
    directory = tmp_path / "share"
    (directory / "healpix_1=0" / "empty").mkdir(parents=True)
    (directory / "healpix_1=0" / "part-0.parquet").write_bytes(b"PAR1" * 100)
    (directory / "_README").write_text("rows")
    (directory / "latest").symlink_to("healpix_1=0")
    (directory / "a file\nwith a line").touch()
    Path(str(directory) + "/caf\udce9").write_text("latin-1")
    return directory


def test_the_listing_counts_files_and_bytes_and_its_hash_is_what_the_documented_command_says(share: Path) -> None:
    found = listing.survey(share)
    assert found.files == 5
    assert found.bytes == 400 + 4 + len("healpix_1=0") + 7
    said = subprocess.run(["bash", "-c", BY_SHELL], cwd=share, capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == found.sha256
    assert listing.__doc__ is not None
    assert BY_SHELL in listing.__doc__


def test_the_record_is_no_part_of_what_it_records_and_is_read_as_it_was_written(share: Path) -> None:
    before = listing.survey(share)
    assert listing.recorded(share) is None
    listing.record(share, before)
    assert listing.recorded(share) == before == listing.survey(share)


def change_size(share: Path) -> None:
    (share / "_README").write_text("more rows")


def rename(share: Path) -> None:
    (share / "_README").rename(share / "README")


def remove(share: Path) -> None:
    (share / "latest").unlink()


def add_deep_down(share: Path) -> None:
    (share / "healpix_1=0" / "empty" / "new").touch()


@pytest.mark.parametrize("change", [change_size, rename, remove, add_deep_down])
def test_any_file_that_is_changed_renamed_removed_or_added_shows(share: Path, change: object) -> None:
    before = listing.survey(share)
    assert callable(change)
    change(share)
    assert listing.survey(share) != before


@pytest.mark.parametrize("text", ["", "{}", '{"files": 1', "[1, 2]", '{"files": 1, "bytes": 1, "sha256": "", "x": 1}'])
def test_a_damaged_record_is_told_and_counts_neither_as_complete_nor_as_absent(share: Path, text: str) -> None:
    (share / listing.RECORD).write_text(text)
    with pytest.raises(listing.ListingError, match="is damaged"):
        listing.recorded(share)


def test_what_cannot_be_listed_is_an_error_and_not_an_empty_share(share: Path) -> None:
    with pytest.raises(OSError, match="Not a directory"):
        listing.survey(share / "_README")


def test_only_the_mounts_of_earlier_versions_are_taken_for_leftovers_the_uppermost_first() -> None:
    lines = [
        "22 27 0:21 / /proc rw,relatime - proc proc rw",
        "90 27 0:50 / /tmp/gaia-load-abc/share rw - fuse.ceph-fuse ceph-fuse rw",
        "91 90 0:51 / /tmp/gaia-load-abc/share rw - fuse.ceph-fuse ceph-fuse rw",
        "92 27 0:52 / /data/gaia/GDR3 ro - fuse.ceph-fuse ceph-fuse ro",
        "93 27 0:53 / /tmp/gaia-load-a\\040b/share rw - fuse.ceph-fuse ceph-fuse rw",
        "94 27 0:54 / /home/me/gaia-load-abc/share rw - fuse.ceph-fuse ceph-fuse rw",
    ]
    assert leftovers(lines, ["/tmp"]) == [
        Path("/tmp/gaia-load-a b/share"),
        Path("/tmp/gaia-load-abc/share"),
        Path("/tmp/gaia-load-abc/share"),
    ]

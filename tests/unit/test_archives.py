"""Publishers' checksum files in all their forms, served by the sandbox's own mirror, against a stack's config."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops import archives, command
from ops.cloud import OpsError
from sandbox.mirror import serve

FILE = "spark-4.0.5-bin-hadoop3.tgz"
CONTENT = b"spark"
HASH = hashlib.sha512(CONTENT).hexdigest()
OTHER = hashlib.sha512(b"other").hexdigest()


def grouped(digest: str, size: int, per_line: int, indent: str) -> str:
    """As gpg --print-md sets it."""
    groups = [digest[start : start + size].upper() for start in range(0, len(digest), size)]
    rows = [" ".join(groups[start : start + per_line]) for start in range(0, len(groups), per_line)]
    return f"\n{indent}".join(rows)


FORMS = {
    "sha512sum": f"{HASH}  {FILE}\n",
    "sha512sum --binary": f"{HASH} *{FILE}\n",
    "with a directory": f"{HASH}  ./target/release/{FILE}\n",
    "with carriage returns": f"{HASH}  {FILE}\r\n",
    "the hash alone": HASH,
    "upper case": f"{HASH.upper()}  {FILE}\n",
    "openssl, BSD": f"SHA512 ({FILE}) = {HASH}\n",
    "openssl 3": f"SHA2-512({FILE})= {HASH}\n",
    "gpg --print-md": f"{FILE}: {grouped(HASH, 8, 4, ' ' * 29)}\n",
    "gpg --print-md, from the next line on": f"{FILE}:\n{grouped(HASH, 4, 8, '')}\n",
    "several files": f"{OTHER}  spark-4.0.5.tgz\n{HASH}  {FILE}\n",
    "several files of gpg": f"dead: {grouped(OTHER, 8, 4, '  ')}\n{FILE}: {grouped(HASH, 8, 4, '  ')}\nbeef: 00\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_checksum_file_is_read(form: str) -> None:
    assert archives.digest(FORMS[form], FILE) == HASH


@pytest.mark.parametrize("tool", [["sha512sum", FILE], ["sha512sum", "--tag", FILE], ["openssl", "sha512", FILE]])
def test_what_the_tools_really_write_is_read(tool: list[str], tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(CONTENT)
    said = subprocess.run(tool, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert archives.digest(said, FILE) == HASH


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no SHA-512 in it"),
        ("<html>Not found</html>", "no SHA-512 in it"),
        (f"{HASH[:127]}  {FILE}\n", "no SHA-512 in it"),
        (f"{HASH}0  {FILE}\n", "no SHA-512 in it"),
        (f"{FILE}: {grouped(HASH, 8, 4, '  ')[:-3]}\n", "no SHA-512 in it"),
        (f"{hashlib.sha256(CONTENT).hexdigest()}  {FILE}\n", "no SHA-512 in it"),
        (f"{HASH}  spark-4.0.4.tgz\n", f"the hash of spark-4.0.4.tgz, not of {FILE}"),
        (f"{HASH}  {FILE}\n{OTHER}  {FILE}\n", "several hashes"),
    ],
)
def test_a_file_without_the_hash_is_told_for_what_it_is(text: str, why: str) -> None:
    with pytest.raises(OpsError, match=why):
        archives.digest(text, FILE)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """The mirror's web server with the three archives' checksum files; its URL."""
    root = tmp_path / "served"
    root.mkdir()
    for name, form in (("hadoop", f"{HASH}  hadoop.tgz\n"), ("zeppelin", f"SHA512 (zeppelin.tgz) = {HASH}\n")):
        (root / f"{name}.tgz.sha512").write_text(form)
    (root / f"{FILE}.sha512").write_text(FORMS["gpg --print-md"])
    handler = type("Handler", (serve.Handler,), {"root": root})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Played:
    """`pulumi` with a stack's `gaia:archives`; what was set."""

    def __init__(self, own: dict[str, dict[str, Any]]) -> None:
        self.own, self.set = own, dict[str, str]()

    def __call__(self, *argv: str, stack: str) -> str:
        assert stack == "gaia-test"
        if argv[:2] == ("config", "set"):
            assert argv[2::2] == ("--path", "--type", argv[6])
            self.set[argv[3]] = argv[6]
            return ""
        return json.dumps({"gaia:archives": {"value": json.dumps(self.own), "objectValue": self.own, "secret": False}})


def stacks(mirror: str, **sums: str) -> dict[str, dict[str, Any]]:
    files = {"hadoop": "hadoop.tgz", "spark": FILE, "zeppelin": "zeppelin.tgz"}
    return {
        name: {"version": "1", "url": f"{mirror}/{file}", **({"sha512": sums[name]} if name in sums else {})}
        for name, file in files.items()
    }


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, dict[str, Any]]], Played]:
    def played(own: dict[str, dict[str, Any]]) -> Played:
        made = Played(own)
        for module in (archives, command):
            monkeypatch.setattr(module, "pulumi", made)
        return made

    return played


Play = Callable[[dict[str, dict[str, Any]]], Played]


def test_pinning_writes_the_checksums_that_differ_or_are_missing_and_no_others(mirror: str, play: Play) -> None:
    pulumi = play(stacks(mirror, hadoop=HASH, spark=OTHER))
    said = archives.archives("gaia-test", pin=True)
    assert pulumi.set == {"gaia:archives.spark.sha512": HASH, "gaia:archives.zeppelin.sha512": HASH}
    assert [line.split()[2] for line in said] == ["is", "pinned", "pinned"]


def test_without_pinning_a_difference_is_an_error_with_both_sums_and_nothing_is_written(
    mirror: str, play: Play
) -> None:
    pulumi = play(stacks(mirror, hadoop=HASH, spark=OTHER))
    with pytest.raises(OpsError) as told:
        archives.archives("gaia-test", pin=False)
    assert pulumi.set == {}
    assert f"spark 1: {OTHER} in the stack's file, {HASH} published" in str(told.value)
    assert f"zeppelin 1: nothing in the stack's file, {HASH} published" in str(told.value)
    assert "hadoop" not in str(told.value)
    assert "--pin -s gaia-test" in str(told.value)
    play(stacks(mirror, hadoop=HASH, spark=HASH, zeppelin=HASH))
    assert len(archives.archives("gaia-test", pin=False)) == 3


def test_all_that_cannot_be_read_is_told_at_once_by_url_and_nothing_is_written(mirror: str, play: Play) -> None:
    own = stacks(mirror)
    own["spark"]["url"] = f"{mirror}/nothing.tgz"
    own["zeppelin"]["url"] = "http://127.0.0.1:1/zeppelin.tgz"
    pulumi = play(own)
    with pytest.raises(OpsError) as told:
        archives.archives("gaia-test", pin=True)
    assert f"spark 1: {mirror}/nothing.tgz.sha512: there is no such file" in str(told.value)
    assert "zeppelin 1: http://127.0.0.1:1/zeppelin.tgz.sha512 cannot be reached: " in str(told.value)
    assert pulumi.set == {}


def test_a_stack_that_says_nothing_has_the_archives_of_the_versions_file() -> None:
    versions = {"archives": {"spark": {"version": "4", "url": "https://x/spark.tgz"}}}
    assert archives.chosen({}, versions) == [archives.Archive("spark", "4", "https://x/spark.tgz", "")]
    own = {"gaia:archives": {"objectValue": {"spark": {"url": "http://mirror/s.tgz", "sha512": HASH}}}}
    assert archives.chosen(own, versions) == [archives.Archive("spark", "4", "http://mirror/s.tgz", HASH)]

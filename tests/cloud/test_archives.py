"""`ops archives --pin` with the real CLI, on a copy of a committed stack file; no cloud."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox.mirror import serve
from tests.conftest import ROOT
from tests.stack import tools

HASHES = {name: hashlib.sha512(name.encode()).hexdigest() for name in ("hadoop", "spark", "zeppelin")}
ARCHIVES = """\
  # served by the mirror's own web server
  gaia:archives:
    hadoop: {{version: 3.5.0, url: "{url}/hadoop.tgz"}} # in one line
    spark:
      url: {url}/spark.tgz # the rest is of versions.toml
    # the newest
    zeppelin:
      url: {url}/zeppelin.tgz
      sha512: "00"
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "served"
    root.mkdir()
    for name, digest in HASHES.items():
        (root / f"{name}.tgz.sha512").write_text(f"{digest}  {name}.tgz\n")
    handler = type("Handler", (serve.Handler,), {"root": root})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_pinning_writes_the_checksums_and_keeps_every_other_line_comment_and_order(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    file = tmp_path / "Pulumi.gaia-test.yaml"
    before = (ROOT / "Pulumi.gaia-test.yaml").read_text() + ARCHIVES.format(url=url)
    file.write_text(before)
    (tmp_path / "state").mkdir()
    for key, value in {**tools(tmp_path), "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)

    def ops(*argv: str) -> subprocess.CompletedProcess[str]:
        words = [str(ROOT / ".venv/bin/python"), "-W", "ignore", "-m", "ops", "archives", "-s", "gaia-test", *argv]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    init = ["pulumi", "stack", "init", "gaia-test", "--non-interactive", "--secrets-provider", "passphrase"]
    subprocess.run(init, check=True, capture_output=True)
    compared = ops()
    assert compared.returncode == 1
    assert f"zeppelin 0.12.0: 00 in the stack's file, {HASHES['zeppelin']} published" in compared.stderr

    assert ops("--pin").returncode == 0
    after = file.read_text()
    for digest in HASHES.values():
        assert after.count(digest) == 1
    kept = [line for line in before.splitlines() if "sha512" not in line and "in one line" not in line]
    rest = iter(after.splitlines())
    assert [line for line in kept if line not in rest] == [], f"lost, or in another place, in:\n{after}"
    assert f'hadoop: {{version: 3.5.0, url: "{url}/hadoop.tgz", sha512: {HASHES["hadoop"]}}} # in one line' in after
    assert ops().returncode == 0

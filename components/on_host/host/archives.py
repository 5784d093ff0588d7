"""Archives: fetched, verified, unpacked beside what is in use."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from .changes import Bundle, Changes, switch
from .commands import INSTALL_LIMIT, Failed, run, say

TRIES = 5


def archives(bundle: Bundle, changes: Changes) -> None:
    """Download, verify, unpack beside what is in use, and switch at once; one that is there already is left alone.

    What is in use is a link, `/opt/spark` to `/opt/.gaia/spark-3.5.7-0123456789ab`: daemons that run keep the files
    that they were started with until they are restarted.
    """
    for archive in bundle["archives"]:
        link, kept = Path(archive["directory"]), Path(archive["keep"]) if archive["keep"] else None
        fresh = link.parent / ".gaia" / f"{archive['name']}-{archive['sha512'][:12]}"
        if kept and not kept.exists():
            obtain(archive, kept)
        if not (fresh / ".complete").exists():
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
                unpack(kept or obtain(archive, Path(directory, "archive")), fresh)
            (fresh / ".complete").touch()
        if switch(link, fresh):
            changes.add(str(link), f"unpacked {archive['name']} for {link}")


def obtain(archive: Bundle, target: Path) -> Path:
    """Download an archive; its file is there once it is verified, and not before."""
    say(f"fetching {archive['name']}")
    part = target.with_name(f".{target.name}.part")
    download(archive["url"], archive["sha512"], part)
    part.chmod(0o644)
    return part.replace(target)


def unpack(file: Path, directory: Path) -> None:
    """Unpack an archive, whose one top-level directory is stripped."""
    tar = ["tar", "--extract", "--no-same-owner", f"--file={file}", f"--directory={directory}"]
    run(*tar, "--strip-components=1", limit=INSTALL_LIMIT)


def download(url: str, sha512: str, target: Path) -> None:
    """Fetch a URL into a file and verify it.

    A network error, or an answer that ends early, is tried again; a complete one with a wrong checksum is final.
    """
    for attempt in range(1, TRIES + 1):
        try:
            digest = fetch(url, target)
        except (urllib.error.URLError, http.client.HTTPException, OSError) as problem:
            if attempt == TRIES:
                raise Failed(f"{url} could not be downloaded ({TRIES} tries): {problem}") from None
            time.sleep(2 * attempt)
            continue
        if digest != sha512:
            raise Failed(
                f"{url} has the SHA-512 {digest}, but gaia:archives says {sha512}: "
                "the download is not what was chosen; compare both with what the publisher states"
            )
        return


def fetch(url: str, target: Path) -> str:
    """One try to get a URL into a file; its SHA-512. Raises OSError when the answer is shorter than it says itself."""
    digest, had = hashlib.sha512(), 0
    with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as out:
        while piece := answer.read(1 << 20):
            digest.update(piece)
            had += out.write(piece)
        expected = answer.headers.get("Content-Length")
    if expected is not None and had != int(expected):
        raise OSError(f"the answer ended after {had} of {expected} bytes")
    return digest.hexdigest()

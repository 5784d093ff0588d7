"""What a share holds, in short: how many files, how many bytes, and a hash of their names and sizes.

The record of it lies in the share itself, and is there only when the share was filled to the end. A shell tells the
same hash, in the share's top directory:

    find . ! -type d ! -path './.gaia-fill.json*' -printf '%s %P\\0' | LC_ALL=C sort -z | sha256sum
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD = ".gaia-fill.json"


class ListingError(Exception):
    """The record in a share cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Listing:
    """Everything in a share that is not a directory."""

    files: int
    bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.files} files, {self.bytes} bytes, listing {self.sha256[:12]}"


def _files(directory: bytes) -> Iterator[os.DirEntry[bytes]]:
    """All that lies below and is no directory; links are not followed. Names are bytes: not all of them are text."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry


def survey(directory: Path) -> Listing:
    """What is there now, without the record. Raises OSError for what cannot be read: it must not count as absent."""
    top = os.fsencode(directory)
    lines, size = [], 0
    for entry in _files(top):
        name = entry.path.removeprefix(top + b"/")
        if not name.startswith(RECORD.encode()):
            length = entry.stat(follow_symlinks=False).st_size
            lines.append(b"%d %s\0" % (length, name))
            size += length
    return Listing(len(lines), size, hashlib.sha256(b"".join(sorted(lines))).hexdigest())


def recorded(directory: Path) -> Listing | None:
    """What was there when it was filled to the end; None if it never was. Raises ListingError for a damaged record."""
    try:
        return Listing(**json.loads((directory / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as problem:
        raise ListingError(
            f"{RECORD} in the share is damaged ({problem}): look at the share; without that file the next `fill` "
            "goes on as if it had been cut off"
        ) from None


def record(directory: Path, listing: Listing) -> None:
    """Note that the share is complete: on the disk when this returns, and never half."""
    fresh = directory / f"{RECORD}.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(listing), file)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / RECORD)
    parent = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)

"""Archives with the same bytes on every machine: sorted members, no owners, no times, no compressor's choices.

The members are jars, which are compressed already. They are therefore stored, not deflated: a gzip file of stored
blocks, written here because zlib's versions differ in how they cut them. Building and unpacking cost next to no CPU.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

EXECUTABLE, PLAIN = 0o755, 0o644
BLOCK = 65535  # bytes: the longest stored block of RFC 1951
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952: deflate, no name, no time, unknown system


class StoredGzip(io.RawIOBase):
    """A write-only stream that stores what it gets as gzip without compression, and knows its SHA-512."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._pending = out, bytearray()
        self._crc, self._size, self.digest = 0, 0, hashlib.sha512()
        self._put(GZIP_HEADER)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._crc, self._size = zlib.crc32(data, self._crc), self._size + len(data)
        self._pending += data
        whole = len(self._pending) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            self._put(_block(self._pending[start : start + BLOCK], last=False))
        del self._pending[:whole]
        return len(data)

    def finish(self) -> None:
        """Write the last block and the checksum."""
        self._put(_block(self._pending, last=True))
        self._put(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def _put(self, data: bytes) -> None:
        self.digest.update(data)
        self._out.write(data)


def _block(data: bytes | bytearray, *, last: bool) -> bytes:
    return struct.pack("<BHH", last, len(data), len(data) ^ 0xFFFF) + data


def write(target: Path, top: str, members: Mapping[str, Path]) -> str:
    """Write a .tar.gz whose one top-level directory is `top`, with these files by their path below it.

    It appears under its name only when it is whole. Returns its SHA-512.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with part.open("wb") as out:
        stream = StoredGzip(out)
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="w|", format=tarfile.GNU_FORMAT) as tar:
            add(tar, {f"{top}/{path}": source for path, source in members.items()})
        stream.finish()
    part.replace(target)
    return stream.digest.hexdigest()


def add(tar: tarfile.TarFile, members: Mapping[str, Path]) -> None:
    """Add files by their path in the archive: sorted, root's, without times, a block at a time."""
    for path in sorted(members):
        status = members[path].stat()
        info = tarfile.TarInfo(path)
        info.size = status.st_size
        info.mode = EXECUTABLE if status.st_mode & 0o100 else PLAIN
        with members[path].open("rb") as content:
            tar.addfile(info, content)

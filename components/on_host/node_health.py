#!/usr/bin/python3
"""Whether a worker may get work: node-health PERCENT VOLUME SHARE...

The NodeManager runs it every half minute. A line that begins with ERROR takes the node out of YARN until there is none,
and is the reason that YARN's pages and `up` show. Standard library only (Python 3.9 or newer).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator


def problems(full: int, volume: str, shares: list[str]) -> Iterator[str]:
    """What keeps a worker from its work. `full`: percent of the volume from which on there is no room."""
    for mount in (volume, *shares):
        try:
            with os.scandir(mount) as entries:  # fails where ceph-fuse is dead, or Ceph has evicted it
                next(entries, None)
        except OSError as problem:
            yield f"{mount} cannot be read ({problem.strerror})"
            continue
        if not os.path.ismount(mount):
            yield f"{mount} is not mounted"
        elif mount == volume and (taken := used(volume)) >= full:
            yield f"{volume} is {taken} % full"


def used(mount: str) -> int:
    """Percent of a file system that is taken."""
    found = os.statvfs(mount)
    taken = found.f_blocks - found.f_bfree
    return 100 * taken // max(taken + found.f_bavail, 1)


def main(argv: list[str]) -> int:
    """Say what is wrong; the exit status, which is 0: another one means that the check itself does not work."""
    wrong = list(problems(int(argv[1]), argv[2], argv[3:]))
    if wrong:
        print("ERROR", "; ".join(wrong))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

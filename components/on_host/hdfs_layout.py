"""Makes directories in HDFS with their owners and modes, over WebHDFS: `hdfs-layout NAMENODE_URL LAYOUT_FILE`.

Standard library only. Reads first and changes only what differs, so that it also ends well while a NameNode, whose
directories are right already, is still in safe mode. Waits for the NameNode as long as it takes; the unit that runs
it may be stopped at any time.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

SUPERUSER = "hdfs"
PAUSE = 1.0  # seconds between tries


class NotYetError(Exception):
    """The NameNode does not answer, or is in safe mode."""


def call(url: str, method: str, path: str, **query: str) -> dict[str, Any]:
    """One operation of WebHDFS. Raises NotYetError when it can be tried again, FileNotFoundError, RuntimeError."""
    asked = urllib.parse.urlencode({"user.name": SUPERUSER, **query})
    request = urllib.request.Request(f"{url}/webhdfs/v1{urllib.parse.quote(path)}?{asked}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")  # type: ignore[no-any-return]
    except urllib.error.HTTPError as problem:
        said = problem.read().decode(errors="replace")
        if problem.code == 404:
            raise FileNotFoundError(path) from None
        if "SafeModeException" in said:
            raise NotYetError("it is in safe mode: not enough DataNodes have reported their blocks") from None
        if "RetriableException" in said:
            raise NotYetError("it is starting") from None
        raise RuntimeError(f"{method} {path} {query}: {problem.code} {said[:500]}") from None
    except OSError as problem:
        raise NotYetError(str(problem)) from None


def ensure(url: str, path: str, owner: str, mode: str) -> bool:
    """Make one directory as it should be. Returns whether anything had to change."""
    try:
        status = call(url, "GET", path, op="GETFILESTATUS")["FileStatus"]
    except FileNotFoundError:
        call(url, "PUT", path, op="MKDIRS", permission=mode)
        status = {"owner": SUPERUSER, "group": "", "permission": mode}
    if (status["owner"], status["group"], status["permission"]) == (owner, owner, mode):
        return False
    call(url, "PUT", path, op="SETOWNER", owner=owner, group=owner)
    call(url, "PUT", path, op="SETPERMISSION", permission=mode)
    return True


def main(url: str, file: str) -> int:
    """Work through the layout until all of it is right."""
    said = ""
    with open(file, encoding="utf-8") as layout:  # noqa: PTH123
        wanted = json.load(layout)
    while wanted:
        entry = wanted[0]
        try:
            if ensure(url, entry["path"], entry["owner"], entry["mode"]):
                print(f"{entry['path']}: {entry['owner']} {entry['mode']}", flush=True)
            wanted.pop(0)
        except NotYetError as reason:
            if str(reason) != said:
                said = str(reason)
                print(f"waiting for the NameNode at {url}: {said}", flush=True)
            time.sleep(PAUSE)
        except RuntimeError as problem:
            print(f"hdfs-layout: {problem}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

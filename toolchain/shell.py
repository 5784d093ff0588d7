"""Progress, subprocesses with their output in a log, problems said in one sentence, stamps of finished steps."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".tools"
BIN = TOOLS / "bin"

HEARTBEAT = 15.0  # seconds between two signs of life of a long step

_start = time.monotonic()
_running: set[subprocess.Popen[bytes]] = set()
_stopping = threading.Event()


class Problem(Exception):
    """Something the reader can do something about; the message says what."""


def say(text: str) -> None:
    print(f"tools: [{time.monotonic() - _start:4.0f} s] {text}", flush=True)


def run(
    what: str,
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command with its output in `.tools/log/WHAT.log`, and say every few seconds that it still runs.

    Raises Problem with the log's last lines when it fails.
    """
    if _stopping.is_set():
        raise KeyboardInterrupt
    log = TOOLS / "log" / f"{what.replace(' ', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _running.add(process)
        try:
            while _wait(process) is None:
                say(f"{what}: still at it after {time.monotonic() - begin:.0f} s")
        finally:
            _running.discard(process)
    if _stopping.is_set():
        raise KeyboardInterrupt
    if process.returncode:
        raise Problem(explain(what, log))


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=HEARTBEAT)
    except subprocess.TimeoutExpired:
        return None


def stop_all() -> None:
    """End what `run` has started, in every thread; nothing can be started afterwards."""
    _stopping.set()
    for process in list(_running):
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            continue


def in_parallel(*steps: Callable[[], None]) -> None:
    """Run steps at the same time; the first that fails ends the others."""
    with ThreadPoolExecutor(len(steps)) as pool:
        running = [pool.submit(step) for step in steps]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
            failures = [error for future in running if future.done() and (error := future.exception())]
            if failures:
                raise next((error for error in failures if isinstance(error, Problem)), failures[0])
        except BaseException:
            stop_all()
            raise


CAUSES = (
    (("No space left on device", "Disk quota exceeded"), "the disk is full: free 8 GB and run `make tools` again"),
    (
        ("dial tcp", "i/o timeout", "name resolution", "Connection refused", "Network is unreachable"),
        "a package registry is not reachable: check the network and the proxy settings "
        "(GOPROXY, PIP_INDEX_URL, UV_INDEX_URL)",
    ),
    (("No module named pip",), "python3 has no pip: apt-get install python3-pip"),
    (("SECURITY ERROR", "checksum mismatch", "Hash mismatch"), "a download is not what was pinned: do not use it"),
    (("cannot allocate memory", "signal: killed"), "there is too little memory: 4 GB must be free"),
)


def explain(what: str, log: Path) -> str:
    """One sentence on why a command failed, and the end of its log."""
    text = log.read_text(errors="replace")
    cause = next((said for signs, said in CAUSES if any(sign in text for sign in signs)), "it failed")
    last = "\n  ".join(text.splitlines()[-8:])
    shown = log.relative_to(ROOT) if log.is_relative_to(ROOT) else log
    return f"{what}: {cause} (log: {shown})\n  {last}"


def digest(*parts: str, files: Iterable[Path] = ()) -> str:
    """A hash of texts and of files' names and contents."""
    found = hashlib.sha256("\0".join(parts).encode())
    for file in sorted(files):
        found.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return found.hexdigest()


def done(step: str, state: str, *results: Path) -> bool:
    """Whether a step was finished with this state and its results still lie there."""
    stamp = TOOLS / "stamps" / step
    return stamp.is_file() and stamp.read_text() == state and all(result.exists() for result in results)


def finish(step: str, state: str) -> None:
    stamp = TOOLS / "stamps" / step
    stamp.parent.mkdir(parents=True, exist_ok=True)
    replace(stamp, state.encode())


def replace(target: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.chmod(mode)
    draft.replace(target)


def place(program: Path, folder: Path) -> None:
    """Let FOLDER/NAME be the built program: the same file, under a name that is not the build's."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / program.name
    if target.exists() and target.samefile(program):
        return
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    draft.hardlink_to(program)
    draft.replace(target)


def told(act: Callable[[], None]) -> int:
    """Do it; the exit status. A problem is said without a traceback; an interruption ends what still runs."""
    try:
        act()
    except Problem as problem:
        fail(str(problem))
        return 1
    except KeyboardInterrupt:
        stop_all()
        fail("interrupted: the same command goes on from here")
        return 130
    return 0


def fail(text: str) -> None:
    print(f"tools: {text}", file=sys.stderr, flush=True)

"""Debian trees and archives of them, by mmdebstrap from the mirror that this machine's own apt uses."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox.processes import CommandError, run

SUITE = "bookworm"
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
EPOCH = "946684800"  # the time of every file in an archive; with 0 all accounts would have to change their passwords


def apt_sources() -> str:
    """One line for each Debian index that this machine's apt has for this suite, with the same mirror."""
    form = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(LABEL)"
    lines = []
    for row in run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).splitlines():
        uri, release, component, label = row.split("|")
        if label.startswith("Debian") and release.split("-")[0] == SUITE:
            lines.append(f"deb {uri} {release} {component}")
    if not any(f" {SUITE} " in line for line in lines):
        raise CommandError(
            f"apt on this machine has no index of Debian {SUITE}: name a mirror of it in its sources, then "
            "run `apt-get update`"
        )
    return "\n".join(lines) + "\n"


def apt_options() -> list[str]:
    """How this machine's apt reaches its mirror (proxy, timeouts, validity), without any file names."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    return [line for line in run(["apt-config", "dump", "Acquire"]).splitlines() if line.startswith(wanted)]


def bootstrap(target: Path, variant: str, packages: Sequence[str], log: Path, *options: str) -> None:
    """Make a tree, or an archive if the target is called so: the same bytes for the same packages.

    mmdebstrap's output goes to `log`, its last step to the terminal every five seconds. Raises CommandError.
    """
    command = ["mmdebstrap", "--mode=root", f"--variant={variant}", f"--include={','.join(packages)}", *options]
    command += [f"--aptopt={option}" for option in [*apt_options(), 'APT::Install-Recommends "false"']]
    command += [f"--dpkgopt=path-exclude={path}" for path in EXCLUDED]
    command += [SUITE, str(target), "-"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH} if target.suffix == ".tar" else None
    print("image: Debian packages are fetched and unpacked (a minute or two)", flush=True)
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out, env=environment)
        assert child.stdin is not None
        child.stdin.write(apt_sources().encode())
        child.stdin.close()
        start = time.monotonic()
        while child.poll() is None:
            _wait(child, 5)
            print(f"image: {time.monotonic() - start:4.0f} s, {_last_step(log)}", flush=True)
    if child.returncode:
        raise CommandError(f"mmdebstrap failed; the end of {log}:\n" + log.read_text()[-1500:])


def _wait(child: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _last_step(log: Path) -> str:
    """mmdebstrap's last message that says what it does now."""
    steps = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("I: ")]
    return steps[-1][3:] if steps else "starting"

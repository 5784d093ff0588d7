"""Debian packages that a step needs: named, then installed."""

import os
import shutil

from toolchain import shell


def install(*packages: str, lack: str) -> None:
    """Install them; `lack` says in few words what is missing. Raises Problem where only somebody else can do it."""
    names = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise shell.Problem(f"{lack}: install it (on Debian: apt-get install {names})")
    shell.say(f"{lack}: installing the Debian package{'s' if len(packages) > 1 else ''} {names}")
    install = f"apt-get -qy install --no-install-recommends {names}"
    words = ["sh", "-c", f"{install} || {{ apt-get -q update && {install}; }}"]
    shell.run(f"install {packages[0]}", words, env={"DEBIAN_FRONTEND": "noninteractive"})

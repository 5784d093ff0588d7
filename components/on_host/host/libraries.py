"""Python libraries, in an environment beside the one in use."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .changes import Bundle, Changes, switch
from .commands import INSTALL_LIMIT, run, say


def python_environment(bundle: Bundle, changes: Changes) -> None:
    """A virtual environment with exactly these requirements, made beside the one in use, which is switched at once.

    A virtual environment holds its own path, so each has one of its own: what runs keeps the one it was started with.
    """
    wanted = bundle["python"]
    if not wanted or not wanted["requirements"]:
        return
    link = Path(wanted["path"])
    digest = hashlib.sha512(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    fresh = link.with_name(f"{link.name}-{digest[:12]}")
    if not (fresh / ".complete").exists():
        say(f"installing {len(wanted['requirements'])} Python requirements into {link}")
        run("python3", "-m", "venv", "--clear", str(fresh))
        source = ["--no-index", "--find-links", wanted["find_links"]] if wanted["find_links"] else []
        trusted = ["--trusted-host", wanted["find_links"].split("/")[2]] if source else []
        quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile"]
        pip, uv = str(fresh / "bin" / "pip"), str(fresh / "bin" / "uv")
        run(pip, "install", *quiet, *source, *trusted, f"uv=={wanted['uv']}", limit=INSTALL_LIMIT)
        install = [uv, "pip", "install", "--quiet", "--no-cache", "--python", str(fresh)]
        run(*install, *source, *wanted["requirements"], limit=INSTALL_LIMIT)
        (fresh / ".complete").touch()
    if switch(link, fresh):
        changes.add(str(link), f"installed the Python libraries in {link}")

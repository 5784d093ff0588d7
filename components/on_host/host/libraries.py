"""Python libraries, in an environment beside the one in use."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .changes import Bundle, Changes, switch
from .commands import INSTALL_LIMIT, run, say


def python_environment(bundle: Bundle, changes: Changes) -> None:
    """A virtual environment with exactly these libraries, made beside the one in use, which is switched at once.

    A virtual environment holds its own path, so each has one of its own: what runs keeps the one it was started with.
    """
    wanted = bundle["python"]
    if not wanted or "libraries" not in wanted:  # of an older program, to go back to: what is in use stays
        return
    link = Path(wanted["path"])
    digest = hashlib.sha512(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    fresh = link.with_name(f"{link.name}-{digest[:12]}")
    if not (fresh / ".complete").exists():
        run("python3", "-m", "venv", "--clear", str(fresh))
        if wanted["libraries"]:
            install(wanted, fresh)
        (fresh / ".complete").touch()
    if switch(link, fresh):
        changes.add(str(link), f"installed the Python libraries in {link}")


def install(wanted: Bundle, fresh: Path) -> None:
    """Install what is locked, nothing else, and see that all of it fits together and this host's Python."""
    say(f"installing {len(wanted['libraries'].splitlines())} Python libraries into {wanted['path']}")
    files = {name: fresh / f"{name}.txt" for name in ("installer", "libraries")}
    for name, file in files.items():
        file.write_text(wanted[name] + "\n", encoding="utf-8")
    source = ["--no-index", "--find-links", wanted["find_links"]] if wanted["find_links"] else []
    trusted = ["--trusted-host", wanted["find_links"].split("/")[2]] if source else []
    exactly = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    pip, uv = str(fresh / "bin" / "pip"), str(fresh / "bin" / "uv")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile"]
    first = ["install", *quiet, *source, *trusted, *exactly, "-r", str(files["installer"])]
    run(pip, *first, limit=INSTALL_LIMIT)
    there = ["--no-cache", "--python", str(fresh)]
    run(uv, "pip", "install", *there, *source, *exactly, "-r", str(files["libraries"]), limit=INSTALL_LIMIT)
    run(uv, "pip", "check", *there)

"""What an earlier bundle left: what goes, what is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from . import places
from .accounts import remove_login
from .changes import Bundle, Changes
from .commands import output
from .disks import fstab
from .shares import unmount
from .units import unit_path


def manifest(bundle: Bundle) -> dict[str, Any]:
    """What this bundle puts on the host, to be removed when a later one has it no longer."""
    return {
        "units": [unit["name"] for unit in bundle["units"]],
        "files": [entry["path"] for entry in bundle["files"]],
        "links": [link["path"] for link in bundle["links"]],
        "shares": [share["mount"] for share in bundle["ceph_mounts"]],
        "identities": [share["identity"] for share in bundle["ceph_mounts"]],
        "logins": [account["name"] for account in bundle["accounts"] if account["authorized_keys"]],
    }


def joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """What either of two manifests lists. Pure."""
    return {kind: list(dict.fromkeys([*first.get(kind, []), *names])) for kind, names in second.items()}


def last_manifest() -> dict[str, Any]:
    """What earlier bundles put on the host: the last one, and any that failed since. Empty where there was none."""
    found: dict[str, Any] = json.loads(places.MANIFEST.read_text(encoding="utf-8")) if places.MANIFEST.exists() else {}
    return found


def last_bundle() -> Bundle:
    """The last bundle that was wholly in force; empty where there was none."""
    found: Bundle = json.loads(places.BUNDLE.read_text(encoding="utf-8")) if places.BUNDLE.exists() else {}
    return found


def remove_stale(bundle: Bundle, changes: Changes) -> None:
    """Remove what the last bundle had and this one has not. Volumes and home directories are never removed."""
    old, new = last_manifest(), manifest(bundle)
    gone = {kind: [name for name in old.get(kind, []) if name not in new[kind]] for kind in new}
    for name in gone["units"]:
        output("systemctl", "disable", "--now", name)
        unit_path({"name": name}).unlink(missing_ok=True)
    for mount in gone["shares"]:
        fstab(mount, "")
        unmount(mount)
    paths = [*gone["files"], *gone["links"]]
    paths += [f"/etc/ceph/{identity}.{kind}" for identity in gone["identities"] for kind in ("conf", "keyring")]
    for path in paths:
        Path(path).unlink(missing_ok=True)
    for name in gone["logins"]:
        remove_login(name)
    for kind, names in gone.items():
        for name in names:
            changes.add(name, f"removed {kind.rstrip('s')} {name}")


def trees(bundle: Bundle) -> dict[str, str]:
    """What is in use of what is made beside it: link -> directory."""
    links = [archive["directory"] for archive in bundle["archives"]]
    if bundle["python"] and Path(bundle["python"]["path"]).is_symlink():
        links.append(bundle["python"]["path"])
    return {link: str(Path(link).readlink()) for link in links}


def sweep(bundle: Bundle, before: dict[str, Any]) -> dict[str, list[str]]:
    """Remove what is neither in use nor was until the last change: what runs may have been started with that.

    Also what was never finished. Returns what is kept: link -> directories, the one in use first.
    """
    known: dict[str, list[str]] = before.get("trees", {})
    kept = {link: [now, *(old for old in known.get(link, []) if old != now)][:2] for link, now in trees(bundle).items()}
    needed = {directory for directories in kept.values() for directory in directories}
    for place in {Path(directory).parent for directory in needed}:
        for tree in place.iterdir():
            if tree.is_dir() and not tree.is_symlink() and str(tree) not in needed:
                shutil.rmtree(tree, ignore_errors=True)
    files = {Path(archive["keep"]) for archive in bundle["archives"] if archive["keep"]}
    for directory in {file.parent for file in files}:
        for file in set(directory.iterdir()) - files:
            file.unlink()
    return kept

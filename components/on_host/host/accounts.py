"""Login and service accounts."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import time
from pathlib import Path

from .changes import Bundle, Changes, write
from .commands import Failed, output, run


def accounts(bundle: Bundle, changes: Changes) -> None:
    """Login and service accounts, their keys and what they may do."""
    for account in bundle["accounts"]:
        name, home = account["name"], Path(account["home"])
        try:
            pwd.getpwnam(name)
        except KeyError:
            login = bool(account["authorized_keys"])
            kind = ["--create-home"] if login else ["--system", "--no-create-home"]
            kind += ["--uid", str(account["uid"])] if account["uid"] and free(account["uid"]) else []
            run("useradd", "--user-group", *kind, "--home-dir", str(home), "--shell", account["shell"], name)
            changes.add(f"account:{name}", f"added account {name}")
        for group in account["groups"]:
            run("groupadd", "--system", "--force", group)
        if account["groups"]:
            run("usermod", "--append", "--groups", ",".join(account["groups"]), name)
        user = pwd.getpwnam(name)
        if account["authorized_keys"]:
            keys = home / ".ssh" / "authorized_keys"
            keys.parent.mkdir(mode=0o700, exist_ok=True)
            os.chown(keys.parent, user.pw_uid, user.pw_gid)
            if write(keys, "\n".join(account["authorized_keys"]) + "\n", 0o600, user.pw_uid, user.pw_gid):
                changes.add(str(keys), f"wrote the keys of {name}")
        if account["sudo"] and write(
            Path(f"/etc/sudoers.d/gaia-{name}"), f"{name} ALL=(ALL) NOPASSWD:ALL\n", 0o440, 0, 0
        ):
            changes.add(f"sudo:{name}", f"{name} may use sudo")


def free(uid: int) -> bool:
    """Whether nobody has this user id yet."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return True
    return False


def remove_login(name: str) -> None:
    """Take a person's login away, whatever they are running. Their home directory stays."""
    Path(f"/etc/sudoers.d/gaia-{name}").unlink(missing_ok=True)
    try:
        person = pwd.getpwnam(name)
    except KeyError:
        return
    # first of all nothing new can begin: no key, no password, no cron job
    run("usermod", "--lock", "--expiredate", "1", "--shell", "/usr/sbin/nologin", name)
    (Path(person.pw_dir) / ".ssh" / "authorized_keys").unlink(missing_ok=True)
    output("loginctl", "disable-linger", name)
    output("loginctl", "terminate-user", name)
    deadline = time.monotonic() + 30
    while running := processes_of(person.pw_uid):
        if time.monotonic() > deadline:
            raise Failed(f"{name} is no operator any more, and locked, but processes {running} do not end")
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
    run("userdel", name)


def processes_of(uid: int) -> list[int]:
    """The ids of a user's processes; those that have ended and wait for their parent do not count."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if int(fields["Uid"].split()[0]) == uid and not fields["State"].startswith("Z"):
                found.append(int(status.parent.name))
    return found

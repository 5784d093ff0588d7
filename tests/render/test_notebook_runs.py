"""The notebook server alone, with its rendered files: interpreters, and who it lets in while logins change.

On one machine, in namespaces of its own (`rig.py`), with the sandbox's archive. Needs root.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.hadoop import interpreters, logins, roles, zeppelin
from components.hadoop.cluster import Cluster
from components.hadoop.sizing import compute
from components.hosts.bundle import Bundle
from components.notebook import shiro
from components.notebook.shiro import NotebookUser
from sandbox.layout import MIRROR
from tests.render.host import Rig, notebook
from tests.render.test_hadoop_files import archives
from tests.unit.test_hadoop_rendering import SALT, TINY, cluster

PASSWORD = "correct horse battery staple"
HOSTS = (("127.0.0.2", "zeppelin"), ("127.0.0.3", "master01"), ("127.0.0.4", "worker01"))
ITERATIONS = 1000  # logins are many here


def user(name: str, password: str, *granted: str) -> NotebookUser:
    """A login with this password."""
    return NotebookUser(name=name, password_hash=shiro.password_hash(password, SALT, ITERATIONS), roles=granted)


ADMINISTRATOR, ALICE = user("gaia", PASSWORD, "admin", "user"), user("alice", PASSWORD + "2", "user")


def a_cluster() -> Cluster:
    """Tiny hosts, the sandbox's archives."""
    return cluster(
        gateway_flavor=TINY,
        master_flavor=TINY,
        worker_flavor=TINY,
        sizes=compute(gateway=TINY, master=TINY, worker=TINY, workers=4),
        archives=archives(),
        notebook_users=(ADMINISTRATOR, ALICE),
    )


@pytest.fixture(scope="module")
def rig(built: Path) -> Iterator[Rig]:
    parts = roles.gateway(a_cluster())
    bundle = Bundle(
        host="zeppelin",
        hosts_file=HOSTS,
        accounts=parts.accounts,
        directories=parts.directories,
        archives=tuple(
            replace(one, url=one.url.replace(f"http://{MIRROR}", f"file://{built / 'mirror'}"), keep="")
            for one in parts.archives
            if one.name.startswith("zeppelin")
        ),
        files=parts.files,
        units=tuple(unit for unit in parts.units if unit.name.startswith("zeppelin")),
    )
    # service accounts must be able to reach it, which pytest's own directories do not allow
    scratch = Path(tempfile.mkdtemp(prefix="gaia-rig.", dir="/tmp"))
    scratch.chmod(0o755)
    running = Rig(scratch, bundle)
    try:
        running.wait()
        yield running
    finally:
        running.stop()
        shutil.rmtree(scratch)


def enter(rig: Rig, *pairs: tuple[str, str]) -> Any:
    """What the server says to these names and passwords: OK or a status."""
    return notebook(rig, f"print(json.dumps([login(*pair) for pair in {pairs!r}]))")


def cookie(rig: Rig, name: str, password: str) -> str:
    """The cookie of a session of this login."""
    script = f"""
assert login({name!r}, {password!r}) == "OK"
(jar,) = [handler.cookiejar for handler in browser.handlers if hasattr(handler, "cookiejar")]
print(json.dumps("; ".join(f"{{entry.name}}={{entry.value}}" for entry in jar)))
"""
    return str(notebook(rig, script))


def ask(rig: Rig, session: str, *paths: str) -> list[str | int]:
    """What the server answers to a session: OK or a status."""
    script = f"""
browser.addheaders = [("Cookie", {session!r})]
print(json.dumps([call("GET", path)["status"] for path in {paths!r}]))
"""
    return list(notebook(rig, script))


def change(rig: Rig, *users: NotebookUser) -> None:
    """What a push does when the logins change: write them, restart the unit that watches them. Then wait for a look."""
    write = f"import pathlib; pathlib.Path({logins.WANTED!r}).write_text({shiro.realm(users)!r})"
    rig.run("root", "/usr/bin/python3", "-c", write)
    (command,) = [line for line in logins.unit().content.splitlines() if line.startswith("ExecStart=")]
    rig.run("root", *shlex.split(command.removeprefix("ExecStart=")))
    time.sleep(shiro.RELOAD + 1)


def is_the_same_process(rig: Rig) -> bool:
    """Whether the notebook server is still the process that was started."""
    pid = rig.started["zeppelin.service"]["pid"]
    return "ZeppelinServer" in rig.run("root", "cat", f"/proc/{pid}/cmdline")


def test_the_notebook_lets_in_who_knows_a_password_and_nobody_else(rig: Rig) -> None:
    script = f"""
print(json.dumps([login("gaia", "wrong"), login("nobody", {PASSWORD!r}), login("gaia", {PASSWORD!r})]))
"""
    assert notebook(rig, script) == [403, 403, "OK"]


def test_a_users_role_decides_who_sees_the_settings(rig: Rig) -> None:
    script = """
found = [call("GET", "/version")["status"]]
for user, password in (("alice", %r), ("gaia", %r)):
    login(user, password)
    found += [call("GET", path)["status"] for path in ("/notebook", "/interpreter/setting", "/configurations/all")]
print(json.dumps(found))
"""
    found = notebook(rig, script % (PASSWORD + "2", PASSWORD))
    assert found == ["OK", "OK", 401, 401, "OK", "OK", "OK"]


def test_the_server_has_the_interpreters_settings_that_were_rendered(rig: Rig) -> None:
    script = f"""
login("gaia", {PASSWORD!r})
print(json.dumps(call("GET", "/interpreter/setting")["body"]))
"""
    found = {setting["name"]: setting["properties"] for setting in notebook(rig, script)}
    decided = interpreters.properties(a_cluster())
    for name, properties in found.items():
        expected = decided.get(name, {})
        assert {key: properties[key]["value"] for key in expected} == expected
    # what the archive's own template has stays beside it
    assert found["python"]["zeppelin.python.maxResult"]["value"] == "1000"


def test_what_an_administrator_set_in_the_pages_stays_and_what_the_platform_decides_wins(rig: Rig) -> None:
    script = f"""
login("gaia", {PASSWORD!r})
setting = call("GET", "/interpreter/setting/python")["body"]
setting["properties"]["zeppelin.python.maxResult"]["value"] = "77"
setting["properties"]["zeppelin.python"]["value"] = "/usr/bin/python3"
setting["properties"]["OWN"] = {{"name": "OWN", "value": "1", "type": "string"}}
print(json.dumps(call("PUT", "/interpreter/setting/python", setting)["status"]))
"""
    assert notebook(rig, script) == "OK"
    (command,) = [
        line.removeprefix("ExecStartPre=")
        for line in zeppelin.server(a_cluster()).content.splitlines()
        if line.startswith("ExecStartPre=")
    ]
    rig.run("zeppelin", *shlex.split(command))
    saved = json.loads(rig.run("zeppelin", "cat", shlex.split(command)[3]))["interpreterSettings"]["python"]
    values = {name: entry["value"] for name, entry in saved["properties"].items()}
    assert (values["zeppelin.python.maxResult"], values["OWN"]) == ("77", "1")
    assert values["zeppelin.python"] == "/opt/gaia/python/bin/python"
    assert saved["properties"]["zeppelin.python.maxResult"]["type"] == "number"


def test_a_changed_password_counts_at_once_and_ends_nobodys_session(rig: Rig) -> None:
    change(rig, ADMINISTRATOR, ALICE)
    alice, administrator = cookie(rig, "alice", PASSWORD + "2"), cookie(rig, "gaia", PASSWORD)
    change(rig, ADMINISTRATOR, user("alice", "a new password", "user"))
    assert enter(rig, ("alice", PASSWORD + "2"), ("alice", "a new password"), ("gaia", PASSWORD)) == [403, "OK", "OK"]
    assert ask(rig, alice, "/notebook", "/interpreter/setting") == ["OK", 401]
    assert ask(rig, administrator, "/notebook", "/interpreter/setting") == ["OK", "OK"]
    assert is_the_same_process(rig)


def test_who_is_new_gets_in_and_who_is_gone_does_not_while_the_server_runs(rig: Rig) -> None:
    change(rig, ADMINISTRATOR, ALICE)
    change(rig, ADMINISTRATOR, user("bob", "the one of bob", "user"))
    tries = [("bob", "the one of bob"), ("alice", PASSWORD + "2"), ("alice", "*"), ("alice", "")]
    assert enter(rig, *tries) == ["OK", 403, 403, 403]
    change(rig, ADMINISTRATOR, ALICE)
    assert enter(rig, *tries) == [403, "OK", 403, 403]
    assert is_the_same_process(rig)


def test_who_is_no_longer_an_administrator_or_is_gone_loses_what_only_they_may_do(rig: Rig) -> None:
    chief = user("chief", "the one of chief", "admin", "user")
    change(rig, ADMINISTRATOR, user("alice", PASSWORD + "2", "admin", "user"), chief)
    sessions = cookie(rig, "alice", PASSWORD + "2"), cookie(rig, "chief", "the one of chief")
    for session in sessions:
        assert ask(rig, session, "/notebook", "/interpreter/setting") == ["OK", "OK"]
    change(rig, ADMINISTRATOR, ALICE)
    for session in sessions:  # the open session of who is gone goes on, without any role
        assert ask(rig, session, "/notebook", "/interpreter/setting") == ["OK", 401]
    assert is_the_same_process(rig)


def test_zeppelin_knows_a_logins_roles(rig: Rig) -> None:
    change(rig, ADMINISTRATOR, ALICE)
    script = f"""
form = {{"userName": "alice", "password": {PASSWORD + "2"!r}}}
print(json.dumps(call("POST", "/login", form, form=True)["body"]["roles"]))
"""
    assert json.loads(notebook(rig, script)) == ["user"]


def test_only_the_servers_group_reads_the_logins_and_only_root_writes_them(rig: Rig) -> None:
    assert rig.run("root", "stat", "-c", "%a %U:%G", logins.REALM, logins.WANTED).splitlines() == [
        "640 root:zeppelin",
        "600 root:root",
    ]
    assert rig.run("root", "stat", "-c", "%a %U:%G", logins.DIRECTORY).split() == ["750", "root:zeppelin"]

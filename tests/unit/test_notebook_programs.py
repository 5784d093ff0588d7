"""The programs that keep the notebook server's interpreter settings and logins on the gateway."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from components.hadoop import interpreters
from components.notebook import shiro
from components.notebook.shiro import NotebookUser
from tests.conftest import ROOT
from tests.unit.test_hadoop_rendering import cluster


def program(name: str) -> ModuleType:
    """A program of `components/on_host`, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "components" / "on_host" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- interpreters


def declared(group: str, properties: dict[str, Any]) -> str:
    """An interpreter's declaration with these defaults."""
    given = {name: {"defaultValue": value, "type": "string"} for name, value in properties.items()}
    return json.dumps([{"group": group, "name": group, "properties": given}])


SPARK = declared("spark", {"spark.master": "local[*]", "spark.driver.memory": "1g", "zeppelin.spark.maxResult": "1000"})


class Server:
    """A notebook server's interpreters and its file of settings."""

    def __init__(self, directory: Path) -> None:
        self.file, self.interpreters = directory / "interpreter.json", directory / "interpreter"
        self.decided = directory / "interpreters.json"
        self.decided.write_text(json.dumps(interpreters.settings(cluster())))
        (self.interpreters / "spark").mkdir(parents=True)
        (self.interpreters / "spark" / "interpreter-setting.json").write_text(SPARK)

    def start(self) -> dict[str, Any]:
        """What its unit runs before it; the settings that it then reads."""
        program("zeppelin_interpreters").main(self.decided, self.file, self.interpreters)
        return dict(json.loads(self.file.read_text())["interpreterSettings"])

    def value(self, group: str, name: str) -> Any:
        """A property's value in the file."""
        return json.loads(self.file.read_text())["interpreterSettings"][group]["properties"][name]["value"]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_a_new_server_has_the_decided_properties_beside_those_that_the_interpreter_declares(server: Server) -> None:
    found = server.start()
    assert list(found) == ["spark"], "python is not in this archive"
    assert (found["spark"]["id"], found["spark"]["group"]) == ("spark", "spark")
    assert server.value("spark", "spark.master") == "yarn"
    assert server.value("spark", "spark.driver.memory") == ""
    assert server.value("spark", "zeppelin.spark.run.asLoginUser") is False
    assert server.value("spark", "zeppelin.spark.maxResult") == "1000"
    assert stat.S_IMODE(server.file.stat().st_mode) == 0o600


def test_a_declaration_is_found_in_the_groups_own_jar(server: Server) -> None:
    python = server.interpreters / "python"
    python.mkdir()
    for jar, group in (("a-jupyter.jar", "jupyter"), ("zeppelin-python.jar", "python")):
        with zipfile.ZipFile(python / jar, "w") as archive:
            archive.writestr("interpreter-setting.json", declared(group, {f"of.{group}": "1"}))
    found = server.start()["python"]["properties"]
    assert found["of.python"]["value"] == "1"
    assert "of.jupyter" not in found


def test_what_an_administrator_set_stays_and_what_is_decided_comes_back(server: Server) -> None:
    server.start()
    saved = json.loads(server.file.read_text())
    properties = saved["interpreterSettings"]["spark"]["properties"]
    properties["spark.driver.memory"]["value"] = "64g"
    properties["zeppelin.spark.maxResult"]["value"] = "77"
    properties["spark.sql.shuffle.partitions"] = {
        "name": "spark.sql.shuffle.partitions",
        "value": "8",
        "type": "number",
    }
    saved["interpreterSettings"]["spark"]["option"] = {"perNote": "scoped", "owners": ["ada"]}
    saved["interpreterSettings"]["big"] = {"id": "big", "group": "spark", "properties": {"spark.driver.memory": "64g"}}
    saved["interpreterRepositories"] = [{"id": "central"}]
    server.file.write_text(json.dumps(saved))
    found = server.start()
    assert server.value("spark", "spark.driver.memory") == ""
    assert server.value("spark", "zeppelin.spark.maxResult") == "77"
    assert server.value("spark", "spark.sql.shuffle.partitions") == "8"
    assert found["spark"]["option"] == {"perNote": "isolated", "perUser": "shared", "owners": ["ada"]}
    assert found["big"] == saved["interpreterSettings"]["big"]
    assert json.loads(server.file.read_text())["interpreterRepositories"] == [{"id": "central"}]


def test_a_file_that_is_right_is_not_written_again(server: Server) -> None:
    server.start()
    before = server.file.stat().st_ino
    server.start()
    assert server.file.stat().st_ino == before


@pytest.mark.parametrize("text", ["{", "[]", '{"interpreterSettings": {"spark": {}}}'])
def test_a_broken_file_of_settings_is_named_with_the_remedy(server: Server, text: str) -> None:
    server.file.write_text(text)
    with pytest.raises(SystemExit, match=r"interpreter\.json is not what the server writes .* move it away"):
        server.start()
    assert server.file.read_text() == text


# ---- logins


def user(name: str, *granted: str, password: str = "$hash") -> NotebookUser:
    """A login with these roles."""
    return NotebookUser(name=name, password_hash=password, roles=granted)


class Realm:
    """The files of the logins, and a server that reads what is there when the program waits for it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wanted, self.file = directory / "logins.properties", directory / "realm.properties"
        self.program, self.seen = program("zeppelin_logins"), list[str]()
        monkeypatch.setattr(self.program.time, "sleep", lambda _: self.seen.append(self.file.read_text()))
        monkeypatch.setattr(self.program.shutil, "chown", lambda *_, **__: None)

    def change(self, *users: NotebookUser) -> dict[str, str]:
        """Logins by name after a push of these."""
        self.wanted.write_text(shiro.realm(users))
        self.program.main(self.wanted, self.file, "zeppelin", 10.0)
        lines = [line.partition(" = ") for line in self.file.read_text().splitlines()]
        return {name.removeprefix("user."): rest for name, _, rest in lines if name.startswith("user.")}


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Realm:
    return Realm(tmp_path, monkeypatch)


def test_a_new_login_and_a_new_password_are_written_at_once(realm: Realm) -> None:
    realm.change(user("gaia", "admin", "user"))
    assert realm.file.read_text() == shiro.realm((user("gaia", "admin", "user"),))
    found = realm.change(user("gaia", "admin", "user", password="$new"), user("alice", "user"))
    assert found == {"gaia": "$new, admin, user", "alice": "$hash, user"}
    assert realm.seen == []
    assert stat.S_IMODE(realm.file.stat().st_mode) == 0o640


def test_who_is_gone_is_locked_until_they_come_back(realm: Realm) -> None:
    realm.change(user("gaia", "admin"), user("alice", "user"))
    assert realm.change(user("gaia", "admin"))["alice"] == "*"
    assert realm.change(user("gaia", "admin"))["alice"] == "*"
    assert realm.change(user("gaia", "admin"), user("alice", "user"))["alice"] == "$hash, user"


def test_who_loses_a_role_is_seen_without_any_in_between(realm: Realm) -> None:
    realm.change(user("gaia", "admin", "user"), user("alice", "user"))
    assert realm.change(user("gaia", "user"), user("alice", "user")) == {"gaia": "$hash, user", "alice": "$hash, user"}
    (seen,) = realm.seen
    assert "user.gaia = $hash\n" in seen
    assert "user.alice = $hash, user\n" in seen


def test_a_run_that_was_killed_while_roles_were_cleared_is_finished_by_the_next(
    realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm.change(user("gaia", "admin", "user"))

    def killed(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(realm.program.time, "sleep", killed)
        realm.change(user("gaia", "user"))
    assert realm.change(user("gaia", "user")) == {"gaia": "$hash, user"}
    assert len(realm.seen) == 1, "the server had the time to see the roles cleared"
    assert not realm.file.read_text().startswith("#")


def test_the_realms_file_is_always_newer_than_it_was_whatever_the_clock_says(realm: Realm) -> None:
    realm.change(user("gaia", "admin"))
    ahead = realm.file.stat().st_mtime + 3600
    os.utime(realm.file, (ahead, ahead))
    realm.change(user("gaia", "admin", password="$new"))
    assert realm.file.stat().st_mtime > ahead

"""The committed stacks on the sandbox: the overlay, what a user's changes become, and which commands go there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import settings
from components.platforms import PLATFORMS
from components.settings.hadoop import Hadoop
from sandbox import operators, project
from sandbox.layout import Layout
from tests.conftest import ROOT

STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
TRACKED = "config:\n  gaia:cloud: c\n  gaia:hosts: {master: {flavor: large}, worker: {flavor: large, count: 8}}\n"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A checkout with one stack and an overlay that makes it small."""
    for directory in ("sandbox/mirror", "here/below"):
        (tmp_path / directory).mkdir(parents=True)
    runtime = {"name": "python", "options": {"virtualenv": ".venv"}}
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "gaia", "runtime": runtime}))
    (tmp_path / "Pulumi.gaia-x.yaml").write_text(TRACKED)
    (tmp_path / project.SUMS).write_text('"hadoop-3.5.0.tar.gz" = "aa"\n"spark-4.0.5-bin-hadoop3.tgz" = "bb"\n')
    overlay(tmp_path, {"gaia:hosts": {"worker": {"count": 3}}})
    return Layout(tmp_path)


def overlay(root: Path, values: dict[str, Any]) -> None:
    (root / project.OVERLAY).write_text(yaml.safe_dump({"gaia-x": values}))


def made(layout: Layout) -> dict[str, Any]:
    """The stack's file after a command."""
    values = yaml.safe_load((project.ensure(layout) / "Pulumi.gaia-x.yaml").read_text())
    assert isinstance(values, dict)
    return values


def change(layout: Layout, **values: Any) -> None:
    """What `pulumi config set` and `stack init` do to it."""
    file = layout.state / "project/Pulumi.gaia-x.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **values}))


def test_the_tracked_file_with_the_overlay_over_it_is_what_pulumi_gets_and_nothing_tracked_is_touched(
    layout: Layout,
) -> None:
    assert made(layout)["config"] == {
        "gaia:cloud": "c",
        "gaia:hosts": {"master": {"flavor": "large"}, "worker": {"flavor": "large", "count": 3}},
    }
    assert (layout.root / "Pulumi.gaia-x.yaml").read_text() == TRACKED
    values = yaml.safe_load((layout.state / "project/Pulumi.yaml").read_text())
    assert values["main"] == str(layout.root)
    assert values["runtime"]["options"]["virtualenv"] == str(layout.root / ".venv")


def test_a_stack_that_was_removed_with_its_file_can_be_made_again(layout: Layout) -> None:
    before = made(layout)
    (layout.state / "project/Pulumi.gaia-x.yaml").unlink()  # `pulumi stack rm`
    assert made(layout) == before


def test_what_a_user_set_stays_when_both_files_change_and_the_rest_follows_them(layout: Layout) -> None:
    config = made(layout)["config"]
    config["gaia:hosts"]["worker"]["flavor"] = "mine"
    config["gaia:notebook_password"] = {"secure": "v1:x"}
    del config["gaia:cloud"]
    change(layout, config=config, encryptionsalt="v1:salt")
    (layout.root / "Pulumi.gaia-x.yaml").write_text(TRACKED.replace("large", "huge") + "  gaia:new: 1\n")
    overlay(layout.root, {"gaia:hosts": {"worker": {"count": 2}}})
    assert made(layout) == {
        "config": {
            "gaia:hosts": {"master": {"flavor": "huge"}, "worker": {"flavor": "mine", "count": 2}},
            "gaia:notebook_password": {"secure": "v1:x"},
            "gaia:new": 1,
        },
        "encryptionsalt": "v1:salt",
    }


def test_what_is_taken_out_of_both_files_goes_unless_somebody_changed_it(layout: Layout) -> None:
    overlay(layout.root, {"gaia:spark": {"a": "1", "b": "1"}})
    config = made(layout)["config"]
    change(layout, config={**config, "gaia:spark": {"a": "1", "b": "2"}})
    overlay(layout.root, {})
    assert made(layout)["config"]["gaia:spark"] == {"b": "2"}


def test_nothing_is_written_while_nothing_has_changed(layout: Layout) -> None:
    made(layout)
    files = [path for path in (layout.state / "project").iterdir() if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    change(layout, encryptionsalt="v1:salt")
    project.ensure(layout)
    after = {path: path.stat().st_mtime_ns for path in files}
    assert {path.name for path in files if before[path] != after[path]} == {"Pulumi.gaia-x.yaml"}


def test_secrets_that_another_passphrase_encrypted_and_their_salt_are_left_out(layout: Layout) -> None:
    secret = (
        "  gaia:notebook_password:\n    secure: v1:x\n  gaia:deep:\n    - {key: {secure: v1:y}}\nencryptionsalt: v1:z\n"
    )
    (layout.root / "Pulumi.gaia-x.yaml").write_text(TRACKED + secret)
    values = made(layout)
    assert set(values) == {"config"}
    assert set(values["config"]) == {"gaia:cloud", "gaia:hosts"}


def test_the_archives_are_those_that_the_mirror_serves(layout: Layout) -> None:
    overlay(layout.root, {"gaia:archives": "mirror"})
    assert made(layout)["config"]["gaia:archives"]["spark"] == {
        "version": "4.0.5",
        "url": "http://203.0.113.2/archives/spark-4.0.5-bin-hadoop3.tgz",
        "sha512": "bb",
    }


@pytest.mark.parametrize("stack", STACKS)
def test_every_committed_stack_has_valid_settings_on_the_sandbox(stack: str) -> None:
    values = project.config(Layout(ROOT), stack)
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    model = PLATFORMS[settings.platform_of(texts, stack, PLATFORMS)].settings
    parsed = settings.parse(texts, stack, model, lock=settings.libraries.read(ROOT, stack))
    if isinstance(parsed, Hadoop):
        assert {archive["url"].split("/")[2] for archive in values["gaia:archives"].values()} == {"203.0.113.2"}


def test_the_locks_of_the_committed_stacks_are_there_and_stay_as_somebody_made_them_there(layout: Layout) -> None:
    tracked = layout.root / "Pulumi.gaia-x.libraries.txt"
    tracked.write_text("numpy==1")
    there = project.ensure(layout) / tracked.name
    assert there.read_text() == "numpy==1"
    tracked.write_text("numpy==2")
    project.ensure(layout)
    assert there.read_text() == "numpy==2"
    there.write_text("mine==1")
    tracked.write_text("numpy==3")
    project.ensure(layout)
    assert there.read_text() == "mine==1"
    assert operators.environment(layout)["GAIA_PROJECT"] == str(there.parent)


def test_the_overlay_names_only_stacks_that_there_are() -> None:
    assert set(yaml.safe_load((ROOT / project.OVERLAY).read_text())) <= set(STACKS)


# ---- which commands go there


def said(layout: Layout, directory: Path, *words: str) -> list[str]:
    """What Pulumi is given: its working directory and its words."""
    real = layout.root / "real"
    real.mkdir(exist_ok=True)
    (real / "pulumi").write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\n')
    (real / "pulumi").chmod(0o755)
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom sandbox import project\n"
    script += "from sandbox.layout import Layout\nfrom pathlib import Path\n"
    script += f"project.Layout.here = classmethod(lambda cls: cls(Path({str(layout.root)!r})))\n"
    script += f"project.main({list(words)!r})"
    path = f"{layout.root / project.BIN}:{real}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=directory, env={"PATH": path}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[1:]


def test_a_command_in_the_checkout_or_below_works_in_the_sandboxs_project(layout: Layout) -> None:
    there = ["--cwd", str(layout.state / "project"), "preview", "-s", "gaia-x"]
    assert said(layout, layout.root, "preview", "-s", "gaia-x") == there
    assert said(layout, layout.root / "here/below", "preview", "-s", "gaia-x") == there


@pytest.mark.parametrize("words", [["-C", "x"], ["-Cx"], ["--cwd", "x"], ["--cwd=x"], ["--config-file=x"]])
def test_a_command_that_says_itself_where_it_works_is_left_as_it_is(layout: Layout, words: list[str]) -> None:
    assert said(layout, layout.root, "preview", *words) == ["preview", *words]


def test_a_command_in_another_project_or_in_none_is_left_as_it_is(
    layout: Layout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (layout.root / "here/Pulumi.yaml").write_text("name: other\n")
    assert said(layout, layout.root / "here/below", "up") == ["up"]
    assert said(layout, tmp_path_factory.mktemp("elsewhere"), "whoami") == ["whoami"]


def test_paths_among_the_words_are_those_of_the_directory_that_the_command_is_given_in(layout: Layout) -> None:
    found = said(
        layout, layout.root / "here", "stack", "export", "--file", "a.json", "--policy-pack=../policy", "--file=/b"
    )
    assert found[2:] == [
        *("stack", "export", "--file", f"{layout.root}/here/a.json"),
        *(f"--policy-pack={layout.root}/here/../policy", "--file=/b"),
    ]

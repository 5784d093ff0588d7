"""The lock of a stack's Python libraries, made by a played uv: what it is asked, what becomes of its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.settings import libraries as locks
from ops import command, libraries
from ops.cloud import OpsError

# Plays uv: notes what it is asked; `newer` beside it is what the index has, else what was locked stays.
UV = """#!/usr/bin/python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
source, target = pathlib.Path(words[-3]), pathlib.Path(words[-1])
with (here / "asked").open("a") as asked:
    asked.write(json.dumps({"words": words, "source": source.read_text()}) + "\\n")
if "no-such-library" in source.read_text():
    sys.exit("No solution found: there is no no-such-library")
if target.suffix == ".toml":
    target.write_text('hashes = { sha256 = "aa" }\\nhashes = { sha256 = "bb" }\\nhashes = { sha256 = "cc" }\\n')
else:
    numpy = next((line[7:] for line in target.read_text().splitlines() if line.startswith("numpy==")), "2.0")
    target.write_text(
        "numpy==" + numpy + " \\\\\\n    --hash=sha256:aa \\\\\\n    --hash=sha256:dd\\n"
        "here @ https://example.org/here.whl \\\\\\n    --hash=sha256:bb\\n"
        "uv==0.13.9 \\\\\\n    --hash=sha256:cc\\n"
    )
"""
PACKAGES = ("numpy==2.0 --hash=sha256:aa", "here @ https://example.org/here.whl --hash=sha256:bb")
INSTALLER = "uv==0.13.9 --hash=sha256:cc"


class Operator:
    """Somebody in a checkout, with a uv, and a stack that says this of its libraries."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory, self.patch = directory, patch
        self.lock = directory / "Pulumi.gaia-x.libraries.txt"
        self.config: dict[str, Any] = {"requirements": ["numpy", "here"]}
        self.site = "cumulus"
        (directory / "Pulumi.yaml").touch()
        (directory / "bin").mkdir()
        (directory / "bin/uv").write_text(UV)
        (directory / "bin/uv").chmod(0o755)
        patch.setattr(libraries, "TOOLS", directory / "bin")
        patch.setattr(command, "pulumi", self.pulumi)
        patch.chdir(directory / "bin")  # below the project, as Pulumi itself allows

    def pulumi(self, *_: str, stack: str) -> str:
        assert stack == "gaia-x"
        return json.dumps({"gaia:site": {"value": self.site}, "gaia:python": {"objectValue": self.config}})

    def asked(self) -> list[dict[str, Any]]:
        """What uv was asked since the last time."""
        file = self.directory / "bin/asked"
        found = [json.loads(line) for line in file.read_text().splitlines()]
        file.unlink()
        return found


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(tmp_path, monkeypatch)


def test_the_lock_lies_beside_the_stacks_file_and_says_how_it_was_made_and_what_for(operator: Operator) -> None:
    said = libraries.lock("gaia-x", upgrade=False, from_index=False)
    first, second, *packages = operator.lock.read_text().splitlines()
    assert first.startswith("# Made by `python -m ops libraries -s gaia-x` for Python 3.11 on x86_64-manylinux_2_36")
    assert second == f"# requirements sha256:{locks.digest(['here', 'numpy'])}"
    assert packages == [*PACKAGES, INSTALLER], "each package with those of its hashes that hosts can use"
    assert locks.problem(["numpy", "here"], operator.lock.read_text(), "gaia-x") == ""
    assert said == [
        "here: none -> https://example.org/here.whl",
        "numpy: none -> 2.0",
        "uv: none -> 0.13.9",
        f"3 packages are locked in {operator.lock}",
    ]


def test_uv_is_asked_for_the_wheels_of_the_hosts_python_with_itself_pinned(operator: Operator) -> None:
    libraries.lock("gaia-x", upgrade=False, from_index=False)
    resolve, wheels = operator.asked()
    assert resolve["source"] == "numpy\nhere\nuv==0.13.9\n"
    for one in (resolve, wheels):
        python = one["words"].index("--python-version")
        assert one["words"][python : python + 5] == [
            *("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_36", "--only-binary=:all:"),
        ]
        assert "--find-links" not in one["words"]
    assert "--generate-hashes" in resolve["words"]
    assert "--no-deps" in wheels["words"]


def test_what_is_locked_stays_unless_newer_versions_are_asked_for(operator: Operator) -> None:
    operator.lock.write_text(f"# x\nnumpy==1.0 --hash=sha256:aa\ngone==3 --hash=sha256:ee\n{INSTALLER}\n")
    said = libraries.lock("gaia-x", upgrade=False, from_index=False)
    assert said[:-1] == ["gone: 3 -> none", "here: none -> https://example.org/here.whl"]
    assert "\nnumpy==1.0 --hash" in operator.lock.read_text()
    assert libraries.lock("gaia-x", upgrade=True, from_index=False)[:-1] == ["numpy: 1.0 -> 2.0"]


def test_the_wheels_of_a_site_without_internet_are_what_is_chosen_from_unless_they_are_to_follow_the_lock(
    operator: Operator,
) -> None:
    operator.site = "sandbox"
    libraries.lock("gaia-x", upgrade=False, from_index=False)
    for one in operator.asked():
        source = one["words"].index("--no-index")
        assert one["words"][source + 1 : source + 3] == ["--find-links", "http://203.0.113.2/wheels/"]
    libraries.lock("gaia-x", upgrade=False, from_index=True)
    assert [one for one in operator.asked() if "--find-links" in one["words"]] == []
    assert "-s gaia-x --from-index`" in operator.lock.read_text()


def test_what_cannot_be_resolved_is_told_with_uvs_words_and_leaves_the_lock(operator: Operator) -> None:
    operator.lock.write_text("before")
    operator.config = {"requirements": ["no-such-library"]}
    with pytest.raises(OpsError, match=r"gaia:python.requirements cannot be resolved:\nNo solution found: there is no"):
        libraries.lock("gaia-x", upgrade=False, from_index=False)
    assert operator.lock.read_text() == "before"


def test_without_uv_it_is_told_how_to_get_it(operator: Operator) -> None:
    (operator.directory / "bin/uv").unlink()
    operator.patch.setenv("PATH", str(operator.directory))
    with pytest.raises(OpsError, match=r"neither in .tools/bin nor on PATH: `make tools` brings it"):
        libraries.lock("gaia-x", upgrade=False, from_index=False)


def test_a_stack_that_names_no_library_has_nothing_to_lock(operator: Operator) -> None:
    operator.config = {}
    with pytest.raises(OpsError, match=r"gaia:python.requirements of Pulumi.gaia-x.yaml names no library"):
        libraries.lock("gaia-x", upgrade=False, from_index=False)


def test_on_the_sandbox_the_checkouts_stacks_are_where_it_says_and_others_where_they_are(
    operator: Operator, tmp_path: Path
) -> None:
    operator.patch.setenv("GAIA_PROJECT", "/sandbox/project")
    assert libraries.directory() == tmp_path
    operator.patch.setattr(libraries, "ROOT", tmp_path)
    assert libraries.directory() == Path("/sandbox/project")
    operator.patch.delenv("GAIA_PROJECT")
    assert libraries.directory() == tmp_path

"""The units of Kubernetes nodes, read by systemd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sandbox.image.node import BIN, FILES, POD_NETWORK, PROGRAMS, SCRIPTS, UNITS


def test_systemd_finds_nothing_in_the_units_of_nodes(tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    shutil.copy(POD_NETWORK, tmp_path / SCRIPTS)
    for program in (*(f"{BIN}/{name}" for name in PROGRAMS), "bin/sh"):
        (tmp_path / program).parent.mkdir(exist_ok=True)
        shutil.copy("/bin/true", tmp_path / program)
    # the targets that the units refer to
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    names = [f"{unit}.service" for unit in UNITS]
    argv = ["systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", *names]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if any(name in line for name in names)]
    assert complaints == []
    assert done.returncode == 0, done.stderr

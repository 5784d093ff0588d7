"""uv, and the virtual environment of the program and its checks."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from toolchain import debian, shell
from toolchain.versions import VERSIONS

UV = shell.BIN / "uv"
VENV = shell.ROOT / ".venv"
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def install_uv() -> None:
    wanted = VERSIONS["tools"]["uv"]
    if shell.done("uv", wanted, UV):
        return
    provide_pip()
    shell.say(f"installing uv {wanted}")
    install_into("uv", f"uv=={wanted}", command=[sys.executable, "-m", "pip", "install", "--quiet"])
    shell.BIN.mkdir(parents=True, exist_ok=True)
    UV.unlink(missing_ok=True)
    UV.symlink_to("../uv/bin/uv")
    shell.finish("uv", wanted)


def provide_pip() -> None:
    """Debian ships python3 without pip: the one package that has to come before everything else."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return
    debian.install("python3-pip", lack=f"{sys.executable} has no pip")


def install_into(folder: str, package: str, command: list[str] | None = None) -> None:
    """Install one package into `.tools/FOLDER`, replacing what lies there only when all has arrived."""
    draft, target = shell.TOOLS / f"{folder}.new", shell.TOOLS / folder
    shutil.rmtree(draft, ignore_errors=True)
    installer = command or [str(UV), "pip", "install", "--python", sys.executable]
    shell.run(f"install {folder}", [*installer, "--target", str(draft), package])
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def make_venv() -> None:
    """The environment holds exactly what the requirements files pin, pip included: Pulumi asks for it."""
    files = [path for name in REQUIREMENTS if (path := shell.ROOT / name).is_file()]
    if not files:
        raise shell.Problem("requirements.txt is missing: this is not a complete checkout")
    state = shell.digest(platform.python_version(), sys.base_prefix, VERSIONS["tools"]["uv"], files=files)
    if shell.done("venv", state, VENV / "bin/python", VENV / "bin/pip"):
        return
    shell.say("installing the Python packages into .venv (first time about 30 seconds)")
    if not usable():
        base = str(Path(sys.base_prefix) / "bin" / Path(sys.executable).name)
        python = base if Path(base).exists() else sys.executable
        shell.run("make venv", [UV, "venv", "--clear", "--quiet", "--python", python, VENV])
    options = ["--quiet", "--require-hashes", "--compile-bytecode", "--python", str(VENV / "bin/python")]
    shell.run("install packages", [UV, "pip", "sync", *options, *files])
    shell.finish("venv", state)
    shell.say("the Python packages are installed")


def usable() -> bool:
    """Whether .venv is an environment of this very Python version."""
    config = VENV / "pyvenv.cfg"
    if not config.is_file() or not (VENV / "bin/python").exists():
        return False
    minor = ".".join(platform.python_version_tuple()[:2])
    return (VENV / f"lib/python{minor}").is_dir()

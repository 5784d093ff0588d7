"""What images have beside Debian's packages: libraries, Spark and Zeppelin out of the mirror, files of our own.

Each function brings a layer's files together in a directory; `LAYERS` has them by name.
"""

import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from sandbox.layout import Layout
from sandbox.mirror.assemble import Versions
from sandbox.processes import run

FILES = Path(__file__).with_name("pod_files")
LIBRARIES = "usr/local/lib/python3.11/dist-packages"  # where Debian's Python looks


def libraries(layout: Layout, root: Path, _: Versions) -> None:
    """The Python libraries of the hosts, for drivers and executors."""
    target = root / LIBRARIES
    wheels = sorted(layout.mirror.joinpath("wheels").glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    run([*pip, "--no-compile", f"--target={target}", *wheels], timeout=600)


def spark(layout: Layout, root: Path, versions: Versions) -> None:
    """Spark with what it needs to have pods as executors, and the program that starts one."""
    home = root / "opt/spark"
    _unpack(layout, f"spark-{versions.spark}-bin-hadoop3.tgz", home)
    _unpack(layout, f"spark_kubernetes-{versions.spark}.tar.gz", home)
    shutil.copytree(FILES / "spark", root, dirs_exist_ok=True)


def zeppelin(layout: Layout, root: Path, versions: Versions) -> None:
    """Zeppelin's server and its Python interpreter, with what stands for the programs that no registry has."""
    _unpack(layout, f"zeppelin-{versions.zeppelin_python}-bin-sandbox.tar.gz", root / "opt/zeppelin")
    shutil.copytree(FILES / "zeppelin", root, dirs_exist_ok=True)


def drupal(_layout: Layout, root: Path, _versions: Versions) -> None:
    """A page in Drupal's place, which uses what Drupal uses."""
    shutil.copytree(FILES / "drupal", root, dirs_exist_ok=True)


def headlamp(_layout: Layout, root: Path, _versions: Versions) -> None:
    """A program in the place of the dashboard's."""
    shutil.copytree(FILES / "headlamp", root, dirs_exist_ok=True)


Collect = Callable[[Layout, Path, Versions], None]
LAYERS: dict[str, Collect] = {
    "libraries": libraries,
    "spark": spark,
    "zeppelin": zeppelin,
    "drupal": drupal,
    "headlamp": headlamp,
}


def decisions(layout: Layout, versions: Versions) -> bytes:
    """All that decides what is in the layers."""
    checksums = sorted(layout.mirror.joinpath("archives").glob("*.sha512"))
    files = sorted(path for path in FILES.rglob("*") if path.is_file())
    texts = [path.read_bytes() for path in (*checksums, layout.mirror / "wheels/.requirements", *files, Path(__file__))]
    return repr(versions).encode() + b"".join(texts)


def _unpack(layout: Layout, archive: str, target: Path) -> None:
    """An archive of the mirror, without its one directory at the top."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(layout.mirror / "archives" / archive) as tar:
        for member in tar:
            member.name = member.name.partition("/")[2]
            tar.extract(member, target)

"""The registry that nodes pull the images of pods from: Debian's docker-registry.

`python -m sandbox.registry serve` is the daemon, which only reads. What it serves is put there by `fill`, through a
registry that lives only meanwhile: the running one goes on beside it, and has the new images once they are all there.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from sandbox.image import oci
from sandbox.image.images import repository
from sandbox.layout import LOOPBACK, MIRROR, REGISTRY_PORT, Layout
from sandbox.processes import CommandError, run

PROGRAM = "docker-registry"
PATIENCE = 60  # seconds until it listens: less than one is enough, on a machine that does nothing else
# A network that nobody else is in, and the end of everything in it as soon as the caller ends, however that happens
ALONE = ("setpriv", "--pdeathsig=KILL", "unshare", "--net", "--pid", "--fork", "--kill-child")
PUSH = ("skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false")


def answers(address: object) -> bool:
    """Whether a registry takes requests there."""
    connection = HTTPConnection(str(address), REGISTRY_PORT, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def fill(storage: Path, images: Path) -> None:
    """Push every image of an OCI layout into a storage that does not exist yet. Raises CommandError."""
    run([*ALONE, sys.executable, "-m", __name__, "fill", storage, images])


def _fill(storage: Path, images: Path) -> None:
    run(["ip", "link", "set", "lo", "up"])
    # skopeo sends each layer once, for it notes which ones a registry has; the notes of anybody but root lie there
    environment = {**os.environ, "_CONTAINERS_ROOTLESS_UID": "1", "XDG_DATA_HOME": str(images / "notes")}
    command = _command(storage, images / "registry.json", LOOPBACK, read_only=False)
    log = storage.with_suffix(".log")
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as registry:
        try:
            _wait(registry, log)
            for reference in oci.references(images):
                target = f"docker://{LOOPBACK}:{REGISTRY_PORT}/{repository(reference)}"
                run([*PUSH, f"oci:{images}:{reference}", target], environment=environment)
        finally:
            registry.terminate()


def _wait(registry: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not answers(LOOPBACK):
        if registry.poll() is not None or time.monotonic() > deadline:
            raise CommandError(f"{PROGRAM} does not answer on port {REGISTRY_PORT}: {log} says why")
        time.sleep(0.05)


def _serve(layout: Layout) -> None:
    """Become the registry."""
    command = _command(layout.registry / "storage", layout.etc / "registry.json", MIRROR, read_only=True)
    os.execvp(command[0], command)


def _command(storage: Path, file: Path, address: object, *, read_only: bool) -> list[str]:
    """Write its configuration, in JSON, which YAML contains; the command that starts it."""
    configuration = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "maintenance": {"readonly": {"enabled": read_only}},
        },
        "http": {"addr": f"{address}:{REGISTRY_PORT}"},
    }
    file.write_text(json.dumps(configuration, indent=2))
    return [PROGRAM, "serve", str(file)]


def main() -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m sandbox.registry", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="what `build --nodes` has put there, until ended")
    filling = commands.add_parser("fill", help="put images there; called by `build --nodes` in namespaces of its own")
    filling.add_argument("storage", type=Path)
    filling.add_argument("images", type=Path)
    given = parser.parse_args()
    if given.command == "serve":
        _serve(Layout.here())
    try:
        _fill(given.storage, given.images)
    except CommandError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

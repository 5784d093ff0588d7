"""`python3 -m sandbox.mirror build | serve`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox.layout import MIRROR, Layout
from sandbox.mirror.build import Mirror
from sandbox.mirror.registries import RegistryError
from sandbox.mirror.serve import serve


def main() -> int:
    """Run the command; the exit status."""
    layout = Layout.here()
    parser = argparse.ArgumentParser(prog="python3 -m sandbox.mirror", description=__doc__)
    parser.add_argument("--root", type=Path, default=layout.mirror, help="the mirror's directory")
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="bring together what is missing")
    building.add_argument("--update", action="store_true", help="assemble anew and write down the checksums")
    building.add_argument("--nodes", action="store_true", help="and what clusters need: charts, Spark for pods")
    serving = commands.add_parser("serve", help="serve it over HTTP until ended")
    serving.add_argument("--address", default=str(MIRROR))
    serving.add_argument("--port", type=int, default=80)
    given = parser.parse_args()
    try:
        if given.command == "build":
            mirror = Mirror(given.root, layout.root / "versions.toml", layout.locks)
            mirror.build(lambda text: print(f"mirror: {text}", flush=True), update=given.update, nodes=given.nodes)
            if given.nodes:
                mirror.copy_charts(layout.tools / "kubernetes/charts")
        else:
            serve(given.root, given.address, given.port)
    except RegistryError as problem:
        print(f"mirror: {problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"mirror: {given.command} failed: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

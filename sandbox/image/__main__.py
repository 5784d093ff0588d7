"""`python3 -m sandbox.image build [--nodes]`."""

import argparse
import sys

from sandbox.image.build import Image
from sandbox.image.node import NodeLayer
from sandbox.image.pods import PodImages
from sandbox.layout import Layout
from sandbox.processes import CommandError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m sandbox.image", description=__doc__)
    building = parser.add_subparsers(required=True).add_parser("build", help="make what is not there")
    building.add_argument("--nodes", action="store_true", help="what Kubernetes nodes and their pods run, too")
    given = parser.parse_args()
    try:
        Image(Layout.here()).build()
        if given.nodes:
            NodeLayer(Layout.here()).build()
            PodImages(Layout.here()).build()
    except CommandError as problem:
        print(f"image: {problem}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())

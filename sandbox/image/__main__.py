"""`python3 -m sandbox.image build`."""

import sys

from sandbox.image.build import Image
from sandbox.layout import Layout
from sandbox.processes import CommandError


def main(words: list[str]) -> int:
    if words != ["build"]:
        print("usage: python3 -m sandbox.image build", file=sys.stderr)
        return 2
    try:
        Image(Layout.here()).build()
    except CommandError as problem:
        print(f"image: {problem}", file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))

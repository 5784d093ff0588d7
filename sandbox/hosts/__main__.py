"""`python3 -m sandbox.hosts clean`."""

import sys

from sandbox.hosts.clean import clean
from sandbox.layout import Layout


def main(words: list[str]) -> int:
    if words != ["clean"]:
        print("usage: python3 -m sandbox.hosts clean", file=sys.stderr)
        return 2
    clean(Layout.here())
    return 0


sys.exit(main(sys.argv[1:]))

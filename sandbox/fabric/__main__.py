"""`python -m sandbox.fabric` is the daemon; `python3 -m sandbox.fabric clean` removes what it has made."""

import sys

from sandbox.fabric.kernel import clean
from sandbox.layout import Layout


def main(words: list[str]) -> int:
    if words not in ([], ["clean"]):
        print("usage: python3 -m sandbox.fabric [clean]", file=sys.stderr)
        return 2
    if words:
        clean(Layout.here())
        return 0
    from sandbox.fabric.daemon import follow  # needs the services' virtual environment

    follow(Layout.here())
    return 0


sys.exit(main(sys.argv[1:]))

"""`python3 -m toolchain`: the tools of this checkout, see docs/toolchain.md."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever python3 the machine has
    sys.exit(f"tools: python3 is {sys.version.split()[0]}; Python 3.11 or newer is needed (Debian 12 has it)")

from toolchain.install import main

sys.exit(main())

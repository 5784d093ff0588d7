"""`python3 -m sandbox` is `sandbox/cloud`."""

import sys

from sandbox.cli import main

sys.exit(main())

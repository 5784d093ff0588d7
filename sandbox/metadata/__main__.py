"""`python -m sandbox.metadata` is the daemon."""

from sandbox.layout import Layout
from sandbox.metadata.daemon import follow

follow(Layout.here())

"""Keystone, with Placement in the same process: both are small and only read a database."""

import os
import sys

from sandbox.layout import Layout, Port
from sandbox.services.serving import serve_wsgi


def serve(layout: Layout) -> None:
    sys.argv = ["keystone"]
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = str(layout.etc / "keystone")
    from keystone.wsgi.api import application as keystone

    serve_wsgi(Port.KEYSTONE, keystone, threads=8)  # everybody's tokens are checked here
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = str(layout.etc / "placement")
    from placement.wsgi.api import application as placement

    serve_wsgi(Port.PLACEMENT, placement)

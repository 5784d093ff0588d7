"""Glance."""

import os
import sys

from sandbox.layout import Layout, Port
from sandbox.services.serving import serve_wsgi


def serve(layout: Layout) -> None:
    sys.argv = ["glance-api"]
    os.environ["OS_GLANCE_CONFIG_DIR"] = str(layout.etc / "glance")
    from glance.wsgi.api import application

    serve_wsgi(Port.GLANCE, application)

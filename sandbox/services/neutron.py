"""Neutron."""

import os
import sys

from sandbox.layout import Layout, Port
from sandbox.services.serving import native_threads, prompt_messages, serve_wsgi


def serve(layout: Layout) -> None:
    native_threads()
    prompt_messages()
    sys.argv = ["neutron-api"]
    os.environ["OS_NEUTRON_CONFIG_DIR"] = str(layout.etc / "neutron")
    os.environ["OS_NEUTRON_CONFIG_FILES"] = "neutron.conf"
    from neutron.wsgi.api import application

    serve_wsgi(Port.NEUTRON, application)

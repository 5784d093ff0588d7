"""A web server for the sandbox's own small services: one thread for each request."""

from socketserver import ThreadingTCPServer


class WebServer(ThreadingTCPServer):
    """Serves `http.server` handlers, but is no HTTPServer.

    That one asks the name server for its own name when it is made. No namespace of the sandbox reaches one: the
    question ends after ten seconds or more, when the first hosts have asked for their metadata in vain.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

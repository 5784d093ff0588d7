"""How the projects are served: native threads, a small WSGI server, messages inside the process."""

import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from sandbox.layout import API, LOOPBACK, Layout, Port
from sandbox.services.faults import Faulty

# Few threads: more of them only fight over the interpreter's lock (4 beat 16 in each measurement).
THREADS = 4


def native_threads() -> None:
    """Make oslo.service use threads, not eventlet; before any other use of it."""
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)


EVERYWHERE = (LOOPBACK, str(API))


def serve_wsgi(port: Port, application: Any, threads: int = THREADS, addresses: Sequence[str] = EVERYWHERE) -> None:
    """Serve a WSGI application in threads of this process: on 127.0.0.1, and by TLS on the APIs' address."""
    from cheroot import wsgi
    from cheroot.ssl.builtin import BuiltinSSLAdapter

    layout = Layout.here()
    application = Faulty(layout, port.name.lower(), application)
    for address in addresses:
        server = wsgi.Server((address, int(port)), application, numthreads=threads, request_queue_size=256)
        server.max_request_header_size = 0
        server.timeout = 60
        if address != LOOPBACK:
            server.ssl_adapter = BuiltinSSLAdapter(layout.tls / "api.pem", layout.tls / "api.key")
        server.prepare()
        threading.Thread(target=server.serve, daemon=True, name=f"wsgi-{address}:{port}").start()
    print(f"listening on port {port}", flush=True)


def wait_for_port(port: Port, limit: float = 120) -> None:
    """Wait until another service listens; TimeoutError after `limit` seconds."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            socket.create_connection((LOOPBACK, int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port} after {limit:.0f} s")


def prompt_messages() -> None:
    """Make oslo.messaging's in-process driver deliver at once: its listener asks only every 50 ms.

    That would be a delay at each call and a load at rest, with several listeners per service.
    """
    from oslo_messaging._drivers import base, impl_fake

    arrived = threading.Condition()
    deliver = impl_fake.FakeExchange.deliver_message

    def deliver_message(self: Any, *args: Any, **kwargs: Any) -> None:
        deliver(self, *args, **kwargs)
        with arrived:
            arrived.notify_all()

    def take(self: Any) -> Any:
        for target in self._targets:
            exchange = self._exchange_manager.get_exchange(target.exchange)
            context, message, reply_queue, requeue = exchange.poll(target, self._pool)
            if message is not None:
                return impl_fake.FakeIncomingMessage(context, message, reply_queue, requeue)
        return None

    def poll(self: Any, timeout: float | None = None) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._stopped.is_set():
            with arrived:
                if (message := take(self)) is not None:
                    return message
                pause = 1.0 if deadline is None else min(1.0, deadline - time.monotonic())
                if pause < 0:
                    return None
                arrived.wait(pause)
        return None

    impl_fake.FakeExchange.deliver_message = deliver_message
    impl_fake.FakeListener.poll = base.batch_poll_helper(poll)

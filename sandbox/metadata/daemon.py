"""Listens in every router's namespace.

One process: a socket belongs to the namespace in which it was made. It keeps nothing: it may be killed at any time.
"""

import threading
import time

from sandbox.fabric.kernel import router_namespaces
from sandbox.layout import METADATA, Layout
from sandbox.metadata.proxy import Listener, handler
from sandbox.namespaces import NAMESPACES, inside

PERIOD = 0.5  # seconds between two looks at the routers
HTTP = 80

Router = tuple[str, int]  # a namespace's name, and its number: one that is made anew has another


def follow(layout: Layout) -> None:
    """Run until killed."""
    listeners: dict[Router, Listener] = {}
    while True:
        there = routers(layout)
        for gone in listeners.keys() - there:
            close(listeners.pop(gone))  # at once: an open socket keeps a namespace that was deleted
        for new in there - listeners.keys():
            if listener := listen(layout, new[0]):
                listeners[new] = listener
        time.sleep(PERIOD)


def routers(layout: Layout) -> set[Router]:
    found = set()
    for name in router_namespaces(layout):
        try:
            found.add((name, (NAMESPACES / name).stat().st_ino))
        except FileNotFoundError:
            continue
    return found


def listen(layout: Layout, namespace: str) -> Listener | None:
    """Serve one router's networks; None if it cannot be, yet or any more."""
    router = namespace.removeprefix(layout.router_namespace(""))
    try:
        with inside(namespace):
            listener = Listener((str(METADATA), HTTP), handler(layout, router))
    except OSError:  # the namespace is just being made, or deleted
        return None
    threading.Thread(target=listener.serve_forever, args=(PERIOD,), daemon=True, name=namespace).start()
    print(f"{namespace}: listening", flush=True)
    return listener


def close(listener: Listener) -> None:
    listener.shutdown()
    listener.server_close()

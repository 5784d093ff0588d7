"""What memcached is to a Swift of many processes, for one of a single process: its own memory.

Swift keeps what it knows of accounts and containers there, and S3's middleware the secrets of its users. Without any,
each request on an object asks the account, the container and, of S3, Keystone twice.
"""

import json
import time
from collections.abc import Callable
from typing import Any

ROOM = 4096  # entries: a state bucket needs a dozen


class Memory:
    """A cache with the methods of Swift's memcache client that its proxy uses. Values are copied, as JSON copies."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, str]] = {}  # key -> when it ends, value

    def get(self, key: str, **_: Any) -> Any:
        """The value, or None where there is none any more."""
        end, value = self._kept.get(key, (0.0, "null"))
        return json.loads(value) if self._clock() < end else None

    def set(self, key: str, value: Any, time: float = 0, **_: Any) -> None:
        """Keep a value for `time` seconds; 0: for as long as there is room."""
        if len(self._kept) >= ROOM:
            self._kept.clear()
        self._kept[key] = (self._clock() + time if time else float("inf"), json.dumps(value))

    def delete(self, key: str) -> None:
        """Forget a value."""
        self._kept.pop(key, None)


def filter_factory(_global: dict[str, str], **_local: str) -> Callable[[Any], Any]:
    """The filter `cache` of the proxy's pipeline, which every later one finds the cache by."""
    memory = Memory()

    def cached(application: Any) -> Any:
        def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            environ["swift.cache"] = memory
            return application(environ, start_response)

        return call

    return cached

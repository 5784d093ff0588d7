"""How the notebook's processes are shared, on every platform. Pure."""

from __future__ import annotations

# Of Zeppelin's interpreters: each note has processes, and so a Spark, of its own. What one note does to its process,
# another's does not feel.
OWN_PROCESS: dict[str, str | bool] = {"perNote": "isolated", "perUser": "shared"}

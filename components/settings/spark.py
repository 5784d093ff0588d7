"""What Spark itself asks of sizes and settings, on every platform."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from components.settings.base import Texts

# Spark refuses a JVM of less than 1.5 times its 300 MiB of reserved memory (UnifiedMemoryManager).
SPARK_MIN_HEAP = 450  # MiB
MIN_OVERHEAD = 384  # MiB; Spark's spark.executor.minMemoryOverhead
OVERHEAD_PER_CORE = 256  # MiB above Spark's least: each core may run a Python worker


def overhead_mib(cores: int) -> int:
    """What a container needs beside its JVM's heap: thread stacks, buffers, a Python worker for each core."""
    return max(MIN_OVERHEAD, OVERHEAD_PER_CORE * cores)


def _lines(settings: dict[str, str]) -> dict[str, str]:
    for key, value in settings.items():
        if not re.fullmatch(r"spark\.\S+", key):
            raise ValueError(f"{key!r} is no setting of Spark: their names begin with 'spark.'")
        if "\n" in value:
            raise ValueError(f"{key} has more than one line: spark-defaults.conf has one for each setting")
    return settings


SparkSettings = Annotated[Texts, AfterValidator(_lines)]  # lines of spark-defaults.conf

"""The figures as one table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

HEAD = (
    "workers", "resources", "side", "command", "wall s", "s per worker", "client CPU s", "cloud CPU s",
    "others' CPU s", "peak MiB",
    "state KiB", "load before",
)  # fmt: skip


def markdown(runs: Sequence[dict[str, Any]]) -> str:
    """A row for each size, side and command; means over the rounds, with the range of wall times."""
    groups: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["workers"], run["command"], run["side"]), []).append(run)
    lines = [HEAD, tuple("---" if name in ("side", "command") else "---:" for name in HEAD)]
    lines += [_row(*key, group) for key, group in groups.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(workers: int, command: str, side: str, group: list[dict[str, Any]]) -> tuple[str, ...]:
    def mean(name: str) -> float:
        return fmean(run["cost"][name] for run in group)

    walls = [run["cost"]["wall"] for run in group]
    span = f" ({min(walls):.1f}-{max(walls):.1f})" if len(walls) > 1 else ""
    return (
        str(workers),
        str(group[0]["resources"]),
        side,
        command,
        f"{fmean(walls):.1f}{span}",
        f"{fmean(walls) / workers:.2f}",
        f"{mean('cpu'):.1f}",
        f"{mean('cloud'):.1f}",
        f"{mean('others'):.1f}",
        f"{max(run['cost']['peak_mib'] for run in group):.0f}",
        f"{group[0]['state_kib']:.0f}",
        f"{mean('load'):.1f}",
    )

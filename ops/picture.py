"""A platform and what changes of it, as a picture: Mermaid for comments, SVG for documents. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

# By verb: fill and border, which also tell the verbs apart in shades of grey
COLOURS = {
    "delete": ("#f4b6b0", "#a3261a"),
    "replace": ("#f7d9a8", "#9a5b00"),
    "create": ("#bfe3c0", "#1f7a33"),
    "update": ("#c5d8f2", "#1d4f91"),
    "": ("#f2f2f2", "#8a8a8a"),
}
WIDTH, HEIGHT, GAP, ROW = 170, 44, 14, 5  # of a box in pixels; boxes in a row


@dataclass(frozen=True)
class Room:
    """A part of the platform: its kind, its name, and what happens to it (empty: nothing)."""

    kind: str
    name: str
    verb: str

    @property
    def label(self) -> str:
        """What stands in its box."""
        return f"{self.name} ({self.verb})" if self.verb else self.name


def folded(rooms: Sequence[Room]) -> dict[str, list[Room]]:
    """The rooms by kind; of a kind's unchanged ones, many are one."""
    found: dict[str, list[Room]] = {}
    for kind, group in groupby(sorted(rooms, key=lambda room: (room.kind, room.name)), key=lambda room: room.kind):
        of_kind = list(group)
        quiet = [room for room in of_kind if not room.verb]
        changed = [room for room in of_kind if room.verb]
        if len(quiet) > 3:
            quiet = [Room(kind, f"{quiet[0].name} to {quiet[-1].name}, {len(quiet)} unchanged", "")]
        found[kind] = [*changed, *quiet]
    return found


def mermaid(rooms: Sequence[Room]) -> str:
    """A flowchart: a box for each kind, and in it a box for each room."""
    lines, number = ["flowchart TB"], 0
    for kind, of_kind in folded(rooms).items():
        lines.append(f'  subgraph {kind}["{kind}"]')
        for room in of_kind:
            number += 1
            lines.append(f'    r{number}["{room.label}"]{f":::{room.verb}" if room.verb else ""}')
        lines.append("  end")
    coloured = {verb: colours for verb, colours in COLOURS.items() if verb}
    lines += [f"  classDef {verb} fill:{fill},stroke:{line},color:#111" for verb, (fill, line) in coloured.items()]
    return "\n".join(lines)


def svg(title: str, rooms: Sequence[Room]) -> str:
    """The same as an SVG document."""
    parts, top = list[str](), 40
    for kind, of_kind in folded(rooms).items():
        parts.append(f'<text x="{GAP}" y="{top + 14}" font-weight="bold">{escape(kind)}</text>')
        top += 22
        for index, room in enumerate(of_kind):
            left, at = GAP + index % ROW * (WIDTH + GAP), top + index // ROW * (HEIGHT + GAP)
            fill, line = COLOURS[room.verb]
            parts.append(
                f'<rect x="{left}" y="{at}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{line}"/>'
            )
            parts.append(f'<text x="{left + 8}" y="{at + 18}">{escape(room.name)}</text>')
            parts.append(f'<text x="{left + 8}" y="{at + 35}" font-size="11" fill="{line}">{escape(room.verb)}</text>')
        top += -(-len(of_kind) // ROW) * (HEIGHT + GAP) + 8
    width = ROW * (WIDTH + GAP) + GAP
    size = f'width="{width}" height="{top}" font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    name = f'<text x="{GAP}" y="24" font-size="17">{escape(title)}</text>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', name, *parts, "</svg>"]) + "\n"

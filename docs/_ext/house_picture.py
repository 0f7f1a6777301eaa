"""The house as a picture: floors and rooms as the import contract of ``pyproject.toml`` has them, drawn as SVG."""

from __future__ import annotations

import tomllib
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PHYSICS = {"samples", "events", "selections", "models", "processors", "fits", "studies", "reports", "condor"}
WIDTH, FLOOR, GAP = 760, 54, 8


def floors(root: Path) -> list[list[str]]:
    """Rooms by floor from the top, as import-linter holds them apart."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(
        one["layers"] for one in contracts if any("massgap.cli" in layer for layer in one["layers"])
    )
    found = [[room.strip().removeprefix("massgap.") for room in layer.split("|")] for layer in layers]
    return [floor for floor in found if floor != ["__main__"]]


def svg(root: Path) -> str:
    """The picture; colours say what stands at the top of the repository and what in ``massgap/``."""
    rows = floors(root)
    height = len(rows) * (FLOOR + GAP) + 70
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Rooms and floors of massgap" font-family="sans-serif">',
        f'<polygon points="20,44 {WIDTH / 2},4 {WIDTH - 20},44" fill="#8a5a44"/>',
    ]
    for level, floor in enumerate(rows):
        y = 50 + level * (FLOOR + GAP)
        width = (WIDTH - 40 - GAP * (len(floor) - 1)) / len(floor)
        for place, room in enumerate(floor):
            x = 20 + place * (width + GAP)
            top = room in PHYSICS
            colour, ink = ("#d9e8d4", "#1d3b16") if top else ("#dbe3f2", "#1a2d52")
            size = 15 if width > 120 else 11
            label = room if width > 90 else room.replace("_", " ")
            parts += [
                f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{FLOOR}" rx="4" fill="{colour}" stroke="{ink}"/>',
                f'<text x="{x + width / 2:.0f}" y="{y + FLOOR / 2 + 5}" text-anchor="middle" font-size="{size}" fill="{ink}">{escape(label)}</text>',
            ]
    parts.append("</svg>")
    return "\n".join(parts) + "\n"

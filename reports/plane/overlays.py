"""Contours of others, read from a text file with a column for each axis."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.reports.errors import MissingInput, UnreadableInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from massgap.reports.figures.planes.contours import Overlay

__all__ = ["read_overlay", "read_overlays"]

_SPLIT = re.compile(r"\s*[,;]\s*|\s+")


def read_overlays(words: Iterable[str]) -> list[Overlay]:
    """Read contours, each as ``FILE.csv`` or ``FILE.csv:LABEL``; see :func:`read_overlay`."""
    found = []
    for word in words:
        path, colon, label = (word, "", "") if Path(word).is_file() else word.rpartition(":")
        if not colon:
            path = word
        found.append(read_overlay(path, label.strip() or None))
    return found


def read_overlay(path: str | Path, label: str | None = None) -> Overlay:
    """Read a contour: two numbers a line, separated by a comma, semicolon or blanks, on the axes of the plane.

    An empty line begins another line of the contour; what follows a ``#`` is a comment, as is a first line of names.

    Parameters
    ----------
    path
        The file, as HEPData and digitisers of figures write them.
    label
        What the legend says; by default the name of the file.

    Raises
    ------
    MissingInput
        If there is no such file.
    UnreadableInput
        If a line is not two numbers, or there is none.
    """
    import numpy as np

    from massgap.reports.figures.planes.contours import Overlay

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        message = f"there is no contour {path}: write --overlay FILE.csv or --overlay FILE.csv:LABEL."
        raise MissingInput(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"the contour {path} cannot be read ({error}): write two numbers a line into it, x,y."
        raise UnreadableInput(message) from error
    lines: list[list[tuple[float, float]]] = [[]]
    named = False
    for number, line in enumerate(text.splitlines(), 1):
        words = [word for word in _SPLIT.split(line.partition("#")[0].strip()) if word]
        if not words:
            lines += [[]] if not line.strip() and lines[-1] else []
            continue
        place = _place(words)
        if place is None and not named and lines == [[]]:
            named = True
            continue
        if place is None:
            message = (
                f"line {number} of the contour {path} is not two numbers ({line.strip()[:60]!r}): write x,y."
            )
            raise UnreadableInput(message)
        lines[-1].append(place)
    found = [np.array(line) for line in lines if line]
    if not found:
        message = f"the contour {path} holds no line of two numbers: write x,y, a point per line."
        raise UnreadableInput(message)
    return Overlay(label or path.stem, found, str(path))


def _place(words: list[str]) -> tuple[float, float] | None:
    try:
        x, y = (float(word) for word in words[:2])
    except ValueError:
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) else None

"""Expected numbers with the uncertainty that the finite simulation gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.html.html import Markup, value
from massgap.reports.html.numbers import measured, number

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["expected", "expected_range", "expected_text"]


def expected_text(found: float | None, spread: Mapping[str, Any] | None, *, digits: int = 3) -> str:
    """An expected number, with ± where its uncertainty is known.

    Parameters
    ----------
    found
        The number, None where it is undefined.
    spread
        Its spread in a fit folder: ``std`` and others.
    digits
        Significant digits of a number alone.

    Examples
    --------
    >>> expected_text(2.349, {"std": 0.72}), expected_text(2.349, None)
    ('2.35 ± 0.72', '2.35')
    """
    std = None if spread is None else spread.get("std")
    return number(found, digits) if found is None or std is None else measured(found, std)


def expected(found: float | None, spread: Mapping[str, Any] | None, *, digits: int = 3) -> Markup:
    """The same as a cell of a table."""
    return value(found, expected_text(found, spread, digits=digits))


def expected_range(found: float | None, spread: Mapping[str, Any] | None) -> Markup:
    """A cell with the 68 % interval, for numbers that scatter over orders of magnitude."""
    shown, interval = number(found), None if spread is None else spread.get("interval")
    if interval is not None:
        shown += f" ({number(interval[0], 2)} to {number(interval[1], 2)})"
    return value(found, shown)

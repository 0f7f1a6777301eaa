"""Checks of what an analysis is given as options."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["names", "threshold"]


def names(option: str, given: str | Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Names of known things, each once, in the order in which they are given.

    Parameters
    ----------
    option
        Name of the option, for the message.
    given
        One name or several.
    known
        What may be named.

    Raises
    ------
    ProcessorError
        If a name is unknown.

    Examples
    --------
    >>> names("without", "no_tau", ("no_tau", "no_b_jet"))
    ('no_tau',)
    """
    given = (given,) if isinstance(given, str) else tuple(given)
    unknown = sorted(set(given) - set(known))
    if unknown:
        msg = f"{option}: unknown {', '.join(map(repr, unknown))}; known are {', '.join(known)}"
        raise ProcessorError(msg)
    return tuple(dict.fromkeys(given))


def threshold(option: str, value: float) -> float:
    """A threshold in GeV.

    Raises
    ------
    ProcessorError
        If it is negative, infinite or not a number.

    Examples
    --------
    >>> threshold("muon_pt", 10)
    10.0
    """
    if not 0.0 <= float(value) < math.inf:
        msg = f"{option} is {value}: a threshold in GeV, 0 or more, is needed"
        raise ProcessorError(msg)
    return float(value)

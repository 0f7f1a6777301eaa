"""Checks of what an analysis is given as options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from massgap.events.formats.readers import COLLECTIONS
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["choice", "collection_choice", "names", "threshold"]


def collection_choice(given: Mapping[str, str] | Iterable[str] | str) -> dict[str, str]:
    """What collections are read from, by their names.

    Parameters
    ----------
    given
        ``{"jets": "JetPUPPI"}``, or ``jets=JetPUPPI`` once or several times.

    Returns
    -------
    dict
        Sorted by the names of the collections.

    Raises
    ------
    ProcessorError
        If a word is not of this form, names a collection that there is not, or one twice.

    Examples
    --------
    >>> collection_choice(["met=PuppiMissingET", "jets=JetPUPPI"])
    {'jets': 'JetPUPPI', 'met': 'PuppiMissingET'}
    """
    if isinstance(given, str):
        given = [word.strip() for word in given.split(",") if word.strip()]
    if isinstance(given, Mapping):
        given = [f"{name}={stored}" for name, stored in given.items()]
    found: dict[str, str] = {}
    for word in given:
        name, sign, stored = (part.strip() for part in str(word).partition("="))
        if not sign or not name or not stored:
            msg = f"collections: {str(word)!r} is not NAME=COLLECTION; write for instance --collections jets=JetPUPPI"
            raise ProcessorError(msg)
        if name not in COLLECTIONS:
            msg = f"collections: there is no collection {name!r} to choose for; there are {', '.join(COLLECTIONS)}"
            raise ProcessorError(msg)
        if found.setdefault(name, stored) != stored:
            msg = (
                f"collections: {name} is to be read from {found[name]} and from {stored}; choose one of them"
            )
            raise ProcessorError(msg)
    return dict(sorted(found.items()))


def names(option: str, given: str | Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Names of known things, each once, in the order in which they are given.

    Parameters
    ----------
    option
        Name of the option, for the message.
    given
        One name or several, also with commas between them.
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
    >>> names("without", "no_tau,no_b_jet", ("no_tau", "no_b_jet"))
    ('no_tau', 'no_b_jet')
    """
    given = tuple(name.strip() for name in given.split(",")) if isinstance(given, str) else tuple(given)
    unknown = sorted(set(given) - set(known))
    if unknown:
        msg = f"{option}: unknown {', '.join(map(repr, unknown))}; known are {', '.join(known)}"
        raise ProcessorError(msg)
    return tuple(dict.fromkeys(given))


def choice(option: str, value: str, known: Iterable[str]) -> str:
    """One of several words.

    Raises
    ------
    ProcessorError
        If it is none of them.

    Examples
    --------
    >>> choice("order", "paper", ("paper", "authors"))
    'paper'
    """
    known = tuple(known)
    if value not in known:
        msg = f"{option} is {value!r}: choose from {', '.join(known)}"
        raise ProcessorError(msg)
    return value


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

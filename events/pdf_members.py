"""The members of ``LHEPdfWeight``: weights of other parton densities, and which of them belong together.

Each member is an event weight of its own under the name ``pdf/COMBINATION/NUMBER``; what they make of one bin is found where
all events are summed (:mod:`massgap.processors.base.results.members`), since the uncertainty of a sum is not the sum of the
events' uncertainties. Which combination is right is told by

1. the metadata of the data set, ``"pdf_members"``,
2. the title of the branch, which in NanoAOD has the LHAPDF numbers (``LHA IDs 306000 - 306102``),
3. the length 7, as ``massgap generate`` writes it: central members of the sets that come with Pythia, of which
   those of leading order make an envelope. The last one, of NNLO, is left out: its densities go with other matrix elements.

Whatever none of these tells is not guessed. Members are relative to the first one, where that is the nominal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.contracts.filesets.pdf_sets import ALPHAS, COMBINATIONS, combination_of

if TYPE_CHECKING:
    from massgap.events.event import Event

__all__ = ["PDF_WEIGHTS", "is_member", "members_of", "pdf_weights"]

PDF_WEIGHTS = "LHEPdfWeight"

_PREFIX = "pdf/"
_OWN_LENGTH, _OWN_LO = 7, range(1, 6)
_NUMBERS = re.compile(r"LHA IDs?\s+(\d+)")


def is_member(variation: str) -> bool:
    """Whether a variation is a member of a set of parton densities.

    Examples
    --------
    >>> is_member("pdf/hessian/0012"), is_member("pdf_up")
    (True, False)
    """
    return variation.startswith(_PREFIX)


def members_of(length: int, title: str = "", stated: str | None = None) -> dict[str, int] | None:
    """Name of each member and its place in the list; None if nobody says what they are.

    Parameters
    ----------
    length
        Length of the list.
    title
        Title of the branch.
    stated
        What the metadata of the data set say.

    Raises
    ------
    SelectionError
        If they say something that is no combination, or one that the list is too short for.

    Examples
    --------
    >>> members_of(7)
    {'pdf/envelope/0001': 1, 'pdf/envelope/0002': 2, 'pdf/envelope/0003': 3, 'pdf/envelope/0004': 4, 'pdf/envelope/0005': 5}
    >>> members_of(4, stated="hessian+alphas")
    {'pdf/hessian/0001': 1, 'pdf/alphas/0002': 2, 'pdf/alphas/0003': 3}
    >>> members_of(101) is None
    True
    """
    told = _NUMBERS.search(title)
    first = 1
    if stated is not None:
        combination = _checked(stated, length)
    elif told and (known := combination_of(int(told[1]), length)):
        combination, with_nominal = known
        first = int(with_nominal)
    elif not told and length == _OWN_LENGTH:
        return {f"{_PREFIX}envelope/{k:04d}": k for k in _OWN_LO}
    else:
        return None
    kind, last = combination.removesuffix(ALPHAS), length - 2 * combination.endswith(ALPHAS)
    out = {f"{_PREFIX}{kind}/{k:04d}": k for k in range(first, last)}
    return out | {f"{_PREFIX}alphas/{k:04d}": k for k in range(last, length)}


def _checked(stated: str, length: int) -> str:
    if stated not in COMBINATIONS:
        msg = f'"pdf_members" of the data set is {stated!r}: write one of {", ".join(COMBINATIONS)}'
        raise SelectionError(msg)
    pairs = stated == "asymmetric" and length % 2 == 0
    if pairs or length < 2 + 2 * stated.endswith(ALPHAS):
        need = "an odd number of entries" if pairs else "more entries"
        msg = f'"pdf_members" of the data set is {stated!r}, which takes {need}; {PDF_WEIGHTS} has {length}'
        raise SelectionError(msg)
    return stated


def pdf_weights(
    event: Event, remedy: str = "", stated: str | None = None
) -> tuple[dict[str, npt.NDArray[np.float64]], int] | None:
    """Event weights under each member.

    Parameters
    ----------
    event
        The events.
    remedy
        What to do where the weights cannot be used; a sentence.
    stated
        What the metadata of the data set say the members are.

    Returns
    -------
    tuple or None
        Member -> weights, shape (n,), and how many events have none; None without the branch. An event without members, or
        whose first member is zero, counts as nominal.

    Raises
    ------
    SelectionError
        If nobody says what the members are.
    """
    vector = event.weight_vector(PDF_WEIGHTS)
    if vector is None:
        return None
    counts = np.asarray(ak.num(vector), dtype=np.int64)
    flat = np.asarray(ak.flatten(vector), dtype=np.float64)
    starts = np.cumsum(counts) - counts
    nominal = event.weights
    title = event.columns.title("", PDF_WEIGHTS)
    out: dict[str, npt.NDArray[np.float64]] = {}
    # One entry is a dummy.
    for length in (n for n in np.unique(counts).tolist() if n > 1):
        places = members_of(length, title, stated)
        if places is None:
            msg = (
                f"{event.columns.where or 'the events'}: {PDF_WEIGHTS} has {length} entries, and neither the title of the branch nor "
                f'the fileset says what they are. Write "pdf_members" into the metadata of the data set, one of '
                f"{', '.join(COMBINATIONS)}. {remedy}"
            )
            raise SelectionError(msg.strip())
        rows = np.flatnonzero(counts == length)
        here = flat[starts[rows, None] + np.arange(length)]
        with_nominal = 0 not in places.values()
        base = here[:, 0] if with_nominal else np.ones(len(rows))
        usable = base != 0.0
        for name, place in places.items():
            ratio = np.where(usable, here[:, place], 1.0) / np.where(usable, base, 1.0)
            out.setdefault(name, nominal.copy())[rows] = nominal[rows] * ratio
    return out, int(np.count_nonzero(counts <= 1))

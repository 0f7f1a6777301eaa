"""The sum of generator weights that an ATLAS file states for all events from which its own were taken."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import uproot

from massgap.events.errors import FileProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from massgap.events.reading.tree import LeanFile

__all__ = ["sum_of_weights"]

_TREE = "MetaData"
_BRANCH = "CutBookkeepersAux."
_ALL = "AllExecutedEvents"
_STREAMS = ("StreamAOD", "StreamEVGEN", "StreamEVNT", "StreamDAOD_PHYS", "StreamDAOD_PHYSLITE")
"""Where events can come from, the earliest first: what was made of it may have been skimmed."""


def sum_of_weights(path: str, file: LeanFile, trees: Iterable[str]) -> float | None:
    """The sum of generator weights before any event was dropped.

    The cut bookkeepers have an entry for each step of the processing; the one of all events is called AllExecutedEvents, of
    the stream StreamAOD (that of the files from which the derivation was made; others where there is none), of the highest
    cycle.  Source: athena's ``CutBookkeeperUtils`` and ``AsgCutBookkeeperAlg``.

    Parameters
    ----------
    path
        The file, for messages.
    file
        The same, open.
    trees
        Names of its trees.

    Returns
    -------
    float or None
        None if there are no bookkeepers: skims lose them.

    Raises
    ------
    FileProblem
        If the sum is not a finite number.
    """
    if _TREE not in set(trees):
        return None
    columns = _columns(file.whole[_TREE])
    if columns is None:
        return None
    total, found = 0.0, False
    # One row for each input file that was merged, in which the last cycle is the newest.
    for names, streams, cycles, sums in zip(*columns, strict=True):
        rows = [
            (-_STREAMS.index(stream), cycle, value)
            for name, stream, cycle, value in zip(names, streams, cycles, sums, strict=True)
            if name == _ALL and stream in _STREAMS
        ]
        if rows:
            total, found = total + float(max(rows)[-1]), True
    if not found:
        return None
    if not math.isfinite(total):
        msg = f"{path}: the sum of generator weights in its cut bookkeepers is {total}; make or copy the file again"
        raise FileProblem(msg)
    return total


def _columns(tree: Any) -> tuple[list[Any], ...] | None:
    """Name, input stream, cycle and sum of weights of all bookkeepers, None if any of them is not stored or not readable."""
    # In an RNTuple a colon stands for the dot.
    keys = {str(key).split("/")[-1].replace(":", "."): key for key in tree.keys()}  # noqa: SIM118 (not a dict)
    out = []
    for field in ("name", "inputStream", "cycle", "sumOfEventWeights"):
        found = keys.get(f"{_BRANCH}{field}")
        if found is None or isinstance(
            getattr(tree[found], "interpretation", None), uproot.interpretation.identify.UnknownInterpretation
        ):
            return None
        out.append(tree[found].array(library="ak").to_list())
    return tuple(out)

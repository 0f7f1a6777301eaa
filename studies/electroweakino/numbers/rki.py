"""Relative kinematic interference of three samples: inclusive, electroweak alone, and with two powers of the strong coupling.

Samples of other generators come through ``massgap generate --lhe``; their processes are told apart by how their names end:
``NAME_incl``, ``NAME_ew`` and ``NAME_qcd`` of one signal are a set (docs/analyses/electroweakino.md has the commands).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.selections.electroweakino.interference import relative_kinematic_interference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["ENDINGS", "Interference", "interference", "sets_of"]

ENDINGS = ("_incl", "_ew", "_qcd")
"""Of the names of the processes of a set: all orders, electroweak alone, two powers of the strong coupling."""


class Interference(NamedTuple):
    """RKI in bins, 1/unit of the axis, with its standard error, and edges; ``total`` is the sum over all bins times their width,
    the relative difference of the cross sections, with its error."""

    edges: Floats
    value: Floats
    error: Floats
    total: tuple[float, float]


def sets_of(processes: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Name -> the three processes of each set that is complete.

    Examples
    --------
    >>> sets_of(["w_400_50_incl", "w_400_50_ew", "w_400_50_qcd", "tt"])
    {'w_400_50': ('w_400_50_incl', 'w_400_50_ew', 'w_400_50_qcd')}
    """
    there = set(processes)
    names = [name.removesuffix(ENDINGS[0]) for name in processes if name.endswith(ENDINGS[0])]
    return {
        name: (name + ENDINGS[0], name + ENDINGS[1], name + ENDINGS[2])
        for name in names
        if all(name + ending in there for ending in ENDINGS)
    }


def interference(
    histogram: Any, processes: tuple[str, str, str], regions: Sequence[str], join: int = 1
) -> Interference | None:
    """RKI of three processes of a histogram of a run.

    Parameters
    ----------
    histogram
        With the axes process, region, variation and an observable last; cross sections in fb.
    processes
        Inclusive, electroweak, QCD.
    regions
        Disjoint ones, which are added up.
    join
        So many bins are taken together.

    Returns
    -------
    Interference or None
        None where the inclusive sample has no events.
    """
    there: Mapping[str, Any] = {name: _sum(histogram, name, regions) for name in processes}
    edges = np.asarray(histogram.axes[-1].edges)[::join]
    n = len(edges) - 1
    values, variances = (
        np.array([there[name][k][: n * join].reshape(n, join).sum(axis=1) for name in processes])
        for k in (0, 1)
    )
    sigma = float(values[0].sum())
    if not sigma > 0.0:
        return None
    widths = np.diff(edges)
    inclusive, electroweak, qcd = values / widths
    value = relative_kinematic_interference(inclusive, electroweak, qcd, widths)
    share = (values[1] + values[2]) / sigma
    # Each bin of the inclusive sample is in the cross section that all are divided by as well.
    moved = value * widths
    own = variances[0] * (1 - 2 * moved) + variances[0].sum() * moved**2
    error = np.sqrt(own + variances[1:].sum(axis=0)) / sigma / widths
    parts = float(share.sum())
    total = float(np.hypot(parts * np.sqrt(variances[0].sum()), np.sqrt(variances[1:].sum()))) / sigma
    return Interference(edges, value, error, (1.0 - parts, total))


def _sum(histogram: Any, process: str, regions: Sequence[str]) -> tuple[Floats, Floats]:
    """Values and variances of the sum over regions."""
    found = [histogram[{"process": process, "region": region, "variation": "nominal"}] for region in regions]
    values = np.sum([np.asarray(one.values(), float) for one in found], axis=0)
    return values, np.sum([np.asarray(one.variances(), float) for one in found], axis=0)

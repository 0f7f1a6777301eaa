"""Parton densities as tables, for compiled code: sums over two families, interpolated by cubics in x and in the scale."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.samples.physics.cross_sections import parton_density

__all__ = ["FAMILIES", "DensityTable", "density_table", "interpolated_densities"]

#: Up-type and down-type quarks by family, PDG numbers.
FAMILIES = ((2, 1), (4, 3))
_NODES_X, _NODES_Q = 240, 32


class DensityTable(NamedTuple):
    """x f of up-type quarks, down-type quarks, and their antiquarks, on nodes even in -ln x + 5 (1 - x) and in ln Q^2.

    Attributes
    ----------
    values
        Shape (4, nodes in x, nodes in Q^2).
    first_x, step_x, first_q, step_q
        Where the nodes are.
    """

    values: Any
    first_x: float
    step_x: float
    first_q: float
    step_q: float


@lru_cache(maxsize=8)
def density_table(pdf_set: int, x_min: float, q_min: float, q_max: float, families: int = 2) -> DensityTable:
    """Tables from Pythia's densities.

    Parameters
    ----------
    pdf_set
        Pythia's number of the set.
    x_min, q_min, q_max
        Limits of the table: momentum fraction, scales in GeV.
    families
        1 for u and d, 2 with c and s.

    Raises
    ------
    GenerationError
        If Pythia does not have the set.
    """
    xf = parton_density(pdf_set)
    high = -math.log(x_min) + 5.0 * (1.0 - x_min)
    nodes = np.linspace(0.0, high, _NODES_X)
    fine = np.concatenate([np.geomspace(x_min, 0.1, 4000), np.linspace(0.1, 1.0, 4000)[1:]])
    x = np.interp(nodes, (-np.log(fine) + 5.0 * (1.0 - fine))[::-1], fine[::-1])
    for _ in range(3):  # Newton, so that the nodes are even to rounding
        x -= (-np.log(x) + 5.0 * (1.0 - x) - nodes) / (-1.0 / x - 5.0)
    q2 = np.geomspace(q_min**2, q_max**2, _NODES_Q)
    values = np.zeros((4, _NODES_X, _NODES_Q))
    for kind in range(4):
        sign, number = (1 if kind < 2 else -1), kind % 2
        for family in FAMILIES[:families]:
            for i, one in enumerate(np.minimum(x, 1.0 - 1e-9).tolist()):
                values[kind, i] += [max(xf(sign * family[number], one, scale), 0.0) for scale in q2.tolist()]
    step_q = math.log(q2[1] / q2[0])
    return DensityTable(values, 0.0, float(nodes[1]), float(math.log(q2[0])), step_q)


@compiled
def _cubic(position: float, n: int, weights: Any) -> int:
    """First of four nodes, and their weights."""
    first = min(max(int(position) - 1, 0), n - 4)
    t = position - first
    weights[0] = -(t - 1.0) * (t - 2.0) * (t - 3.0) / 6.0
    weights[1] = t * (t - 2.0) * (t - 3.0) / 2.0
    weights[2] = -t * (t - 1.0) * (t - 3.0) / 2.0
    weights[3] = t * (t - 1.0) * (t - 2.0) / 6.0
    return first


@compiled
def interpolated_densities(table: DensityTable, x: float, q2: float, work: Any, out: Any) -> None:
    """f(x, Q2), without the factor x, of the four kinds of partons; ``work`` has the shape (2, 4)."""
    i = _cubic(
        (-math.log(x) + 5.0 * (1.0 - x) - table.first_x) / table.step_x, table.values.shape[1], work[0]
    )
    j = _cubic((math.log(q2) - table.first_q) / table.step_q, table.values.shape[2], work[1])
    for kind in range(4):
        total = 0.0
        for a in range(4):
            row = 0.0
            for b in range(4):
                row += work[1, b] * table.values[kind, i + a, j + b]
            total += work[0, a] * row
        out[kind] = max(total, 0.0) / x

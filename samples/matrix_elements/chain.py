r"""Events of X chi with X -> muon Y, Y -> muon Z, Z -> photon chi, without showers: hard process and decays, compiled.

The spins of the decays are those of :mod:`massgap.samples.physics.cascade_decays`, which says where they come from: all decays are
isotropic, and where X, Z and chi are scalars the chain has a factor :math:`m_{\mu\mu}^2`, here by rejection.  Muons have no mass,
so that no invariant mass passes its endpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.samples.errors import GenerationError
from massgap.samples.matrix_elements.adaptive_grid import AdaptiveGrid, through_grid
from massgap.samples.matrix_elements.densities import DensityTable, density_table
from massgap.samples.matrix_elements.exchange import Exchange, exchange_point
from massgap.samples.matrix_elements.fusion import Integral, integral_of
from massgap.samples.physics.cascade_decays import check_chain
from massgap.samples.physics.cross_sections import DEFAULT_PDF

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MEDIATOR", "POINTS", "ChainEvents", "ChainGenerator"]

MEDIATOR = 4000.0
"""GeV: the paper leaves the mass of the mediator open; shapes hardly know it, the cross section does."""
POINTS = 20_000
"""Of each round in which the sampling is adapted."""
_ROUNDS, _CHUNK = 5, 50_000


@compiled
def _boosted(e: float, x: float, y: float, z: float, parent: Any, mass: float) -> Any:
    """A momentum from the rest frame of a parent (E, x, y, z) into that where the parent has its momentum."""
    along = x * parent[1] + y * parent[2] + z * parent[3]
    energy = (parent[0] * e + along) / mass
    share = (e + energy) / (parent[0] + mass)
    return (energy, x + share * parent[1], y + share * parent[2], z + share * parent[3])


@compiled
def _emitted(rng: Any, parent: Any, mass: float, rest: float) -> Any:
    """A massless particle that a parent emits isotropically, and what is left of it, of mass ``rest``."""
    energy = (mass - rest) * (mass + rest) / (2.0 * mass)
    c = 2.0 * rng.random() - 1.0
    phi = 2.0 * math.pi * rng.random()
    across = energy * math.sqrt((1.0 - c) * (1.0 + c))
    one = _boosted(energy, across * math.cos(phi), across * math.sin(phi), energy * c, parent, mass)
    return one, (parent[0] - one[0], parent[1] - one[1], parent[2] - one[2], parent[3] - one[3])


@compiled
def _first_of_pair(rng: Any, process: Exchange, s: float, y: float, c: float) -> Any:
    """Momentum of the first particle; the quark that it goes with comes from either proton."""
    root = math.sqrt((s - (process.m1 + process.m2) ** 2) * (s - (process.m1 - process.m2) ** 2))
    momentum = root / (2.0 * math.sqrt(s))
    along = momentum * (c if rng.random() < 0.5 else -c)
    across = momentum * math.sqrt((1.0 - c) * (1.0 + c))
    phi = 2.0 * math.pi * rng.random()
    energy = math.sqrt(process.m1**2 + momentum**2)
    cosh, sinh = math.cosh(y), math.sinh(y)
    return (
        energy * cosh + along * sinh,
        across * math.cos(phi),
        across * math.sin(phi),
        along * cosh + energy * sinh,
    )


@compiled
def _weights(
    process: Exchange, sqrt_s: float, table: DensityTable, edges: Any, even: Any, weight: Any, point: Any
) -> None:
    """Weight (fb) of each point, and its s, rapidity and cosine."""
    u, work, pdf1, pdf2 = np.empty(3), np.empty((2, 4)), np.empty(4), np.empty(4)
    for k in range(even.shape[0]):
        jacobian = through_grid(edges, even[k], u)
        value, point[k, 0], point[k, 1], point[k, 2] = exchange_point(
            u, process, sqrt_s, table, work, pdf1, pdf2
        )
        weight[k] = value * jacobian


@compiled
def _decays(rng: Any, process: Exchange, masses: Any, point: Any, out: Any, plus_first: Any) -> None:
    """Momenta (E, x, y, z) of the muon of X, that of Y, and the photon; and whether the first muon is the positive one."""
    m_x, m_y, m_z, m_chi = masses
    largest = (m_x**2 - m_y**2) * (m_y**2 - m_z**2) / m_y**2
    for k in range(point.shape[0]):
        x = _first_of_pair(rng, process, point[k, 0], point[k, 1], point[k, 2])
        while True:
            first, y = _emitted(rng, x, m_x, m_y)
            second, z = _emitted(rng, y, m_y, m_z)
            if not process.scalar:
                break
            squared = (
                first[0] * second[0] - first[1] * second[1] - first[2] * second[2] - first[3] * second[3]
            )
            if 2.0 * squared > largest * rng.random():
                break
        photon, _ = _emitted(rng, z, m_z, m_chi)
        for i in range(4):
            out[k, 0, i], out[k, 1, i], out[k, 2, i] = first[i], second[i], photon[i]
        plus_first[k] = rng.random() < 0.5


class ChainEvents(NamedTuple):
    """Events of the chain.

    Attributes
    ----------
    momenta
        Muon of X, muon of Y and photon as (E, x, y, z), GeV; shape (n, 3, 4).
    plus_first
        Whether the muon of X is the positive one, shape (n,).
    weight
        1, or more for the few events above the cap; shape (n,).
    """

    momenta: Any
    plus_first: Any
    weight: Any

    def of_charges(self) -> tuple[Any, Any, Any]:
        """Positive muon, negative muon and photon, each of shape (n, 4)."""
        first, second, photon = self.momenta[:, 0], self.momenta[:, 1], self.momenta[:, 2]
        chosen = np.asarray(self.plus_first)[:, None]
        return np.where(chosen, first, second), np.where(chosen, second, first), photon


@dataclass
class ChainGenerator:
    """Events of the chain at parton level, unweighted.

    Parameters
    ----------
    masses
        Of X, Y, Z and chi, GeV.
    scalar
        Whether X, Z and chi are scalars and Y a fermion (sDM), or the other way around (fDM).
    mediator
        Mass of the particle exchanged in the production, GeV.
    chiral
        Whether the mediator couples to right-handed quarks alone.
    sqrt_s_tev
        Energy, TeV.
    pdf_set
        Pythia's number of the parton densities.
    seed
        One number or several; the same give the same events.
    points
        Of each round in which the sampling is adapted: fewer are enough where few events of each of many spectra are wanted.

    Raises
    ------
    GenerationError
        If the masses do not fall along the chain, the mediator is not heavier than both of the pair (it would be made itself), or
        the pair is out of reach.

    Examples
    --------
    >>> generator = ChainGenerator((390.0, 360.0, 330.0, 300.0), scalar=False)  # doctest: +SKIP
    >>> events, integral = generator.events(1000)  # doctest: +SKIP
    """

    masses: Sequence[float]
    scalar: bool
    mediator: float = MEDIATOR
    chiral: bool = False
    sqrt_s_tev: float = 14.0
    pdf_set: int = DEFAULT_PDF
    seed: int | Sequence[int] = 1
    points: int = POINTS

    def __post_init__(self) -> None:
        self.masses = check_chain(self.masses)
        m_x, _, _, m_chi = self.masses
        sqrt_s = 1e3 * float(self.sqrt_s_tev)
        if not (math.isfinite(self.mediator) and self.mediator > m_x):
            msg = (
                f"a mediator of {self.mediator:g} GeV is not heavier than X of {m_x:g} GeV, which it stands between: give its mass "
                "with --mediator, in GeV"
            )
            raise GenerationError(msg)
        if not (math.isfinite(sqrt_s) and m_x + m_chi < sqrt_s):
            msg = f"X and chi of {m_x:g} and {m_chi:g} GeV are out of reach at {self.sqrt_s_tev:g} TeV"
            raise GenerationError(msg)
        own = [self.seed] if isinstance(self.seed, int) else list(self.seed)
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([*own, 19])))
        self._process = Exchange(m_x, m_chi, float(self.mediator), bool(self.scalar), bool(self.chiral))
        self._sqrt_s = sqrt_s
        threshold = m_x + m_chi
        self._table = density_table(self.pdf_set, (threshold / sqrt_s) ** 2, threshold, sqrt_s, 1)
        self._grid = AdaptiveGrid(3)
        self._integral: Integral | None = None

    def _points(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        even, weight, point = rng.random((n, 3)), np.zeros(n), np.zeros((n, 3))
        _weights(self._process, self._sqrt_s, self._table, self._grid.edges, even, weight, point)
        return even, weight, point

    def integrate(self) -> Integral:
        """Cross section (fb) of both charge states, its error, and the cap of the weights; the same for every seed."""
        if self._integral is None:
            rng = np.random.Generator(np.random.PCG64(19))
            for _ in range(_ROUNDS):
                even, weight, _ = self._points(rng, self.points)
                self._grid.adapt(even, weight)
            self._integral = integral_of(self._points(rng, 5 * self.points)[1])
        return self._integral

    def events(self, n: int) -> ChainEvents:
        """``n`` events; what they stand for is :meth:`integrate`'s cross section.

        Parameters
        ----------
        n
            How many, at least 0.
        """
        cap = self.integrate().largest_fb
        chunk = max(1, _CHUNK * self.points // POINTS)
        points, weights, found = [np.zeros((0, 3))], [np.zeros(0)], 0
        while found < n:
            _, weight, point = self._points(self._rng, chunk)
            kept = np.flatnonzero(weight > cap * self._rng.random(chunk))
            points.append(point[kept])
            weights.append(np.maximum(weight[kept] / cap, 1.0))
            found += len(kept)
        chosen = np.concatenate(points)[:n]
        momenta, plus_first = np.empty((n, 3, 4)), np.empty(n, np.bool_)
        _decays(self._rng, self._process, tuple(self.masses), chosen, momenta, plus_first)
        return ChainEvents(momenta, plus_first, np.concatenate(weights)[:n])

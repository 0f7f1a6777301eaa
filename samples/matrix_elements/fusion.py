"""Cross section and events of q q' -> q q' chi chi by fusion of electroweak bosons: a triplet of pure winos of one mass.

The squared amplitude of all flavours and pairs of winos is one quadratic form per chirality (:mod:`.structures`) in coefficients
(:mod:`.couplings`); an event of all of them together is weighted, and accepted events draw flavours and pair in proportion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.samples.errors import GenerationError
from massgap.samples.matrix_elements.adaptive_grid import AdaptiveGrid, cap_of_weights, through_grid
from massgap.samples.matrix_elements.couplings import (
    FINAL_STATES,
    N_PROPAGATORS,
    Electroweak,
    FinalState,
    Terms,
    coefficients,
    propagators,
    terms_of,
)
from massgap.samples.matrix_elements.densities import DensityTable, density_table, interpolated_densities
from massgap.samples.matrix_elements.phase_space import N_NUMBERS, JetCuts, check_cuts, jet_pair_point
from massgap.samples.matrix_elements.spinors import dot, shifted
from massgap.samples.matrix_elements.structures import N_STRUCTURES, gram, lorentz_structures, wino_spinors
from massgap.samples.physics.cross_sections import DEFAULT_PDF

__all__ = ["FusionGenerator", "HardEvents", "Integral", "integral_of", "squared_amplitudes"]

_CHUNK = 20_000


@compiled
def _row(p: Any, i: int) -> tuple[float, float, float, float]:
    return (p[i, 0], p[i, 1], p[i, 2], p[i, 3])


@compiled
def squared_amplitudes(
    p: Any, m: float, masses: tuple[float, float], terms: Terms, work: Any, out: Any
) -> None:
    """Squared amplitudes summed over the spins of the winos, for each row of terms and kind of quark lines: shape (n, 4).

    Columns are (quark, quark), (quark, antiquark), (antiquark, quark), (antiquark, antiquark) of lines 1 and 2.

    Parameters
    ----------
    p
        Momenta p1, p2, p3, p4, k1, k2, shape (6, 4).
    m, masses
        Mass of the winos; of Z and W, GeV.
    terms
        Couplings.
    work
        Arrays that are used on the way, from :func:`work_arrays`.
    out
        Where it goes.
    """
    products, c, u, v, structures, form = work
    six = (_row(p, 0), _row(p, 1), _row(p, 2), _row(p, 3), _row(p, 4), _row(p, 5))
    q1, q2, pair = shifted(six[0], six[2], -1.0), shifted(six[1], six[3], -1.0), shifted(six[4], six[5], 1.0)
    propagators(dot(q1, q1), dot(q2, q2), dot(pair, pair), masses[0], masses[1], products)
    coefficients(terms.row, terms.structure, terms.propagator, terms.value, products, c)
    wino_spinors(six[4], six[5], m, u, v)
    for kind in range(4):
        anti = (kind >= 2, kind % 2 == 1)
        for h1 in range(2):
            for h2 in range(2):
                lorentz_structures(six, m, anti, (h1, h2), (u, v), False, structures)
                gram(structures, form[h1, h2])
        for n in range(terms.states.size):
            g = form[terms.chiralities[n, 0], terms.chiralities[n, 1]]
            total = 0.0
            for i in range(N_STRUCTURES):
                row = 0.0
                for j in range(N_STRUCTURES):
                    row += g[i, j] * c[n, j]
                total += c[n, i] * row
            out[n, kind] = total


def work_arrays(terms: Terms) -> tuple[np.ndarray, ...]:
    """Arrays for :func:`squared_amplitudes`."""
    n = N_STRUCTURES
    return (
        np.zeros(N_PROPAGATORS),
        np.zeros((len(terms.states), n)),
        np.zeros((2, 4), complex),
        np.zeros((2, 4), complex),
        np.zeros((2, 2, n), complex),
        np.zeros((2, 2, n, n)),
    )


class _Process(NamedTuple):
    """All that an event's weight depends on besides its numbers."""

    m: float
    sqrt_s: float
    cuts: JetCuts
    masses: tuple[float, float]
    terms: Terms
    factors: Any
    table: DensityTable
    edges: Any


@compiled
def _weigh(
    process: _Process, even: Any, draw: Any, work: Any, weight: Any, chosen: Any, p: Any, more: Any
) -> None:
    """Weight of each point (fb), the row and kind of lines drawn for it, its momenta, and x1, x2, scale."""
    terms = process.terms
    n = terms.states.size
    u, square = np.empty(even.shape[1]), np.empty((n, 4))
    pdf1, pdf2, few = np.empty(4), np.empty(4), np.empty((2, 4))
    for k in range(even.shape[0]):
        jacobian = through_grid(process.edges, even[k], u)
        norm, x1, x2, scale = jet_pair_point(u, process.m, process.sqrt_s, process.cuts, p[k])
        weight[k] = 0.0
        more[k, 0], more[k, 1], more[k, 2] = x1, x2, scale
        if norm <= 0.0 or x1 >= 1.0 or x2 >= 1.0:
            continue
        interpolated_densities(process.table, x1, scale * scale, few, pdf1)
        interpolated_densities(process.table, x2, scale * scale, few, pdf2)
        squared_amplitudes(p[k], process.m, process.masses, terms, work, square)
        total = 0.0
        for i in range(n):
            for kind in range(4):
                # the incoming flavour of an antiquark is at the end of its line
                anti1, anti2 = kind >= 2, kind % 2 == 1
                f1 = pdf1[2 + terms.flavours[i, 1]] if anti1 else pdf1[terms.flavours[i, 0]]
                f2 = pdf2[2 + terms.flavours[i, 3]] if anti2 else pdf2[terms.flavours[i, 2]]
                square[i, kind] *= f1 * f2 * process.factors[terms.states[i]]
                total += square[i, kind]
        weight[k] = total * norm * jacobian
        wanted, seen = draw[k] * total, 0.0
        done = False
        for i in range(n):
            for kind in range(4):
                seen += square[i, kind]
                if not done and seen >= wanted:
                    chosen[k] = 4 * i + kind
                    done = True


@dataclass(frozen=True)
class Integral:
    """A cross section and its statistical error, fb, and what came of the points."""

    xsec_fb: float
    error_fb: float
    points: int
    largest_fb: float

    @property
    def efficiency(self) -> float:
        """Share of points that are accepted against the largest weight."""
        return self.xsec_fb / self.largest_fb


def integral_of(weights: np.ndarray) -> Integral:
    """Mean, error and cap of the weights (fb) of all points, shape (n,)."""
    n = len(weights)
    return Integral(float(weights.sum()) / n, float(weights.std()) / math.sqrt(n), n, cap_of_weights(weights))


@dataclass
class HardEvents:
    """Events of the hard process.

    Attributes
    ----------
    momenta
        p1, p2, p3, p4, k1, k2 as (E, x, y, z), GeV; shape (n, 6, 4).
    pdg
        PDG numbers of the same, shape (n, 6).
    x, scale
        Momentum fractions, shape (n, 2), and half the sum of transverse masses, GeV.
    weight
        1, or more for the few events above the largest weight.
    state
        Index of the pair in the generator's final states.
    """

    momenta: np.ndarray
    pdg: np.ndarray
    x: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    state: np.ndarray

    def __len__(self) -> int:
        return len(self.weight)


@dataclass
class FusionGenerator:
    """Events of two quarks and a pair of winos, unweighted.

    Parameters
    ----------
    m
        Mass of the winos, GeV: from 50 on.
    sqrt_s_tev
        Energy, TeV.
    cuts
        On the jets.
    pdf_set
        Pythia's number of the parton densities.
    families
        1 for u and d quarks only, 2 with s and c.
    states
        Pairs to make.
    model
        Electroweak parameters.
    seed
        The same seed gives the same events.

    Raises
    ------
    GenerationError
        If the mass or the energy is impossible, or the cuts leave nothing.
    """

    m: float
    sqrt_s_tev: float = 13.6
    cuts: JetCuts = field(default_factory=JetCuts)
    pdf_set: int = DEFAULT_PDF
    families: int = 2
    states: tuple[FinalState, ...] = FINAL_STATES
    model: Electroweak = field(default_factory=Electroweak)
    seed: int = 1

    def __post_init__(self) -> None:
        sqrt_s = 1e3 * self.sqrt_s_tev
        if not (math.isfinite(self.m) and self.m >= 50.0):
            msg = f"winos of {self.m:g} GeV cannot be made by fusion here: the pair must be heavier than the Z, so m from 50 GeV on"
            raise GenerationError(msg)
        cuts = check_cuts(self.cuts, self.m, sqrt_s)
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, 18])))
        self._grid = AdaptiveGrid(N_NUMBERS)
        terms = terms_of(self.model, self.states)
        x_min = (2.0 * self.m) ** 2 / sqrt_s**2
        table = density_table(self.pdf_set, x_min, self.m, sqrt_s, self.families)
        factors = np.array([state.factor for state in self.states])
        masses = (float(self.model.m_z), float(self.model.m_w))
        self._process = _Process(float(self.m), sqrt_s, cuts, masses, terms, factors, table, self._grid.edges)
        self._work = work_arrays(terms)
        self._integral: Integral | None = None

    def _points(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        even, draw = self._rng.random((n, N_NUMBERS)), self._rng.random(n)
        weight, chosen = np.zeros(n), np.zeros(n, np.int64)
        p, more = np.zeros((n, 6, 4)), np.zeros((n, 3))
        _weigh(self._process, even, draw, self._work, weight, chosen, p, more)
        return even, weight, chosen, p, more

    def integrate(self, rounds: int = 6, points: int = _CHUNK, last: int = 5 * _CHUNK) -> Integral:
        """Adapt the grid, then the cross section with it, and the largest weight.

        The largest weight is the one above which lies a thousandth of the cross section: events above it keep a weight above 1.
        """
        for _ in range(rounds):
            even, weight, *_ = self._points(points)
            self._grid.adapt(even, weight)
        weights = np.concatenate([self._points(_CHUNK)[1] for _ in range(max(1, last // _CHUNK))])
        self._integral = integral_of(weights)
        return self._integral

    def events(self, n: int) -> tuple[HardEvents, Integral]:
        """``n`` unweighted events, and the cross section from all points tried.

        Returns
        -------
        HardEvents, Integral
        """
        if self._integral is None:
            edges, self._integral = _prepared(
                self.m,
                self.sqrt_s_tev,
                self._process.cuts,
                self.pdf_set,
                self.families,
                self.states,
                self.model,
            )
            self._grid.edges[:] = edges
        start = self._integral
        parts: list[tuple[np.ndarray, ...]] = []
        found, tried, total, squares = 0, 0, 0.0, 0.0
        while found < n:
            _, weight, chosen, p, more = self._points(_CHUNK)
            kept = np.flatnonzero(weight > start.largest_fb * self._rng.random(len(weight)))
            parts.append(
                (chosen[kept], p[kept], more[kept], np.maximum(weight[kept] / start.largest_fb, 1.0))
            )
            found, tried = found + len(kept), tried + len(weight)
            total, squares = total + float(weight.sum()), squares + float((weight**2).sum())
        chosen, p, more, weight = (np.concatenate(part)[:n] for part in zip(*parts, strict=True))
        all_points = tried + start.points
        mean = (total + start.xsec_fb * start.points) / all_points
        square = squares + (start.error_fb**2 * start.points + start.xsec_fb**2) * start.points
        error = math.sqrt(max(square / all_points - mean**2, 0.0) / all_points)
        return self._as_events(chosen, p, more, weight), Integral(mean, error, all_points, start.largest_fb)

    def _as_events(
        self, chosen: np.ndarray, p: np.ndarray, more: np.ndarray, weight: np.ndarray
    ) -> HardEvents:
        """Draw the families, number the particles and turn each event about the beam."""
        terms = self._process.terms
        row, kind = chosen // 4, chosen % 4
        anti = np.stack([kind >= 2, kind % 2 == 1], axis=1)
        into, out = terms.flavours[row][:, ::2], terms.flavours[row][:, 1::2]
        pdg = np.zeros((len(row), 6), np.int64)
        for line in range(2):
            first = np.where(anti[:, line], out[:, line], into[:, line])
            last = np.where(anti[:, line], into[:, line], out[:, line])
            sign = np.where(anti[:, line], -1, 1)
            family = self._families(first, sign, more[:, line], more[:, 2])
            # up-type quarks are the even numbers
            pdg[:, line] = sign * (2 * family + 2 - first)
            pdg[:, 2 + line] = sign * (2 * family + 2 - last)
        state = terms.states[row]
        pdg[:, 4:] = np.array([one.pdg for one in self.states])[state]
        return HardEvents(self._turned(p), pdg, more[:, :2].copy(), more[:, 2].copy(), weight, state)

    def _families(self, kind: np.ndarray, sign: np.ndarray, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """0 or 1 in proportion to the parton densities."""
        from massgap.samples.physics.cross_sections import parton_density

        draw = self._rng.random(len(kind))
        if self.families == 1:
            return np.zeros(len(kind), np.int64)
        xf = parton_density(self.pdf_set)
        light = 2 - kind
        share = np.empty(len(kind))
        for i, (number, one, at) in enumerate(
            zip((sign * light).tolist(), x.tolist(), (scale**2).tolist(), strict=True)
        ):
            both = xf(number, one, at), xf(number + (2 if number > 0 else -2), one, at)
            share[i] = max(both[1], 0.0) / max(both[0] + max(both[1], 0.0), 1e-300)
        return (draw < share).astype(np.int64)

    def _turned(self, p: np.ndarray) -> np.ndarray:
        angle = 2.0 * math.pi * self._rng.random(len(p))
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        out = p.copy()
        out[:, :, 1] = cosine * p[:, :, 1] - sine * p[:, :, 2]
        out[:, :, 2] = sine * p[:, :, 1] + cosine * p[:, :, 2]
        return out


@lru_cache(maxsize=64)
def _prepared(m: float, sqrt_s_tev: float, *production: Any) -> tuple[np.ndarray, Integral]:
    """Adapted grid and cross section: once for all signals of one mass, which differ in their decays; with numbers of its own."""
    cuts, pdf_set, families, states, model = production
    made = FusionGenerator(m, sqrt_s_tev, cuts, pdf_set, families, states, model)
    made._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(18)))
    integral = made.integrate()
    return made._grid.edges, integral

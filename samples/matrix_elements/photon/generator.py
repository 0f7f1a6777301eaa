r"""Events of two muons, a photon and what escapes, at parton level: from pairs of Ws, of Zs and virtual photons, and of taus.

Parton densities of two families, at the squared mass of all; the quark and which proton it is from are drawn by the densities.  Taus
decay along their flight, with the spectrum of muons that their polarisation gives: of a left-handed negative one
:math:`\frac{4}{3} (1 - x^3)`, of a right-handed one :math:`2 (1 - x)^2 (1 + 2 x)` (Y.-S. Tsai, Phys. Rev. D 4 (1971) 2821); photons of
these decays are not included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.samples.errors import GenerationError
from massgap.samples.matrix_elements.adaptive_grid import AdaptiveGrid, cap_of_weights, through_grid
from massgap.samples.matrix_elements.chain import ChainEvents
from massgap.samples.matrix_elements.densities import DensityTable, density_table, interpolated_densities
from massgap.samples.matrix_elements.fusion import Integral
from massgap.samples.matrix_elements.photon.amplitudes import (
    Couplings,
    charged_pairs,
    lepton_pair,
    neutral_pairs,
    standard_couplings,
)
from massgap.samples.matrix_elements.photon.channels import (
    CHARGED,
    N_CHANNELS,
    NEUTRAL,
    PAIR,
    PhotonCuts,
    channel_share,
    phase_space_point,
)
from massgap.samples.physics.cross_sections import DEFAULT_PDF, FB

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FINAL_STATES", "PhotonGenerator"]

FINAL_STATES = {"charged": CHARGED, "neutral": NEUTRAL, "taus": PAIR}
"""Pairs of Ws; a pair of muons and one of neutrinos; a pair of taus: by name."""
_N_NUMBERS = 16
_TO_MUON = 0.1739
"""Branching ratio of a tau to a muon (Review of Particle Physics 2024)."""
_FAMILIES_OF_NEUTRINOS = 3.0
_ROUNDS, _POINTS, _LAST, _CHUNK = 7, 20_000, 300_000, 50_000
_ABOVE = 0.01
"""Share of the cross section above the cap that events are accepted against."""


class _Setting(NamedTuple):
    """All that an event's weight depends on besides its numbers."""

    final: int
    channel: int
    sqrt_s: float
    cuts: PhotonCuts
    couplings: Couplings
    light: DensityTable
    both: DensityTable


@compiled
def _luminosities(setting: _Setting, x1: float, x2: float, s: float, work: Any, pdf: Any, out: Any) -> float:
    """f f of (up from the first proton, up from the second, down, down), both families; and their sum."""
    interpolated_densities(setting.light, x1, s, work, pdf[0])
    interpolated_densities(setting.light, x2, s, work, pdf[1])
    interpolated_densities(setting.both, x1, s, work, pdf[2])
    interpolated_densities(setting.both, x2, s, work, pdf[3])
    total = 0.0
    for kind in range(2):
        anti = kind + 2
        second = [pdf[2, i] - pdf[0, i] for i in (kind, anti)], [pdf[3, i] - pdf[1, i] for i in (kind, anti)]
        out[2 * kind] = pdf[0, kind] * pdf[1, anti] + max(second[0][0], 0.0) * max(second[1][1], 0.0)
        out[2 * kind + 1] = pdf[1, kind] * pdf[0, anti] + max(second[1][0], 0.0) * max(second[0][1], 0.0)
        total += out[2 * kind] + out[2 * kind + 1]
    return total


@compiled
def _hard(x: float) -> float:
    return 4.0 / 3.0 * (1.0 - x * x * x)


@compiled
def _soft(x: float) -> float:
    return 2.0 * (1.0 - x) ** 2 * (1.0 + 2.0 * x)


@compiled
def _share_of_muon(u: float, out: Any, i: int) -> float:
    """Energy of the muon as a share of the lepton that a W gives: the muon itself, or one from a tau; and the weight."""
    whole = 1.0 / (1.0 + _TO_MUON)
    if u < whole:
        out[i] = 1.0
        return 1.0 + _TO_MUON
    out[i] = (u - whole) / (1.0 - whole)
    return (1.0 + _TO_MUON) * _hard(out[i])


@compiled
def _passes(legs: Any, cuts: PhotonCuts) -> bool:
    """Whether positive muon, negative muon and photon, shape (3, 4), are within the cuts."""
    eta, phi = np.empty(3), np.empty(3)
    for i in range(3):
        pt = math.hypot(legs[i, 1], legs[i, 2])
        if not pt > (cuts.photon_pt if i == 2 else cuts.muon_pt):
            return False
        eta[i], phi[i] = math.asinh(legs[i, 3] / pt), math.atan2(legs[i, 2], legs[i, 1])
        if not abs(eta[i]) < cuts.eta:
            return False
    for i in range(2):
        turn = abs(phi[i] - phi[2])
        if not math.hypot(eta[i] - eta[2], min(turn, 2.0 * math.pi - turn)) > cuts.distance:
            return False
    a, b = legs[0], legs[1]
    squared = 2.0 * (a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3])
    return cuts.m_low**2 < squared < cuts.m_high**2


@compiled
def _seen_legs(p: Any, final: int, share: Any, y: float, legs: Any) -> None:
    """Positive muon, negative muon and photon in the laboratory."""
    minus = 4 if final == CHARGED else 2
    cosh, sinh = math.cosh(y), math.sinh(y)
    for i, row, part in ((0, 3, share[0]), (1, minus, share[1]), (2, 6, 1.0)):
        legs[i, 0] = part * (p[row, 0] * cosh + p[row, 3] * sinh)
        legs[i, 1], legs[i, 2] = part * p[row, 1], part * p[row, 2]
        legs[i, 3] = part * (p[row, 3] * cosh + p[row, 0] * sinh)


@compiled
def _squared(p: Any, up: bool, share: Any, setting: _Setting) -> float:
    if setting.final == CHARGED:
        return charged_pairs(p, up, setting.couplings)
    if setting.final == NEUTRAL:
        return _FAMILIES_OF_NEUTRINOS * neutral_pairs(p, up, setting.couplings)
    left, right = lepton_pair(p, up, setting.couplings)
    x, y = share
    return _TO_MUON**2 * (left * _hard(x) * _hard(y) + right * _soft(x) * _soft(y))


@compiled
def _one(u: Any, setting: _Setting, work: Any, pdf: Any, rates: Any, p: Any, legs: Any) -> float:
    """Weight (fb per volume of the numbers) of a point; fills what is seen."""
    final = setting.final
    s, weight = phase_space_point(u, final, setting.channel, setting.sqrt_s, setting.cuts, p)
    total = setting.sqrt_s * setting.sqrt_s
    if not (weight > 0.0 and s < total):
        return 0.0
    span = math.log(total / s)
    y = span * (u[1] - 0.5)
    weight *= span / total
    share = np.ones(2)
    if final == CHARGED:
        weight *= _share_of_muon(u[13], share, 0) * _share_of_muon(u[14], share, 1)
    elif final == PAIR:
        share[0], share[1] = u[13], u[14]
    _seen_legs(p, final, share, y, legs)
    if not _passes(legs, setting.cuts):
        return 0.0
    root = math.sqrt(s / total)
    x1, x2 = root * math.exp(y), root * math.exp(-y)
    if x1 >= 1.0 or x2 >= 1.0:
        return 0.0
    luminosity = _luminosities(setting, x1, x2, s, work, pdf, rates)
    wanted, chosen, seen = u[15] * luminosity, 0, rates[0]
    while chosen < 3 and seen < wanted:
        chosen += 1
        seen += rates[chosen]
    half = 0.5 * math.sqrt(s)
    side = 1.0 if chosen % 2 == 0 else -1.0
    for i in range(2):
        p[i, 0], p[i, 1], p[i, 2] = half, 0.0, 0.0
        p[i, 3] = half * (side if i == 0 else -side)
    square = _squared(p, chosen < 2, (share[0], share[1]), setting)
    return FB * weight * luminosity * square / (2.0 * s) * channel_share(p, final, setting.channel)


@compiled
def _weigh(setting: _Setting, edges: Any, even: Any, weight: Any, momenta: Any) -> None:
    """Weight (fb) of each point, shape (n,), and positive muon, negative muon and photon, shape (n, 3, 4)."""
    n = even.shape[1]
    u, work, pdf, rates, p = np.empty(n), np.empty((2, 4)), np.empty((4, 4)), np.empty(4), np.zeros((7, 4))
    for k in range(even.shape[0]):
        jacobian = through_grid(edges, even[k], u)
        weight[k] = jacobian * _one(u, setting, work, pdf, rates, p, momenta[k])


class _Channel(NamedTuple):
    """Grid and cross section of a channel."""

    edges: np.ndarray
    integral: Integral


_PREPARED: dict[Any, tuple[_Channel, ...]] = {}
"""What adapting the grids has given, by all that it depends on."""


def _points(
    setting: _Setting, edges: np.ndarray, rng: np.random.Generator, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    even, weight, momenta = rng.random((n, _N_NUMBERS)), np.zeros(n), np.zeros((n, 3, 4))
    _weigh(setting, edges, even, weight, momenta)
    return even, weight, momenta


def _prepared(setting: _Setting, rng: np.random.Generator) -> _Channel:
    grid = AdaptiveGrid(_N_NUMBERS)
    for _ in range(_ROUNDS):
        even, weight, _ = _points(setting, grid.edges, rng, _POINTS)
        grid.adapt(even, weight)
    last = _points(setting, grid.edges, rng, _LAST)[1]
    mean, error = float(last.mean()), float(last.std()) / math.sqrt(len(last))
    return _Channel(grid.edges, Integral(mean, error, len(last), cap_of_weights(last, _ABOVE)))


@dataclass
class PhotonGenerator:
    """Events of two muons, a photon and neutrinos at parton level.

    Parameters
    ----------
    final
        One of :data:`FINAL_STATES`.
    cuts
        What events are made within.
    sqrt_s_tev
        Energy, TeV.
    pdf_set
        Pythia's number of the parton densities.
    seed
        One number or several; the same give the same events.

    Raises
    ------
    GenerationError
        If there is no such final state, or a cut is impossible.
    """

    final: str
    cuts: PhotonCuts = field(default_factory=PhotonCuts)
    sqrt_s_tev: float = 14.0
    pdf_set: int = DEFAULT_PDF
    seed: int | Sequence[int] = 1

    def __post_init__(self) -> None:
        if self.final not in FINAL_STATES:
            msg = f"there is no final state {self.final!r}: choose from {', '.join(FINAL_STATES)}"
            raise GenerationError(msg)
        cuts = PhotonCuts(*(float(value) for value in self.cuts))
        if not (min(cuts) > 0.0 and math.isfinite(sum(cuts)) and cuts.m_low < cuts.m_high):
            msg = f"cuts of {cuts} leave a photon that is not isolated, or nothing: all must be above 0, and m_low below m_high"
            raise GenerationError(msg)
        own = [self.seed] if isinstance(self.seed, int) else list(self.seed)
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([*own, 29])))
        sqrt_s = 1e3 * float(self.sqrt_s_tev)
        tables = [
            density_table(self.pdf_set, (cuts.m_low / sqrt_s) ** 2, cuts.m_low, sqrt_s, n) for n in (1, 2)
        ]
        common: tuple[Any, ...] = (sqrt_s, cuts, standard_couplings(), *tables)
        self._settings = [
            _Setting(FINAL_STATES[self.final], channel, *common) for channel in range(N_CHANNELS)
        ]
        self._key = (self.final, cuts, sqrt_s, self.pdf_set)

    def _channels(self) -> tuple[_Channel, ...]:
        if self._key not in _PREPARED:
            rng = np.random.Generator(np.random.PCG64(29))
            _PREPARED[self._key] = tuple(_prepared(setting, rng) for setting in self._settings)
        return _PREPARED[self._key]

    def integrate(self) -> Integral:
        """Cross section (fb) within the cuts and its error, the same for every seed."""
        found = [channel.integral for channel in self._channels()]
        return Integral(
            float(sum(one.xsec_fb for one in found)),
            math.sqrt(sum(one.error_fb**2 for one in found)),
            sum(one.points for one in found),
            max(one.largest_fb for one in found),
        )

    def events(self, n: int) -> ChainEvents:
        """``n`` events of all channels; what they stand for is :meth:`integrate`'s cross section.

        The azimuth of each is drawn.  Few have a weight above 1.

        Parameters
        ----------
        n
            How many, at least 0.
        """
        total, channels = self.integrate().xsec_fb, self._channels()
        counts = self._rng.multinomial(n, [channel.integral.xsec_fb / total for channel in channels])
        parts = [self._accepted(number, int(count)) for number, count in enumerate(counts)]
        momenta, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = self._rng.permutation(n)
        phi = 2.0 * math.pi * self._rng.random(n)[:, None]
        x, y = momenta[:, :, 1].copy(), momenta[:, :, 2].copy()
        momenta[:, :, 1], momenta[:, :, 2] = (
            x * np.cos(phi) - y * np.sin(phi),
            x * np.sin(phi) + y * np.cos(phi),
        )
        return ChainEvents(momenta[order], np.ones(n, np.bool_), weight[order])

    def _accepted(self, channel: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        edges, integral = self._channels()[channel]
        cap = integral.largest_fb
        momenta, weights, found = [np.zeros((0, 3, 4))], [np.zeros(0)], 0
        while found < n:
            _, weight, seen = _points(self._settings[channel], edges, self._rng, _CHUNK)
            kept = np.flatnonzero(weight > cap * self._rng.random(_CHUNK))
            momenta.append(seen[kept])
            weights.append(np.maximum(weight[kept] / cap, 1.0))
            found += len(kept)
        return np.concatenate(momenta)[:n], np.concatenate(weights)[:n]

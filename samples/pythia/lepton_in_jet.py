"""Events with a lepton that lies among hard partons: half way down the shower, and when it is done."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

from massgap.physical_constants import Z_MASS
from massgap.samples.pythia.hooks import FIRST

if TYPE_CHECKING:
    from massgap.samples.processes.filters import ObjectFilter

__all__ = ["LeptonsBesidePartons"]

_Lepton = tuple[float, float, float, int]
"""pT (GeV), eta, phi, and the PDG number."""
_LEPTONS = (11, 13, 15)
_EARLY = 0.6
"""Half way down, this share of the pT is enough ..."""
_EARLY_RADIUS = 0.4
"""... within a radius that is so much larger: later emissions add to both."""
_EARLY_PT = 0.7
"""Of the leptons' threshold, half way down, ..."""
_EARLY_ETA = 0.3
"""... and so much farther out: later emissions push them."""


class LeptonsBesidePartons:
    """Enough leptons in the acceptance, one of them among partons with a large sum of pT.

    Emissions come in the order of their hardness. Once all above ``scale`` are there, most events of a process without
    jets are seen to have no jet near a lepton, and the rest of the shower, which takes most of the time, is spared.

    Parameters
    ----------
    wanted : ObjectFilter
        With ``leptons``, ``lepton_pt``, ``lepton_eta``, ``beside_pt``, ``beside_radius`` and ``beside_third``.
    """

    def __init__(self, wanted: ObjectFilter) -> None:
        self._wanted = wanted
        #: Of the shower, GeV.
        self.scale = wanted.beside_pt / 2
        self._decays: list[tuple[int, Any, Any, int]] = []

    def begin(self, event: Any) -> None:
        """Keep the leptons of the hard process, each with the boson that it is of."""
        self._decays = []
        for i in range(FIRST, event.size()):
            lepton = event[i]
            if lepton.idAbs() in _LEPTONS and lepton.status() > 0:
                boson = event[lepton.mother1()]
                self._decays.append((boson.id(), boson.p(), lepton.p(), lepton.id()))

    def may_be_in(self, event: Any) -> bool:
        """Half way down the shower: bosons have recoiled, but not decayed yet."""
        bosons: dict[int, Any] = {}
        partons = []
        for i in range(FIRST, event.size()):
            particle = event[i]
            if not particle.isFinal():
                continue
            kind = particle.idAbs()
            if kind in (23, 24):
                bosons[particle.id()] = particle.p()
            elif kind == 21 or kind < 6:
                partons.append((particle.pT(), particle.eta(), particle.phi()))
        moved = []
        for boson, before, lepton, kind in self._decays:
            if boson not in bosons:
                return True  # not a decay that is known here: the end decides
            momentum = lepton * 1.0
            momentum.bstback(before)
            momentum.bst(bosons[boson])
            moved.append((momentum.pT(), momentum.eta(), momentum.phi(), kind))
        wanted = self._wanted
        return self._found(
            moved,
            partons,
            wanted.lepton_pt * _EARLY_PT,
            wanted.lepton_eta + _EARLY_ETA,
            wanted.beside_pt * _EARLY,
            wanted.beside_radius + _EARLY_RADIUS,
        )

    def are_in(self, event: Any) -> bool:
        """When all partons are there."""
        leptons, partons = [], []
        for i in range(FIRST, event.size()):
            particle = event[i]
            if not particle.isFinal():
                continue
            kind = particle.idAbs()
            if kind in _LEPTONS:
                leptons.append((particle.pT(), particle.eta(), particle.phi(), particle.id()))
            elif kind == 21 or kind < 6:
                partons.append((particle.pT(), particle.eta(), particle.phi()))
        wanted = self._wanted
        return self._found(
            leptons, partons, wanted.lepton_pt, wanted.lepton_eta, wanted.beside_pt, wanted.beside_radius
        )

    def _found(
        self,
        leptons: list[_Lepton],
        partons: list[tuple[float, float, float]],
        pt: float,
        eta: float,
        beside: float,
        radius: float,
    ) -> bool:
        good = [lepton for lepton in leptons if lepton[0] > pt and abs(lepton[1]) < eta]
        if len(good) < self._wanted.leptons:
            return False
        if self._wanted.beside_third:
            pair = _z_pair(good)
            good = [lepton for lepton in good if lepton not in pair]
        return any(_sum_around(lepton, partons, radius) > beside for lepton in good)


def _z_pair(leptons: list[_Lepton]) -> tuple[_Lepton, ...]:
    """The pair of opposite charge and same flavour with the mass nearest to the Z's; nothing where there is none."""
    pairs = [(a, b) for a, b in combinations(leptons, 2) if a[3] == -b[3]]
    return min(pairs, key=lambda pair: abs(_mass(*pair) - Z_MASS), default=())


def _mass(a: _Lepton, b: _Lepton) -> float:
    """Of two particles without mass, GeV."""
    return math.sqrt(max(2 * a[0] * b[0] * (math.cosh(a[1] - b[1]) - math.cos(a[2] - b[2])), 0.0))


def _sum_around(lepton: _Lepton, partons: list[tuple[float, float, float]], radius: float) -> float:
    """Sum of the pT of partons, each (pT, eta, phi), closer than ``radius`` to a lepton."""
    _, eta, phi, _ = lepton
    return sum(
        pt
        for pt, parton_eta, parton_phi in partons
        if math.hypot(parton_eta - eta, math.remainder(parton_phi - phi, 2 * math.pi)) < radius
    )

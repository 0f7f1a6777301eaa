"""Missing momentum in Z -> ll, where there should be none: the recoil against two leptons, which are measured well.

What balances the leptons is u = -(missing momentum + leptons). Along the leptons' momentum q its mean over that of q is the
response of all hadrons together, 1 for a calorimeter that measures what there is; across them it is 0. The spread of both
components is the resolution of missing momentum (CMS 1411.0511, section 6).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from massgap.reports.samples.checks import Drawn, Part, judged
from massgap.reports.samples.detector.tallies import Spread
from massgap.reports.samples.figures import response

if TYPE_CHECKING:
    from massgap.reports.samples.inputs import Chunk

__all__ = ["Recoil"]

Q_BINS = np.array([5.0, 10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500, 1000])
ENOUGH = 20
#: Leptons (GeV), their mass window (GeV), and most generated missing momentum (GeV) of an event that is looked at.
_LEPTON_PT, _WINDOW, _GEN_MET = 10.0, (76.0, 106.0), 10.0
#: Response: from this q on (GeV), and how well 1 is expected without a calibration of soft hadrons.
_HARD, _RESPONSE = 50.0, 0.10
#: Root mean square of missing momentum in Z -> ll without pile-up (GeV) of CMS-like simulations: 12 to 16, and what may deviate.
_USUAL, _MARGIN = 14.0, 2.0
_MET = ("MET_pt", "MET_phi", "GenMET_pt", "GenMET_phi")


class Recoil:
    """Response and resolution of what balances a Z that decays to muons or electrons."""

    branches = (*_MET, *(f"{c}_{f}" for c in ("Muon", "Electron") for f in ("pt", "eta", "phi", "charge")))

    def __init__(self) -> None:
        self.along, self.across = Spread(Q_BINS), Spread(Q_BINS)
        self.ratio = Spread(Q_BINS)
        # number, sum and sum of squares of |MET|^2
        self.squares = np.zeros(3)

    def fill(self, chunk: Chunk) -> None:
        """Add the events with exactly two muons or two electrons of a Z, and no generated missing momentum."""
        if not chunk.has(*_MET):
            return
        found = chunk.values("MET_pt") * np.exp(1j * chunk.values("MET_phi"))
        true = chunk.values("GenMET_pt") * np.exp(1j * chunk.values("GenMET_phi"))
        for name in ("Muon", "Electron"):
            if not chunk.has(*(f"{name}_{field}" for field in ("pt", "eta", "phi", "charge"))):
                continue
            events, q = _pairs(chunk, name)
            few = np.abs(true[events]) < _GEN_MET
            events, q = events[few], q[few]
            size = np.abs(q)
            # what is generated and not seen is no fault of the detector
            turned = -(found[events] - true[events] + q) / (q / size)
            one = np.ones(len(q))
            self.along.fill(size, turned.real + size, one)
            self.across.fill(size, turned.imag, one)
            self.ratio.fill(size, -turned.real / size - 1, one)
            squares = np.abs(found[events] - true[events]) ** 2
            self.squares += (len(squares), squares.sum(), (squares**2).sum())

    def finish(self) -> Part:
        """Return checks and figures."""
        part = Part()
        n, total, fourth = map(float, self.squares)
        if n < ENOUGH:
            part.absent.append(
                "Missing momentum in Z -> ll: fewer than 20 events with two muons or two electrons near the Z mass. "
                "massgap generate Zmumu --events 5k --detector NAME makes some."
            )
            return part
        mean = total / n
        error = math.sqrt(max(fourth / n - mean**2, 0.0) / n) / (2 * math.sqrt(mean)) if mean > 0 else 0.0
        part.checks.append(
            judged(
                "detector",
                "Z -> ll: root mean square of missing momentum",
                math.sqrt(mean),
                error,
                _USUAL,
                "Reconstructed minus generated missing momentum where no neutrino is. Detectors like CMS have 12 to 16 GeV with "
                "multiparton interactions and without pile-up; less without the interactions.",
                unit="GeV",
                tolerance=_MARGIN,
                enough=n >= 100,
            )
        )
        hard = Q_BINS[:-1] >= _HARD
        for name, tally, expected, tolerance, words in (
            ("recoil over pT of the leptons above 50 GeV", self.ratio, 1.0, _RESPONSE, "What balances the leptons, along them."),
            ("recoil across the leptons", self.across, 0.0, 0.0, "Neither side of the leptons may be preferred."),
        ):  # fmt: skip
            chosen = hard if tally is self.ratio else np.ones(len(hard), dtype=bool)
            count = tally.n[chosen].sum()
            value = tally.sums[0][chosen].sum() / max(count, 1)
            variance = tally.sums[1][chosen].sum() / max(count, 1) - value**2
            part.checks.append(
                judged(
                    "detector",
                    f"Z -> ll: {name}",
                    value + expected,
                    math.sqrt(max(variance, 0.0) / max(count, 1)),
                    expected,
                    words,
                    unit="" if expected else "GeV",
                    tolerance=tolerance,
                    enough=count >= 100,
                )
            )
        self._draw(part)
        return part

    def _draw(self, part: Part) -> None:
        label = r"$p_{T}$ of the leptons [GeV]"
        for text, found, y in (
            ("Response of the recoil, minus 1", {"recoil": self.ratio.mean(ENOUGH)}, r"$u_\parallel / q_T$ - 1"),
            (
                "Resolution of the recoil",
                {"along the leptons": self.along.rms(ENOUGH), "across": self.across.rms(ENOUGH)},
                r"Resolution of $u$ [GeV]",
            ),
        ):  # fmt: skip
            if not any(np.isfinite(value).any() for value, _ in found.values()):
                continue
            caption = (
                f"{text} in Z -> ll, against the transverse momentum of the leptons; no curve in the card."
            )
            part.figures.append(Drawn(response(Q_BINS, found, None, label, y), caption, caption))


def _pairs(chunk: Chunk, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Events with exactly two leptons of a kind, of opposite charges and the mass of a Z, and their summed momentum."""
    pt, eta, phi, charge = (chunk.flat(f"{name}_{field}") for field in ("pt", "eta", "phi", "charge"))
    rows = np.flatnonzero(pt > _LEPTON_PT)
    event = chunk.event(name)[rows]
    events = np.flatnonzero(np.bincount(event, minlength=chunk.n) == 2)
    one, two = rows[np.isin(event, events)].reshape(-1, 2).T
    squared = 2 * pt[one] * pt[two] * (np.cosh(eta[one] - eta[two]) - np.cos(phi[one] - phi[two]))
    good = (charge[one] * charge[two] < 0) & (squared > _WINDOW[0] ** 2) & (squared < _WINDOW[1] ** 2)
    q = pt[one] * np.exp(1j * phi[one]) + pt[two] * np.exp(1j * phi[two])
    good &= np.abs(q) > 0
    return events[good], q[good]

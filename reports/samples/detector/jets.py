"""Detector closure of what no single curve of the card describes: jets, hadronic taus, missing momentum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.samples.checks import Drawn, Part, judged
from massgap.reports.samples.detector.near import close_pairs, without_neighbour
from massgap.reports.samples.detector.response import ENOUGH, JET_BINS, efficiency_part
from massgap.reports.samples.detector.tallies import Passed, Spread
from massgap.reports.samples.figures import response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.reports.samples.inputs import Chunk

REGIONS = ((0.0, 1.5), (1.5, 2.5))
SUM_BINS = np.array([20.0, 50, 100, 150, 200, 300, 400, 600, 800, 1200, 2000])
_JETS = ("Jet_pt", "Jet_eta", "Jet_phi")
_TAUS = (*_JETS, "Tau_jetIdx", "Tau_pt", *(f"GenVisTau_{name}" for name in ("pt", "eta", "phi", "status")))
_MET = ("MET_pt", "MET_phi", "GenMET_pt", "GenMET_phi", "MET_sumEt")
_LEPTONS = tuple(f"{name}_{column}" for name in ("Muon", "Electron") for column in ("pt", "eta", "phi"))


class JetsAndMet:
    """Jets over their generated partners, tagged taus, missing momentum."""

    branches = (*_TAUS, *_MET, *_LEPTONS, "Jet_genJetIdx", "GenJet_pt", "GenJet_eta")

    def __init__(self, card: Mapping[str, Any] | None) -> None:
        self.card = card
        self.jets = {pair: Spread(JET_BINS) for pair in REGIONS}
        self.taus: dict[str, Passed] = {}
        self.met = {axis: Spread(SUM_BINS) for axis in ("x", "y")}
        self.without_taus = ""

    def fill(self, chunk: Chunk) -> None:
        """Add events."""
        if chunk.has("Jet_pt", "Jet_genJetIdx", "GenJet_pt", "GenJet_eta"):
            rows = chunk.rows("Jet", "genJetIdx", "GenJet")
            matched = np.flatnonzero(rows >= 0)
            rows = rows[matched]
            true, eta = chunk.flat("GenJet_pt")[rows], np.abs(chunk.flat("GenJet_eta")[rows])
            deviation = chunk.flat("Jet_pt")[matched] / true - 1
            for (low, high), tally in self.jets.items():
                inside = (eta >= low) & (eta < high)
                tally.fill(true[inside], deviation[inside], np.ones(int(inside.sum())))
        if chunk.has(*_MET):
            found, true = (
                chunk.values(f"{name}_pt") * np.exp(1j * chunk.values(f"{name}_phi"))
                for name in ("MET", "GenMET")
            )
            difference, total = found - true, chunk.values("MET_sumEt").astype(float)
            for axis, values in (("x", difference.real), ("y", difference.imag)):
                self.met[axis].fill(total, values.astype(float), np.ones(chunk.n))
        if self.card is not None:
            try:
                self._taus(chunk, self.card["tautag"])
            except KeyError as error:
                self.without_taus = f"the detector card lacks {error}"

    def _taus(self, chunk: Chunk, table: Mapping[str, Any]) -> None:
        if not chunk.has(*_TAUS):
            self.without_taus = self.without_taus or "a file lacks Tau, GenVisTau or Jet branches"
            return
        pt, eta = chunk.flat("Jet_pt"), chunk.flat("Jet_eta")
        usable = (pt > table["pt_min"]) & (np.abs(eta) < table["eta_max"])
        leptons = {
            name: np.arange(len(chunk.flat(f"{name}_pt")))
            for name in ("Muon", "Electron")
            if chunk.has(f"{name}_pt", f"{name}_eta", f"{name}_phi")
        }
        radius = float(table["match_radius"])
        # A jet that is a lepton is never a tau: those near one say nothing about the tagging.
        usable &= without_neighbour(chunk, "Jet", leptons, radius)
        rows = np.flatnonzero(usable)
        true = np.flatnonzero(chunk.flat("GenVisTau_pt") > table["visible_pt_min"])
        jet, tau, distance = close_pairs(chunk, ("Jet", rows), ("GenVisTau", true), radius)
        order = np.lexsort((distance, jet))
        jet, tau = jet[order], tau[order]
        jet, first = np.unique(jet, return_index=True)
        tagged = np.zeros(len(pt), dtype=bool)
        target = chunk.rows("Tau", "jetIdx", "Jet")
        tagged[target[target >= 0]] = True
        three = chunk.flat("GenVisTau_status")[tau[first]] >= 10
        chances = np.broadcast_to(np.asarray(table["efficiency"], dtype=float), 2)
        for label, several in (("one prong", False), ("three prongs", True)):
            own = jet[three == several]
            chance = np.full(len(own), chances[int(several)])
            self.taus.setdefault(label, Passed(JET_BINS)).fill(pt[own], tagged[own], chance)

    def finish(self) -> Part:
        """Return checks and figures."""
        part = Part()
        if sum(tally.n.sum() for tally in self.taus.values()) > 0:
            efficiency_part(part, "hadronic taus", self.taus, JET_BINS, r"Jet $p_{T}$ [GeV]")
        elif self.card is not None:
            reason = self.without_taus or "no jet of this folder is a generated hadronic tau"
            part.absent.append(f"Efficiency of hadronic taus: {reason}.")
        self._jets(part)
        self._met(part)
        return part

    def _jets(self, part: Part) -> None:
        names = {pair: rf"$|\eta|$ {pair[0]:g} to {pair[1]:g}" for pair in REGIONS}
        shown = {names[pair]: tally for pair, tally in self.jets.items() if (tally.n >= ENOUGH).any()}
        if not shown:
            part.absent.append("Jet response: no reconstructed jets with a generated partner.")
            return
        for what, label, text in (
            (
                "mean",
                r"Mean shift of jet $p_{T}$",
                "Mean of reconstructed over generated pT of jets, minus 1",
            ),
            ("rms", r"Jet $p_{T}$ resolution", "Spread of reconstructed over generated pT of jets"),
        ):
            found = {name: getattr(tally, what)(ENOUGH) for name, tally in shown.items()}
            figure = response(JET_BINS, found, None, r"Generated jet $p_{T}$ [GeV]", label)
            caption = f"{text}. The card has no curve for it: it follows from the response to particles."
            part.figures.append(Drawn(figure, f"{text}, against generated pT.", caption))
        for (low, high), tally in self.jets.items():
            hard = JET_BINS[:-1] >= 50
            n = tally.n[hard].sum()
            mean = tally.sums[0][hard].sum() / max(n, 1)
            variance = tally.sums[1][hard].sum() / max(n, 1) - mean**2
            part.checks.append(
                judged(
                    "detector",
                    f"jets, abs(eta) {low:g} to {high:g}: response above 50 GeV",
                    1 + mean,
                    math.sqrt(max(variance, 0.0) / max(n, 1)),
                    1.0,
                    "Reconstructed over generated pT of jets. Nothing calibrates them: 3 % per standard "
                    "deviation are allowed.",
                    tolerance=0.03,
                    enough=n >= 100,
                )
            )

    def _met(self, part: Part) -> None:
        shown = {f"{axis} component": t for axis, t in self.met.items() if (t.n >= ENOUGH).any()}
        if not shown:
            part.absent.append("Missing momentum: a file lacks MET or GenMET, or has too few events.")
            return
        found = {name: tally.rms(ENOUGH) for name, tally in shown.items()}
        figure = response(
            SUM_BINS, found, None, r"Sum of $E_{T}$ [GeV]", r"Resolution of $p_{T}^{miss}$ [GeV]"
        )
        caption = (
            "Spread of reconstructed minus generated missing momentum along each axis; no curve in the card."
        )
        part.figures.append(Drawn(figure, "Resolution of missing momentum against the sum of ET.", caption))
        for axis, tally in self.met.items():
            n, mean, error, _, _ = tally.overall()
            part.checks.append(
                judged(
                    "detector",
                    f"missing momentum: mean shift along {axis}",
                    mean,
                    error,
                    0.0,
                    "Reconstructed minus generated missing momentum: no direction may be preferred.",
                    unit="GeV",
                    enough=n >= 100,
                )
            )

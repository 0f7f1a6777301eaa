"""Detector closure: efficiencies and resolutions measured back from the events, against the card.

Every event counts once, whatever its weight: a response does not depend on the process.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.samples.checks import Drawn, Part, chi2_check, judged
from massgap.reports.samples.detector import curves
from massgap.reports.samples.detector.near import close_pairs
from massgap.reports.samples.detector.tallies import Passed, Spread
from massgap.reports.samples.figures import response
from massgap.reports.samples.truth import GEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.reports.samples.inputs import Chunk


#: Collection, PDG number, identification, and the word for it.
OBJECTS = {
    "muon": ("Muon", 13, "tightId", "muons"),
    "electron": ("Electron", 11, "mvaIso_WP90", "electrons"),
    "photon": ("Photon", 22, "mvaID_WP90", "photons"),
}
PT_BINS = np.array([5.0, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500, 1000, 2000])
JET_BINS = np.array([20.0, 25, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500, 1000])
ENOUGH = 20
FLAVOURS = {5: "b jets", 4: "c jets", 0: "light jets"}


class Response:
    """Measured efficiencies and resolutions of leptons, photons and b tagging."""

    branches = (
        *GEN,
        "GenPart_status",
        "GenPart_statusFlags",
        *(
            f"{name}_{column}"
            for name, _, mark, _ in OBJECTS.values()
            for column in ("pt", "genPartIdx", mark)
        ),
        "GenJet_pt",
        "GenJet_eta",
        "GenJet_phi",
        *(f"Jet_{name}" for name in ("pt", "eta", "hadronFlavour", "btagDeepFlavB")),
    )

    def __init__(self, card: Mapping[str, Any] | None) -> None:
        self.card = card
        self.found: dict[tuple[str, str], Passed] = {}
        self.spread: dict[tuple[str, str], Spread] = {}
        self.tags: dict[int, Passed] = {}
        self.lost: dict[str, str] = {}

    def fill(self, chunk: Chunk) -> None:
        """Add events."""
        if self.card is not None:
            for kind in OBJECTS:
                try:
                    self._object(kind, chunk, self.card)
                except KeyError as error:
                    self.lost[kind] = f"the detector card lacks {error}"
            try:
                self._tags(chunk, self.card)
            except KeyError as error:
                self.lost["btag"] = f"the detector card lacks {error}"

    def _object(self, kind: str, chunk: Chunk, card: Mapping[str, Any]) -> None:
        collection, pdg, mark, _ = OBJECTS[kind]
        if not chunk.has(*GEN, "GenPart_status", f"{collection}_genPartIdx", f"{collection}_{mark}"):
            self.lost.setdefault(
                kind, f"a file lacks GenPart, {collection}_genPartIdx or {collection}_{mark}"
            )
            return
        true = (np.abs(chunk.flat("GenPart_pdgId")) == pdg) & (chunk.flat("GenPart_status") == 1)
        if chunk.has("GenPart_statusFlags"):
            # prompt, or from the decay of a prompt tau
            true &= (chunk.flat("GenPart_statusFlags") & 0b101) > 0
        pt, eta = chunk.flat("GenPart_pt"), chunk.flat("GenPart_eta")
        threshold = float(card[kind]["pt_min"])
        # Near the threshold the resolution moves objects across it, which no curve of the card describes.
        true &= (pt > max(1.5 * threshold, threshold + 3.0)) & (np.abs(eta) < float(card[kind]["eta"][-1]))
        if kind == "photon":
            true &= _alone(chunk)
        truth = np.flatnonzero(true)
        target = chunk.rows(collection, "genPartIdx", "GenPart")
        good = np.flatnonzero((target >= 0) & chunk.flat(f"{collection}_{mark}").astype(bool))
        passed = np.zeros(len(pt), dtype=bool)
        passed[target[good]] = True
        reconstructed = np.full(len(pt), np.nan)
        reconstructed[target[good]] = chunk.flat(f"{collection}_pt")[good]
        chance = curves.efficiency(card, kind, pt[truth], eta[truth])
        sigma = curves.resolution(card, kind, pt[truth], eta[truth])
        edges = [float(edge) for edge in card[kind]["eta"]]
        inner = [edge for edge in card["momentum"].get(kind, {"eta": edges})["eta"] if edge < edges[-1]]
        regions = {"efficiency": edges, "resolution": [*inner, edges[-1]]}
        for what, cuts in regions.items():
            for low, high in pairwise(cuts):
                inside = (np.abs(eta[truth]) >= low) & (np.abs(eta[truth]) < high)
                label = rf"$|\eta|$ {low:g} to {high:g}"
                rows = truth[inside]
                if what == "efficiency":
                    tally = self.found.setdefault((kind, label), Passed(PT_BINS))
                    tally.fill(pt[rows], passed[rows], chance[inside])
                else:
                    spread = self.spread.setdefault((kind, label), Spread(PT_BINS))
                    seen = passed[rows]
                    rows = rows[seen]
                    spread.fill(pt[rows], reconstructed[rows] / pt[rows] - 1, sigma[inside][seen])

    def _tags(self, chunk: Chunk, card: Mapping[str, Any]) -> None:
        if not chunk.has("Jet_pt", "Jet_eta", "Jet_hadronFlavour", "Jet_btagDeepFlavB"):
            self.lost.setdefault("btag", "a file lacks Jet_hadronFlavour or Jet_btagDeepFlavB")
            return
        pt, eta = chunk.flat("Jet_pt"), chunk.flat("Jet_eta")
        tagged = chunk.flat("Jet_btagDeepFlavB") > float(card["btag"]["working_point"])
        for flavour in FLAVOURS:
            jets = (chunk.flat("Jet_hadronFlavour") == flavour) & (np.abs(eta) < card["btag"]["eta_max"])
            tally = self.tags.setdefault(flavour, Passed(JET_BINS))
            tally.fill(pt[jets], tagged[jets], curves.btag(card, flavour, pt[jets], eta[jets]))

    def finish(self) -> Part:
        """Return checks and figures."""
        part = Part()
        if self.card is None:
            part.absent.append(
                "Efficiencies and resolutions against the card: the folder holds no detector.toml. "
                "Generating again writes one."
            )
        for kind, reason in self.lost.items():
            part.absent.append(
                f"Response of {OBJECTS[kind][3] if kind in OBJECTS else 'b tagging'}: {reason}."
            )
        for kind, (_, _, _, words) in OBJECTS.items():
            regions = {label: tally for (name, label), tally in self.found.items() if name == kind}
            if not any(tally.n.sum() for tally in regions.values()):
                if self.card is not None and kind not in self.lost:
                    part.absent.append(f"Response of {words}: no generated ones in this folder's events.")
                continue
            efficiency_part(part, words, regions, PT_BINS, r"Generated $p_{T}$ [GeV]")
            widths = {label: tally for (name, label), tally in self.spread.items() if name == kind}
            _resolution_part(part, words, widths)
        tags = {FLAVOURS[flavour]: tally for flavour, tally in self.tags.items() if tally.n.sum()}
        for label, tally in tags.items():
            efficiency_part(part, f"b tags of {label}", {label: tally}, JET_BINS, "", draw=False)
        if tags:
            part.figures.append(
                Drawn(
                    response(
                        JET_BINS,
                        {label: tally.measured(ENOUGH) for label, tally in tags.items()},
                        {label: tally.expected() for label, tally in tags.items()},
                        r"Jet $p_{T}$ [GeV]",
                        "Fraction tagged",
                        log_y=True,
                    ),
                    "Fraction of b, c and light jets that are b tagged, against the card.",
                    "b tagging: fraction of jets above the working point; lines are the card.",
                )
            )
        return part


def _alone(chunk: Chunk) -> np.ndarray:
    """Tell which generated particles have no jet around them that is more than themselves, and no lepton."""
    kind, status = np.abs(chunk.flat("GenPart_pdgId")), chunk.flat("GenPart_status")
    leptons = np.flatnonzero(np.isin(kind, (11, 13)) & (status == 1))
    photons = np.flatnonzero((kind == 22) & (status == 1))
    alone = np.zeros(len(kind), dtype=bool)
    alone[photons] = True
    alone[close_pairs(chunk, ("GenPart", photons), ("GenPart", leptons), 0.5)[0]] = False
    if chunk.has("GenJet_pt", "GenJet_eta", "GenJet_phi"):
        jets = np.arange(len(chunk.flat("GenJet_pt")))
        photon, jet, _ = close_pairs(chunk, ("GenPart", photons), ("GenJet", jets), 0.4)
        crowded = chunk.flat("GenJet_pt")[jet] > 1.2 * chunk.flat("GenPart_pt")[photon] + 1.0
        alone[photon[crowded]] = False
    return alone


def efficiency_part(
    part: Part, words: str, regions: Mapping[str, Passed], edges: np.ndarray, label: str, *, draw: bool = True
) -> None:
    """Add the checks of an efficiency against the card, overall and in bins, and its figure."""
    n = sum(tally.n.sum() for tally in regions.values())
    passed = sum(tally.passed.sum() for tally in regions.values())
    expected = sum(tally.chance.sum() for tally in regions.values())
    error = math.sqrt(sum(tally.variance.sum() for tally in regions.values()))
    enough = n >= 100 and error > 0
    if n and error == 0:
        # a card that finds everything; isolation takes a few that have something soft beside them
        enough, error = n >= 100, 5e-4 * n
    part.checks.append(
        judged(
            "detector",
            f"{words}: efficiency",
            passed / n if n else math.nan,
            error / n if n else math.nan,
            expected / n if n else math.nan,
            f"Share of {int(n):,} generated ones that are found, against the card's numbers for the same ones.",
            enough=enough,
        )
    )
    chi2, ndf = 0.0, 0
    for tally in regions.values():
        used = (tally.n >= ENOUGH) & (tally.variance > 4)
        chi2 += float((((tally.passed - tally.chance) ** 2)[used] / tally.variance[used]).sum())
        ndf += int(used.sum())
    text = (
        f"Mean squared deviation from the card in {ndf} bins of pT and eta, in units of its error: "
        "about 1 if all is well."
    )
    part.checks.append(chi2_check("detector", f"{words}: efficiency in bins", chi2, ndf, text))
    if draw and any((tally.n >= ENOUGH).any() for tally in regions.values()):
        part.figures.append(
            Drawn(
                response(
                    edges,
                    {name: tally.measured(ENOUGH) for name, tally in regions.items()},
                    {name: tally.expected() for name, tally in regions.items()},
                    label,
                    "Efficiency",
                ),
                f"Efficiency of {words} against the card.",
                f"Efficiency of {words}: points from the events, lines from the card.",
            )
        )


def _resolution_part(part: Part, words: str, regions: Mapping[str, Spread]) -> None:
    for label, tally in regions.items():
        region = label.replace(r"$|\eta|$", "abs(eta)")
        n, mean, mean_error, width, width_error = tally.overall()
        enough = n >= 100
        # A card without any smearing: deviations are then counted in thousandths, and must vanish.
        exact = not tally.variance.any()
        part.checks += [
            judged(
                "detector",
                f"{words}, {region}: resolution over the card's",
                width,
                width_error,
                0.0 if exact else 1.0,
                f"Spread of reconstructed over generated pT of {n:,} {words}, in units of the card's.",
                tolerance=0.01 if exact else 0.0,
                enough=enough,
            ),
            judged(
                "detector",
                f"{words}, {region}: shift of the scale",
                mean,
                mean_error,
                0.0,
                "Mean of reconstructed minus generated pT, in units of the card's resolution: the response must not move momenta.",
                tolerance=0.01 if exact else 0.0,
                enough=enough,
            ),
        ]
    shown = {label: tally for label, tally in regions.items() if (tally.n >= ENOUGH).any()}
    if shown:
        part.figures.append(
            Drawn(
                response(
                    PT_BINS,
                    {label: tally.rms(ENOUGH) for label, tally in shown.items()},
                    {label: tally.expected() for label, tally in shown.items()},
                    r"Generated $p_{T}$ [GeV]",
                    r"$p_{T}$ resolution",
                    log_y=any(tally.variance.any() for tally in shown.values()),
                ),
                f"Momentum resolution of {words} against the card.",
                f"Resolution of {words}: points from the events, lines from the card.",
            )
        )

"""Shapes of jets and muons against independent samples, after the same selection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.errors import MissingInput, ReportError, UnreadableInput
from massgap.reports.samples.checks import FEW, Check, Drawn, Part, chi2_check
from massgap.reports.samples.detector.near import without_neighbour
from massgap.reports.samples.figures import overlay
from massgap.reports.samples.inputs import Chunk, Dataset, chunks

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Quantity: bin edges, axis label, logarithmic axis.
QUANTITIES: dict[str, tuple[np.ndarray, str, bool]] = {
    "jet pT": (np.array([30.0, 40, 55, 75, 100, 140, 200, 300, 500]), r"$p_{T}$ of all jets [GeV]", True),
    "number of jets": (np.arange(-0.5, 7.5), "Number of jets", False),
    "muon pT": (np.array([10.0, 15, 20, 30, 40, 55, 75, 100, 150, 250]), r"$p_{T}$ of all muons [GeV]", True),
}
ENOUGH = 100
BRANCHES = (
    "genWeight",
    *(f"{name}_{column}" for name in ("Jet", "Muon", "Electron") for column in ("pt", "eta", "phi")),
)


class Comparison:
    """Jets above 30 GeV apart from leptons, their number, and muons above 10 GeV."""

    branches = BRANCHES

    def __init__(self, reference: Mapping[str, str | Path], processes: set[str]) -> None:
        unknown = sorted(set(reference) - processes)
        if unknown:
            message = (
                f"the folder has no process {unknown[0]!r} to compare: it has {', '.join(sorted(processes))}."
            )
            raise ReportError(message)
        self.reference = {process: Path(path) for process, path in reference.items()}
        self.made: dict[tuple[str, bool, str], Tally] = {}
        self.other: dict[tuple[str, bool, str], Tally] = {}
        self.filtered: dict[str, bool] = {}
        for process, path in self.reference.items():
            if not path.is_file():
                message = f"the reference file {path} does not exist."
                raise MissingInput(message)
            self._read(process, path)

    def _read(self, process: str, path: Path) -> None:
        problems: list[str] = []
        name = Dataset(process, {"xsec_fb": 1.0, "sum_weights": 1.0}, {path: "Events"})
        for chunk in chunks(name, (*BRANCHES, "run"), problems):
            _tally(self.other, process, chunk)
        if problems:
            message = f"the reference file {path} cannot be read as NanoAOD: {problems[0]}"
            raise UnreadableInput(message)

    def fill(self, chunk: Chunk) -> None:
        """Add events."""
        process = chunk.dataset.process
        if process in self.reference:
            needs = "muon" in str(chunk.dataset.metadata.get("filter", "")).lower()
            self.filtered[process] = self.filtered.get(process, True) and needs
            _tally(self.made, process, chunk)

    def finish(self) -> Part:
        """Return checks and figures."""
        part = Part()
        for process, path in self.reference.items():
            # A sample that holds two muons in every event compares with such events only.
            two = self.filtered.get(process, False)
            for quantity, (edges, label, log_x) in QUANTITIES.items():
                key = process, two, quantity
                if key not in self.made or key not in self.other:
                    where = "this folder" if key not in self.made else path.name
                    part.absent.append(f"{process}, {quantity}: {where} does not have the branches for it.")
                    continue
                ours, theirs = self.made[key], self.other[key]
                check = _compare(process, quantity, ours, theirs, path.name, two)
                part.checks.append(check)
                if theirs.count == 0 or ours.count == 0:
                    part.absent.append(f"{process}, {quantity}: no event passes the selection.")
                    continue
                curves = {
                    "massgap": (ours.weights, np.sqrt(ours.squares)),
                    path.name: (theirs.weights, np.sqrt(theirs.squares)),
                }
                selected = "events with two muons above 10 GeV" if two else "all events"
                caption = (
                    f"{process}: {quantity}, {selected}, unit area. Entries: {ours.count:,} here, "
                    f"{theirs.count:,} in {path.name}."
                )
                figure = overlay(edges, curves, label, log_x=log_x)
                part.figures.append(Drawn(figure, f"{process}: {quantity} against {path.name}.", caption))
        return part


class Tally:
    """A weighted histogram and its number of entries."""

    def __init__(self, edges: np.ndarray) -> None:
        self.edges, self.count = edges, 0
        self.weights, self.squares = np.zeros((2, len(edges) - 1))

    def fill(self, x: np.ndarray, weight: np.ndarray) -> None:
        """Add entries; those beyond the last edge go into the last bin."""
        x = np.minimum(x, np.nextafter(self.edges[-1], 0))
        self.count += int((x >= self.edges[0]).sum())
        self.weights += np.histogram(x, self.edges, weights=weight)[0]
        self.squares += np.histogram(x, self.edges, weights=weight**2)[0]


def _tally(store: dict[Any, Tally], process: str, chunk: Chunk) -> None:
    weight = chunk.weight
    good_muon = two = None
    if chunk.has("Muon_pt", "Muon_eta"):
        good_muon = (chunk.flat("Muon_pt") > 10) & (np.abs(chunk.flat("Muon_eta")) < 2.4)
        two = np.bincount(chunk.event("Muon")[good_muon], minlength=chunk.n) >= 2
    for demand in (False, True):
        if demand and two is None:
            continue
        kept = two if demand and two is not None else np.ones(chunk.n, dtype=bool)

        def add(
            quantity: str, x: np.ndarray, event: np.ndarray, kept: Any = kept, demand: bool = demand
        ) -> None:
            inside = kept[event]
            tally = store.setdefault((process, demand, quantity), Tally(QUANTITIES[quantity][0]))
            tally.fill(x[inside].astype(float), weight[event[inside]])

        if good_muon is not None:
            add("muon pT", chunk.flat("Muon_pt")[good_muon], chunk.event("Muon")[good_muon])
        if chunk.has("Jet_pt", "Jet_eta", "Jet_phi"):
            jets = (chunk.flat("Jet_pt") > 30) & (np.abs(chunk.flat("Jet_eta")) < 2.4) & _apart(chunk)
            event = chunk.event("Jet")[jets]
            add("jet pT", chunk.flat("Jet_pt")[jets], event)
            number = np.bincount(event, minlength=chunk.n)
            add("number of jets", number, np.arange(chunk.n))


def _apart(chunk: Chunk) -> np.ndarray:
    """Tell which jets have no muon or electron above 10 GeV within 0.4."""
    leptons = {
        name: np.flatnonzero(chunk.flat(f"{name}_pt") > 10)
        for name in ("Muon", "Electron")
        if chunk.has(f"{name}_pt", f"{name}_eta", f"{name}_phi")
    }
    return without_neighbour(chunk, "Jet", leptons, 0.4)


def _compare(process: str, quantity: str, ours: Tally, theirs: Tally, name: str, two: bool) -> Check:
    words = (
        f"Squared difference of the two shapes per bin, in units of its error, against {name}"
        f"{' (events with two muons)' if two else ''}: about 1 if the shapes agree within their statistics."
    )
    label = f"{process}: {quantity} against {name}"
    if min(ours.count, theirs.count) < ENOUGH or min(ours.weights.sum(), theirs.weights.sum()) <= 0:
        return Check("comparison", label, None, None, 1.0, None, FEW, words)
    a, b = ours.weights.sum(), theirs.weights.sum()
    variance = ours.squares / a**2 + theirs.squares / b**2
    used = (variance > 0) & (ours.weights + theirs.weights != 0)
    chi2 = float((((ours.weights / a - theirs.weights / b) ** 2)[used] / variance[used]).sum())
    ndf = int(used.sum()) - 1
    if ndf < 1:
        return Check("comparison", label, None, None, 1.0, None, FEW, words)
    return chi2_check("comparison", label, chi2, ndf, words)

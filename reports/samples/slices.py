"""Slices of a process (tranches): are the edges smooth, does every event lie in its slice, is the sum the whole?"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from massgap.reports.html.html import table
from massgap.reports.html.numbers import measured
from massgap.reports.samples.checks import Check, Drawn, Part, decided, judged, poisson_fit
from massgap.reports.samples.figures import merged_spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.reports.samples.inputs import Chunk, Dataset

#: Events that each slice, and each side of an edge between slices, needs for a verdict.
ENOUGH = 30
#: Bins on each side of an edge, and the factor in the variable that they span at most.
SIDE_BINS, SPAN = 8, 1.6
#: An event this near (relative) to an edge may be on its other side: Pythia cuts on pT_hat before it gives the
#: partons their masses, which moves it by up to a few parts in a thousand (most at low pT and for b quarks).
ROUNDING = 5e-3
SPECTRUM = np.geomspace(2.0, 8000.0, 73)
#: Shown beside the slicing variable: branch or derived quantity, and the label of its axis.
OTHERS = {
    "met": r"Generated $p_{T}^{miss}$ [GeV]",
    "lepton": r"Generated leading lepton $p_{T}$ [GeV]",
    "z": r"Generated $p_{T}(Z)$ [GeV]",
}

ABSENT = {
    "binvar": "the slicing variable, for want of Generator_binvar in the files",
    "met": "missing momentum, for want of GenMET in the files",
    "lepton": "the leading lepton, for want of generated muons and electrons in the events",
    "z": "pT(Z), for want of a Z in the events",
}


def step_at_edge(
    edge: float,
    left: tuple[np.ndarray, np.ndarray, np.ndarray],
    right: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[float, float] | None:
    """Fit one smooth density to both sides of an edge, and a step between them.

    Parameters
    ----------
    edge
        The edge, > 0.
    left, right
        Bin edges, sums of weights and sums of squared weights on each side.

    Returns
    -------
    ratio, error
        Density just right of the edge over that just left of it: 1 for a smooth spectrum. The logarithm of
        the density is a parabola in the logarithm of the variable. None if one side has too few events or the
        fit does not settle.
    """
    designs, counts = [], []
    for side, (edges, weights, squares) in enumerate((left, right)):
        if weights.sum() <= 0 or weights.sum() ** 2 / squares.sum() < ENOUGH:
            return None
        # Weighted counts in units of their effective weight are nearly Poissonian.
        unit = squares.sum() / weights.sum()
        centre = np.log(np.sqrt(edges[1:] * edges[:-1]) / edge)
        offset = np.log(np.diff(edges) / unit)
        designs.append(
            np.stack([np.ones_like(centre), centre, centre**2, np.full_like(centre, side), offset])
        )
        counts.append(weights / unit)
    design, found = np.concatenate(designs, axis=1), np.concatenate(counts)
    start = np.zeros(4)
    start[0] = math.log(found.sum() / np.exp(design[4]).sum())
    fitted = poisson_fit(lambda theta: theta @ design[:4] + design[4], start, found)
    if fitted is None:
        return None
    theta, covariance = fitted
    ratio = math.exp(theta[3])
    return ratio, ratio * math.sqrt(covariance[3, 3])


def _axis(edges: Sequence[float]) -> np.ndarray:
    """Logarithmic bins like those of SPECTRUM that have the edges of slices among theirs."""
    marks = [SPECTRUM[0], *[e for e in edges if SPECTRUM[0] < e < SPECTRUM[-1]], SPECTRUM[-1]]
    step = math.log(SPECTRUM[1] / SPECTRUM[0])
    pieces = [
        np.geomspace(low, high, max(2, round(math.log(high / low) / step) + 1))[:-1]
        for low, high in pairwise(marks)
    ]
    return np.concatenate([*pieces, marks[-1:]])


def _lowest(dataset: Dataset) -> float:
    return float(dataset.tranche.get("min") or 0.0)


def _highest(dataset: Dataset) -> float:
    high = dataset.tranche.get("max")
    return math.inf if high is None else float(high)


def _nearest_to_zero(dataset: Dataset) -> float:
    low, high = _lowest(dataset), _highest(dataset)
    return 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))


def _farthest_from_zero(dataset: Dataset) -> float:
    return max(abs(_lowest(dataset)), abs(_highest(dataset)))


def sum_of_slices(group: str, slices: list[Dataset], part: Part) -> list[Check]:
    """Check that slices add up: shares of one process to 1, or cross sections to the inclusive one."""
    words = (
        "All slices together, over the cross section of the whole process: 1 if nothing is lost or doubled."
    )
    name = f"{group}: sum of slices over the whole"
    hard = [d.metadata.get("hard_xsec_fb") for d in slices]
    inclusive = next((d.metadata[k] for d in slices for k in ("inclusive_xsec_fb",) if k in d.metadata), None)
    if inclusive:
        total = sum(float(value) for value in hard if value)
        errors = [float(d.metadata.get("hard_xsec_error_fb") or 0.0) for d in slices]
        error = math.hypot(*errors, float(slices[0].metadata.get("inclusive_xsec_error_fb") or 0.0))
        # Without stated errors: those of the catalogue's cross sections, 0.3 %, for the sum and for the whole.
        error = error or 0.0042 * inclusive
        return [judged("slices", name, total / inclusive, error / inclusive, 1.0, words)]
    if not _same_process(slices):
        part.absent.append(
            f"{group}: sum of slices against the inclusive cross section: the fileset does not state the latter."
        )
        return []
    shares, variance, fewest = 0.0, 0.0, ENOUGH
    dropped: list[tuple[int, int]] = []
    for dataset in slices:
        tried, accepted, lost = (dataset.count(key) for key in ("tried", "accepted", "dropped"))
        if not tried or accepted is None or lost is None:
            part.absent.append(
                f"{group}: sum of slices: the files of {dataset.name} do not tell how many events were tried."
            )
            return []
        share = accepted / tried
        fewest = min(fewest, accepted)
        shares, variance = shares + share, variance + share * (1 - share) / tried
        dropped.append((lost, tried))
    unwanted = sum(d for d, _ in dropped) / sum(t for _, t in dropped)
    variance += unwanted * (1 - unwanted) / sum(t for _, t in dropped)
    words += " From the shares of all tried events that each slice kept, and the share that no slice wants."
    # Generation stops at a number of accepted events: with few of them, shares come out too large.
    enough = fewest >= ENOUGH
    return [judged("slices", name, shares + unwanted, math.sqrt(variance), 1.0, words, enough=enough)]


def _same_process(slices: list[Dataset]) -> bool:
    """Tell whether every slice was cut out of the whole process, rather than generated within its limits.

    Their hard cross sections are then all that of the whole, up to the errors of each one's own measurement
    (and never differ by a factor 2, as those of neighbours in a falling spectrum do).
    """
    hard = [float(d.metadata.get("hard_xsec_fb") or math.nan) for d in slices]
    errors = [
        float(d.metadata.get("hard_xsec_error_fb") or 1e-9 * x) for d, x in zip(slices, hard, strict=True)
    ]
    return max(hard) < 2 * min(hard) and all(
        abs(a - b) <= 4 * math.hypot(da, db) for (a, da), (b, db) in pairwise(zip(hard, errors, strict=True))
    )


class Slices:
    """Spectra of all sliced processes."""

    branches = (
        "Generator_binvar",
        "GenMET_pt",
        "GenPart_pt",
        "GenPart_pdgId",
        "GenPart_status",
        "GenPart_statusFlags",
    )

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.groups: dict[str, list[Dataset]] = {}
        for dataset in datasets:
            if dataset.tranche:
                self.groups.setdefault(dataset.group, []).append(dataset)
        self.groups = {
            name: sorted(slices, key=_lowest) for name, slices in self.groups.items() if len(slices) > 1
        }
        self.axes = {name: _axis([_lowest(d) for d in slices]) for name, slices in self.groups.items()}
        self.spectra: dict[tuple[str, str], np.ndarray] = {}
        self.sides: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.outside: dict[str, int] = {}
        self.seen: dict[str, int] = {}
        for slices in self.groups.values():
            for here, there in pairwise(slices):
                edge = _lowest(there)
                if not edge or here.tranche.get("max") != edge:
                    continue
                inner, outer = (here, there) if edge > 0 else (there, here)
                ends = {
                    inner.name: (max(_nearest_to_zero(inner), abs(edge) / SPAN), abs(edge)),
                    outer.name: (abs(edge), min(_farthest_from_zero(outer), abs(edge) * SPAN)),
                }
                for dataset, side in ((here, "high"), (there, "low")):
                    bins = np.geomspace(*ends[dataset.name], SIDE_BINS + 1)
                    self.sides[dataset.name, side] = (bins, np.zeros(SIDE_BINS), np.zeros(SIDE_BINS))

    def fill(self, chunk: Chunk) -> None:
        """Add events."""
        dataset = chunk.dataset
        if dataset.group not in self.groups:
            return
        if chunk.has("Generator_binvar"):
            value = chunk.values("Generator_binvar").astype(float)
            low, high = _lowest(dataset), _highest(dataset)
            wrong = (value < low - ROUNDING * abs(low) - 1e-9) | (value > high + ROUNDING * abs(high))
            self.outside[dataset.name] = self.outside.get(dataset.name, 0) + int(wrong.sum())
            self.seen[dataset.name] = self.seen.get(dataset.name, 0) + chunk.n
            self._spectrum(dataset.name, "binvar", value, chunk.weight, self.axes[dataset.group])
            for side in ("low", "high"):
                if (dataset.name, side) in self.sides:
                    edges, weights, squares = self.sides[dataset.name, side]
                    # What rounding has put onto the edge or just beyond still belongs to this side.
                    inside = np.where(wrong, np.nan, np.clip(value, low, high))
                    # Beside an edge below zero, absolute values stand in for the values.
                    inside *= math.copysign(1.0, low if side == "low" else high)
                    weights += np.histogram(inside, edges, weights=chunk.weight)[0]
                    squares += np.histogram(inside, edges, weights=chunk.weight**2)[0]
        if chunk.has("GenMET_pt"):
            self._spectrum(dataset.name, "met", chunk.values("GenMET_pt").astype(float), chunk.weight)
        if chunk.has("GenPart_pt", "GenPart_pdgId", "GenPart_status"):
            kind, pt = np.abs(chunk.flat("GenPart_pdgId")), chunk.flat("GenPart_pt")
            lepton = np.isin(kind, (11, 13)) & np.isin(chunk.flat("GenPart_status"), (1, 23))
            self._spectrum(dataset.name, "lepton", chunk.leading("GenPart", pt, lepton), chunk.weight)
            z = kind == 23
            if chunk.has("GenPart_statusFlags"):
                z &= (chunk.flat("GenPart_statusFlags") & (1 << 13)) > 0
            if z.any():
                self._spectrum(dataset.name, "z", chunk.leading("GenPart", pt, z), chunk.weight)

    def _spectrum(
        self, name: str, what: str, value: np.ndarray, weight: np.ndarray, axis: np.ndarray = SPECTRUM
    ) -> None:
        found = np.histogram(value, axis, weights=weight)[0]
        self.spectra[name, what] = self.spectra.get((name, what), 0.0) + found

    def finish(self) -> Part:
        """Return checks and figures."""
        part = Part()
        if not self.groups:
            part.absent.append("Edges of slices: no process of this folder is cut into slices.")
        rows: list[list[object]] = []
        missing: dict[str, list[str]] = {}
        for group, slices in self.groups.items():
            part.checks += self._inside(group, slices, part)
            for here, there in pairwise(slices):
                check = self._edge(group, here, there)
                part.checks.append(check)
                pull = "-" if check.pull is None else f"{check.pull:+.1f}"
                known = check.value is not None and check.error is not None and math.isfinite(check.value)
                shown = measured(check.value or 0.0, check.error or 0.0) if known else "-"
                rows.append([group, f"{_lowest(there):g} GeV", shown, pull, check.status])
            part.checks += sum_of_slices(group, slices, part)
            variable = str(slices[0].tranche.get("variable", "slicing variable"))
            labels = {"binvar": f"Slicing variable {variable} [GeV]", **OTHERS}
            for what, label in labels.items():
                curves = {
                    str(d.tranche.get("name", d.name)): self.spectra[d.name, what]
                    for d in slices
                    if (d.name, what) in self.spectra and self.spectra[d.name, what].sum() > 0
                }
                if not curves:
                    missing.setdefault(what, []).append(group)
                    continue
                edges = [edge for edge in map(_lowest, slices[1:]) if edge > 0 and what == "binvar"]
                part.figures.append(
                    Drawn(
                        merged_spectrum(self.axes[group] if edges else SPECTRUM, curves, label, edges),
                        f"{group}: spectrum of {what} in slices and their sum.",
                        f"{group}: each slice in its own colour, black the sum."
                        + (" Dotted: the edges of the slices." if edges else "")
                        + (" Values below zero are not drawn." if edges and _lowest(slices[0]) < 0 else ""),
                    )
                )
        part.absent += [
            f"Merged spectrum of {ABSENT[what]}: {', '.join(groups)}." for what, groups in missing.items()
        ]
        # The slicing variables of all processes first.
        part.figures.sort(key=lambda drawn: "Dotted" not in drawn.caption)
        if rows:
            part.tables.append(
                table(
                    ["Process", "Edge", "Right / left", "Pull", "Verdict"],
                    rows,
                    caption="Density just right of each edge over that just left of it, from a fit of one smooth "
                    "curve with a step; 1 is smooth.",
                    text_columns=(1, 4),
                )
            )
        return part

    def _inside(self, group: str, slices: list[Dataset], part: Part) -> list[Check]:
        names = [d.name for d in slices if d.name in self.seen]
        if not names:
            part.absent.append(
                f"{group}: whether events lie in their slices: no branch Generator_binvar in its files."
            )
            return []
        outside = sum(self.outside[name] for name in names)
        total = sum(self.seen[name] for name in names)
        return [
            decided(
                "slices",
                f"{group}: events outside their slice",
                outside,
                0,
                outside == 0,
                f"Of {total:,} events, how many have a value of the slicing variable that belongs to another "
                "slice (by more than half a per cent): they would be counted twice or not at all.",
                unit="events",
            )
        ]

    def _edge(self, group: str, here: Dataset, there: Dataset) -> Check:
        edge, end = _lowest(there), here.tranche.get("max")
        name = f"{group}: step at {edge:g} GeV"
        if end != edge:
            words = "Slices must touch: between these two lies a gap, or they overlap."
            return decided("slices", name, float(end or math.inf), edge, False, words, unit="GeV")
        words = (
            "Spectrum right of the edge over left of it: away from 1, one of the slices has a wrong weight."
        )
        left, right = self.sides.get((here.name, "high")), self.sides.get((there.name, "low"))
        fitted, below = None, edge < 0
        if edge and left is not None and right is not None:
            # Below zero, the absolute values of what lies right of the edge are the smaller ones.
            inner, outer = (right, left) if below else (left, right)
            fitted = step_at_edge(abs(edge), inner, outer)
        if fitted is None:
            return judged("slices", name, math.nan, math.nan, 1.0, words, enough=False)
        ratio, error = fitted
        if below:
            ratio, error = 1 / ratio, error / ratio**2
        # What the fit finds is the logarithm: its error is that of a normal distribution, that of the ratio is not.
        relative = error / ratio
        # A step by a factor 2 must show: with larger errors the fit says nothing.
        pull = judged("slices", name, math.log(ratio), relative, 0.0, words, enough=relative < 0.33)
        return replace(pull, value=ratio, error=error, expected=1.0)

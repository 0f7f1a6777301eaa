"""Physics closure: mass peaks of W, Z and top, masses of new particles, kinematic endpoints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from massgap.physical_constants import (
    PYTHIA_TOP_MASS,
    PYTHIA_TOP_WIDTH,
    PYTHIA_W_MASS,
    PYTHIA_W_WIDTH,
    PYTHIA_Z_MASS,
    PYTHIA_Z_WIDTH,
)
from massgap.reports.html.html import table
from massgap.reports.html.numbers import number
from massgap.reports.samples.checks import Check, Drawn, Part, decided, judged, poisson_fit
from massgap.reports.samples.figures import overlay, peak, shape_with_end
from massgap.reports.samples.truth import GEN, Decays, decay_chains, is_new, pair_mt2, three_body_mll

if TYPE_CHECKING:
    from massgap.reports.samples.inputs import Chunk

#: Mass and width (GeV) of Pythia 8.3's particle data (within the errors of the Particle Data Group's), and how
#: far other generators' usual settings, and the simple form of the peak that is fitted, may lie from them.
RESONANCES = {
    24: ("W", PYTHIA_W_MASS, PYTHIA_W_WIDTH, 0.08, 0.06),
    23: ("Z", PYTHIA_Z_MASS, PYTHIA_Z_WIDTH, 0.05, 0.06),
    6: ("t", PYTHIA_TOP_MASS, PYTHIA_TOP_WIDTH, 0.7, 0.1),
}
WINDOW, PEAK_BINS, ENOUGH = 3.0, 90, 300
ENDS = np.linspace(0.0, 1.2, 61)
#: Single precision of the momenta in the files moves an endpoint by less than this fraction.
BEYOND = 2e-3
JETS = np.geomspace(15.0, 1500.0, 25)


def fit_peak(
    edges: np.ndarray, counts: np.ndarray, mass: float, width: float
) -> tuple[np.ndarray, ...] | None:
    """Fit a relativistic Breit-Wigner curve with a free slope to counts.

    Returns
    -------
    parameters, errors, expected counts
        Parameters are mass and width (GeV), log of the height, slope. None if the fit fails.
    """
    centres = 0.5 * (edges[1:] + edges[:-1])

    def log_mean(theta: np.ndarray) -> np.ndarray:
        m, g = mass + width * theta[0], width * math.exp(theta[1])
        square = (centres**2 - m**2) ** 2 + (centres**2 * g / m) ** 2
        return theta[2] + math.log(m**2 * g**2) - np.log(square) + theta[3] * (centres - mass) / width

    start = np.array([0.0, 0.0, 0.0, 0.0])
    start[2] = math.log(counts.sum() / np.exp(log_mean(start)).sum())
    fitted = poisson_fit(log_mean, start, counts)
    if fitted is None:
        return None
    theta, covariance = fitted
    error = np.sqrt(np.diag(covariance))
    g = width * math.exp(theta[1])
    values = np.array([mass + width * theta[0], g, theta[2], theta[3]])
    errors = np.array([width * error[0], g * error[1], error[2], error[3]])
    return values, errors, np.exp(log_mean(theta))


class Masses:
    """Peaks, masses and endpoints from GenPart, and jets before and after the detector."""

    branches = (*GEN, "GenJet_pt", "Jet_pt")

    def __init__(self) -> None:
        self.peaks: dict[tuple[int, str], np.ndarray] = {}
        self.narrow: dict[int, list[float]] = {}
        self.new: dict[tuple[str, int], np.ndarray] = {}
        self.declared: dict[str, dict[str, float]] = {}
        self.ends: dict[tuple[str, str], np.ndarray] = {}
        self.beyond: dict[tuple[str, str], list[float]] = {}
        self.jets: dict[tuple[str, str], np.ndarray] = {}
        self.seen = False

    def fill(self, chunk: Chunk) -> None:
        """Add events."""
        process = chunk.dataset.process
        for name in ("GenJet", "Jet"):
            if chunk.has(f"{name}_pt"):
                lead = chunk.leading(name, chunk.flat(f"{name}_pt"))
                found = np.stack(
                    [np.histogram(lead, JETS, weights=w)[0] for w in (chunk.weight, chunk.weight**2)]
                )
                self.jets[process, name] = self.jets.get((process, name), 0.0) + found
        if not chunk.has(*GEN):
            return
        self.seen = True
        decays = Decays(chunk)
        kind = np.abs(decays.pdg)
        for pdg, (_, mass, width, *_) in RESONANCES.items():
            masses = decays.mass(np.flatnonzero((kind == pdg) & decays.is_first))
            if len(masses):
                edges = np.linspace(mass - WINDOW * width, mass + WINDOW * width, PEAK_BINS + 1)
                key = pdg, process
                self.peaks[key] = self.peaks.get(key, 0.0) + np.histogram(masses, edges)[0]
        new = np.flatnonzero(is_new(decays.pdg) & decays.is_first)
        for pdg in np.unique(kind[new]).tolist():
            masses = decays.mass(new[kind[new] == pdg])
            found = np.array([len(masses), masses.sum(), (masses**2).sum()])
            self.new[process, pdg] = self.new.get((process, pdg), 0.0) + found
        self.declared[process] = {
            str(name): float(value)
            for name, value in (chunk.dataset.metadata.get("masses") or {}).items()
            if isinstance(value, (int, float)) and "dm" not in str(name) and "delta" not in str(name)
        }
        if not len(new):
            return
        named = {
            "M_T2 of lepton-partner pairs": pair_mt2(decays),
            "m(ll) of A -> ll B": three_body_mll(decays),
        }
        for name, quantity in (named | decay_chains(decays)).items():
            if quantity is None:
                continue
            ratio = quantity.value / np.maximum(quantity.end, 1e-9)
            weight = chunk.weight[quantity.event]
            content = np.histogram(ratio, ENDS, weights=weight)[0]
            self.ends[process, name] = self.ends.get((process, name), 0.0) + content
            before = self.beyond.get((process, name), [0, 0, 0.0, 0.0])
            self.beyond[process, name] = [
                before[0] + len(ratio),
                before[1] + int((ratio > 1 + BEYOND).sum()),
                max(before[2], float(ratio.max())),
                before[3] + float(quantity.end.sum()),
            ]

    def finish(self) -> Part:
        """Return checks and figures."""
        part = Part()
        if not self.seen:
            part.absent.append("Masses and endpoints: the files have no GenPart.")
        for pdg, (symbol, *_) in RESONANCES.items():
            curves = {process: c for (kind, process), c in self.peaks.items() if kind == pdg}
            if curves:
                self._peak(pdg, curves, part)
            elif self.seen:
                part.absent.append(f"Mass of the {symbol}: no event of this folder has one.")
        self._new_particles(part)
        self._endpoints(part)
        for process in sorted({process for process, _ in self.jets}):
            pair = {
                label: self.jets[process, name]
                for name, label in (("GenJet", "generated"), ("Jet", "reconstructed"))
                if (process, name) in self.jets and self.jets[process, name][0].sum() > 0
            }
            if len(pair) < 2:
                part.absent.append(
                    f"{process}: leading jet before and after the detector: no jets in its files."
                )
                continue
            content = {name: (found[0], np.sqrt(found[1])) for name, found in reversed(pair.items())}
            figure = overlay(JETS, content, r"Leading jet $p_{T}$ [GeV]", log_x=True)
            caption = (
                f"{process}: hardest jet of each event, over the particles that reach it; both of area one."
            )
            part.figures.append(
                Drawn(figure, f"{process}: leading jet pT, generated and reconstructed.", caption)
            )
        return part

    def _peak(self, pdg: int, curves: dict[str, np.ndarray], part: Part) -> None:
        symbol, mass, width, tolerance, width_tolerance = RESONANCES[pdg]
        edges = np.linspace(mass - WINDOW * width, mass + WINDOW * width, PEAK_BINS + 1)
        total = np.sum(list(curves.values()), axis=0)
        words = f"Where the peak of all generated {symbol} lies: a wrong place means wrong particle data."
        wide = f"Width of the peak of all generated {symbol} against the particle data."
        name = f"m({symbol})"
        fit = None
        filled = int((total > 0).sum())
        if filled <= 2:
            centre = float((0.5 * (edges[1:] + edges[:-1]) * total).sum() / max(total.sum(), 1))
            words += " All have the same mass: this generator gives it no width."
            bin_error = float(edges[1] - edges[0]) / 2
            part.checks.append(
                judged(
                    "physics", name, centre, bin_error, mass, words, unit="GeV", tolerance=tolerance,
                    enough=total.sum() > 0,
                )
            )  # fmt: skip
        else:
            fit = fit_peak(edges, total, mass, width) if total.sum() >= ENOUGH else None
            values, errors = (fit[0], fit[1]) if fit else (np.full(2, math.nan), np.full(2, math.nan))
            for label, index, expected, allowed, text in (
                (name, 0, mass, tolerance, words),
                (f"width of {symbol}", 1, width, width_tolerance, wide),
            ):
                part.checks.append(
                    judged(
                        "physics", label, float(values[index]), float(errors[index]), expected, text,
                        unit="GeV", tolerance=allowed, enough=fit is not None,
                    )
                )  # fmt: skip
        coarse = total.reshape(-1, 3).sum(axis=1)
        drawn = {process: c.reshape(-1, 3).sum(axis=1) for process, c in curves.items() if c.sum() >= 50}
        if not drawn:
            part.absent.append(f"Peak of the {symbol}: fewer than 50 entries in every process.")
            return
        largest = dict(sorted(drawn.items(), key=lambda item: -item[1].sum())[:8])
        line = fit[2].reshape(-1, 3).sum(axis=1) if fit else None
        caption = f"Generated {symbol}, number of entries {int(coarse.sum()):,}; the fit is to all processes together."
        part.figures.append(
            Drawn(
                peak(edges[::3], largest, rf"$m({symbol})$ [GeV]", mass, line),
                f"Mass peak of generated {symbol} per process.",
                caption,
            )
        )

    def _new_particles(self, part: Part) -> None:
        rows: list[list[object]] = []
        for (process, pdg), (n, total, squares) in sorted(self.new.items()):
            mean = total / n
            spread = math.sqrt(max(squares / n - mean**2, 0.0))
            rows.append(
                [
                    process,
                    str(pdg),
                    f"{int(n):,}",
                    number(mean, 5),
                    number(spread if spread > 1e-3 * mean else 0.0),
                ]
            )
        if rows:
            part.tables.append(
                table(
                    ["Process", "PDG number", "Particles", "Mean mass [GeV]", "Spread [GeV]"],
                    rows,
                    caption="New particles found in the events.",
                )
            )
        for process, masses in self.declared.items():
            means = {
                t / n: math.sqrt(max(squares / n - (t / n) ** 2, 0.0))
                for (name, _), (n, t, squares) in self.new.items()
                if name == process
            }
            for label, declared in masses.items():
                if not means:
                    part.absent.append(f"{process}: {label}: its events hold no new particle.")
                    continue
                nearest = min(means, key=lambda mean: abs(mean - declared))
                part.checks.append(
                    judged(
                        "physics",
                        f"{process}: {label}",
                        nearest,
                        0.0,
                        declared,
                        "Mean mass of the new particle in the events that comes nearest to the mass which the "
                        "fileset states; allowed per standard deviation is a third of a percent, or a third of "
                        "the spread: fewer partons for more mass pull a wide particle down.",
                        unit="GeV",
                        tolerance=max(declared / 300, means[nearest] / 3, 0.01),
                    )
                )

    def _endpoints(self, part: Part) -> None:
        if not self.ends:
            part.absent.append("Kinematic endpoints: no decay chain of new particles in this folder.")
        for (process, name), (n, beyond, highest, ends) in self.beyond.items():
            part.checks.append(_endpoint_check(process, name, int(n), int(beyond), highest, ends / n))
        for name in dict.fromkeys(name for _, name in self.ends):
            curves = {p: c for (p, quantity), c in self.ends.items() if quantity == name and c.sum() > 0}
            some = dict(list(curves.items())[:9])
            if not some:
                continue
            caption = f"{name}, over its endpoint: by kinematics nothing lies beyond 1."
            if len(curves) > len(some):
                caption += f" The first {len(some)} of {len(curves)} processes."
            part.figures.append(
                Drawn(
                    shape_with_end(ENDS, some, f"{name} / endpoint"),
                    f"{name} over its endpoint per process.",
                    caption,
                )
            )


def _endpoint_check(process: str, name: str, n: int, beyond: int, highest: float, end: float) -> Check:
    words = (
        f"Highest value over the endpoint {number(end, 4)} GeV that the masses allow; {n:,} decays, {beyond} beyond. "
        "It must come near 1 and never exceed it: otherwise masses or decays are wrong."
    )
    if n < 100 and not beyond:
        return judged("physics", f"{process}: end of {name}", highest, math.nan, 1.0, words, enough=False)
    good = beyond == 0 and highest > 0.9
    return decided("physics", f"{process}: end of {name}", highest, 1.0, good, words)

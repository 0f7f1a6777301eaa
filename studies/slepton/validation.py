"""The numbers of the slepton paper beside those of a run: Tables I and III, and what its text says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.fit_folder import open_fit
from massgap.contracts.model_folder import open_model
from massgap.contracts.run_folder import open_run
from massgap.fits.counting.significance import asimov, s_over_1pb
from massgap.fits.scans.threshold_scan import ThresholdScan
from massgap.studies.comparison import Compared, compare
from massgap.studies.errors import StudyError
from massgap.studies.slepton.places import MIN_RATIO
from massgap.studies.tables import Paper, read_paper

if TYPE_CHECKING:
    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.scans.rows import ScanRows

    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = [
    "ARITHMETIC",
    "BENCHMARK",
    "HARD_BACKGROUNDS",
    "MIN_RATIO",
    "Folders",
    "endpoint_mt2",
    "paper",
    "validate",
]

BENCHMARK = {"m_slepton": 110.0, "m_lsp": 80.0}
"""The signal of Tables I and III, GeV."""

HARD_BACKGROUNDS = ("tt", "WW")
"""Those that no mass peak gives away: most of what is left after the pre-cuts."""

ARITHMETIC = "Table III from Table I"
"""The comparison that no run takes part in."""

ROWS = {
    frozenset({"z_window", "met", "cos_theta_star"}): "this work",
    frozenset({"z_window", "met", "cos_theta_star", "mt2_100"}): "this work + MT2_100<130",
    frozenset({"z_window", "met", "cos_theta_star", "m_tautau", "met_125"}): "cuts of [3]",
}
"""Pre-cuts of a run -> the row of Table III that it can be compared with."""


def paper() -> Paper:
    """The paper's numbers, out of the data file beside this module."""
    return read_paper(Path(__file__).with_name("paper_tables.json"))


@dataclass(frozen=True)
class Folders:
    """What is compared: a run, and the fit and model that belong to it, if any.

    Parameters
    ----------
    run
        Run folder.
    fit, model
        Fit and model folder.
    """

    run: Path
    fit: Path | None = None
    model: Path | None = None

    @classmethod
    def find(cls, folder: str | Path) -> Folders:
        """Find them in the folder of a study, or beside a single run.

        Raises
        ------
        StudyError
            If there is no run.
        """
        folder = Path(folder)
        runs = [folder, folder / "scored", folder / "run"]
        run = next((place for place in runs if (place / "manifest.json").is_file()), None)
        if run is None:
            message = (
                f"{folder} holds no run (a folder with manifest.json, or scored or run in it): "
                f"`massgap study slepton --out {folder}` makes all."
            )
            raise StudyError(message)
        fits = [run / "fit", folder / "fit"]
        models = [folder / "model", folder.parent / "model", run / "model"]
        return cls(
            run,
            next((place for place in fits if (place / "results.json").is_file()), None),
            next((place for place in models if (place / "training.json").is_file()), None),
        )

    @cached_property
    def opened(self) -> RunFolder:
        """The run."""
        return open_run(self.run)

    @cached_property
    def scan(self) -> ThresholdScan | None:
        """The scan of the score's threshold, if the fit has one."""
        if self.fit is None:
            return None
        found = (scan for scan in open_fit(self.fit).scans if scan["histogram"] == "score")
        return next((ThresholdScan.from_dict(scan) for scan in found), None)

    @cached_property
    def importance(self) -> dict[str, dict[str, float]]:
        """Shares of the total gain per training, empty without a model."""
        if self.model is None:
            return {}
        return dict(open_model(self.model).training.get("importance") or {})

    def signal(self) -> str | None:
        """The process of the benchmark, if the run has it."""
        for metadata in self.opened.manifest["datasets"].values():
            masses = metadata.get("masses") or {}
            if metadata.get("is_signal") and all(masses.get(k) == v for k, v in BENCHMARK.items()):
                return str(metadata["process"])
        return None


def validate(folder: str | Path | Folders) -> list[Compared]:
    """Compare a run with the paper.

    Parameters
    ----------
    folder
        Folder of the study, a run folder, or the folders themselves.

    Returns
    -------
    list of Compared
        Table I, Table III and its arithmetic, and statements of the text.  What the run cannot say is absent: Table III
        needs a fit of the score and the ranks a model.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no run, or a file of it cannot be read.
    """
    folders = folder if isinstance(folder, Folders) else Folders.find(folder)
    if (analysis := folders.opened.description.analysis) not in ("", "slepton"):
        message = (
            f"{folders.run} is a run of the analysis '{analysis}': give one of slepton, or a folder of "
            "massgap study slepton"
        )
        raise StudyError(message)
    printed = paper()
    first = _table_one(folders)
    pre_cuts = first.get(("tt", "pre-cuts"))
    facts = {
        "met": "detector",
        **folders.opened.manifest.get("options", {}),
        "tt_above": pre_cuts is not None and pre_cuts[0] > _printed(printed, "tt"),
    }
    numbers = {
        "Table I": first,
        ARITHMETIC: _arithmetic(printed),
        "Table III": _table_three(folders),
        "Text": _text(folders),
    }
    return [
        row
        for name, ours in numbers.items()
        for row in compare(printed.tables[name], ours, printed.causes, facts)
    ]


def _printed(printed: Paper, process: str) -> float:
    """Cross section after the pre-cuts in Table I, fb."""
    table = printed.tables["Table I"]
    return float(table.values[table.rows.index(process)][table.columns.index("pre-cuts")] or 0.0)


def endpoint_mt2(m_parent: float, m_invisible: float, trial: float = 100.0) -> float:
    """Return where M_T2 of the signal ends without initial-state radiation, in GeV.

    For massless leptons: mu + sqrt(mu^2 + trial^2), mu = (M^2 - m^2) / (2 M).

    >>> round(endpoint_mt2(110.0, 80.0), 2)
    129.21
    """
    mu = (m_parent**2 - m_invisible**2) / (2 * m_parent)
    return float(mu + (mu**2 + trial**2) ** 0.5)


def _sum(histogram: Any, process: str, region: str, below: float = math.inf) -> tuple[float, float]:
    """Sum of weights (fb) and its variance, of bins that end at most at ``below``; all, with those outside, by default."""
    axis = histogram.axes[-1]
    filled = histogram[{"process": process, "region": region, "variation": "nominal"}]
    stop = len(axis) + 2 if below == math.inf else 1 + int(np.searchsorted(axis.edges, below + 1e-9)) - 1
    values, variances = filled.values(flow=True), filled.variances(flow=True)
    return float(values[:stop].sum()), float(variances[:stop].sum())


def _fraction(part: tuple[float, float], whole: tuple[float, float]) -> Number | None:
    """Share of a part in the whole and its standard error, of weighted events."""
    if whole[0] <= 0.0:
        return None
    share = part[0] / whole[0]
    variance = (1.0 - 2.0 * share) * part[1] + share**2 * whole[1]
    return share, math.sqrt(max(0.0, variance)) / whole[0]


def _table_one(folders: Folders) -> Numbers:
    """Cross sections after topology and pre-cuts: m_ll is defined for every event, so its bins hold all of them."""
    histogram = folders.opened.histograms.get("m_ll")
    if histogram is None or not {"topology", "precuts"} <= {str(r) for r in histogram.axes["region"]}:
        return {}
    numbers: Numbers = {}
    names = {"signal": folders.signal(), **{name: name for name in paper().tables["Table I"].rows[1:]}}
    for row, process in names.items():
        if process not in {str(p) for p in histogram.axes["process"]}:
            continue
        before, after = (_sum(histogram, process, region) for region in ("topology", "precuts"))
        numbers[row, "topology"] = (before[0], math.sqrt(before[1]))
        numbers[row, "pre-cuts"] = (after[0], math.sqrt(after[1]))
        numbers[row, "efficiency"] = _fraction(after, before)
    return numbers


def _arithmetic(printed: Paper) -> Numbers:
    """Our formulas on the paper's cross sections: Table III must follow from Table I."""
    rows = printed.tables["Table I"].rows
    signal = printed.luminosity * _printed(printed, "signal")
    background = printed.luminosity * sum(_printed(printed, name) for name in rows[1:])
    return {
        ("this work", "S"): (signal, None),
        ("this work", "S/(1+B)"): (float(s_over_1pb(signal, background)), None),
        ("this work", "significance"): (float(asimov(signal, background)), None),
    }


def _table_three(folders: Folders) -> Numbers:
    """Pre-cuts: averages over the folds; BDT: the quotable range of thresholds that is broadest in significance."""
    region = folders.opened.description.region("precuts")
    row = ROWS.get(frozenset(cut.name for cut in region.cuts))
    scan = folders.scan
    if row is None or scan is None or scan.signal != folders.signal():
        return {}
    folds = scan.folds or (scan.combined,)
    numbers: Numbers = {
        (row, "pre-cuts: S"): (_mean(folds, "signal"), _at(scan.combined, 0)["S"][1]),
        (row, "pre-cuts: S/(1+B)"): (_mean(folds, "ratio"), _at(scan.combined, 0)["S/(1+B)"][1]),
        (row, "pre-cuts: significance"): (
            _mean(folds, "significance"),
            _at(scan.combined, 0)["significance"][1],
        ),
    }
    ranges = scan.ranges(min_ratio=MIN_RATIO)
    if not ranges:
        return numbers
    names = {"threshold": "threshold", "S": "S", "S/(1+B)": "s_over_1pb", "significance": "asimov"}
    for name, key in names.items():
        for which, number in zip(("lowest", "highest"), ranges[0][key], strict=True):
            error = _threshold_error(folds, number) if name == "threshold" else _error_of(folds, name, number)
            numbers[row, f"BDT: {which} {name}"] = (number, error)
    return numbers


def _mean(folds: tuple[ScanRows, ...], column: str) -> float:
    return float(np.mean([getattr(scan, column)[0] for scan in folds]))


_SMOOTH = {"S": "signal_smooth", "S/(1+B)": "ratio_smooth", "significance": "significance_smooth"}


def _error_of(folds: tuple[ScanRows, ...], name: str, number: float) -> float | None:
    """Standard error of a number of the smoothed curves, at the fold and threshold where it stands."""
    for scan in folds:
        found = np.flatnonzero(getattr(scan, _SMOOTH[name]) == number)
        if len(found):
            return _at(scan, int(found[0]))[name][1]
    return None


def _threshold_error(folds: tuple[ScanRows, ...], threshold: float) -> float:
    """How uncertain it is where S/(1+B) passes a value: its error over its slope there, on the worst of the folds."""
    errors = []
    for scan in folds:
        index = int(np.searchsorted(scan.threshold, threshold))
        ratio, around = scan.ratio_smooth, slice(max(0, index - 5), index + 6)
        slope = np.polyfit(scan.threshold[around], ratio[around], 1)[0]
        errors.append(_at(scan, index)["S/(1+B)"][1] / abs(slope) if slope else math.inf)
    return float(max(errors))


def _at(scan: ScanRows, index: int) -> dict[str, tuple[float, float]]:
    """Figures of merit at a threshold, with the error that the finite simulation gives them."""
    s, b = float(scan.signal_smooth[index]), float(scan.background_smooth[index])
    ds, db = (
        total / math.sqrt(n) if n > 0.0 else math.inf
        for total, n in ((s, scan.n_eff_signal[index]), (b, scan.n_eff_background[index]))
    )
    merits = {"S/(1+B)": s_over_1pb, "significance": asimov}
    out = {"S": (s, ds)}
    for name, merit in merits.items():
        middle = float(merit(s, b))
        steps = (
            (float(merit(s * 1.01, b)) - middle) / (0.01 * s),
            (float(merit(s, b * 1.01)) - middle) / (0.01 * b),
        )
        out[name] = (middle, math.hypot(steps[0] * ds, steps[1] * db))
    return out


def _text(folders: Folders) -> Numbers:
    numbers: Numbers = {}
    histogram = folders.opened.histograms.get("mt2_100")
    signal = folders.signal()
    if (
        histogram is not None
        and signal is not None
        and "precuts" in {str(r) for r in histogram.axes["region"]}
    ):
        there = {str(p) for p in histogram.axes["process"]}
        for what, names in (("the signal", (signal,)), ("tt + WW", HARD_BACKGROUNDS)):
            present = [name for name in names if name in there]
            part, whole = (
                np.sum([_sum(histogram, name, "precuts", edge) for name in present] or [(0.0, 0.0)], axis=0)
                for edge in (130.0, math.inf)
            )
            numbers[f"M_T2^100 < 130 keeps of {what}", "number"] = _fraction(tuple(part), tuple(whole))
    for background in HARD_BACKGROUNDS:
        shares = folders.importance.get(background) or {}
        if "mt2_100" in shares:
            rank = 1 + sum(share > shares["mt2_100"] for share in shares.values())
            numbers[f"rank of M_T2^100 against {background}", "number"] = (float(rank), None)
    return numbers

"""The numbers of the vbf-electroweakino paper beside those of a study: Table II, cross sections, and the network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.run_folder import open_run
from massgap.studies.comparison import Compared, compare
from massgap.studies.electroweakino.numbers.checks import checks
from massgap.studies.electroweakino.numbers.performance import Performance
from massgap.studies.electroweakino.places import BENCHMARK, CHANNELS, TABLE_II, classifier, of_point
from massgap.studies.errors import StudyError
from massgap.studies.tables import Paper, read_paper

if TYPE_CHECKING:
    from massgap.contracts.run_folder import RunFolder

    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = ["paper", "validate"]

_FUSION = "vbf_wino_"
"""What the names of signals by boson fusion, of all pairs, begin with."""


def paper() -> Paper:
    """The paper's numbers, out of the data file beside this module."""
    return read_paper(Path(__file__).with_name("paper_tables.json"))


def validate(folder: str | Path) -> list[Compared]:
    """Compare a study with the paper.

    Parameters
    ----------
    folder
        Folder of the study, or of a run of the analysis.

    Returns
    -------
    list of Compared
        Table II and statements of the text; what the folder does not say is absent.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no run of this analysis, or a file of it cannot be read.
    """
    folder = Path(folder)
    places = [folder, folder / "table2" / "run", folder / "scored", folder / "run"]
    runs = [open_run(place) for place in places if (place / "manifest.json").is_file()]
    if not runs:
        msg = (
            f"{folder} holds no run (a folder with manifest.json, or table2/run, scored or run in it): "
            f"`massgap study electroweakino --out {folder}` makes all."
        )
        raise StudyError(msg)
    for run in runs:
        if (analysis := run.description.analysis) not in ("", "electroweakino"):
            msg = (
                f"{run.path} is a run of the analysis {analysis!r}: give one of electroweakino, or a folder of "
                "massgap study electroweakino"
            )
            raise StudyError(msg)
    numbers: dict[str, Numbers] = {
        "Table II": {},
        "Order": {},
        "Text": _network(folder),
        "Checks": checks(folder),
    }
    for run in runs:
        numbers["Table II"] |= _multiplicities(run)
        numbers["Text"] |= _cross_sections(run)
    numbers["Order"] = _order(numbers["Table II"])
    printed = paper()
    return [
        row for name, ours in numbers.items() for row in compare(printed.tables[name], ours, printed.causes)
    ]


def _datasets(run: RunFolder) -> list[dict[str, Any]]:
    return [dict(metadata) for metadata in run.manifest["datasets"].values()]


def _multiplicities(run: RunFolder) -> Numbers:
    """Shares of the channels in the selected events of N2 C1 of 600 GeV, decays to electrons and muons only.

    Leptons and jets are those of the detector: with perfect leptons the shares are those of the generated ones.
    """
    found: Numbers = {}
    for metadata in _datasets(run):
        masses = metadata.get("masses") or {}
        process = str(metadata["process"])
        if not process.startswith("vbf_N2C1_WZ_lep_") or masses.get("m_wino") != 600.0:
            continue
        dm = masses["m_wino"] - masses["m_lsp"]
        if dm not in TABLE_II:
            continue
        sums = [_channel(run, process, name) for name in CHANNELS]
        total = sum(value for value, _ in sums)
        if total <= 0:
            continue
        for name, (value, variance) in zip(CHANNELS, sums, strict=True):
            share = value / total
            spread = (1 - 2 * share) * variance + share**2 * sum(each for _, each in sums)
            found[f"dm {dm:g}", name] = share, math.sqrt(max(spread, 0.0)) / total
    return found


def _channel(run: RunFolder, process: str, channel: str) -> tuple[float, float]:
    """Sum of weights of a channel (fb) and its variance: of the last step of its cutflow."""
    rows = [row for row in run.cutflow["processes"].get(process, ()) if row["channel"] == channel]
    return (float(rows[-1]["weighted"]), float(rows[-1]["variance"])) if rows else (0.0, 0.0)


def _cross_sections(run: RunFolder) -> Numbers:
    """Cross sections of all pairs by boson fusion, before decays and filters."""
    found: Numbers = {}
    for metadata in _datasets(run):
        masses = metadata.get("masses") or {}
        if str(metadata["process"]).startswith(_FUSION) and masses.get("m_wino") in (200.0, 650.0):
            row = f"cross section, m = {masses['m_wino']:g} GeV"
            found[row, "number"] = float(metadata["hard_xsec_fb"]), metadata.get("hard_xsec_error_fb")
    return found


def _network(folder: Path) -> Numbers:
    """Share of the background above the threshold that keeps 99.1 % of the signal, in the channel of two leptons.

    By the classifier of this signal alone, as in the paper; where there is none by that for all masses.
    """
    if not (folder / "run" / "manifest.json").is_file():
        return {}
    places = (of_point("2l"), classifier("2l"))
    found = Performance(folder).qualities("2l", places, [BENCHMARK])
    quality = next((found[place] for place in places if place in found), None)
    row = "background that passes at 99.1 % of the signal 600/25, 2l"
    return {} if quality is None else {(row, "number"): quality.background_number}


def _order(shares: Numbers) -> Numbers:
    """Which channel has most events at each gap: 1 where it is the paper's."""
    found: Numbers = {}
    for gap, largest in (("dm 10", "1l"), ("dm 25", "2l"), ("dm 50", "3l")):
        of = {name: pair for name in CHANNELS if (pair := shares.get((gap, name))) is not None}
        if len(of) < len(CHANNELS):
            continue
        value, error = of.pop(largest)
        runner_up, its_error = max(of.values())
        # Two shares of one sample: their difference is at most as uncertain as if they moved against each other.
        sigmas = (value - runner_up) / (((error or 0.0) + (its_error or 0.0)) or 1e-12)
        answer = float(value > runner_up)
        found[f"{largest} is the largest channel at {gap}", "number"] = (
            answer,
            round(0.5 * math.erfc(abs(sigmas) / math.sqrt(2)), 3) or None,
        )
    return found

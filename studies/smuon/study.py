"""The study of right-handed smuons: samples, a run, the networks and the trees, the run with their scores, the report.

Samples are those of a perfect detector with multiparton interactions, as in the paper: what lies below 1 GeV makes half of
the jets of R = 1.0 above 15 GeV.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.studies.study import FitStep, GenerateStep, ReportStep, RunStep, Study, TrainStep

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared

__all__ = ["BACKGROUNDS", "SIGNALS", "STUDY"]

BACKGROUNDS = ("tt_2mu", "WW_2mu", "ZZ_2mu", "WZ_2mu")
TRAINED = (
    (100, 0), (100, 25), (200, 0), (200, 50), (200, 100), (200, 150), (300, 0), (300, 50), (300, 100), (300, 200),
    (300, 250), (400, 0), (400, 200), (400, 350), (500, 0), (500, 100), (500, 300), (500, 450),
)  # fmt: skip
"""Masses of the signals that the paper trains on (its Table VIII), GeV."""
TESTED = ((600, 0), (700, 0))
"""Further ones that the networks have not seen: for Table IV, and for how far they reach."""
SIGNALS = tuple(f"smuonR_{m}_{lsp}" for m, lsp in TRAINED)
_SCORES = {
    "low": "the paper's network for low masses",
    "high": "the paper's network for high masses",
    "bdt": "boosted trees",
    "all": "one network of all features",
    "lowlevel": "one network of low-level features",
    "derived": "one network of high-level and derived features",
}


def _chapters() -> tuple[Chapter, ...]:
    # Loaded when a report is written: declaring a study loads nothing heavy.
    from massgap.studies.smuon.chapters import chapters

    return chapters()


def _validate(folder: Path) -> list[Compared]:
    from massgap.studies.smuon.validation import validate

    return validate(folder)


def _training(score: str) -> TrainStep:
    options: dict[str, object] = {"name": score}
    if score not in ("low", "high"):
        options["signal"] = list(SIGNALS)
    else:
        below = [name for name, (m, _) in zip(SIGNALS, TRAINED, strict=True) if (m < 450) == (score == "low")]
        options["signal"] = below
    if score not in ("low", "bdt"):
        options |= {"importances": False, "compare_protocols": False}
    return TrainStep(f"models/{score}", "run", options=options, words=f"train {_SCORES[score]}")


STUDY = Study(
    "smuon",
    title="Smuon pairs in two muons and missing momentum",
    source="A. Cornell, B. Fuks, M. Goodsell and A. Ncube, Improving smuon searches with Neural Networks, arXiv:2411.04526",
    luminosity=139.0,
    steps=(
        GenerateStep(
            "samples",
            (*BACKGROUNDS, *SIGNALS, *(f"smuonR_{m}_{lsp}" for m, lsp in TESTED)),
            events=400_000,
            small=20_000,
            options={"card": "perfect", "mpi": True, "repeat": 10},
        ),
        RunStep("run", "smuon", "samples", words="run the smuon processor"),
        *(_training(score) for score in _SCORES),
        RunStep(
            "scored",
            "smuon",
            "samples",
            {score: f"models/{score}" for score in _SCORES},
            words="run again with all scores inside the processor",
            key="score",
        ),
        FitStep(
            "scored/fit",
            "scored",
            parts=(("high", "met", (0.0, 1000.0)),),
            scans=(),
            options={"signal": "smuonR_500_0"},
            words="count above the threshold of the high network",
        ),
        ReportStep("report.html", "scored", "models/low", "scored/fit", words="write the report"),
    ),
    chapters=_chapters,
    validate=_validate,
)

"""The study of slepton pairs with intermediate mass gaps: samples, two runs, a classifier, a fit, the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.studies.study import FitStep, GenerateStep, ReportStep, RunStep, Study, TrainStep

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared

__all__ = ["MIN_RATIO", "STUDY"]

MIN_RATIO = 0.15
"""Thresholds on the score are quoted where S/(1+B) is at least this on all folds (the paper's Table III)."""


def _chapters() -> tuple[Chapter, ...]:
    # Loaded when a report is written: declaring a study loads nothing heavy.
    from massgap.studies.slepton.chapters import chapters

    return chapters()


def _validate(folder: Path) -> list[Compared]:
    from massgap.studies.slepton.validation import validate

    return validate(folder)


STUDY = Study(
    "slepton",
    title="Slepton pairs in two muons, one jet and missing momentum",
    source="B. Dutta et al., Applying machine learning techniques to searches for lepton-partner pair-production with "
    "intermediate mass gaps at the Large Hadron Collider",
    luminosity=300.0,
    steps=(
        GenerateStep("samples", "slepton", events=1_000_000, small=45_000),
        RunStep("run", "slepton", "samples", words="run the slepton processor"),
        TrainStep(
            "model",
            "run",
            words="train three rotated folds of boosted trees and export them to ONNX",
        ),
        RunStep(
            "scored",
            "slepton",
            "samples",
            "model",
            options={"variations": ["jes"]},
            words="run again with the score inside the processor and the jet energy scale varied",
            key="score",
        ),
        FitStep("scored/fit", "scored", scan={"min_ratio": MIN_RATIO}, words="fit the score"),
        ReportStep("report.html", "scored", "model", "scored/fit", words="write the report"),
    ),
    chapters=_chapters,
    validate=_validate,
)

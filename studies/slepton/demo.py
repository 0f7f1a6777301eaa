"""The demonstration: the benchmark of the slepton study alone, with the detector's missing momentum, in a few minutes."""

from __future__ import annotations

from massgap.studies.slepton.places import MIN_RATIO, SOURCE
from massgap.studies.slepton.study import chapters_of, compared
from massgap.studies.study import FitStep, GenerateStep, ReportStep, RunStep, Study, TrainStep

__all__ = ["STUDY"]

STUDY = Study(
    "slepton",
    title="Slepton pairs in two muons, one jet and missing momentum",
    source=SOURCE,
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
    chapters=chapters_of,
    validate=compared,
)

"""The study of mass-unspecific classifiers: samples of 28 masses, nine trainings, a run cut at a fixed background efficiency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.models.recipes.vlq import MASS, RECIPES
from massgap.studies.study import FitStep, GenerateStep, PlaneStep, ReportStep, RunStep, Study, TrainStep
from massgap.studies.vlq.classifiers import CLASSIFIERS, FLAT

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared
    from massgap.studies.tables import Paper

__all__ = ["BACKGROUND_EFFICIENCY", "SIGNAL", "STUDY"]

BACKGROUND_EFFICIENCY = 0.01
"""Share of the background that the cut keeps at each reconstructed mass."""
SIGNAL = "vlq_2000"
"""The mass whose fit the report shows; all of them are in the plane."""
_PARTS = (("tagged", MASS),)
_BINS = {"min_background": 0.5, "max_relative_error": 0.5}
"""Bins of the fit in the reconstructed mass are as narrow as the background allows: some ten events at 3000 fb-1."""
LEAST = 10
"""Events of a class that a bin of the training must have."""


def _chapters() -> tuple[Chapter, ...]:
    from massgap.studies.vlq.chapters import chapters

    return chapters()


def _validate(folder: Path) -> list[Compared]:
    from massgap.studies.vlq.validation import validate

    return validate(folder)


def _printed() -> Paper:
    from massgap.studies.vlq.validation import paper

    return paper()


def _training(place: str, name: str) -> TrainStep:
    """A training that leaves out bins of the reconstructed mass with hardly any events, and says so."""
    options: dict[str, Any] = {"recipe": name}
    if (balance := RECIPES[name].balance) is not None:
        options["balance"] = {**balance, "least": LEAST, "thin": "drop"}
    return TrainStep(
        place, "run", options=options, words=f"train {name}", key=f"train {name}", optional=place != FLAT
    )


STUDY = Study(
    "vlq",
    title="Mass-unspecific classifiers: single production of a heavy top partner, T -> t Z",
    source="J. A. Aguilar-Saavedra and S. Rodriguez Benitez, Mass-unspecific classifiers for mass-dependent searches "
    "(2503.20926)",
    luminosity=3000.0,
    steps=(
        GenerateStep("samples", "vlq", events=1_200_000, small=150_000),
        RunStep("run", "vlq", "samples", words="run the vector-like-quark processor"),
        *(_training(classifier.place, classifier.recipe) for classifier in CLASSIFIERS),
        RunStep(
            "tagged",
            "vlq",
            "samples",
            FLAT,
            options={"background_efficiency": BACKGROUND_EFFICIENCY},
            words=f"run again, cut at a background efficiency of {BACKGROUND_EFFICIENCY:g} at each mass",
            key="score",
        ),
        FitStep(
            "tagged/fit",
            "tagged",
            options={"signal": SIGNAL},
            parts=_PARTS,
            fit=_BINS,
            optional=True,
            words=f"fit {SIGNAL} in the reconstructed mass",
        ),
        PlaneStep(
            "tagged/plane",
            "tagged",
            parts=_PARTS,
            fit=_BINS,
            words="limits on the cross section against the mass",
            optional=True,
        ),
        ReportStep("report.html", "tagged", FLAT, "tagged/fit", words="write the report"),
    ),
    chapters=_chapters,
    paper=_printed,
    validate=_validate,
)

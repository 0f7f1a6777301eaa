"""The study of mass-unspecific classifiers: samples of 28 masses, nine trainings, a run cut at a fixed background efficiency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.models.recipes.vlq import MASS, RECIPES
from massgap.studies.study import (
    FitStep,
    GenerateStep,
    PlaneStep,
    ReportStep,
    RunStep,
    Step,
    Study,
    TrainStep,
)
from massgap.studies.vlq.classifiers import CLASSIFIERS, FLAT, MODERN

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared
    from massgap.studies.markdown import FurtherTable
    from massgap.studies.tables import Paper

__all__ = ["BACKGROUND_EFFICIENCY", "OWN_LIMITS", "SIGNAL", "STUDY", "own_limit"]

BACKGROUND_EFFICIENCY = 0.01
"""Share of the background that the cut keeps at each reconstructed mass."""
SIGNAL = "vlq_2000"
"""The mass whose fit the report shows; all of them are in the plane."""
OWN_LIMITS = (1000, 2000, 4000, 6000)
"""Masses (GeV) with a classifier of their own for the limit, to compare with."""
_PARTS = (("tagged", MASS),)
_BINS = {"min_background": 0.02, "max_relative_error": 0.5, "replicas": 20}
"""Bins of the fit in the reconstructed mass are as narrow as the simulation allows.

Of the 43 events of background above 0.9 TeV at 3000 fb-1 the cut keeps 0.4: no bin expects an event.
"""
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


def _further(folder: Path) -> list[FurtherTable]:
    from massgap.studies.vlq.further import further_tables

    return further_tables(folder)


def _training(place: str, name: str) -> TrainStep:
    """A training that leaves out bins of the reconstructed mass with hardly any events, and says so."""
    options: dict[str, Any] = {"recipe": name}
    if (balance := RECIPES[name].balance) is not None:
        options["balance"] = {**balance, "least": LEAST, "thin": "drop"}
    # A network of 32 members takes as long as all others together.
    quick = place != MODERN
    return TrainStep(
        place,
        "run",
        options=options,
        words=f"train {name}",
        key=f"train {name}",
        optional=place != FLAT,
        quick=quick,
        cost=60.0 if quick else 600.0,
    )


def own_limit(mass: float) -> str:
    """Place of the run that is cut on a classifier of one mass.

    >>> own_limit(2000.0)
    'own/2000'
    """
    return f"own/{mass:g}"


def _tagged(place: str, model: str, words: str, *, quick: bool = True) -> RunStep:
    """A run with the region of a fixed background efficiency."""
    return RunStep(
        place,
        "vlq",
        "samples",
        model,
        options={"background_efficiency": BACKGROUND_EFFICIENCY},
        words=words,
        key="score",
        quick=quick,
        optional=not quick,
    )


def _fit(run: str, signal: str, *, quick: bool = True) -> FitStep:
    return FitStep(
        f"{run}/fit",
        run,
        options={"signal": signal},
        parts=_PARTS,
        scans=(),
        fit=_BINS,
        optional=True,
        quick=quick,
        words=f"fit {signal} in the reconstructed mass",
        cost=30.0,
    )


def _own_limits() -> list[Step]:
    """A classifier of each of a few masses, in all bins that it has events in, and the same fit after the same cut."""
    steps: list[Step] = []
    for mass in OWN_LIMITS:
        name, model = f"vlq_{mass}", f"models/own_{mass}"
        options: dict[str, Any] = {
            "recipe": RECIPES["vlq"].name,
            "signal": [name],
            "balance": {**(RECIPES["vlq"].balance or {}), "least": LEAST, "thin": "drop"},
        }
        steps += [
            TrainStep(
                model,
                "run",
                options=options,
                words=f"train for {name} alone, for its limit",
                key="train for limits",
                optional=True,
                quick=False,
            ),
            _tagged(own_limit(mass), model, f"run again, cut on the classifier of {name} alone", quick=False),
            _fit(own_limit(mass), name, quick=False),
        ]
    return steps


STUDY = Study(
    "vlq",
    title="Mass-unspecific classifiers: single production of a heavy top partner, T -> t Z",
    source="J. A. Aguilar-Saavedra and S. Rodriguez Benitez, Mass-unspecific classifiers for mass-dependent searches "
    "(2503.20926)",
    luminosity=3000.0,
    steps=(
        GenerateStep("samples", "vlq", events=950_000, small=150_000),
        # What the run has of the two masses that have a classifier of their own is too little to compare these on.
        GenerateStep(
            "samples/tests",
            tuple(f"vlq_{m}" for m in (1000, 6000)),
            events=90_000,
            further_seed=1000,
            quick=False,
        ),
        RunStep("run", "vlq", "samples", words="run the vector-like-quark processor"),
        RunStep("tests", "vlq", "samples/tests", words="run it on events to test on", quick=False),
        *(_training(classifier.place, classifier.recipe) for classifier in CLASSIFIERS),
        _tagged(
            "tagged",
            FLAT,
            f"run again, cut at a background efficiency of {BACKGROUND_EFFICIENCY:g} at each mass",
        ),
        _fit("tagged", SIGNAL),
        PlaneStep(
            "tagged/plane",
            "tagged",
            parts=_PARTS,
            fit={**_BINS, "replicas": 10},
            scans=(),
            words="limits on the cross section against the mass",
            optional=True,
        ),
        *_own_limits(),
        ReportStep("report.html", "tagged", FLAT, "tagged/fit", words="write the report"),
    ),
    chapters=_chapters,
    further=_further,
    paper=_printed,
    validate=_validate,
)

"""The study of right-handed smuons: samples, a run, the networks and the trees, the run with their scores, the report.

Samples are those of a perfect detector with multiparton interactions, as in the paper: what lies below 1 GeV makes half of
the jets of R = 1.0 above 15 GeV. About an hour of samples on two cores for the full form, and as long again for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.studies.smuon.places import (
    BACKGROUNDS,
    COUNTED,
    FRACTIONS,
    LUMINOSITIES,
    NETWORKS,
    PLANE,
    SCALES,
    SCORES,
    SEEDS,
    TESTED,
    TRAINED,
    fraction_place,
    seed_place,
    signal_name,
)
from massgap.studies.study import FitStep, GenerateStep, PlaneStep, ReportStep, RunStep, Study, TrainStep

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared
    from massgap.studies.markdown import FurtherTable
    from massgap.studies.tables import Paper

__all__ = ["STUDY"]

_SIGNALS = tuple(signal_name(*masses) for masses in TRAINED)
_MADE: dict[str, Any] = {"card": "perfect", "mpi": True}
_RUN: dict[str, Any] = {"controls": ("tt",), "hadron_sum": True}
_STATISTICS_ONLY: dict[str, Any] = {
    "default_normalisation": 0.0,
    "lumi_uncertainty": 0.0,
    "mc_statistics": "off",
    "systematics": False,
}
_BINS: dict[str, Any] = {"min_background": 1.0, "max_relative_error": 0.5, "replicas": 20}
"""At 139 fb-1 the background near a score of 1 is a handful of events."""
_AGAINST = ["tt", "mumununu"]
"""Backgrounds that are trained against. Every component weighs the same in the training, as in the paper; mumulnu, of which a
few dozen events are selected, would have a third of the weight on these. It is in every evaluation and fit."""
_CONTROLS = (("cr_tt", "met"),)
# The control region is all tops: they need no prior.
_CONSTRAINED: dict[str, Any] = {"normalisation": {"tt": "free"}}


def _chapters() -> tuple[Chapter, ...]:
    # Loaded when a report is written: declaring a study loads nothing heavy.
    from massgap.studies.smuon.chapters import chapters

    return chapters()


def _validate(folder: Path) -> list[Compared]:
    from massgap.studies.smuon.validation import validate

    return validate(folder)


def _further(folder: Path) -> list[FurtherTable]:
    from massgap.studies.smuon.numbers.further import further_tables

    return further_tables(folder)


def _printed() -> Paper:
    from massgap.studies.smuon.validation import paper

    return paper()


def _training(score: str, place: str = "", words: str = "", **options: Any) -> TrainStep:
    signals = list(_SIGNALS)
    if score in ("low", "high"):
        signals = [
            name for name, (m, _) in zip(_SIGNALS, TRAINED, strict=True) if (m < 450) == (score == "low")
        ]
    given: dict[str, Any] = {"name": score, "signal": signals, "backgrounds": _AGAINST, **options}
    if score != "bdt":
        given["compare_protocols"] = False
    if place or score not in ("low", "high", "bdt", "all"):
        given["importances"] = False
    optional = bool(place)
    return TrainStep(
        place or f"models/{score}",
        "run",
        options=given,
        words=words or f"train {SCORES[score]}",
        optional=optional,
    )


def _trainings() -> list[TrainStep]:
    """All scores, and the network of all features again: with other seeds, and with a part of its events."""
    again = [
        _training(
            "all", seed_place(seed), f"train the network of all features with the seed {seed}", seed=seed
        )
        for seed in SEEDS
    ]
    parts = [
        _training(
            "all",
            fraction_place(part),
            f"train the network of all features with {part:g} of the events",
            fraction=part,
        )
        for part in FRACTIONS
    ]
    return [*(_training(score) for score in SCORES), *again, *parts]


def _count(name: str, region: str) -> FitStep:
    return FitStep(
        f"fits/{name}",
        "scored",
        parts=((region, "met", (0.0, 1000.0)),),
        scans=(),
        model=_STATISTICS_ONLY,
        fit={"replicas": 20},
        options={"signal": COUNTED},
        words=f"count in the region {region}, statistics alone",
        optional=True,
    )


def _binned(name: str, score: str, model: dict[str, Any], words: str, *, controls: bool = False) -> FitStep:
    return FitStep(
        f"fits/{name}",
        "scored",
        parts=(("veto_c" if controls else "preselection", f"score_{score}"),),
        scans=(),
        controls=_CONTROLS if controls else (),
        model=model,
        fit=_BINS,
        options={"signal": NETWORKS.get(score, COUNTED)},
        words=words,
        optional=True,
    )


def _fits() -> list[FitStep]:
    counted = [_count(f"count_{region}", region) for region in ("static_veto", "bdt", "high")]
    alone = [
        _binned(f"binned_{score}", score, _STATISTICS_ONLY, f"fit the score {score}, statistics alone")
        for score in ("bdt", *NETWORKS)
    ]
    uncertain = [
        _binned(f"uncertain_{score}", score, {}, f"fit the score {score} with uncertainties")
        for score in NETWORKS
    ]
    controlled = [
        _binned(
            f"controls_{score}", score, _CONSTRAINED, f"the same with tops controlled, {score}", controls=True
        )
        for score in NETWORKS
    ]
    return [*counted, *alone, *uncertain, *controlled]


def _plane(score: str, *, quick: bool = False) -> PlaneStep:
    return PlaneStep(
        f"planes/{score}",
        "scored",
        parts=(("veto_c", f"score_{score}"),),
        controls=_CONTROLS,
        model=_CONSTRAINED,
        fit={**_BINS, "replicas": 0},
        options={"xsec": "nlo", "luminosities": LUMINOSITIES},
        words=f"test every signal with the score {score}",
        quick=quick,
        optional=True,
    )


STUDY = Study(
    "smuon",
    title="Smuon pairs in two muons and missing momentum",
    source="A. Cornell, B. Fuks, M. Goodsell and A. Ncube, Improving smuon searches with Neural Networks, arXiv:2411.04526",
    luminosity=139.0,
    steps=(
        GenerateStep(
            "samples",
            (*BACKGROUNDS, *_SIGNALS, *(signal_name(*masses) for masses in TESTED)),
            events=300_000,
            small=20_000,
            options={**_MADE, "repeat": 10},
        ),
        GenerateStep(
            "plane_samples",
            tuple(signal_name(*masses) for masses in PLANE),
            events=107_200,
            small=13_400,
            options={**_MADE, "repeat": 5},
            quick=False,
        ),
        GenerateStep(
            "scale_samples",
            tuple(signal_name(*masses) for masses in SCALES),
            events=6_000,
            small=300,
            options={**_MADE, "repeat": 10},
        ),
        GenerateStep(
            "whole_samples",
            tuple(name for name in BACKGROUNDS if name != "WZ_2mu"),
            events=40_000,
            small=3_000,
            options={**_MADE, "hard": "none"},
        ),
        RunStep("run", "smuon", ("samples", "plane_samples"), options=_RUN, words="run the smuon processor"),
        RunStep(
            "scales",
            "smuon",
            "scale_samples",
            options={"variations": ("mur", "muf")},
            words="run again with the scales varied",
            key="vary",
            optional=True,
        ),
        RunStep(
            "whole",
            "smuon",
            "whole_samples",
            words="run over backgrounds without a cut on the hard process",
            key="run",
            optional=True,
        ),
        *_trainings(),
        RunStep(
            "scored",
            "smuon",
            ("samples", "plane_samples"),
            {score: f"models/{score}" for score in SCORES},
            options=_RUN,
            words="run again with all scores inside the processor",
            key="score",
        ),
        *_fits(),
        *(_plane(score, quick=score == "all") for score in NETWORKS),
        ReportStep(
            "report.html",
            "scored",
            "models/low",
            ("fits/controls_high", "fits/count_high"),
            words="write the report",
        ),
    ),
    chapters=_chapters,
    further=_further,
    paper=_printed,
    validate=_validate,
)

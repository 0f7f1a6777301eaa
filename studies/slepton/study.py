"""The study of slepton pairs with intermediate mass gaps: every table and figure of the paper, all spectra, and beyond.

The order of magnitude of its parts in full, on two cores: 70 min for samples, 15 for all that follows.

Samples: slices in the missing momentum that the hard process heads for, see :mod:`massgap.samples.processes.slepton`, take the
place of the paper's ten tranches in a lepton's pT.  What survives the pre-cuts lies above 95 GeV of it nearly always, wherever
the leptons are; slices in pT would spend events of small weight on high pT without missing momentum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.studies.slepton.places import (
    BACKGROUNDS,
    BENCHMARK,
    MIN_RATIO,
    OTHER_DETECTORS,
    SOURCE,
    SPECTRA,
    VARIANTS,
    any_fit,
    benchmark_fit,
    masses_of,
    parameterised_fit,
    parameterised_score,
    retrained_fit,
    retrained_score,
    signal_name,
)
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

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared
    from massgap.studies.markdown import FurtherTable
    from massgap.studies.tables import Paper

__all__ = ["STUDY", "chapters_of", "compared"]

_OTHERS = SPECTRA[1:]
# One top pair in two hundred passes, half of them by chance of the detector: lost b tags, a jet below its threshold. Four responses
# to each count as 2.4 events at 1.35 of the time (W and tau pairs 1.35, for a tenth more time; signals pass more often).
_OF_BACKGROUNDS: dict[str, Any] = {"fast_taus": True, "responses": 4}
_OF_SIGNALS: dict[str, Any] = {"responses": 2}
_ALL_SAMPLES = ("samples/backgrounds", "samples/benchmark", "samples/spectra")
#: An electron and a muon: for control regions alone.
_EMU = "samples/emu"
_RUN: dict[str, Any] = {
    # The authors' own definition, and the order in which their public files count.
    "met": "objects",
    "order": "authors",
    "selections": ("low_mt2", "earlier"),
    "controls": ("tt", "WW"),
}
_STATISTICS_ONLY = {
    "default_normalisation": 0.0,
    "lumi_uncertainty": 0.0,
    "mc_statistics": "off",
    "systematics": False,
}
# All that belongs to the chain, by name: weights where the samples hold them. MET of objects has no unclustered part.
_VARIATIONS = ("jes", "jer", "muon_scale", "btag", "mistag", "mur", "muf", "pdf", "isr", "fsr")
_OF_ELECTRONS = "electron_scale"
# Region -> processes. Where one has a handful of simulated events, what a variation does to it is noise, or nothing at all.
_VARIED = {
    "precuts": ("signal", "tt", "WW", "tautau"),
    "cr_WW": ("tt", "WW"),
    "cr_tt": ("tt",),
    "cr_emu": ("tt", "WW", "tautau"),
}
# W pairs are flat in cos theta*, where tops and the signal fall: the shape tells them from both.
_WIDE_ANGLES = (0.0, 0.6, 0.7, 0.8, 0.9, 1.0)
_CONTROLS = (("cr_tt", "m_ll"), ("cr_WW", "cos_theta_star", _WIDE_ANGLES))
# Tops, W and tau pairs in each bin of the score, where the signal region has them.
_WITH_EMU = (*_CONTROLS, ("cr_emu", "score", tuple(0.1 * k for k in range(11))))
# How well the efficiencies of an electron and a muon are known relative to each other, with their triggers.
_E_OVER_MU = {"name": "e_over_mu", "kind": "lnN", "size": 0.02, "processes": ["*"], "channels": ["cr_emu"]}
# Tops are most of what either control region holds: they need no prior, WW keeps its own.
_CONSTRAINED = {"normalisation": {"tt": "free"}}


def chapters_of() -> tuple[Chapter, ...]:
    """Chapters of the report, loaded when one is written: declaring a study loads nothing heavy."""
    from massgap.studies.slepton.chapters import chapters

    return chapters()


def compared(folder: Path) -> list[Compared]:
    """The numbers of a folder beside the paper's."""
    from massgap.studies.slepton.validation import validate

    return validate(folder)


def further(folder: Path) -> list[FurtherTable]:
    """Tables of a folder that the paper has not."""
    from massgap.studies.slepton.numbers.folders import Folders
    from massgap.studies.slepton.numbers.gain import further_tables

    return further_tables(Folders.find(folder))


def printed() -> Paper:
    """The paper's numbers."""
    from massgap.studies.slepton.numbers.folders import paper

    return paper()


def _samples() -> list[GenerateStep]:
    others = tuple(signal_name(*spectrum) for spectrum in _OTHERS)
    return [
        GenerateStep(
            "samples/backgrounds",
            BACKGROUNDS,
            events=917_000,
            small=40_000,
            options=_OF_BACKGROUNDS,
        ),
        GenerateStep(
            "samples/benchmark",
            (signal_name(*BENCHMARK),),
            events=270_000,
            small=14_000,
            options=_OF_SIGNALS,
        ),
        GenerateStep(
            "samples/spectra", others, events=132_000, small=22_000, options=_OF_SIGNALS, quick=False
        ),
        GenerateStep(
            _EMU,
            ("slepton_emu",),
            events=72_000,
            small=10_000,
            options=_OF_BACKGROUNDS,
            words="generate backgrounds with an electron and a muon",
            quick=False,
        ),
    ]


def _other_detectors() -> list[Step]:
    """Some backgrounds with another response: what of Table I and its steps depends on it."""
    steps: list[Step] = []
    for name, options in OTHER_DETECTORS.items():
        samples = f"samples/{name}"
        steps += [
            GenerateStep(
                samples,
                ("mumu", "tautau", "tt", "ZZ"),
                events=12_000,
                small=1_500,
                options={**_OF_BACKGROUNDS, **options},
                words=f"generate backgrounds with {name.replace('_', ' ')}",
                quick=False,
                optional=True,
            ),
            RunStep(
                f"detectors/{name}",
                "slepton",
                samples,
                options={"met": "objects", "order": "authors"},
                words="run the processor over them",
                key="detectors",
                quick=False,
                optional=True,
            ),
        ]
    return steps


def _training(name: str, words: str, *, quick: bool = False, **options: Any) -> TrainStep:
    options.setdefault("signal", [signal_name(*BENCHMARK)])
    if name != "benchmark":
        options.update(importances=False, compare_protocols=False)
    return TrainStep(
        f"models/{name}",
        "run",
        options=options,
        words=f"train {words}",
        quick=quick,
        optional=name != "benchmark",
    )


def _trainings() -> list[TrainStep]:
    fixed = [
        _training("benchmark", "on the benchmark, and against each background alone", quick=True),
        _training("low_mt2", "after the cut on M_T2", region="low_mt2", quick=True),
        _training("earlier", "after the cuts of the earlier study", region="earlier", quick=True),
        _training("no_precuts", "without pre-cuts", region="topology", quick=True),
        _training("paper", "with the paper's stopping rule", protocol="paper"),
        _training("ten_folds", "in small steps and ten folds", recipe="slepton-ten-folds"),
        *(
            TrainStep(
                f"models/{name}",
                "run",
                options={"recipe": f"slepton-{name}", "importances": False, "compare_protocols": False},
                words=f"train {words}",
                quick=False,
                optional=True,
                cost=cost,
            )
            for name, words, cost in (
                ("any", "one classifier for all spectra", 60.0),
                ("parameterised", "one for all spectra that is told the masses", 120.0),
            )
        ),
    ]
    own = [
        _training(retrained_score(*spectrum), f"on {signal_name(*spectrum)}", signal=[signal_name(*spectrum)])
        for spectrum in _OTHERS
    ]
    return [*fixed, *own]


def _scores() -> dict[str, str]:
    """Score -> step that trained its model."""
    names = (
        "low_mt2",
        "earlier",
        "no_precuts",
        "paper",
        "ten_folds",
        "any",
        "parameterised",
        *(retrained_score(*each) for each in _OTHERS),
    )
    return {"score": "models/benchmark", **{name: f"models/{name}" for name in names}}


def _statistics(
    name: str, region: str, histogram: str, spectrum: tuple[int, int] = BENCHMARK, *, quick: bool = False
) -> FitStep:
    part = ((region, histogram),)
    of_spectra = name.startswith("fits/spectra/")
    return FitStep(
        name,
        "scored",
        parts=part,
        # Table IV is scanned where it is compared; of a few dozen fits 20 replicas tell the errors well enough.
        scans=() if of_spectra else part,
        fit={"replicas": 20} if of_spectra else {},
        scan={"min_ratio": MIN_RATIO},
        model=_STATISTICS_ONLY,
        options={"signal": signal_name(*spectrum)},
        words=f"fit {histogram} of {signal_name(*spectrum)} in {region}, statistics alone",
        quick=quick,
        optional=name != "fits/benchmark",
    )


def _fits_of_spectra() -> list[FitStep]:
    out = []
    for each in SPECTRA:
        told = f"score_{parameterised_score(*each)}"
        out += [
            _statistics(any_fit(*each), "precuts", "score_any", each),
            _statistics(parameterised_fit(*each), "precuts", told, each),
        ]
    for each in _OTHERS:
        own = f"score_{retrained_score(*each)}"
        out += [
            _statistics(benchmark_fit(*each), "precuts", "score", each),
            _statistics(retrained_fit(*each), "precuts", own, each),
        ]
    return out


def _complete(
    name: str, words: str, *, controls: tuple[tuple[Any, ...], ...] = (), statistics: bool = True
) -> FitStep:
    """A fit with uncertainties, of the run with variations."""
    regions = {"precuts", *(control[0] for control in controls)}
    emu = "cr_emu" in regions
    varied = [(variation, region) for variation in _VARIATIONS for region in _VARIED if region in regions]
    varied += [(_OF_ELECTRONS, "cr_emu")] if emu else []
    nuisances: list[dict[str, Any]] = [
        {"name": variation, "kind": "shape", "processes": list(_VARIED[region]), "channels": [region]}
        for variation, region in varied
    ]
    nuisances += [_E_OVER_MU] if emu else []
    return FitStep(
        name,
        "varied",
        parts=(("precuts", "score"),),
        scans=(("precuts", "score"),),
        scan={"min_ratio": MIN_RATIO},
        controls=controls,
        model={**(_CONSTRAINED if controls else {}), "mc_statistics": "lite" if statistics else "off"},
        # No variation but these: what has no entry would enter for all processes, as that of electrons where none is selected.
        nuisances={"nuisance": nuisances, "variations": "none"},
        options={"signal": signal_name(*BENCHMARK)},
        words=words,
        optional=True,
        quick=not emu,
    )


STUDY = Study(
    "slepton",
    title="Slepton pairs in two muons, one jet and missing momentum",
    source=SOURCE,
    luminosity=300.0,
    steps=(
        *_samples(),
        RunStep("run", "slepton", _ALL_SAMPLES, options=_RUN, words="run the slepton processor", cost=180.0),
        *_trainings(),
        RunStep(
            "scored",
            "slepton",
            _ALL_SAMPLES,
            _scores(),
            # One classifier at each of the spectra: a score each of the same trees.
            options={**_RUN, "hypothesis": {"parameterised": [masses_of(*each) for each in SPECTRA]}},
            words="run again with all scores inside the processor",
            key="score",
            cost=300.0,
        ),
        *(_statistics(fit, region, histogram, quick=True) for region, histogram, fit in VARIANTS.values()),
        _statistics("fits/paper", "precuts", "score_paper"),
        _statistics("fits/ten_folds", "precuts", "score_ten_folds"),
        *_fits_of_spectra(),
        RunStep(
            "varied",
            "slepton",
            ("samples/backgrounds", "samples/benchmark", _EMU),
            {"score": "models/benchmark"},
            options={**_RUN, "selections": (), "controls": (*_RUN["controls"], "emu")},
            wanted=(*_VARIATIONS, _OF_ELECTRONS),
            words="run again with jets and muons varied",
            key="vary",
            cost=400.0,
        ),
        _complete("fits/systematics", "fit with uncertainties"),
        _complete("fits/controls", "fit with uncertainties and control regions", controls=_CONTROLS),
        _complete(
            "fits/large_simulation",
            "the same, had the simulation no end",
            controls=_CONTROLS,
            statistics=False,
        ),
        _complete(
            "fits/emu",
            "fit with uncertainties and a third control region, of an electron and a muon",
            controls=_WITH_EMU,
        ),
        _complete(
            "fits/emu_large_simulation",
            "the same, had the simulation no end",
            controls=_WITH_EMU,
            statistics=False,
        ),
        PlaneStep(
            "plane",
            "scored",
            parts=(("precuts", "score_any"),),
            controls=_CONTROLS,
            model=_CONSTRAINED,
            fit={"replicas": 20},
            words="fit every spectrum with the one classifier",
            quick=False,
            optional=True,
        ),
        *_other_detectors(),
        ReportStep(
            "report.html",
            "varied",
            "models/benchmark",
            ("fits/controls", "fits/benchmark"),
            words="write the report",
        ),
    ),
    chapters=chapters_of,
    further=further,
    paper=printed,
    validate=compared,
)

"""The study of electroweakinos in vector boson fusion: own matrix element, a TabNet for each channel, a combined fit."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.events.variations import known_variations
from massgap.studies.electroweakino.places import (
    BENCHMARK,
    CHANNELS,
    COMBINED,
    ENDLESS,
    GRID,
    KINDS,
    LEPTONIC,
    LUMINOSITIES,
    NEAR,
    POINTS,
    SEEDS,
    TABLE_II,
    WITH_PYHF,
    PlanePlace,
    classifier,
    of_point,
    planes,
    trained_on,
)
from massgap.studies.study import FitStep, GenerateStep, PlaneStep, ReportStep, RunStep, Study, TrainStep

if TYPE_CHECKING:
    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared
    from massgap.studies.markdown import FurtherTable
    from massgap.studies.tables import Paper

__all__ = ["BACKGROUNDS", "NUISANCES", "STUDY", "VARIATIONS"]

NUISANCES = Path(__file__).with_name("nuisances.toml")
"""What the fits take for uncertain, from section V of the paper."""
BACKGROUNDS = (
    "tt_vbf",
    "Wlnu_vbf",
    "Zee_vbf",
    "Zmumu_vbf",
    "Ztautau_vbf",
    "WW_vbf",
    "WZ_lep_vbf",
    "ZZ_lep_vbf",
)
"""WZ and ZZ to leptons in place of all decays, of which too few have three leptons: with one or two, V + jets and tt are 100
times more."""
VARIATIONS = ("jes", "lepton_scale", "btag", "mistag")
"""What the scored run varies, as far as massgap knows it.  Scales and densities are not among it: their sizes are those of the
paper, in the file of nuisance parameters."""
_SAMPLES = ("samples/backgrounds", "samples/signals", "samples/grid")
_NOTHING_UNCERTAIN = {
    "default_normalisation": 0.0,
    "lumi_uncertainty": 0.0,
    "mc_statistics": "off",
    "systematics": False,
}


def _chapters() -> tuple[Chapter, ...]:
    # Loaded when a report is written.
    from massgap.studies.electroweakino.chapters import chapters

    return chapters()


def _validate(folder: Path) -> list[Compared]:
    from massgap.studies.electroweakino.validation import validate

    return validate(folder)


def _paper() -> Paper:
    from massgap.studies.electroweakino.validation import paper

    return paper()


def _further(folder: Path) -> list[FurtherTable]:
    from massgap.studies.electroweakino.further import further_tables

    return further_tables(folder)


def _nuisances() -> dict[str, Any]:
    return tomllib.loads(NUISANCES.read_text(encoding="utf-8"))


def _samples() -> list[GenerateStep]:
    return [
        GenerateStep(
            "table2/samples",
            tuple(f"vbf_N2C1_WZ_lep_600_{dm}" for dm in TABLE_II),
            events=40_000,
            small=4_000,
            options={"card": "perfect"},
            words="generate N2 C1 of 600 GeV with electrons and muons, as in Table II",
            key="generate table2",
        ),
        GenerateStep("samples/backgrounds", BACKGROUNDS, events=500_000, small=20_000),
        GenerateStep("samples/signals", NEAR, events=42_000, small=5_600),
        GenerateStep("samples/leptonic", tuple(LEPTONIC.values()), events=42_000, small=4_200),
        # Of the backgrounds these two alone have three leptons, and those above are few.
        GenerateStep(
            "samples/leptonic_backgrounds",
            ("WZ_lep_vbf", "ZZ_lep_vbf"),
            events=60_000,
            small=6_000,
            further_seed=1000,
        ),
        GenerateStep(
            "samples/grid",
            tuple(name for name in GRID if name not in NEAR),
            events=192_000,
            small=6_400,
            quick=False,
        ),
    ]


def _training(place: str, words: str, *, quick: bool = False, **options: Any) -> TrainStep:
    """A training in the channel that its folder is called after; signal events count one, whatever the rate of their mass."""
    channel = place.rpartition("/")[2]
    own: dict[str, Any] = {
        "name": channel,
        "region": channel,
        "negative_weights": "absolute",
        "weighting": "signal_counts",
    }
    wanted = classifier(channel) == place
    if not wanted:
        own |= {"compare_protocols": False}
    if channel == "3l" and "signal" in options:
        options["signal"] = [LEPTONIC[name] for name in options["signal"]]
    return TrainStep(
        place,
        trained_on(channel),
        options={**own, **options},
        words=f"train {words}, {channel}",
        key=f"train {channel}",
        quick=quick,
        optional=not wanted,
    )


def _trainings() -> list[TrainStep]:
    every = [_training(classifier(c), "one TabNet for all masses", quick=True) for c in CHANNELS]
    kinds = [
        _training(classifier(c, kind), KINDS[kind], quick=c == "2l", classifier=kind, importances=False)
        for kind in KINDS
        if kind != "tabnet"
        for c in CHANNELS
    ]
    seeds = [
        _training(classifier(c, seed=seed), f"with seed {seed}", quick=c == "2l", seed=seed)
        for seed in SEEDS[1:]
        for c in CHANNELS
    ]
    points = [
        _training(of_point(c, name), f"on {name}", quick=(c, name) == ("2l", BENCHMARK), signal=[name])
        for name in POINTS
        for c in CHANNELS
    ]
    return [*every, *kinds, *seeds, *points]


def _plane(place: PlanePlace, folder: str = "", *, engine: str = "massgap", **model: Any) -> PlaneStep:
    chosen = CHANNELS if place.channel == COMBINED else (place.channel,)
    words = "all channels" if place.channel == COMBINED else place.channel
    quick = place.model == "WZ" and not folder
    if folder == ENDLESS:
        words += ", had the simulation no end"
    elif folder == WITH_PYHF:
        words += ", with pyhf"
    return PlaneStep(
        folder or place.folder,
        "scored",
        model=model,
        parts=tuple((channel, f"score_{channel}") for channel in chosen),
        nuisances=_nuisances(),
        fit={"replicas": 0, "engine": engine},
        options={
            "luminosities": list(LUMINOSITIES) if engine == "massgap" else [LUMINOSITIES[-1]],
            "xsec": place.normalisation,
            "plane_options": {"signals": [f"vbf_wino_{place.model}_[0-9]*"]},
        },
        words=f"test the signals {place.model} in {words}, cross sections: {place.normalisation}",
        key="planes",
        quick=quick,
        optional=place.channel != COMBINED or not quick,
        cost=600.0 if place.channel == COMBINED else 150.0,
    )


STUDY = Study(
    "electroweakino",
    title="Electroweakinos in vector boson fusion: two jets, missing momentum, one to three leptons",
    source="U. S. Qureshi, A. Gurrola and A. Florez, Probing Compressed Mass Spectrum Supersymmetry at the LHC with the "
    "Vector Boson Fusion Topology",
    luminosity=3000.0,
    steps=(
        *_samples(),
        RunStep("table2/run", "electroweakino", "table2/samples", words="count leptons", key="run table2"),
        RunStep("run", "electroweakino", _SAMPLES, words="run the electroweakino processor"),
        RunStep(
            "leptonic",
            "electroweakino",
            ("samples/leptonic", "samples/leptonic_backgrounds"),
            words="run it over what decays to electrons and muons, for three leptons",
        ),
        *_trainings(),
        RunStep(
            "scored",
            "electroweakino",
            _SAMPLES,
            {name: classifier(name) for name in CHANNELS},
            options={"variations": [name for name in VARIATIONS if name in known_variations()]},
            words="run again with the three scores inside the processor",
            key="score",
        ),
        FitStep(
            "fits/benchmark",
            "scored",
            scans=(),
            nuisances=_nuisances(),
            fit={"replicas": 10},
            options={"signal": BENCHMARK},
            words=f"fit the three channels together, {BENCHMARK}",
        ),
        FitStep(
            "fits/nothing_uncertain",
            "scored",
            scans=(),
            model=_NOTHING_UNCERTAIN,
            fit={"replicas": 0},
            options={"signal": BENCHMARK},
            words="the same had the fit no uncertainty, for the closed form",
        ),
        *(_plane(place) for place in planes()),
        _plane(PlanePlace("WZ", "own", COMBINED), ENDLESS, mc_statistics="off"),
        _plane(PlanePlace("WZ", "own", "3l"), WITH_PYHF, engine="pyhf"),
        ReportStep("report.html", "scored", "models/2l", "fits/benchmark", words="write the report"),
    ),
    chapters=_chapters,
    further=_further,
    paper=_paper,
    validate=_validate,
)

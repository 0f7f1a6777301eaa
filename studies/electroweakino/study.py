"""The study of electroweakinos in vector boson fusion: own matrix element, a TabNet for each channel, a combined fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.studies.study import FitStep, GenerateStep, ReportStep, RunStep, Study, TrainStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared

__all__ = ["CHANNELS", "NUISANCES", "STUDY", "TABLE_II"]

CHANNELS = ("1l", "2l", "3l")
NUISANCES = Path(__file__).with_name("nuisances.toml")
"""What the fits take for uncertain, from section V of the paper."""
TABLE_II = (10, 25, 50, 75)
"""Mass gaps, GeV, whose multiplicities are compared: below, more than half of the events have no lepton."""
_POINTS = tuple(f"vbf_wino_WZ_lep_{m}_{dm}" for m in (200, 400) for dm in (25, 50))

_LEPTONIC = ("WZ_lep_vbf", "ZZ_lep_vbf")
"""In place of all decays, of which too few have three leptons: with one or two, V + jets and tt are 100 times more."""


class _FitOptions(Mapping[str, Any]):
    """Options of the fit, made when it begins: declaring a study loads nothing heavy."""

    def __getitem__(self, name: str) -> Any:
        from massgap.fits.plan import FitOptions
        from massgap.fits.workspaces.nuisances import read_nuisances
        from massgap.fits.workspaces.workspace import WorkspaceOptions

        if name != "options":
            raise KeyError(name)
        return FitOptions(model=WorkspaceOptions(nuisances=read_nuisances(NUISANCES)))

    def __iter__(self) -> Iterator[str]:
        return iter(("options",))

    def __len__(self) -> int:
        return 1


def _chapters() -> tuple[Chapter, ...]:
    # Loaded when a report is written.
    from massgap.studies.electroweakino.chapters import chapters

    return chapters()


def _validate(folder: Path) -> list[Compared]:
    from massgap.studies.electroweakino.validation import validate

    return validate(folder)


STUDY = Study(
    "electroweakino",
    title="Electroweakinos in vector boson fusion: two jets, missing momentum, one to three leptons",
    source="U. S. Qureshi, A. Gurrola and A. Florez, Probing Compressed Mass Spectrum Supersymmetry at the LHC with the "
    "Vector Boson Fusion Topology",
    luminosity=3000.0,
    steps=(
        GenerateStep(
            "table2/samples",
            tuple(f"vbf_N2C1_WZ_lep_600_{dm}" for dm in TABLE_II),
            events=40_000,
            small=4_000,
            options={"card": "perfect"},
            words="generate N2 C1 of 600 GeV with electrons and muons, as in Table II",
            key="generate table2",
        ),
        RunStep("table2/run", "electroweakino", "table2/samples", words="count leptons", key="run table2"),
        GenerateStep(
            "samples",
            (
                *_POINTS,
                *("tt_vbf", "Wlnu_vbf", "Zee_vbf", "Zmumu_vbf", "Ztautau_vbf", "WW_vbf", *_LEPTONIC),
            ),
            events=600_000,
            small=24_000,
        ),
        RunStep("run", "electroweakino", "samples", words="run the electroweakino processor"),
        *(
            TrainStep(
                f"models/{name}",
                "run",
                options={"name": name, "region": name, "negative_weights": "absolute"},
                words=f"train the TabNet of {name}",
                key=f"train {name}",
            )
            for name in CHANNELS
        ),
        RunStep(
            "scored",
            "electroweakino",
            "samples",
            {name: f"models/{name}" for name in CHANNELS},
            options={"variations": ["jes", "lepton_scale"]},
            words="run again with the three scores inside the processor",
            key="score",
        ),
        FitStep(
            "scored/fit",
            "scored",
            options=_FitOptions(),
            words="fit the three channels together",
        ),
        ReportStep("report.html", "scored", "models/2l", "scored/fit", words="write the report"),
    ),
    chapters=_chapters,
    validate=_validate,
)

"""Where the parts of the study are: its signals, trainings and planes by name."""

from __future__ import annotations

from typing import NamedTuple

from massgap.samples.processes.electroweakino import ELECTROWEAKINO_GRIDS

__all__ = [
    "BENCHMARK",
    "CHANNELS",
    "COMBINED",
    "ENDLESS",
    "GRID",
    "KINDS",
    "LEPTONIC",
    "LUMINOSITIES",
    "MODELS",
    "NEAR",
    "NORMALISATIONS",
    "POINTS",
    "SEEDS",
    "TABLE_II",
    "WITH_PYHF",
    "PlanePlace",
    "classifier",
    "of_point",
    "planes",
    "trained_on",
]

CHANNELS = ("1l", "2l", "3l")
COMBINED = "combined"
ENDLESS = "planes/WZ_own/endless"
"""The combined plane of the own cross sections without the statistics of the simulation."""
WITH_PYHF = "planes/WZ_own/3l_pyhf"
"""The plane of three leptons at the largest luminosity, computed by pyhf."""
LUMINOSITIES = (137.0, 300.0, 3000.0)
"""fb-1: of now, of Run 3, and of the high-luminosity LHC."""
MODELS = ("WZ", "slepton")
NORMALISATIONS = ("own", "paper")
TABLE_II = (10, 25, 50, 75)
"""Mass gaps, GeV, whose multiplicities are compared: below, more than half of the events have no lepton."""
BENCHMARK = "vbf_wino_WZ_600_25"
"""The signal of the paper's numbers on the network."""
POINTS = tuple(f"vbf_wino_WZ_{m}_{dm}" for m in (200, 600) for dm in (10, 25, 50))
"""Signals that have classifiers of their own, and those of the small form."""
GRID = ELECTROWEAKINO_GRIDS["vbf_wino_grid"]
NEAR = (*POINTS, "vbf_wino_WZ_650_25")
"""Those of the small form; that of 650 GeV is there for its cross section."""
LEPTONIC = {name: name.replace("_WZ_", "_WZ_lep_") for name in NEAR}
"""Signals of the small form -> those with decays to electrons and muons alone, on which classifiers of three leptons are trained: of 5,600 events with
all decays 5 have three leptons."""
KINDS = {"tabnet": "TabNet", "bdt": "BDT", "mlp": "dense network", "tabm": "TabM"}
"""Classifiers that are compared on the same folds, as the trainer calls them, and how tables do."""
SEEDS = (1, 2, 3)
"""Of the trainings whose importances are compared."""


def classifier(channel: str, kind: str = "tabnet", seed: int = 1) -> str:
    """Model folder of the classifier for all masses.

    >>> classifier("2l"), classifier("2l", "bdt"), classifier("2l", seed=3)
    ('models/2l', 'models/bdt/2l', 'models/seed3/2l')
    """
    if seed != 1:
        return f"models/seed{seed}/{channel}"
    return f"models/{channel}" if kind == "tabnet" else f"models/{kind}/{channel}"


def trained_on(channel: str) -> str:
    """The run whose events a classifier of a channel is trained on.

    >>> trained_on("2l"), trained_on("3l")
    ('run', 'leptonic')
    """
    return "leptonic" if channel == "3l" else "run"


def of_point(channel: str, signal: str = BENCHMARK) -> str:
    """Model folder of the classifier of one signal.

    >>> of_point("2l")
    'models/600_25/2l'
    """
    return f"models/{signal.removeprefix('vbf_wino_WZ_')}/{channel}"


class PlanePlace(NamedTuple):
    """A plane: model of the decays, set of cross sections, channel (or all of them), and its folder."""

    model: str
    normalisation: str
    channel: str

    @property
    def folder(self) -> str:
        """Relative to that of the study.

        >>> PlanePlace("WZ", "own", "2l").folder
        'planes/WZ_own/2l'
        """
        return f"planes/{self.model}_{self.normalisation}/{self.channel}"


def planes() -> list[PlanePlace]:
    """All of them, the combined ones first."""
    return [
        PlanePlace(model, normalisation, channel)
        for model in MODELS
        for normalisation in NORMALISATIONS
        for channel in (COMBINED, *CHANNELS)
    ]

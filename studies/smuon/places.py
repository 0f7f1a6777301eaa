"""What the study of smuons is made of: masses, scores, and where its folder has what."""

from __future__ import annotations

__all__ = [
    "BACKGROUNDS",
    "COUNTED",
    "FRACTIONS",
    "LUMINOSITIES",
    "NETWORKS",
    "PLANE",
    "SCALES",
    "SCORES",
    "SEEDS",
    "TESTED",
    "TRAINED",
    "fraction_place",
    "seed_place",
    "signal_name",
    "signal_of_row",
]

BACKGROUNDS = ("tt_2mu", "WW_2mu", "ZZ_2mu", "WZ_2mu")
TRAINED = (
    (100, 0), (100, 25), (200, 0), (200, 50), (200, 100), (200, 150), (300, 0), (300, 50), (300, 100), (300, 200),
    (300, 250), (400, 0), (400, 200), (400, 350), (500, 0), (500, 100), (500, 300), (500, 450),
)  # fmt: skip
"""Masses of the signals that the paper trains on (its Table VIII), GeV."""
TESTED = ((600, 0), (700, 0))
"""Further ones that the networks have not seen: for Table IV, and for how far they reach."""
SCALES = ((200, 150), (600, 0), (500, 300))
"""Those of Table IV, whose scale errors are printed."""
LUMINOSITIES = (139.0, 300.0, 3000.0)
"""fb-1, of the paper's figures 3 and 4."""
SCORES = {
    "low": "the paper's network for low masses",
    "high": "the paper's network for high masses",
    "bdt": "boosted trees",
    "all": "one network of all features",
    "lowlevel": "one network of low-level features",
    "derived": "one network of high-level and derived features",
}
NETWORKS = {"low": "smuonR_300_0", "high": "smuonR_500_0", "all": "smuonR_500_0"}
"""Score that is fitted in bins -> its signal."""
COUNTED = "smuonR_500_0"
"""Signal of which the table of gains speaks."""
SEEDS = (1, 2, 3, 4, 5)
FRACTIONS = (0.25, 0.5)


def _grid() -> tuple[tuple[int, int], ...]:
    """The plane's 154 points: 25 masses of the smuon every 25 GeV; the paper names 18 of its 154, and shows the rest as a figure."""
    regular = {(m, lsp) for m in range(100, 701, 25) for lsp in range(0, min(m - 50, 300) + 1, 50)}
    compressed = {(m, m - 50) for m in (425, 450, 475, 525, 550, 575)}
    return tuple(sorted(regular | compressed | set(TRAINED)))


GRID = _grid()
PLANE = tuple(masses for masses in GRID if masses not in (*TRAINED, *TESTED))
"""The plane's points that are neither trained on nor tested by themselves."""


def signal_name(m: int, lsp: int) -> str:
    """Process of a point of the plane.

    Examples
    --------
    >>> signal_name(200, 50)
    'smuonR_200_50'
    """
    return f"smuonR_{m}_{lsp}"


def signal_of_row(row: str) -> str:
    """Process of a row of the paper's tables.

    Examples
    --------
    >>> signal_of_row("200/50")
    'smuonR_200_50'
    """
    m, lsp = row.split("/")
    return signal_name(int(m), int(lsp))


def seed_place(seed: int) -> str:
    """Where the network of all features with a seed is."""
    return f"trainings/seed_{seed}"


def fraction_place(part: float) -> str:
    """Where the network of all features is that saw a part of the events, in per cent.

    Examples
    --------
    >>> fraction_place(0.25)
    'trainings/25_percent'
    """
    return f"trainings/{100 * part:.0f}_percent"

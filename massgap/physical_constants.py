"""Masses and widths of known particles, GeV: one table for the whole package.

What is measured is the Particle Data Group's average, with the year of its Review.  Where a cross section, a sample or an
observable was made with another edition's number, that number stands here too, under its year: a constant that moves
changes results, and only somebody who wants that may do it.  What a generator is set to is not a measurement: Pythia's own
settings are named so, and what compares with its events takes them.
"""

from __future__ import annotations

__all__ = [
    "ELECTRON_MASS",
    "HIGGS_MASS",
    "MUON_MASS",
    "MUON_MASS_ROUNDED",
    "NEUTRAL_PION_MASS",
    "PION_MASS",
    "PYTHIA_ELECTRON_MASS",
    "PYTHIA_MUON_MASS",
    "PYTHIA_TOP_MASS",
    "PYTHIA_TOP_WIDTH",
    "PYTHIA_W_LINE_WIDTH",
    "PYTHIA_W_MASS",
    "PYTHIA_W_WIDTH",
    "PYTHIA_Z_LINE_WIDTH",
    "PYTHIA_Z_MASS",
    "PYTHIA_Z_WIDTH",
    "RHO_MASS",
    "RHO_WIDTH",
    "TAU_MASS",
    "TOP_MASS",
    "W_MASS",
    "W_MASS_2018",
    "W_WIDTH",
    "Z_MASS",
    "Z_MASS_ROUNDED",
    "Z_WIDTH",
]

# --- leptons

ELECTRON_MASS = 0.00051099895
"""Electron: PDG 2022."""

MUON_MASS = 0.1056583755
"""Muon: PDG 2022."""

MUON_MASS_ROUNDED = 0.10565837
"""The same with fewer digits: reconstructed muons of the detector simulation, whose energies and so jets have always had it."""

TAU_MASS = 1.77686
"""Tau: PDG 2022 (1.77693 since 2024)."""

# --- bosons

Z_MASS = 91.1876
"""Z: PDG 2022, the same since 2002."""

Z_MASS_ROUNDED = 91.19
"""The same with fewer digits: where processes of the samples are cut at the Z peak. Another last digit moves events across."""

Z_WIDTH = 2.4952
"""Z: PDG 2020 (2.4955 since 2022)."""

W_MASS = 80.377
"""W: PDG 2022, without the measurement of CDF."""

W_MASS_2018 = 80.379
"""W: PDG 2018 and 2020. Observables that solve for the neutrino were defined, and their references made, with it."""

W_WIDTH = 2.085
"""W: PDG 2022, the same since 2010."""

HIGGS_MASS = 125.0
"""Higgs boson: the rounded value of Pythia and of most simulated samples (PDG 2022: 125.25)."""

# --- quarks and hadrons

TOP_MASS = 172.5
"""Top quark: what the LHC experiments simulate (PDG 2022: 172.69)."""

PION_MASS = 0.13957
"""Charged pion: PDG 2022, rounded as Pythia has it (0.13957039)."""

NEUTRAL_PION_MASS = 0.13498
"""Neutral pion: PDG 2022, rounded as Pythia has it (0.1349768)."""

RHO_MASS, RHO_WIDTH = 0.775, 0.149
"""Rho(770): PDG 2022, rounded (0.77526, 0.1474 charged and 0.1491 from e+ e- annihilation): the pion form factor's peak."""

# --- what Pythia 8.317 is set to

PYTHIA_Z_MASS, PYTHIA_Z_WIDTH = 91.1876, 2.4952
"""``23:m0`` and ``23:mWidth`` by default."""

PYTHIA_W_MASS, PYTHIA_W_WIDTH = 80.385, 2.085
"""``24:m0`` and ``24:mWidth`` by default: PDG 2012 to 2016."""

PYTHIA_TOP_MASS, PYTHIA_TOP_WIDTH = 173.0, 1.40
"""``6:m0`` and ``6:mWidth`` by default."""

PYTHIA_Z_LINE_WIDTH, PYTHIA_W_LINE_WIDTH = 2.5042, 2.0923
"""Widths that Pythia computes from its couplings when it starts, and with which it draws the masses of Z and W."""

PYTHIA_MUON_MASS, PYTHIA_ELECTRON_MASS = 0.10566, 0.000511
"""``13:m0`` and ``11:m0``: thresholds of decays that Pythia makes."""

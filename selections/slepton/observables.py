"""The 27 observables of Table II of the slepton paper: names, labels, units, binning, and groups as printed there."""

from __future__ import annotations

import math

from massgap.contracts.description import Feature

__all__ = ["FEATURES", "FEATURE_NAMES"]

# Group -> rows of name, label, unit, range and number of bins, and what it is.
_TABLE_II: dict[str, tuple[tuple[str, str, str, float, float, int, str], ...]] = {
    "Invariant masses": (
        ("m_ll", r"$m_{\ell\ell}$", "GeV", 0, 500, 50, "Invariant mass of the two leptons"),
        ("m_j", r"$m_{j}$", "GeV", 0, 60, 60, "Mass of the jet"),
    ),
    "Mass-like constructions": (
        ("mt2_0", r"$M_{T2}^{0}$", "GeV", 0, 200, 50, "Stransverse mass for massless invisible particles"),
        (
            "mt2_100",
            r"$M_{T2}^{100}$",
            "GeV",
            100,
            250,
            75,
            "Stransverse mass for invisible particles of 100 GeV",
        ),
        ("m_tautau", r"$m_{\tau\tau}$", "GeV", -1000, 1000, 80, "Signed ditau mass with the jet as recoil"),
    ),
    "Transverse scales": (
        ("met", r"$E_{T}^{miss}$", "GeV", 0, 500, 50, "Missing transverse momentum"),
        ("ht", r"$H_{T}$", "GeV", 0, 600, 60, "Scalar sum of the jets' transverse momenta"),
        ("meff", r"$M_{eff}$", "GeV", 0, 1000, 50, "Sum of missing transverse momentum and scalar jet sum"),
    ),
    "Transverse momentum values": (
        ("pt_l1", r"$p_{T}^{\ell_1}$", "GeV", 0, 300, 60, "Transverse momentum of the leading lepton"),
        ("pt_l2", r"$p_{T}^{\ell_2}$", "GeV", 0, 150, 50, "Transverse momentum of the second lepton"),
        ("pt_j", r"$p_{T}^{j}$", "GeV", 0, 500, 50, "Transverse momentum of the jet"),
    ),
    "Scale ratios": (
        (
            "ratio_mt2",
            r"$(M_{T2}^{100} - 100\,GeV) / M_{T2}^{0}$",
            "",
            0,
            20,
            50,
            "Ratio of the two excess masses",
        ),
        (
            "pt_l1_over_met",
            r"$p_{T}^{\ell_1} / E_{T}^{miss}$",
            "",
            0,
            5,
            50,
            "Leading lepton over missing momentum",
        ),
        (
            "pt_l2_over_met",
            r"$p_{T}^{\ell_2} / E_{T}^{miss}$",
            "",
            0,
            3,
            50,
            "Second lepton over missing momentum",
        ),
        ("pt_j_over_met", r"$p_{T}^{j} / E_{T}^{miss}$", "", 0, 5, 50, "Jet over missing momentum"),
    ),
    "Azimuthal angular separations": (
        (
            "dphi_l1_met",
            r"$|\Delta\phi(\ell_1, E_{T}^{miss})|$",
            "rad",
            0,
            math.pi,
            32,
            "Leading lepton to missing momentum",
        ),
        (
            "dphi_l2_met",
            r"$|\Delta\phi(\ell_2, E_{T}^{miss})|$",
            "rad",
            0,
            math.pi,
            32,
            "Second lepton to missing momentum",
        ),
        ("dphi_j_met", r"$|\Delta\phi(j, E_{T}^{miss})|$", "rad", 0, math.pi, 32, "Jet to missing momentum"),
        ("dphi_l1_l2", r"$|\Delta\phi(\ell_1, \ell_2)|$", "rad", 0, math.pi, 32, "Between the leptons"),
        ("dphi_l1_j", r"$|\Delta\phi(\ell_1, j)|$", "rad", 0, math.pi, 32, "Leading lepton to jet"),
        ("dphi_l2_j", r"$|\Delta\phi(\ell_2, j)|$", "rad", 0, math.pi, 32, "Second lepton to jet"),
    ),
    "Rapidity separations": (
        (
            "cos_theta_star",
            r"$|\cos\theta^{*}|$",
            "",
            0,
            1,
            50,
            "Scattering angle of the leptons, boosted along the beam",
        ),
        (
            "tanh_deta_l1_j",
            r"$\tanh|\Delta\eta(\ell_1, j)|$",
            "",
            0,
            1,
            50,
            "Leading lepton to jet in pseudorapidity",
        ),
        (
            "tanh_deta_l2_j",
            r"$\tanh|\Delta\eta(\ell_2, j)|$",
            "",
            0,
            1,
            50,
            "Second lepton to jet in pseudorapidity",
        ),
    ),
    "Rapidity values": (
        ("eta_l1", r"$\eta^{\ell_1}$", "", -2.5, 2.5, 50, "Pseudorapidity of the leading lepton"),
        ("eta_l2", r"$\eta^{\ell_2}$", "", -2.5, 2.5, 50, "Pseudorapidity of the second lepton"),
        ("eta_j", r"$\eta^{j}$", "", -2.5, 2.5, 50, "Pseudorapidity of the jet"),
    ),
}

FEATURES: tuple[Feature, ...] = tuple(
    Feature(*row, group) for group, rows in _TABLE_II.items() for row in rows
)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

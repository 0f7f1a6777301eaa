"""What searches with two muons share: settings and cross sections of their backgrounds, and pairs of smuons.

Cross sections are leading order without K factors at 13 TeV, those of the hard process with the given settings (decays
that Pythia counts included); the filters' efficiency is counted during generation and multiplied onto them. They were
measured with Pythia 8.317 (NNPDF2.3 LO, its default) by ``massgap.samples.pythia.driver.measure_xsec`` with 200,000 events
each, relative error 0.3 % or below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.samples.physics.cross_sections import smuon_pair_xsec_fb
from massgap.samples.physics.spectra import smuon_decay, smuon_settings, smuon_slha
from massgap.samples.processes.process import COMPUTED, LO, TOP_PAIRS, CrossSection, Process, met_slices

if TYPE_CHECKING:
    from massgap.samples.processes.filters import DimuonFilter

__all__ = [
    "DRELL_YAN",
    "GENERATOR_TWO_W",
    "GENERATOR_TWO_W_MIXED",
    "TAU_TO_E",
    "TAU_TO_MU",
    "TT",
    "TT_MIXED",
    "WW",
    "WW_MIXED",
    "WZ",
    "XSEC_TT",
    "XSEC_TT_MIXED",
    "XSEC_WW",
    "XSEC_WW_MIXED",
    "XSEC_WZ",
    "XSEC_ZZ_LEPTONS",
    "ZZ",
    "ZZ_LEPTONS",
    "smuon_pairs",
]

#: Branching ratios of tau to mu and to e in Pythia 8.317.
TAU_TO_MU, TAU_TO_E = 0.1731, 0.1773
# W to mu, and to tau as often as a tau becomes a muon: mode 103 keeps the given ratios, the width stays that of all
# decays. sigma(Pythia, W to mu or tau) times ((1 + TAU_TO_MU) / 2)^2 is then the cross section.
_W_LEPTONS = (
    "24:doForceWidth = on",
    f"24:oneChannel = 1 {1 / (1 + TAU_TO_MU):.6f} 103 -13 14",
    f"24:addChannel = 1 {TAU_TO_MU / (1 + TAU_TO_MU):.6f} 103 -15 16",
)
_TWO_W = ((1 + TAU_TO_MU) / 2) ** 2
# Pythia's own number with these settings is that of all W decays; BR(W -> mu nu) of its table is 0.1080
_W_TO_MU = 0.1080
GENERATOR_TWO_W = (_W_TO_MU * (1 + TAU_TO_MU)) ** 2
# The same with electrons, of which pairs of one flavour are dropped: W to e, mu, and to tau as often as it becomes one of them.
_MIXED = 2 + TAU_TO_MU + TAU_TO_E
_W_MIXED = (
    "24:doForceWidth = on",
    f"24:oneChannel = 1 {1 / _MIXED:.6f} 103 -13 14",
    f"24:addChannel = 1 {1 / _MIXED:.6f} 103 -11 12",
    f"24:addChannel = 1 {1 - 2 / _MIXED:.6f} 103 -15 16",
)
GENERATOR_TWO_W_MIXED = (_W_TO_MU * _MIXED) ** 2
TT, TT_MIXED = ((*TOP_PAIRS, *of_w) for of_w in (_W_LEPTONS, _W_MIXED))
WW, WW_MIXED = (("WeakDoubleBoson:ffbar2WW = on", *of_w) for of_w in (_W_LEPTONS, _W_MIXED))
ZZ = ("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 50.")
ZZ_LEPTONS = (*ZZ, "23:onMode = off", "23:onIfAny = 12 13 14 15 16")
WZ = ("WeakDoubleBoson:ffbar2ZW = on", "23:mMin = 50.", "23:onMode = off", "23:onIfAny = 13 15")
DRELL_YAN = (
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "23:mMin = 10.",
    "23:onMode = off",
)
XSEC_TT, XSEC_WW, XSEC_ZZ_LEPTONS, XSEC_WZ = 23.76e3 * _TWO_W, 3008.0 * _TWO_W, 660.8, 1569.0
XSEC_TT_MIXED, XSEC_WW_MIXED = 23.76e3 * (_MIXED / 2) ** 2, 3008.0 * (_MIXED / 2) ** 2


def smuon_pairs(
    name: str,
    chirality: str,
    m: float,
    m_lsp: float,
    slices: tuple[tuple[float, float], ...],
    wanted: DimuonFilter,
    card: str,
) -> Process:
    """Pairs of smuons that decay to a muon and the lightest neutralino, in slices of the missing momentum.

    Parameters
    ----------
    name : str
        Name of the process.
    chirality : {"left", "right"}
        Partners of left- or right-handed muons.
    m, m_lsp : float
        Masses of smuon and neutralino (GeV).
    slices : tuple
        Lower edge (GeV) and share of each slice.
    wanted : DimuonFilter
        Which events are wanted; its edges are those of the slices.
    card : str
        Detector card that suits the search.
    """
    return Process(
        name=name,
        description=f"{chirality}-handed smuon pairs, m = {m:g}, neutralino {m_lsp:g} GeV",
        source=f"{LO}; cross section: {COMPUTED} slepton pairs is wrong (its shapes are kept)",
        settings=smuon_settings(chirality),
        tranches=met_slices(*slices),
        xsec_rule=CrossSection(smuon_pair_xsec_fb, (m, chirality)),
        is_signal=True,
        masses={"m_slepton": m, "m_lsp": m_lsp},
        slha=smuon_slha(m, m_lsp, chirality),
        scalars=smuon_decay(m_lsp, chirality),
        card=card,
        filter=wanted,
    )

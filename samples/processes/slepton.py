"""Backgrounds of the slepton search (two muons, one hard jet, missing momentum) and of the smuon search without jets.

Cross sections are leading order without K factors, as in the slepton paper, at 13 TeV. ``xsec_fb`` is that of the
hard process with the given settings (decays that Pythia counts included); the filters' efficiency is counted during
generation and multiplied onto it. They were measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.driver.measure_xsec`` with 200,000 events each, relative error 0.3 % or below.
"""

from __future__ import annotations

from massgap.samples.processes.process import (
    DimuonFilter,
    Process,
    Tranche,
    met_slices,
    phase_space_slices,
)

__all__ = ["LO", "SLEPTON_BACKGROUNDS", "SMUON_BACKGROUNDS", "TAU_TO_MU"]

LO = "Pythia 8.317, internal leading-order process"
#: Branching ratio of tau to mu in Pythia 8.317.
TAU_TO_MU = 0.1731
# W to mu, and to tau as often as a tau becomes a muon: mode 103 keeps the given ratios, the width stays that of all
# decays. sigma(Pythia, W to mu or tau) times ((1 + TAU_TO_MU) / 2)^2 is then the cross section.
_W_LEPTONS = (
    "24:doForceWidth = on",
    f"24:oneChannel = 1 {1 / (1 + TAU_TO_MU):.6f} 103 -13 14",
    f"24:addChannel = 1 {TAU_TO_MU / (1 + TAU_TO_MU):.6f} 103 -15 16",
)
_TWO_W = ((1 + TAU_TO_MU) / 2) ** 2
# Pythia's own number with these settings is that of all W decays; BR(W -> mu nu) of its table is 0.1080
_GENERATOR_TWO_W = (0.1080 * (1 + TAU_TO_MU)) ** 2
_TT = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_W_LEPTONS)
_WW = ("WeakDoubleBoson:ffbar2WW = on", *_W_LEPTONS)
_ZZ = ("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 50.")
_ZZ_LEPTONS = (*_ZZ, "23:onMode = off", "23:onIfAny = 12 13 14 15 16")
_WZ = ("WeakDoubleBoson:ffbar2ZW = on", "23:mMin = 50.", "23:onMode = off", "23:onIfAny = 13 15")
_DRELL_YAN = (
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "23:mMin = 10.",
    "23:onMode = off",
)
_XSEC_TT, _XSEC_WW, _XSEC_ZZ_LEPTONS, _XSEC_WZ = 23.76e3 * _TWO_W, 3008.0 * _TWO_W, 660.8, 1569.0
_EDGES = (0.0, 40.0, 95.0)


def _dimuon(on_peak: bool) -> Process:
    """Z/gamma* + jet to muons, near the Z mass or away from it, where the search looks."""
    # low recoil on the peak and high recoil off it
    shares = (1.5, 2.5, 2.0, 1.0, 0.7, 0.3) if on_peak else (1.0, 1.0, 2.5, 3.5, 3.0, 1.0)
    edges = (20, 50, 100, 200, 400, 800)
    xsec = (488.4e3, 102.7e3, 20.07e3, 2012.0, 113.5, 3.403)
    return Process(
        name=f"mumu_{'peak' if on_peak else 'offpeak'}",
        process="mumu",
        description=(
            "Z/gamma* + jet -> mu mu, m > 10 GeV, pT of the recoil above 20 GeV, "
            f"{'within' if on_peak else 'beyond'} 8 GeV of the Z mass"
        ),
        source=LO,
        settings=(*_DRELL_YAN, "23:onIfAny = 13"),
        tranches=phase_space_slices("pT_hat", *zip(edges, shares, xsec, strict=True)),
        inclusive_xsec_fb=(614.8e3, 0.6e3),
        filter=DimuonFilter(on_peak=on_peak),
        qcd_order=1,
    )


SLEPTON_BACKGROUNDS = (
    *(_dimuon(on_peak) for on_peak in (True, False)),
    Process(
        name="tautau",
        description="Z/gamma* + jet -> tau tau -> mu mu, m > 10 GeV, pT of the recoil above 20 GeV",
        source=LO,
        settings=(*_DRELL_YAN, "23:onIfAny = 15"),
        tranches=phase_space_slices(
            "pT_hat",
            (20, 1.5, 487.6e3),
            (50, 2.0, 102.5e3),
            (100, 8.0, 20.04e3),
            (200, 13.0, 2008.0),
            (400, 1.5, 116.5),
        ),
        inclusive_xsec_fb=(613.6e3, 0.6e3),
        filter=DimuonFilter(ditau=True),
        qcd_order=1,
    ),
    Process(
        name="tt",
        description="top pairs, both W to a muon (tau -> mu included)",
        source=LO,
        settings=_TT,
        tranches=met_slices((0.0, 3.0), (40.0, 3.0), (95.0, 38.0)),
        xsec_fb=_XSEC_TT,
        generator_factor=_GENERATOR_TWO_W,
        filter=DimuonFilter(edges=_EDGES, top=True, taus_in_xsec=True),
        qcd_order=2,
    ),
    Process(
        name="WW",
        description="W pairs, both to a muon (tau -> mu included)",
        source=LO,
        settings=_WW,
        tranches=met_slices((0.0, 2.5), (40.0, 3.0), (95.0, 12.5)),
        xsec_fb=_XSEC_WW,
        generator_factor=_GENERATOR_TWO_W,
        filter=DimuonFilter(edges=_EDGES, taus_in_xsec=True),
    ),
    Process(
        name="ZZ_leptons",
        process="ZZ",
        description="pairs of Z/gamma* (m > 50 GeV), both to muons, taus or neutrinos",
        source=LO,
        settings=_ZZ_LEPTONS,
        tranches=met_slices((0.0, 0.5), (40.0, 0.2), (95.0, 0.6)),
        xsec_fb=_XSEC_ZZ_LEPTONS,
        filter=DimuonFilter(edges=_EDGES),
    ),
    Process(
        name="ZZ_other",
        process="ZZ",
        description="pairs of Z/gamma* (m > 50 GeV), one to muons or taus, the other to quarks or electrons",
        source=LO,
        settings=_ZZ,
        tranches=(Tranche("all", "all", 0.0, None, 0.4),),
        xsec_fb=9229.0,
        filter=DimuonFilter(drop_leptonic=True),
    ),
    Process(
        name="WZ",
        description="W with Z (m > 50 GeV), Z to muons or taus",
        source=LO,
        settings=_WZ,
        tranches=met_slices((0.0, 0.8), (40.0, 0.3), (95.0, 1.0)),
        xsec_fb=_XSEC_WZ,
        filter=DimuonFilter(edges=_EDGES),
    ),
)

# The smuon search asks for no jet and vetoes 15 GeV around the Z mass; the cut in missing momentum is 100 GeV.
_INCLUSIVE_EDGES = (0.0, 60.0)


def _without_jets(**options: object) -> DimuonFilter:
    return DimuonFilter(edges=_INCLUSIVE_EDGES, one_jet=False, z_window=11.0, muon_pt=5.5, **options)  # type: ignore[arg-type]


SMUON_BACKGROUNDS = (
    Process(
        name="tt_2mu",
        process="tt",
        card="atlas",
        description="top pairs, both W to a muon (tau -> mu included), any number of jets",
        source=LO,
        settings=_TT,
        tranches=met_slices((0.0, 4.0), (60.0, 36.0)),
        xsec_fb=_XSEC_TT,
        generator_factor=_GENERATOR_TWO_W,
        filter=_without_jets(top=True, taus_in_xsec=True),
        qcd_order=2,
    ),
    Process(
        name="WW_2mu",
        process="mumununu",
        card="atlas",
        description="W pairs, both to a muon (tau -> mu included), any number of jets",
        source=LO,
        settings=_WW,
        tranches=met_slices((0.0, 2.0), (60.0, 14.0)),
        xsec_fb=_XSEC_WW,
        generator_factor=_GENERATOR_TWO_W,
        filter=_without_jets(taus_in_xsec=True),
    ),
    Process(
        name="ZZ_2mu",
        process="mumununu",
        card="atlas",
        description="pairs of Z/gamma* (m > 50 GeV), to muons, taus or neutrinos, any number of jets",
        source=LO,
        settings=_ZZ_LEPTONS,
        tranches=met_slices((0.0, 2.0), (60.0, 4.0)),
        xsec_fb=_XSEC_ZZ_LEPTONS,
        filter=_without_jets(),
    ),
    Process(
        name="WZ_2mu",
        process="mumulnu",
        card="atlas",
        description="W with Z (m > 50 GeV), Z to muons or taus, any number of jets",
        source=LO,
        settings=_WZ,
        tranches=met_slices((0.0, 2.0), (60.0, 4.0)),
        xsec_fb=_XSEC_WZ,
        filter=_without_jets(),
    ),
)

"""Signal and backgrounds of the slepton search: two muons, one hard jet, missing momentum.

Cross sections as in :mod:`massgap.samples.processes.dimuon`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from massgap.samples.processes.dimuon import (
    DRELL_YAN,
    GENERATOR_TWO_W,
    GENERATOR_TWO_W_MIXED,
    TT,
    TT_MIXED,
    WW,
    WW_MIXED,
    WZ,
    XSEC_TT,
    XSEC_TT_MIXED,
    XSEC_WW,
    XSEC_WW_MIXED,
    XSEC_WZ,
    XSEC_ZZ_LEPTONS,
    ZZ,
    ZZ_LEPTONS,
    smuon_pairs,
)
from massgap.samples.processes.filters import DimuonAcceptance, DimuonFilter, MassWindow, OneJet
from massgap.samples.processes.process import (
    LO,
    Process,
    SignalForm,
    Tranche,
    met_slices,
    phase_space_slices,
    whole,
)

__all__ = ["SLEPTON_BACKGROUNDS", "SLEPTON_MIXED", "SLEPTON_SIGNALS"]

#: Lower edges in met_hard (GeV). What is below the second is negative because of its jets, and would be above 95 GeV without.
_EDGES = (-1e5, -95.0, 40.0, 95.0)
#: Of the search's 10 GeV (generated, before the resolution).
_MUON_PT = 8.0
#: One hard jet, no third muon, no dimuon at the Z mass, and |cos theta*| = tanh(|delta eta| / 2) below 0.66 (pre-cut: 0.5): what can pass.
_ACCEPTANCE = DimuonAcceptance(
    pt=2.5,  # beside a hard jet, emissions after the first one lift a muon by half of it and more
    eta=2.6,
    delta_eta=1.6,
    hard_delta_eta=5.0,
    veto=MassWindow(6.0),
    third_muon=(14.0, 2.2),
    jet=OneJet(pt=20.0),
)
#: Muons of two parents: each emission that comes after the first, and each photon, changes their mass.
_OPEN = MassWindow(0.0)
#: Heavy pairs that emit little: margins cost few events, and each that passes from below has a thousandth of all weight.
_OF_SIGNAL = replace(_ACCEPTANCE, pt=2.0, eta=3.0, delta_eta=2.0, veto=_OPEN, jet=OneJet(pt=12.0))
#: Muons far apart in eta are what a control region of W pairs is made of: |cos theta*| below 0.97, in tops as well.
_OF_WW = replace(_ACCEPTANCE, pt=6.0, delta_eta=4.2, hard_delta_eta=6.5, veto=_OPEN)
#: The jets of top pairs are there from the start.
_OF_TOPS = replace(_OF_WW, jet=OneJet(pt=20.0, second_pt=65.0))


def _slices(*shares: float) -> tuple[Tranche, ...]:
    """Slices from their shares, that of several jets first."""
    return met_slices(*zip(_EDGES, shares, strict=True))


def _signal(name: str, m: float, m_lsp: float) -> tuple[Process, ...]:
    wanted = DimuonFilter(muon_pt=_MUON_PT, edges=_EDGES, acceptance=_OF_SIGNAL)
    slices = tuple(zip(_EDGES, (0.225, 2.25, 8.25, 16.05), strict=True))
    return (smuon_pairs(name, "left", m, m_lsp, slices, wanted, "cms"),)


#: Another flavour is no third muon, and b jets are not asked for.
_MIXED = replace(_ACCEPTANCE, third_muon=None, veto=_OPEN)

SLEPTON_SIGNALS = (SignalForm("slepton", ("M", "LSP"), _signal),)


def _dimuon(on_peak: bool) -> Process:
    """Z/gamma* + jet to muons, near the Z mass or away from it, where the search looks."""
    # The peak is a hundred times the rest: of what radiates or is measured away from it, one event must not weigh as much
    # as the signal.
    shares = (2.0, 3.0, 4.0, 6.0, 0.5, 0.1) if on_peak else (1.0, 1.5, 3.0, 4.5, 1.2, 0.3)
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
        settings=(*DRELL_YAN, "23:onIfAny = 13"),
        tranches=phase_space_slices("pT_hat", *zip(edges, shares, xsec, strict=True)),
        inclusive_xsec_fb=(614.8e3, 0.6e3),
        filter=DimuonFilter(muon_pt=_MUON_PT, mass=MassWindow(8.0), inside=on_peak),
        qcd_order=1,
    )


SLEPTON_BACKGROUNDS = (
    *(_dimuon(on_peak) for on_peak in (True, False)),
    Process(
        name="tautau",
        description="Z/gamma* + jet -> tau tau -> mu mu, m > 10 GeV, pT of the recoil above 20 GeV",
        source=LO,
        settings=(*DRELL_YAN, "23:onIfAny = 15"),
        tranches=phase_space_slices(
            "pT_hat",
            (20, 2.4, 487.6e3),
            (50, 3.2, 102.5e3),
            (100, 39.5, 20.04e3),
            (200, 11.0, 2008.0),
            (400, 0.7, 116.5),
        ),
        inclusive_xsec_fb=(613.6e3, 0.6e3),
        filter=DimuonFilter(muon_pt=_MUON_PT, ditau=True),
        qcd_order=1,
    ),
    Process(
        name="tt",
        description="top pairs, both W to a muon (tau -> mu included)",
        source=LO,
        settings=TT,
        tranches=_slices(14.5, 8.5, 35.5, 92.5),
        xsec_fb=XSEC_TT,
        generator_factor=GENERATOR_TWO_W,
        filter=DimuonFilter(
            muon_pt=_MUON_PT, edges=_EDGES, acceptance=_OF_TOPS, jets_from=(5,), taus_in_xsec=True
        ),
        qcd_order=2,
    ),
    Process(
        name="WW",
        description="W pairs, both to a muon (tau -> mu included)",
        source=LO,
        settings=WW,
        # Two of 11,000 events of the second slice passed the pre-cuts, with half of the variance of all; they are made in 2 ms.
        tranches=_slices(0.5, 36.0, 16.0, 20.7),
        xsec_fb=XSEC_WW,
        generator_factor=GENERATOR_TWO_W,
        filter=DimuonFilter(muon_pt=_MUON_PT, edges=_EDGES, acceptance=_OF_WW, taus_in_xsec=True),
    ),
    Process(
        name="ZZ_leptons",
        process="ZZ",
        description="pairs of Z/gamma* (m > 50 GeV), both to muons, taus or neutrinos",
        source=LO,
        settings=ZZ_LEPTONS,
        tranches=_slices(0.03, 0.8, 0.3, 0.6),
        xsec_fb=XSEC_ZZ_LEPTONS,
        filter=DimuonFilter(muon_pt=_MUON_PT, edges=_EDGES, acceptance=_ACCEPTANCE),
    ),
    Process(
        name="ZZ_other",
        process="ZZ",
        description="pairs of Z/gamma* (m > 50 GeV), one to muons or taus, the other to quarks or electrons",
        source=LO,
        settings=ZZ,
        tranches=whole(0.4),
        xsec_fb=9229.0,
        filter=DimuonFilter(muon_pt=_MUON_PT, drop_leptonic=True),
    ),
    Process(
        name="WZ",
        description="W with Z (m > 50 GeV), Z to muons or taus",
        source=LO,
        settings=WZ,
        tranches=_slices(0.05, 5.0, 0.8, 0.6),
        xsec_fb=XSEC_WZ,
        filter=DimuonFilter(muon_pt=_MUON_PT, edges=_EDGES, acceptance=_ACCEPTANCE),
    ),
)


def _with_electron(
    name: str, description: str, *shares: float, acceptance: DimuonAcceptance | None = None, **changes: Any
) -> Process:
    """The part of a background with an electron in place of a muon; with shares of its own for the same slices."""
    like = next(process for process in SLEPTON_BACKGROUNDS if process.name == name)
    assert isinstance(like.filter, DimuonFilter)
    return replace(
        like,
        name=f"{name}_emu",
        process=name,
        description=description,
        tranches=tuple(
            replace(tranche, share=share) for tranche, share in zip(like.tranches, shares, strict=True)
        ),
        filter=replace(like.filter, acceptance=acceptance, mixed=True),
        **changes,
    )


# An electron and a muon: parts of the same processes, which the samples above have no event of. WZ and ZZ, where an electron and
# a muon are left of three or four leptons, are left out: of the signal region's events they are three in a hundred.
SLEPTON_MIXED = (
    _with_electron(
        "tautau",
        "Z/gamma* + jet -> tau tau -> e mu, m > 10 GeV, pT of the recoil above 20 GeV",
        *(0.1, 0.2, 4.5, 1.4, 0.2),
    ),
    _with_electron(
        "tt",
        "top pairs, one W to an electron and one to a muon (by way of a tau included)",
        *(2.0, 1.5, 6.0, 15.0),
        acceptance=replace(_MIXED, jet=_OF_TOPS.jet),
        settings=TT_MIXED,
        xsec_fb=XSEC_TT_MIXED,
        generator_factor=GENERATOR_TWO_W_MIXED,
    ),
    _with_electron(
        "WW",
        "W pairs, one to an electron and one to a muon (by way of a tau included)",
        *(0.3, 1.5, 2.6, 3.6),
        acceptance=_MIXED,
        settings=WW_MIXED,
        xsec_fb=XSEC_WW_MIXED,
        generator_factor=GENERATOR_TWO_W_MIXED,
    ),
)
"""What a control region of an electron and a muon is made of."""

"""Signals and backgrounds of the smuon search: two muons, missing momentum, no jets.

The search asks for no jet and vetoes 15 GeV around the Z mass; the cut in missing momentum is 100 GeV. Cross sections as
in :mod:`massgap.samples.processes.dimuon`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from massgap.samples.processes.dimuon import (
    GENERATOR_TWO_W,
    TT,
    WW,
    WZ,
    XSEC_TT,
    XSEC_WW,
    XSEC_WZ,
    XSEC_ZZ_LEPTONS,
    ZZ_LEPTONS,
    smuon_pairs,
)
from massgap.samples.processes.filters import DimuonAcceptance, DimuonFilter, MassWindow
from massgap.samples.processes.process import LO, Process, SignalForm, met_slices

__all__ = ["SMUON_BACKGROUNDS", "SMUON_SIGNALS"]

_EDGES = (0.0, 60.0)
#: The search asks for M_T2 > 90, where two W on their mass shells do not come: of 480 WW at 40 to 80 GeV none is selected.
#: Neutrinos of b decays lift tt by more. Selected are 4.1 +- 0.3 fb of tt from above 80 GeV, 2.4 +- 0.8 from 60 to 80 (9 of 3,500
#: events), and of 460 events from 40 to 60 none: tt has a second slice. ``--hard none`` is without all this.
_USUAL_CUT = "M_T2 > 80"
_USUAL_SLICES_OF_TT = "M_T2: 60, 80"
_ACCEPTANCE = DimuonAcceptance(pt=5.0, eta=2.6, veto=MassWindow(11.0))
_OF_TOPS = replace(_ACCEPTANCE, veto=MassWindow(0.0))


def _filter(acceptance: DimuonAcceptance = _ACCEPTANCE, **options: Any) -> DimuonFilter:
    return DimuonFilter(muon_pt=5.5, edges=_EDGES, acceptance=acceptance, **options)


def _signal(chirality: str, name: str, m: float, m_lsp: float) -> tuple[Process, ...]:
    slices = tuple(zip(_EDGES, (3.0, 7.0), strict=True))
    return (smuon_pairs(name, chirality, m, m_lsp, slices, _filter(), "atlas"),)


SMUON_SIGNALS = (
    SignalForm("smuonL", ("M", "LSP"), partial(_signal, "left")),
    SignalForm("smuonR", ("M", "LSP"), partial(_signal, "right")),
)

SMUON_BACKGROUNDS = (
    Process(
        name="tt_2mu",
        process="tt",
        card="atlas",
        usual_cut=_USUAL_SLICES_OF_TT,
        description="top pairs, both W to a muon (tau -> mu included), any number of jets",
        source=LO,
        settings=TT,
        tranches=met_slices((0.0, 4.0), (60.0, 36.0)),
        xsec_fb=XSEC_TT,
        generator_factor=GENERATOR_TWO_W,
        filter=_filter(acceptance=_OF_TOPS, jets_from=(5,), taus_in_xsec=True),
        qcd_order=2,
    ),
    Process(
        name="WW_2mu",
        process="mumununu",
        card="atlas",
        usual_cut=_USUAL_CUT,
        description="W pairs, both to a muon (tau -> mu included), any number of jets",
        source=LO,
        settings=WW,
        tranches=met_slices((0.0, 2.0), (60.0, 14.0)),
        xsec_fb=XSEC_WW,
        generator_factor=GENERATOR_TWO_W,
        filter=_filter(taus_in_xsec=True),
    ),
    Process(
        name="ZZ_2mu",
        process="mumununu",
        card="atlas",
        usual_cut=_USUAL_CUT,
        description="pairs of Z/gamma* (m > 50 GeV), to muons, taus or neutrinos, any number of jets",
        source=LO,
        settings=ZZ_LEPTONS,
        tranches=met_slices((0.0, 2.0), (60.0, 4.0)),
        xsec_fb=XSEC_ZZ_LEPTONS,
        filter=_filter(),
    ),
    Process(
        name="WZ_2mu",
        process="mumulnu",
        card="atlas",
        description="W with Z (m > 50 GeV), Z to muons or taus, any number of jets",
        source=LO,
        settings=WZ,
        tranches=met_slices((0.0, 2.0), (60.0, 4.0)),
        xsec_fb=XSEC_WZ,
        filter=_filter(),
    ),
)

"""Signals and backgrounds of the search for cascades to two muons and a photon.

Cross sections are leading order without K factors, measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.driver.measure_xsec`` with 100,000 events each, relative error 0.2 % or below.
"""

from __future__ import annotations

from functools import partial

from massgap.samples.matrix_elements.request import ChainRequest, PhotonRequest
from massgap.samples.physics.cascade_decays import cascade_settings, cascade_slha, spin_weights
from massgap.samples.physics.cross_sections import higgsino_pair_xsec_fb
from massgap.samples.processes.filters import ObjectFilter
from massgap.samples.processes.process import (
    LO,
    CrossSection,
    Process,
    SignalForm,
    phase_space_slices,
    whole,
)

__all__ = ["CASCADE_BACKGROUNDS", "CASCADE_SIGNALS"]

_ZZ = ("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 4.")
_WITH_PHOTON = ObjectFilter(leptons=2, muon_pair=True, lepton_pt=5.0, photons=1, muon_pt=7.0)


def _signal(model: str, name: str, m_x: float, m_y: float, m_z: float, m_chi: float) -> tuple[Process, ...]:
    masses = (m_x, m_y, m_z, m_chi)
    words = {"fDM": "fermionic", "sDM": "scalar"}[model]
    return (
        Process(
            name=name,
            description=(
                f"X chi, X -> mu Y -> mu mu Z -> mu mu photon chi with {words} dark matter, masses "
                f"{', '.join(f'{m:g}' for m in masses)} GeV"
            ),
            source=f"{LO}; cross section: that of higgsinos, the paper leaves the couplings open",
            settings=cascade_settings(),
            tranches=whole(3.0),
            is_signal=True,
            xsec_rule=CrossSection(higgsino_pair_xsec_fb, (masses[0], masses[3])),
            masses=dict(zip(("m_X", "m_Y", "m_Z", "m_chi"), masses, strict=True)),
            slha=cascade_slha(masses),
            sqrt_s_tev=14.0,
            card="cascade",
            filter=_WITH_PHOTON,
            decay_weight=spin_weights if model == "sDM" else None,
            parton=ChainRequest(masses, scalar=model == "sDM"),
        ),
    )


CASCADE_SIGNALS = tuple(
    SignalForm(f"cascade_{model}", ("X", "Y", "Z", "CHI"), partial(_signal, model))
    for model in ("fDM", "sDM")
)

CASCADE_BACKGROUNDS = (
    Process(
        name="WW_2mua",
        process="mumugamma2nu",
        description="W pairs to muons (or taus) with a photon from the shower off quarks or leptons",
        source=f"{LO}, photon from the QED shower; matrix elements come through --lhe",
        settings=("WeakDoubleBoson:ffbar2WW = on", "24:onMode = off", "24:onIfAny = 13 15"),
        sqrt_s_tev=14.0,
        card="cascade",
        tranches=whole(3.0),
        xsec_fb=3299.0,
        filter=_WITH_PHOTON,
        parton=PhotonRequest("charged"),
    ),
    Process(
        name="ZZ_2mua",
        process="mumugamma2nu",
        description="Z/gamma* pairs to muons, taus and neutrinos with a photon from the shower",
        source=f"{LO}, photon from the QED shower; matrix elements come through --lhe",
        settings=(*_ZZ, "23:onMode = off", "23:onIfAny = 12 13 14 15 16"),
        sqrt_s_tev=14.0,
        card="cascade",
        tranches=whole(1.5),
        xsec_fb=980.0,
        filter=_WITH_PHOTON,
        parton=PhotonRequest("neutral"),
    ),
    Process(
        name="tautaua_2mua",
        process="mumugamma4nu",
        description="Z/gamma* (m > 10 GeV) with a photon of the hard process, to taus that become muons",
        source=LO,
        settings=(
            "WeakBosonAndParton:ffbar2gmZgm = on",
            "23:mMin = 10.",
            "23:onMode = off",
            "23:onIfAny = 15",
        ),
        sqrt_s_tev=14.0,
        card="cascade",
        tranches=phase_space_slices("pT_hat", (4, 1.0, 6249.0), (10, 2.0, 3175.0), (25, 1.5, 1176.0)),
        inclusive_xsec_fb=(10.604e3, 10.0),
        filter=ObjectFilter(leptons=2, muon_pair=True, photons=1, ditau=True, muon_pt=7.0),
        parton=PhotonRequest("taus"),
    ),
)

"""Backgrounds of the vlq, cascade and electroweakino searches, and the plain Drell-Yan and W samples.

Cross sections are leading order without K factors, measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.driver.measure_xsec`` with 100,000 events each, relative error 0.2 % or below.
"""

from __future__ import annotations

from massgap.samples.processes.process import ObjectFilter, Process, Tranche, phase_space_slices
from massgap.samples.processes.slepton import LO

__all__ = ["CASCADE_BACKGROUNDS", "ELECTROWEAKINO_BACKGROUNDS", "PLAIN", "VLQ_BACKGROUNDS"]

_CHARGED = "11 13 15"
_ZZ = ("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 4.")
_TOP = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")
_Z_JET = (
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "23:mMin = 10.",
    "23:onMode = off",
)
_W_JET = (
    "WeakBosonAndParton:qqbar2Wg = on",
    "WeakBosonAndParton:qg2Wq = on",
    "24:onMode = off",
    f"24:onIfAny = {_CHARGED}",
)

# --- single T -> t Z: three leptons
VLQ_BACKGROUNDS = (
    Process(
        name="WZ_3l",
        process="WZ",
        description="W with Z (m > 50 GeV), all to electrons, muons or taus, jets from the shower",
        source=f"{LO}; matrix elements with jets come through --lhe",
        settings=(
            "WeakDoubleBoson:ffbar2ZW = on",
            "23:mMin = 50.",
            "23:onMode = off",
            f"23:onIfAny = {_CHARGED}",
            "24:onMode = off",
            f"24:onIfAny = {_CHARGED}",
        ),
        tranches=phase_space_slices(
            "m_hat",
            (100, 1.0, 611.2),
            (400, 2.0, 133.6),
            (800, 3.0, 17.54),
            (1600, 3.0, 1.257),
            (3200, 2.0, 0.02915),
        ),
        inclusive_xsec_fb=(763.2, 0.7),
        filter=ObjectFilter(leptons=3, lepton_pt=12.0, lepton_eta=2.8),
    ),
)

# --- two muons and a photon
_WITH_PHOTON = ObjectFilter(leptons=2, muon_pair=True, lepton_pt=5.0, photons=1, muon_pt=7.0)
CASCADE_BACKGROUNDS = (
    Process(
        name="WW_2mua",
        process="mumugamma2nu",
        description="W pairs to muons (or taus) with a photon from the shower off quarks or leptons",
        source=f"{LO}, photon from the QED shower; matrix elements come through --lhe",
        settings=("WeakDoubleBoson:ffbar2WW = on", "24:onMode = off", "24:onIfAny = 13 15"),
        sqrt_s_tev=14.0,
        card="cascade",
        tranches=(Tranche("all", "all", 0.0, None, 3.0),),
        xsec_fb=3299.0,
        filter=_WITH_PHOTON,
    ),
    Process(
        name="ZZ_2mua",
        process="mumugamma2nu",
        description="Z/gamma* pairs to muons, taus and neutrinos with a photon from the shower",
        source=f"{LO}, photon from the QED shower; matrix elements come through --lhe",
        settings=(*_ZZ, "23:onMode = off", "23:onIfAny = 12 13 14 15 16"),
        sqrt_s_tev=14.0,
        card="cascade",
        tranches=(Tranche("all", "all", 0.0, None, 1.5),),
        xsec_fb=980.0,
        filter=_WITH_PHOTON,
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
    ),
)

# --- soft leptons in vector boson fusion
_VBF = ObjectFilter(leptons=1, vbf=True)


def _vbf(name: str, process: str, description: str, settings: tuple[str, ...], **options: object) -> Process:
    return Process(
        name=f"{name}_vbf",
        process=process,
        description=f"{description}; a lepton and two jets far apart",
        source=f"{LO}, second jet from the shower; matrix elements come through --lhe",
        settings=settings,
        sqrt_s_tev=13.6,
        card="hl-lhc",
        filter=_VBF,
        **options,  # type: ignore[arg-type]
    )


_EDGES, _SHARES = (20, 50, 100, 200, 400), (1.0, 2.0, 2.0, 2.0, 1.0)
_W_XSEC = (8.978e6, 2.416e6, 464.8e3, 44.96e3, 2613.0)
_Z_XSEC = (516.6e3, 109.8e3, 21.70e3, 2203.0, 130.8)
ELECTROWEAKINO_BACKGROUNDS = (
    _vbf(
        "tt",
        "tt",
        "top pairs",
        _TOP,
        qcd_order=2,
        xsec_fb=565.3e3,
        tranches=(Tranche("all", "all", 0.0, None, 4.0),),
    ),
    _vbf(
        "Wlnu",
        "Vjets",
        "W + jet to leptons",
        _W_JET,
        qcd_order=1,
        tranches=phase_space_slices("pT_hat", *zip(_EDGES, _SHARES, _W_XSEC, strict=True)),
        inclusive_xsec_fb=(11.94e6, 0.012e6),
    ),
    *(
        _vbf(
            f"Z{flavour}",
            "Vjets",
            f"Z/gamma* (m > 10 GeV) + jet to {words}",
            (*_Z_JET, f"23:onIfAny = {pdg}"),
            qcd_order=1,
            tranches=phase_space_slices(
                "pT_hat",
                *(
                    (edge, share / 3, xsec)
                    for edge, share, xsec in zip(_EDGES, _SHARES, _Z_XSEC, strict=True)
                ),
            ),
            inclusive_xsec_fb=(650.3e3, 0.6e3),
        )
        for flavour, words, pdg in (("ee", "electrons", 11), ("mumu", "muons", 13), ("tautau", "taus", 15))
    ),
    _vbf("WW", "VV", "W pairs", ("WeakDoubleBoson:ffbar2WW = on",), xsec_fb=68.07e3),
    _vbf(
        "WZ", "VV", "W with Z (m > 4 GeV)", ("WeakDoubleBoson:ffbar2ZW = on", "23:mMin = 4."), xsec_fb=24.88e3
    ),
    _vbf("ZZ", "VV", "pairs of Z/gamma* (m > 4 GeV)", _ZZ, xsec_fb=12.74e3),
)

# --- without any filter, by name
PLAIN = (
    *(
        Process(
            name=f"Z{flavour}",
            description=f"Z/gamma* (m > 50 GeV) to {words}, inclusive",
            source=LO,
            xsec_fb=1.52e6,
            settings=(
                "WeakSingleBoson:ffbar2gmZ = on",
                "PhaseSpace:mHatMin = 50.",
                "23:onMode = off",
                f"23:onIfAny = {pdg}",
            ),
        )
        for flavour, words, pdg in (("ee", "electrons", 11), ("mumu", "muons", 13), ("tautau", "taus", 15))
    ),
    Process(
        name="Wlnu",
        description="W to electron, muon or tau, inclusive",
        source=LO,
        xsec_fb=45.89e6,
        settings=("WeakSingleBoson:ffbar2W = on", "24:onMode = off", f"24:onIfAny = {_CHARGED}"),
    ),
    Process(
        name="ttbar",
        description="top pairs, all decays",
        source=LO,
        settings=_TOP,
        xsec_fb=509.9e3,
        qcd_order=2,
    ),
    Process(
        name="WW_all",
        description="W pairs, all decays",
        source=LO,
        xsec_fb=64.34e3,
        settings=("WeakDoubleBoson:ffbar2WW = on",),
    ),
    Process(
        name="WZ_all",
        description="W with Z (m > 50 GeV), all decays",
        source=LO,
        xsec_fb=23.44e3,
        settings=("WeakDoubleBoson:ffbar2ZW = on", "23:mMin = 50."),
    ),
    Process(
        name="ZZ_all",
        description="pairs of Z/gamma* (m > 50 GeV), all decays",
        source=LO,
        xsec_fb=9237.0,
        settings=("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 50."),
    ),
)

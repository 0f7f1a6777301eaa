"""Signals and backgrounds of the search for electroweakinos with soft leptons in vector boson fusion.

Cross sections are leading order without K factors, measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.driver.measure_xsec`` with 100,000 events each, relative error 0.2 % or below.
"""

from __future__ import annotations

from functools import partial

from massgap.samples.matrix_elements.request import WinoFusion
from massgap.samples.physics.cross_sections import wino_pair_xsec_fb
from massgap.samples.physics.electroweakino_spectra import (
    electroweakino_decay_settings,
    electroweakino_settings,
    electroweakino_slha,
)
from massgap.samples.physics.offshell import offshell_weights
from massgap.samples.processes.filters import ObjectFilter
from massgap.samples.processes.process import (
    CHARGED_LEPTONS,
    COMPUTED,
    LO,
    TOP_PAIRS,
    CrossSection,
    Process,
    SignalForm,
    phase_space_slices,
    whole,
)

__all__ = [
    "ELECTROWEAKINO_BACKGROUNDS",
    "ELECTROWEAKINO_GRIDS",
    "ELECTROWEAKINO_LEPTONIC",
    "ELECTROWEAKINO_SIGNALS",
]

_VBF = ObjectFilter(leptons=1, vbf=True)
_ZZ = ("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 4.")
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
    f"24:onIfAny = {CHARGED_LEPTONS}",
)


def _signal(model: str, name: str, m: float, dm: float) -> tuple[Process, ...]:
    through = "W*, Z*" if model == "WZ" else "sleptons half way"
    words = {"N2C1": "N2 C1+ and N2 C1-", "C1C1": "C1+ C1-"}
    return tuple(
        Process(
            name=f"{name}_{channel}",
            process=name,
            description=f"wino-like {words[channel]}, m = {m:g}, to a bino {dm:g} GeV below through {through}",
            source=f"{LO}; cross section: {COMPUTED} electroweakinos is not relied on; second jet from the shower",
            settings=electroweakino_settings(m, dm, channel, model),
            tranches=whole(3.0 if channel == "N2C1" else 2.0),
            xsec_rule=CrossSection(wino_pair_xsec_fb, (m, channel)),
            is_signal=True,
            masses={"m_wino": m, "m_lsp": m - dm},
            slha=electroweakino_slha(m, dm, model),
            sqrt_s_tev=13.6,
            card="hl-lhc",
            filter=_VBF,
            decay_weight=offshell_weights if model == "WZ" else None,
        )
        for channel in words
    )


def _fusion(
    model: str, leptonic: tuple[str, ...], states: tuple[str, ...], name: str, m: float, dm: float
) -> tuple[Process, ...]:
    through = "W*, Z*" if model == "WZ" else "sleptons half way"
    if leptonic:
        through += f", {' and '.join(leptonic)} only"
    made = WinoFusion(m, states=states)
    return (
        Process(
            name=name,
            process=name,
            description=f"wino-like pairs by boson fusion, m = {m:g}, to a bino {dm:g} GeV below through {through}",
            source=f"electroweak q q' -> q q' chi chi at lowest order; {made.describe()}",
            settings=electroweakino_decay_settings(dm, model),
            tranches=whole(3.0),
            is_signal=True,
            masses={"m_wino": m, "m_lsp": m - dm},
            slha=electroweakino_slha(m, dm, model),
            sqrt_s_tev=13.6,
            card="hl-lhc",
            filter=_VBF,
            decay_weight=offshell_weights if model == "WZ" else None,
            matrix_element=made,
            leptonic=leptonic,
        ),
    )


_MODELS = ("WZ", "slepton")
_LIGHT = ("e", "mu")
ELECTROWEAKINO_SIGNALS = (
    *(SignalForm(f"wino_{model}", ("M", "DM"), partial(_signal, model)) for model in _MODELS),
    *(SignalForm(f"vbf_wino_{model}", ("M", "DM"), partial(_fusion, model, (), ())) for model in _MODELS),
    *(
        SignalForm(f"vbf_wino_{model}_lep", ("M", "DM"), partial(_fusion, model, _LIGHT, ()))
        for model in _MODELS
    ),
    SignalForm("vbf_N2C1_WZ_lep", ("M", "DM"), partial(_fusion, "WZ", _LIGHT, ("C1+ N2", "C1- N2"))),
)

_MASSES, _GAPS = (200, 400, 600, 850, 1100), ("0.5", "2.5", "5", "10", "25", "50", "75")
ELECTROWEAKINO_GRIDS = {
    f"vbf_wino_{model}_grid": tuple(f"vbf_wino_{model}_{m}_{dm}" for m in _MASSES for dm in _GAPS)
    for model in _MODELS
}
"""Name of a grid -> its signals: the masses of the paper's figures, 200 to 1100 GeV, with gaps from 0.5 to 75 GeV."""
ELECTROWEAKINO_GRIDS["vbf_wino_grid"] = tuple(
    name for grid in list(ELECTROWEAKINO_GRIDS.values()) for name in grid
)


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
        TOP_PAIRS,
        qcd_order=2,
        xsec_fb=565.3e3,
        tranches=whole(4.0),
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

# Three leptons are rare in WZ and ZZ of all decays: these have electrons, muons and taus only, in place of WZ_vbf and ZZ_vbf.
ELECTROWEAKINO_LEPTONIC = tuple(
    _vbf(
        f"{pair}_lep",
        f"{pair}_leptonic",
        f"{words}, all bosons to charged leptons",
        settings,
        leptonic=("e", "mu", "tau"),
        xsec_fb=xsec_fb,  # of all decays: that of these is the generator's
    )
    for pair, words, settings, xsec_fb in (
        ("WZ", "W with Z (m > 4 GeV)", ("WeakDoubleBoson:ffbar2ZW = on", "23:mMin = 4."), 24.88e3),
        ("ZZ", "pairs of Z/gamma* (m > 4 GeV)", _ZZ, 12.74e3),
    )
)

"""Plain samples without any filter, by name.

Cross sections are leading order without K factors, measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.driver.measure_xsec`` with 100,000 events each, relative error 0.2 % or below.
"""

from __future__ import annotations

from massgap.samples.processes.process import CHARGED_LEPTONS, LO, TOP_PAIRS, Process

__all__ = ["PLAIN"]

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
        settings=("WeakSingleBoson:ffbar2W = on", "24:onMode = off", f"24:onIfAny = {CHARGED_LEPTONS}"),
    ),
    Process(
        name="ttbar",
        description="top pairs, all decays",
        source=LO,
        settings=TOP_PAIRS,
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

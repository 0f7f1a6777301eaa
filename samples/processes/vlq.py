"""Signal and background of the search for a single T -> t Z: three leptons.

Cross sections are leading order without K factors, measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.driver.measure_xsec`` with 100,000 events each, relative error 0.2 % or below.
"""

from __future__ import annotations

from massgap.samples.physics.vlq_settings import vlq_settings
from massgap.samples.processes.filters import ObjectFilter
from massgap.samples.processes.process import (
    CHARGED_LEPTONS,
    LO,
    Process,
    SignalForm,
    phase_space_slices,
    whole,
)

__all__ = ["VLQ_BACKGROUNDS", "VLQ_SIGNALS"]


def _signal(name: str, m: float) -> tuple[Process, ...]:
    return (
        Process(
            name=name,
            description=f"single T of {m:g} GeV with a light quark, T -> t Z, all leptonic",
            source=f"{LO} (5-flavour, coupling V = 0.1)",
            settings=vlq_settings(m),
            tranches=whole(2.0),
            is_signal=True,
            masses={"m_T": m},
            filter=ObjectFilter(leptons=3, lepton_pt=12.0),
        ),
    )


VLQ_SIGNALS = (SignalForm("vlq", ("M",), _signal),)

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
            f"23:onIfAny = {CHARGED_LEPTONS}",
            "24:onMode = off",
            f"24:onIfAny = {CHARGED_LEPTONS}",
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

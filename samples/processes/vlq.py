"""Signal and background of the search for a single T -> t Z: three leptons.

Cross sections are leading order without K factors, measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.driver.measure_xsec`` with 100,000 events each, relative error 0.2 % or below.

The background is what the classifier of all masses is trained against, so every bin of 0.2 TeV in the reconstructed mass
from 0.9 to 6.5 TeV needs events: it lies at 1.1 to 1.4 times the mass of the hard process, most of which is near the lower
edge of a slice, hence slices about as wide as two bins.  Of the events of a slice 2 % have three leptons in the acceptance
and hard partons around one of them, all others are dropped before they are made in full.  Below m_hat = 400 GeV the search
sees nothing but events whose jet from the shower is harder than the hard process, of which the shower knows little; matrix
elements with jets (``--lhe``) have them (the paper asks for m_ZWj > 800 GeV).
"""

from __future__ import annotations

from massgap.samples.physics.vlq_settings import vlq_settings
from massgap.samples.processes.filters import ObjectFilter
from massgap.samples.processes.process import (
    LO,
    Process,
    SignalForm,
    phase_space_slices,
    whole,
)

__all__ = ["VLQ_BACKGROUNDS", "VLQ_POINTS", "VLQ_SIGNALS"]


def _signal(name: str, m: float) -> tuple[Process, ...]:
    return (
        Process(
            name=name,
            description=f"single T of {m:g} GeV with a light quark, T -> t Z, all leptonic",
            source=f"{LO} (5-flavour, coupling V = 0.1)",
            settings=vlq_settings(m),
            tranches=whole(0.5),
            is_signal=True,
            masses={"m_T": m},
            filter=ObjectFilter(leptons=3, lepton_pt=12.0),
        ),
    )


VLQ_POINTS = tuple(f"vlq_{mass}" for mass in range(1000, 6401, 200))
"""The 28 masses of the paper."""

VLQ_SIGNALS = (SignalForm("vlq", ("M",), _signal),)

VLQ_BACKGROUNDS = (
    Process(
        name="WZ_3l",
        process="WZ",
        description="W with Z (m > 50 GeV), m_hat > 400 GeV, both to electrons or muons, jets from the shower",
        source=f"{LO}; matrix elements with jets come through --lhe",
        settings=(
            "WeakDoubleBoson:ffbar2ZW = on",
            "23:mMin = 50.",
            "23:onMode = off",
            "23:onIfAny = 11 13",
            "24:onMode = off",
            "24:onIfAny = 11 13",
        ),
        tranches=phase_space_slices(
            "m_hat",
            (400, 1.5, 51.3),
            (650, 2.0, 9.657),
            (850, 2.0, 3.62),
            (1050, 2.0, 1.799),
            (1300, 1.5, 0.8138),
            (1600, 1.5, 0.3157),
            (1900, 1.5, 0.1487),
            (2250, 1.5, 0.06028),
            (2600, 1.5, 0.02834),
            (3000, 1.5, 0.01235),
            (3450, 1.5, 0.004651),
            (3900, 1.5, 0.001919),
            (4400, 1.5, 0.0006811),
            (4900, 1.5, 0.0003742),
        ),
        filter=ObjectFilter(leptons=3, lepton_pt=20.0, lepton_eta=2.6, beside_pt=60.0),
    ),
)

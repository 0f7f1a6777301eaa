"""Signal and background of the search for a single T -> t Z: three leptons.

Cross sections are leading order without K factors, measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.driver.measure_xsec`` with 30,000 events each, relative error 0.3 % or below.

The background is what the classifier of all masses is trained against, so every bin of 0.2 TeV in the reconstructed mass
from 0.9 to 6.5 TeV needs events: it lies at 1.1 to 1.4 times the mass of the hard process, most of which is near the lower
edge of a slice, hence slices narrower than a bin where the spectrum falls most.  Slices begin at pT_hat = 0.05 m_hat: below
lie most hard processes (47 % at 1 TeV, 80 % at 5 TeV), far forward, and 0.5 % of the selected events.  Of the rest 2 to 5 %
have three leptons in the acceptance and hard partons around the one that is not of the Z, all others are dropped before they
are made in full.  Below m_hat = 400 GeV the search sees nothing but events whose jet from the shower is harder than the hard
process, of which the shower knows little; matrix elements with jets (``--lhe``) have them (the paper asks for m_ZWj > 800
GeV).
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


def _share(m: float) -> float:
    """Of the events; leptons of the lightest pass least often, and each bin of a training wants as many."""
    return 0.5 * max(1.0, 1.5 - (m - 1000.0) / 800.0)


def _signal(name: str, m: float) -> tuple[Process, ...]:
    return (
        Process(
            name=name,
            description=f"single T of {m:g} GeV with a light quark, T -> t Z, all leptonic",
            source=f"{LO} (5-flavour, coupling V = 0.1)",
            settings=vlq_settings(m),
            tranches=whole(_share(m)),
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
            (400, 0.8, 28.18),
            (500, 0.8, 10.18),
            (575, 0.8, 5.851),
            (650, 0.9, 4.409),
            (750, 0.9, 2.394),
            (850, 0.9, 1.369),
            (950, 0.9, 0.8214),
            (1050, 0.8, 0.6118),
            (1175, 0.8, 0.3557),
            (1300, 0.95, 0.2472),
            (1450, 0.95, 0.141),
            (1600, 0.95, 0.08381),
            (1750, 0.95, 0.05117),
            (1900, 1.1, 0.03604),
            (2075, 1.1, 0.0216),
            (2250, 1.1, 0.01318),
            (2425, 1.1, 0.008168),
            (2600, 1.1, 0.00575),
            (2800, 1.1, 0.003461),
            (3000, 1.1, 0.002319),
            (3225, 1.1, 0.001346),
            (3450, 1.4, 0.0008583),
            (3700, 1.4, 0.0004061),
            (3900, 1.2, 0.0003058),
            (4150, 1, 0.0001732),
            (4400, 0.7, 9.955e-05),
            (4650, 0.7, 5.696e-05),
            (4900, 3.2, 4.546e-05),
            (5300, 3.2, 3.247e-05),
            pt_share=0.05,
        ),
        filter=ObjectFilter(leptons=3, lepton_pt=20.0, lepton_eta=2.6, beside_pt=60.0, beside_third=True),
    ),
)

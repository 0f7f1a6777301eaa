"""Signals at any mass point, by name: ``smuonR_300_100`` is a pair of right-handed smuons of 300 GeV with a
neutralino of 100 GeV.

=================================== ==================================================================
``slepton_M_LSP``                   left-handed smuons, sliced for the slepton search (one hard jet)
``smuonL_M_LSP``, ``smuonR_M_LSP``  left- or right-handed smuons, any number of jets
``wino_WZ_M_DM``                    wino-like N2, C1 of mass M to a bino-like N1 of M - DM through W*, Z*
``wino_slepton_M_DM``               the same through sleptons half way
``vbf_wino_WZ_M_DM``                the same pairs from the fusion of electroweak bosons, with two jets: own matrix element
``vbf_wino_slepton_M_DM``           likewise, through sleptons half way
``vbf_wino_WZ_lep_M_DM``            likewise (and ``vbf_wino_slepton_lep_M_DM``), with decays to e and mu only
``vbf_N2C1_WZ_lep_M_DM``            likewise, N2 C1 alone
``vlq_M``                           single T -> t Z, leptonic decays
``cascade_fDM_X_Y_Z_CHI``           X chi, X -> mu Y, Y -> mu Z, Z -> photon chi, fermionic dark matter
``cascade_sDM_X_Y_Z_CHI``           the same with scalar dark matter (decay weights)
=================================== ==================================================================

Masses are in GeV; a decimal point is written as it is (``wino_WZ_200_0.5``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from massgap.samples.errors import UnknownProcessError
from massgap.samples.processes.cascade import CASCADE_SIGNALS
from massgap.samples.processes.electroweakino import ELECTROWEAKINO_SIGNALS
from massgap.samples.processes.slepton import SLEPTON_SIGNALS
from massgap.samples.processes.smuon import SMUON_SIGNALS
from massgap.samples.processes.vlq import VLQ_SIGNALS

if TYPE_CHECKING:
    from massgap.samples.processes.process import Process

__all__ = ["SIGNAL_FORMS", "signal_processes"]

_N = r"(\d+(?:\.\d+)?)"
_FORMS = (*SLEPTON_SIGNALS, *SMUON_SIGNALS, *ELECTROWEAKINO_SIGNALS, *VLQ_SIGNALS, *CASCADE_SIGNALS)
SIGNAL_FORMS = tuple(family.form for family in _FORMS)


def signal_processes(name: str) -> list[Process]:
    """The parts of the signal of a name; empty if it is not one.

    Raises
    ------
    UnknownProcessError
        If the masses do not allow the decays.
    """
    for family in _FORMS:
        pattern = re.escape(family.prefix) + rf"_{_N}" * len(family.masses)
        if (found := re.fullmatch(pattern, name)) is None:
            continue
        try:
            return list(family.make(name, *(float(mass) for mass in found.groups())))
        except ValueError as error:
            msg = f"{name} ({family.form}): {error}"
            raise UnknownProcessError(msg) from None
    return []

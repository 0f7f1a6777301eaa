"""Hadronic taus of a veto: away from the leptons, with a word on what to do where the file has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.events.errors import MissingBranchError
from massgap.selections.objects.definitions import select_taus

if TYPE_CHECKING:
    from massgap.arrays.jagged.collection import Collection
    from massgap.events.event import Event

__all__ = ["taus_of_veto"]


def taus_of_veto(event: Event, *leptons: Collection, analysis: str, delta_r: float = 0.4) -> Collection:
    """Identified taus with pT > 20 GeV and abs(eta) < 2.5 that are no lepton.

    Parameters
    ----------
    event
        Read from a file that has taus, or not.
    *leptons
        Selected leptons; a tau nearer than ``delta_r`` to one of them is that lepton.
    analysis
        Name of the class that has the step ``no_tau``, for the message.
    delta_r
        Distance in eta and phi.

    Returns
    -------
    Collection

    Raises
    ------
    MissingBranchError
        If the file has no taus; with how to run without the veto.
    """
    try:
        taus = select_taus(event.taus)
        for others in leptons:
            taus = taus.away_from(others, delta_r)
    except MissingBranchError as error:
        remedy = f"To run without the tau veto: --without no_tau, or {analysis}(without=['no_tau'])."
        raise MissingBranchError(error.branch, error.where, remedy) from error
    return taus

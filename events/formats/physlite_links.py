"""Links of PHYSLITE: an object names another one by its container (a key) and its place in the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.events.errors import MissingBranchError

if TYPE_CHECKING:
    import numpy.typing as npt

    from massgap.events.columns import Columns

__all__ = ["linked", "muon_charge"]

_TRACKS = (
    ("combinedTrackParticleLink", "CombinedMuonTrackParticles", 873304470),
    ("inDetTrackParticleLink", "InDetTrackParticles", 490246363),
    ("extrapolatedMuonSpectrometerTrackParticleLink", "ExtrapolatedMuonTrackParticles", 350445215),
)
"""The tracks of a muon, the best one first (the order in which xAOD::Muon::primaryTrackParticle takes them for the kinds
of muons that a search selects), and the key of their container: forward muons are linked with another one, which PHYSLITE
does not hold."""


def linked(
    columns: Columns,
    objects: str,
    link: str,
    target: str,
    field: str,
    values: npt.NDArray[Any],
    *,
    otherwise: Any = None,
    key: int | None = None,
) -> npt.NDArray[Any]:
    """For each object the value of what it is linked with.

    Parameters
    ----------
    columns
        The columns of the file.
    objects, link
        The collection and its link.
    target, field
        The collection that is linked, and any field of it, for its numbers of objects.
    values
        One value for each object of the target.
    otherwise
        The value of objects that are linked with none.
    key
        The key of the target, where the link may lead into other containers, too.

    Returns
    -------
    numpy.ndarray
        One value for each object; those of the object in the same place where the file stores no links.

    Raises
    ------
    SelectionError
        If a link leads outside of its event, or there are neither links nor equal numbers of objects.
    """
    mine, theirs = columns.offsets(objects, "pt"), columns.offsets(target, field)
    place = f"{link}.m_persIndex"
    if not columns.has(objects, place):
        if np.array_equal(mine, theirs):
            return values
        raise MissingBranchError(columns.branch_name(objects, place), columns.where)
    index = columns.flat(objects, place).astype(np.int64)
    exists = np.ones(len(index), dtype=bool)
    if columns.has(objects, f"{link}.m_persKey"):
        keys = columns.flat(objects, f"{link}.m_persKey")
        exists = keys != 0 if key is None else keys == key
    event = np.repeat(np.arange(len(mine) - 1), np.diff(mine))
    if (exists & (index >= np.diff(theirs)[event])).any():
        msg = (
            f"{columns.where or 'the events'}: links {columns.branch_name(objects, link)} lead to more objects than {target} has; "
            "the file was skimmed wrongly or is damaged."
        )
        raise SelectionError(msg)
    out = np.full(len(index), otherwise, dtype=values.dtype)
    out[exists] = values[(theirs[:-1][event] + index)[exists]]
    return out


def muon_charge(columns: Columns, muons: str) -> npt.NDArray[np.int64]:
    """Charges of muons whose file stores none: the sign of q/p of their tracks.

    Raises
    ------
    MissingBranchError
        If there are neither charges nor tracks; the message names the branch of the charges.
    SelectionError
        If a muon has no track.
    """
    out = np.zeros(len(columns.flat(muons, "pt")), dtype=np.int64)
    known = [
        (link, tracks, key)
        for link, tracks, key in _TRACKS
        if columns.has(muons, f"{link}.m_persIndex") and columns.has(tracks, "qOverP")
    ]
    if not known:
        raise MissingBranchError(columns.branch_name(muons, "charge"), columns.where)
    for link, tracks, key in known:
        signs = np.sign(columns.flat_floats(tracks, "qOverP")).astype(np.int64)
        found = linked(columns, muons, link, tracks, "qOverP", signs, otherwise=0, key=key)
        out = np.where(out == 0, found, out)
    if (out == 0).any():
        msg = (
            f"{columns.where or 'the events'}: {int((out == 0).sum())} of {muons} have neither a charge nor a track; keep "
            f"{columns.branch_name(muons, 'charge')} when skimming."
        )
        raise SelectionError(msg)
    return out

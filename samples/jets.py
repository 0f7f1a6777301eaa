"""Jets of all events of a batch with fastjet, and their flavour."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.detector import nearest
from massgap.samples.errors import GeneratorMissingError
from massgap.samples.record import Record, is_heavy_hadron, last_copies

if TYPE_CHECKING:
    from collections.abc import Iterator

_announced: set[str] = set()


@contextlib.contextmanager
def without_banner(library: str) -> Iterator[None]:
    """Hold back what the first call of a jet library prints to the terminal from C++."""
    if library in _announced:
        yield
        return
    sys.stdout.flush()
    saved, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        yield
        _announced.add(library)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(null)


def cluster(
    event: np.ndarray,
    px: np.ndarray,
    py: np.ndarray,
    pz: np.ndarray,
    energy: np.ndarray,
    n_events: int,
    radius: float,
    pt_min: float,
    *,
    constituents: bool = False,
) -> dict[str, Any]:
    """Anti-kt jets, ordered in pt within each event.

    Parameters
    ----------
    event : array
        Event of each particle, sorted.
    px, py, pz, energy : arrays
        Momenta in GeV.
    n_events : int
        Number of events.
    radius, pt_min : float
        Radius, and smallest jet pt in GeV.
    constituents : bool
        Also return ``member``: for each particle the row of its jet, or -1.

    Returns
    -------
    dict
        ``event, pt, eta, phi, mass, n`` of all jets (flat); ``n`` is the number of constituents.
    """
    import awkward as ak

    try:
        import fastjet
    except ImportError:
        msg = 'jets need fastjet, which is not installed: pip install "massgap[generator]"'
        raise GeneratorMissingError(msg) from None
    counts = np.bincount(event, minlength=n_events)
    member = np.full(len(event), -1)
    empty = {name: np.zeros(0) for name in ("pt", "eta", "phi", "mass")}
    if not len(event):
        return {"event": np.zeros(0, np.int64), **empty, "n": np.zeros(0, np.int64), "member": member}
    particles = ak.unflatten(
        ak.zip({"px": px, "py": py, "pz": pz, "E": energy}, with_name="Momentum4D"), counts
    )
    with without_banner("fastjet"):
        sequence = fastjet.ClusterSequence(particles, fastjet.JetDefinition(fastjet.antikt_algorithm, radius))
        jets = sequence.inclusive_jets(min_pt=pt_min)
        inside = sequence.constituent_index(min_pt=pt_min)
    number = ak.to_numpy(ak.num(jets.px))
    jet_event = np.repeat(np.arange(n_events), number)
    x, y, z, e = (np.asarray(ak.to_numpy(ak.flatten(jets[name]))) for name in ("px", "py", "pz", "E"))
    pt = np.hypot(x, y)
    order = np.lexsort((-pt, jet_event))
    x, y, z, e, pt = (values[order] for values in (x, y, z, e, pt))
    sizes = np.asarray(ak.to_numpy(ak.num(ak.flatten(inside, axis=1), axis=1)))
    if constituents and len(pt):
        starts = np.concatenate(([0], np.cumsum(counts)))[:-1]
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        rows = np.asarray(ak.to_numpy(ak.flatten(inside, axis=None))) + np.repeat(starts[jet_event], sizes)
        member[rows] = np.repeat(rank, sizes)
    return {
        "event": jet_event,
        "pt": pt,
        "eta": np.arcsinh(z / pt),
        "phi": np.arctan2(y, x),
        "mass": np.sqrt(np.maximum(e**2 - pt**2 - z**2, 0.0)),
        "n": sizes[order],
        "member": member,
    }


def hadron_flavour(record: Record, jets: dict[str, Any], radius: float, pt_min: float) -> np.ndarray:
    """5, 4 or 0: whether a b or c hadron (last copy, above pt_min in GeV) lies within the radius."""
    flavour = np.zeros(len(jets["pt"]), dtype=np.uint8)
    pt, eta, phi = record.pt, record.eta, record.phi
    for number in (4, 5):
        rows = last_copies(record, is_heavy_hadron(record.pdg, number) & (pt > pt_min))
        _, distance = nearest(
            jets["event"], jets["eta"], jets["phi"], record.event[rows], eta[rows], phi[rows], record.n_events
        )
        flavour[distance < radius] = number
    return flavour

"""Jets of all events of a batch with fastjet: clustering, extra resolution, flavour."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap import extras
from massgap.samples.detector.cones import nearest
from massgap.samples.detector.resolution import eta_bin, lognormal
from massgap.samples.errors import GeneratorMissingError
from massgap.samples.extra import without_banner
from massgap.samples.record import Record, last_copies

if TYPE_CHECKING:
    from massgap.samples.detector.draws import EventRandom

_KINEMATICS = ("pt", "eta", "phi", "mass")
#: Noise of a card is that of jets of this radius.
_NOISE_RADIUS = 0.4


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
    constituents: bool = True,
    clock: dict[str, float] | None = None,
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
        Also return ``member``, for each particle the row of its jet or -1, and ``n``, the number of particles.
    clock : dict, optional
        CPU seconds in fastjet are added to its entry ``fastjet``.

    Returns
    -------
    dict
        ``event, pt, eta, phi, mass`` of all jets (flat).

    Raises
    ------
    GeneratorMissingError
        Without fastjet.
    """
    import awkward as ak

    fastjet = extras.require("fastjet", "clustering jets", error=GeneratorMissingError)
    counts = np.bincount(event, minlength=n_events)
    member = np.full(len(event), -1)
    if not len(event):
        nothing = {name: np.zeros(0) for name in _KINEMATICS}
        return {"event": np.zeros(0, np.int64), **nothing, "n": np.zeros(0, np.int64), "member": member}
    starts = np.concatenate(([0], np.cumsum(counts)))
    # built from its buffers: zipping and flattening take as long as clustering small events
    momenta = [ak.contents.NumpyArray(np.ascontiguousarray(values)) for values in (px, py, pz, energy)]
    rows = ak.contents.RecordArray(momenta, ["px", "py", "pz", "E"], parameters={"__record__": "Momentum4D"})
    particles = ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(starts), rows))
    mark = time.process_time()
    with without_banner("fastjet"):
        sequence = fastjet.ClusterSequence(particles, fastjet.JetDefinition(fastjet.antikt_algorithm, radius))
        jets = sequence.inclusive_jets(min_pt=pt_min)
        inside = sequence.constituent_index(min_pt=pt_min) if constituents else None
    if clock is not None:
        clock["fastjet"] = clock.get("fastjet", 0.0) + time.process_time() - mark
    (number,), content = _unpack(jets.layout, 1)
    jet_event = np.repeat(np.arange(n_events), number)
    x, y, z, e = (np.asarray(ak.to_numpy(content[name])) for name in ("px", "py", "pz", "E"))
    pt = np.hypot(x, y)
    order = np.lexsort((-pt, jet_event))
    x, y, z, e, pt = (values[order] for values in (x, y, z, e, pt))
    found = {
        "event": jet_event,
        "pt": pt,
        "eta": np.arcsinh(z / pt),
        "phi": np.arctan2(y, x),
        "mass": np.sqrt(np.maximum(e**2 - pt**2 - z**2, 0.0)),
    }
    if inside is None:
        return found
    (_, sizes), content = _unpack(inside.layout, 2)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    place = np.asarray(ak.to_numpy(content), dtype=np.int64) + np.repeat(starts[jet_event], sizes)
    member[place] = np.repeat(rank, sizes)
    return {**found, "n": sizes[order], "member": member}


def _unpack(layout: Any, depth: int) -> tuple[list[np.ndarray], Any]:
    """Lengths of the lists of each level of a jagged array, and its innermost content."""
    lengths = []
    for _ in range(depth):
        layout = layout.to_ListOffsetArray64(True)
        offsets = np.asarray(layout.offsets)
        lengths.append(np.diff(offsets))
        layout = layout.content[: int(offsets[-1])]
    return lengths, layout


def cluster_where_possible(
    flow: dict[str, np.ndarray],
    n_events: int,
    radius: float,
    pt_min: float,
    *,
    constituents: bool = True,
    clock: dict[str, float] | None = None,
) -> dict[str, Any]:
    """:func:`cluster`, but for events whose whole transverse momentum would not make one jet.

    Parameters
    ----------
    flow : dict
        ``event, px, py, pz, energy`` of the particles and ``scalar_sum``, the sum of pt of each event.
    n_events, radius, pt_min, constituents, clock
        As in :func:`cluster`.
    """
    enough = flow["scalar_sum"] > pt_min
    some: dict[str, Any] = {key: flow[key] for key in ("event", "px", "py", "pz", "energy")}
    if enough.all():
        return cluster(
            **some, n_events=n_events, radius=radius, pt_min=pt_min, constituents=constituents, clock=clock
        )
    rows = np.flatnonzero(enough[flow["event"]])
    some = {key: values[rows] for key, values in some.items()}
    jets = cluster(
        **some, n_events=n_events, radius=radius, pt_min=pt_min, constituents=constituents, clock=clock
    )
    if constituents:
        member = np.full(len(flow["event"]), -1)
        member[rows] = jets["member"]
        jets["member"] = member
    return jets


def reconstructed_jets(
    flow: dict[str, np.ndarray],
    n_events: int,
    radius: float,
    pt_min: float,
    name: str,
    card: dict[str, Any],
    random: EventRandom,
    clock: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Jets of reconstructed particles, with the extra scale and resolution of the card.

    Parameters
    ----------
    flow : dict
        ``event, px, py, pz, energy`` of reconstructed particles and ``scalar_sum`` of each event.
    n_events : int
        Number of events.
    radius, pt_min : float
        Radius, and smallest jet pt in GeV after all.
    name : str
        Name of the collection, for its random numbers.
    card : dict
        Detector card; without ``[jet.smearing]`` jets are the sum of their particles.
    random : EventRandom
        Random numbers of the events.
    clock : dict, optional
        See :func:`cluster`.

    Returns
    -------
    dict
        As :func:`cluster`, and ``pt_sum``, the pt of the sum of the particles.
    """
    table = card["jet"].get("smearing")
    # a softer jet may be measured above the threshold
    lowest = pt_min if table is None else 0.5 * pt_min
    jets = cluster_where_possible(flow, n_events, radius, lowest, clock=clock)
    jets["pt_sum"] = jets["pt"]
    if table is None:
        return jets
    gauss = random.objects(name, jets["event"]).normal("smearing")
    factor = lognormal(jet_resolution(table, jets["pt"], jets["eta"], radius), gauss)
    factor *= np.append(table["scale"], 1.0)[eta_bin(table["eta"], jets["eta"])]
    jets |= {"pt": jets["pt"] * factor, "mass": jets["mass"] * factor}
    order = np.lexsort((-jets["pt"], jets["event"]))
    order = order[jets["pt"][order] > pt_min]
    rank = np.full(len(factor) + 1, -1)
    rank[order] = np.arange(len(order))
    measured = {key: values[order] for key, values in jets.items() if key != "member"}
    return {**measured, "member": rank[jets["member"]]}


def jet_resolution(table: dict[str, Any], pt: np.ndarray, eta: np.ndarray, radius: float) -> np.ndarray:
    """Relative pt resolution that a card adds to jets; the noise grows with the root of the jet's area."""
    where = eta_bin(table["eta"], eta)
    noise, stochastic, constant = (
        np.append(np.square(table[name]), 0.0)[where] for name in ("noise", "stochastic", "constant")
    )
    return np.sqrt(noise * (radius / _NOISE_RADIUS) ** 2 / pt**2 + stochastic / pt + constant)


def hadron_flavour(record: Record, jets: dict[str, Any], radius: float, pt_min: float) -> np.ndarray:
    """5, 4 or 0: whether a b or c hadron (last copy, above pt_min in GeV) lies within the radius."""
    flavour = np.zeros(len(jets["pt"]), dtype=np.uint8)
    for number in (4, 5):
        rows = last_copies(record, record.heaviest_quark == number)
        pt, eta, phi = record.pt_eta_phi(rows)
        hard = pt > pt_min
        _, distance = nearest(
            jets["event"],
            jets["eta"],
            jets["phi"],
            record.event[rows[hard]],
            eta[hard],
            phi[hard],
            record.n_events,
        )
        flavour[distance < radius] = number
    return flavour

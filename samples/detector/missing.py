"""Missing transverse momentum, measured and generated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.record import Record, invisible

if TYPE_CHECKING:
    from massgap.samples.detector.draws import EventRandom
    from massgap.samples.detector.response import Candidates


def missing_momentum(
    record: Record,
    seen: Candidates,
    flow: dict[str, np.ndarray],
    jets: dict[str, Any],
    card: dict[str, Any],
    random: EventRandom,
) -> dict[str, np.ndarray]:
    """MET from all reconstructed particles, the jets' extra smearing and a soft term; GenMET.

    Parameters
    ----------
    record : Record
        Generated events.
    seen : Candidates
        Reconstructed particles.
    flow : dict
        Their ``px, py`` and the ``scalar_sum`` of pt of each event.
    jets : dict
        Jets of :func:`massgap.samples.detector.jets.reconstructed_jets`.
    card : dict
        Detector card.
    random : EventRandom
        Random numbers of the events.

    Returns
    -------
    dict
        NanoAOD branches, one entry per event.
    """
    n = record.n_events

    def total(event: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(event, weights=values, minlength=n)

    change = jets["pt"] - jets["pt_sum"]
    soft, draws = card["met"]["soft_sigma"], random.events(n)
    mx, my = (
        soft * draws.normal(f"soft {axis}")
        - total(seen.event, flow[axis])
        - total(jets["event"], change * direction(jets["phi"]))
        for axis, direction in (("px", np.cos), ("py", np.sin))
    )
    escaped = np.flatnonzero(record.final)
    escaped = escaped[invisible(record.pdg[escaped])]
    gx, gy = (total(record.event[escaped], values[escaped]) for values in (record.px, record.py))
    met, sum_et = np.hypot(mx, my), flow["scalar_sum"]
    return {
        "MET_pt": met,
        "MET_phi": np.arctan2(my, mx),
        "MET_sumEt": sum_et,
        "MET_significance": met / np.sqrt(np.maximum(sum_et, 1.0)),
        "GenMET_pt": np.hypot(gx, gy),
        "GenMET_phi": np.arctan2(gy, gx),
    }

"""The smuon processor from file to histograms against the plain coffea way, and a compiled loop over arrays in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.events import columns
from benchmarks.fused_smuon import COLUMNS, arrays_in_memory, compiled_loop
from benchmarks.processor_lines import Contest

GROUP = "Smuon processor, file to histograms"
STEPS = ("MET > 100", "two muons", "opposite charge", "m_mumu", "M_T2 > 90", "muons above 50, 20")


def content(n: int, seed: int) -> dict[str, Any]:
    """Dimuon events with photons and wide jets, as generated samples have them, and more missing momentum.

    About a fifth of the events passes the cut on it, and one in fifty all cuts.
    """
    out = columns(n, seed)
    rng = np.random.default_rng([seed, n, 2])
    for name, mean, pt in (("Photon", 0.3, 12.0), ("WideJet", 1.6, 30.0)):
        counts = rng.poisson(mean, n)
        k = int(counts.sum())
        kinematics = {
            "pt": (8.0 + rng.exponential(pt, k)).astype(np.float32),
            "eta": np.clip(rng.normal(0.0, 1.4, k), -4.0, 4.0).astype(np.float32),
            "phi": rng.uniform(-np.pi, np.pi, k).astype(np.float32),
        }
        if name == "Photon":
            kinematics["pfRelIso03_all"] = rng.exponential(0.1, k).astype(np.float32)
            kinematics["cutBased"] = rng.integers(0, 4, k).astype(np.int32)
        else:
            kinematics["mass"] = (kinematics["pt"] * rng.uniform(0.05, 0.3, k)).astype(np.float32)
        out[name] = (counts, kinematics)
    out[""]["MET_pt"] = rng.exponential(60.0, n).astype(np.float32)
    return out


rows = Contest(
    GROUP,
    "smuon",
    processor="massgap.processors.smuon:Smuon",
    plain="benchmarks.plain_smuon:PlainSmuon",
    content=content,
    columns=COLUMNS,
    loop=lambda path: compiled_loop(arrays_in_memory(path)),
    steps=STEPS,
    goal=8.0,
    plain_words=(
        "NanoEvents, vector behaviours, one awkward expression per observable, package mt2, hist.Hist; same counts but for "
        "M_T2, where package mt2 is off"
    ),
    exact=4,
    off_counts=1e-3,
    off_contents=3e-3,
    words=", MET in 8 regions",
).rows

"""The vector-like-quark processor from file to histograms against the plain coffea way, and a compiled loop in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.events import columns
from benchmarks.fused_vlq import COLUMNS, arrays_in_memory, compiled_loop
from benchmarks.plain_vlq import STEPS
from benchmarks.processor_lines import Contest

GROUP = "VLQ processor, file to histograms"


def content(n: int, seed: int) -> dict[str, Any]:
    """Events of a Z and a lepton in a hard jet on the other side; a quarter has fewer leptons, a fifth passes all cuts."""
    out = columns(n, seed)
    rng = np.random.default_rng([seed, n, 3])
    few = rng.random(n) < 0.25
    phi = rng.uniform(-np.pi, np.pi, n)
    pt_z, eta_z = 60 + rng.exponential(200, n), rng.normal(0, 0.9, n)
    apart = 182.4 / pt_z
    away, eta = phi + np.pi, rng.normal(0, 0.9, n)
    pt_3 = 15 + rng.exponential(90, n)
    sign = np.where(rng.random(n) < 0.5, 1, -1)

    def per_event(first: Any, second: Any, third: Any) -> np.ndarray:
        return np.stack([np.broadcast_to(x, n) for x in (first, second, third)], axis=1)

    leptons = {
        "pt": per_event(0.6 * pt_z, 0.4 * pt_z, pt_3),
        "eta": per_event(eta_z, eta_z + 0.3 * apart, eta),
        "phi": per_event(phi, phi + apart, away),
        "charge": per_event(sign, -sign, rng.choice([-1, 1], n)),
    }
    there = np.ones((n, 3), bool)
    there[few, 2] = False
    kinds = np.stack([rng.random(n) < 0.5] * 2 + [rng.random(n) < 0.5], axis=1)
    for name, of, mass, more in (
        ("Muon", kinds & there, 0.1056583755, "mediumId"),
        ("Electron", ~kinds & there, 0.000511, "cutBased"),
    ):
        k = int(of.sum())
        fields = {key: values[of].astype(np.float32) for key, values in leptons.items() if key != "charge"}
        fields["phi"] = np.remainder(fields["phi"] + np.pi, 2 * np.pi).astype(np.float32) - np.float32(np.pi)
        fields |= {"mass": np.full(k, mass, np.float32), "charge": leptons["charge"][of].astype(np.int32)}
        fields[more] = rng.random(k) < 0.97 if name == "Muon" else rng.choice([1, 3], k, p=[0.05, 0.95])
        out[name] = (of.sum(axis=1), fields)
    beside = 40 + rng.exponential(150, n)
    counts = 1 + (rng.random(n) < 0.3)
    k = int(counts.sum())
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    fat = {
        "pt": (70 + rng.exponential(100, k)).astype(np.float32),
        "eta": np.clip(rng.normal(0, 1.2, k), -4, 4).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, k).astype(np.float32),
    }
    fat["pt"][first] = pt_3 + beside
    fat["eta"][first] = eta + rng.normal(0, 0.1, n)
    fat["phi"][first] = np.remainder(away + rng.normal(0, 0.1, n) + np.pi, 2 * np.pi) - np.pi
    fat["mass"] = (0.15 * fat["pt"]).astype(np.float32)
    out["FatJet"] = (counts, fat)
    return out


rows = Contest(
    GROUP,
    "vlq",
    processor="massgap.processors.vlq:Vlq",
    plain="benchmarks.plain_vlq:PlainVlq",
    content=content,
    columns=COLUMNS,
    loop=lambda path: compiled_loop(arrays_in_memory(path)),
    steps=STEPS,
    goal=4.0,
    plain_words=(
        "NanoEvents, vector behaviours, one awkward expression per step and observable, hist.Hist; identical counts"
    ),
).rows

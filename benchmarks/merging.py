"""Adding the histograms of one chunk to the sum: 28 histograms with 100 variations."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Row, cost, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "Adding histograms"
HISTOGRAMS, VARIATIONS, BINS = 28, 100, 50


def rows(effort: Effort) -> Iterator[Row]:
    """Yield the lines about merging."""
    from massgap.processors.base.sums import HistogramSums

    rounds = effort.rounds()
    rng = np.random.default_rng(3)
    size = HISTOGRAMS * (BINS + 2)
    names = tuple(f"v{i}" for i in range(VARIATIONS))

    def chunk() -> Any:
        sums = HistogramSums(names, size)
        for name in names:
            weights = rng.normal(1.0, 0.1, 5000).astype(np.float32).astype(np.float64)
            bins = rng.integers(0, size, 5000).astype(np.int32)
            sums.fill(name, [(bins, None)], weights)
        sums.finish()
        return sums

    total, part = chunk(), chunk()
    doubles = np.concatenate([np.concatenate(part.values(name)) for name in names])
    running = doubles.copy()
    hists, others = _hists(part, names), _hists(part, names)

    def ours() -> None:
        nonlocal total
        total += part

    def flat() -> None:
        np.add(running, doubles, out=running)

    def plain() -> None:
        for key in hists:
            hists[key] += others[key]

    what = f"{HISTOGRAMS} histograms x {VARIATIONS} variations"
    limbs = part.sums.limbs
    yield Row(
        GROUP,
        f"massgap: {what}",
        cost(ours, rounds=rounds, least=0.05, scale=1e3),
        "ms",
        goal=0.1,
        at_least=False,
        detail=(
            f"exact sums of weights and of squared weights: {limbs.nbytes / 1e6:.1f} MB, {len(limbs)} limbs of 64 bits "
            "for each number; single-precision generator weights"
        ),
    )
    yield Row(
        GROUP,
        "the same contents as one flat array of doubles",
        cost(flat, rounds=rounds, least=0.05, scale=1e3),
        "ms",
        at_least=False,
        detail=f"{doubles.nbytes / 1e6:.1f} MB, numpy.add in place: what memory allows for inexact sums",
    )
    yield Row(
        GROUP,
        f"against a dict of {HISTOGRAMS} hist.Hist with Weight storage",
        ratio(ours, plain, rounds=rounds, least=0.05),
        detail="histograms with an axis of variations",
    )


def _hists(part: Any, names: tuple[str, ...]) -> dict[str, Any]:
    import hist

    out = {}
    for k in range(HISTOGRAMS):
        axes = (hist.axis.StrCategory(names, name="variation"), hist.axis.Regular(BINS, 0.0, 1.0, name="x"))
        out[f"h{k}"] = hist.Hist(*axes, storage=hist.storage.Weight())
        view: Any = out[f"h{k}"].view(flow=True)
        block = slice(k * (BINS + 2), (k + 1) * (BINS + 2))
        for i, name in enumerate(names):
            w, w2 = part.values(name)
            view["value"][i], view["variance"][i] = w[block], w2[block]
    return copy.deepcopy(out)

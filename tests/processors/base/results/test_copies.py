"""Errors of samples in which hard processes are there several times: plain loops, and the scatter of many such samples."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from massgap.arrays.same_event import sums_of_squares
from massgap.contracts.description import Region
from massgap.processors.base.axes import Regular
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.results.copies import CopyErrors, copies_of
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import CutCount, DatasetTally, Tally

AXIS = Regular(4, 0.0, 1.0, name="x")
LAYOUT = Layout(
    (
        HistogramSpec("x", AXIS),
        HistogramSpec("score", Regular(2, 0.0, 1.0, name="score"), folds=3, regions=("sr",)),
        HistogramSpec("nminus1", AXIS, regions=("sr",)),
    ),
    ("all", "sr"),
)


def by_hand(places, keys, weights):
    """Variance of each bin: square of what each hard process brings to it."""
    sums = defaultdict(float)
    for place, key, weight in zip(places, keys, weights, strict=True):
        sums[place, key] += weight
    out = defaultdict(float)
    for (place, _), total in sums.items():
        out[place] += total**2
    return out


def sample(n=400, copies=5, seed=2):
    rng = np.random.default_rng(seed)
    keys = np.tile(np.arange(n, dtype=np.uint64) * np.uint64(7), copies)
    order = rng.permutation(len(keys))
    keys = keys[order]
    x = np.clip((keys % np.uint64(97)).astype(float) / 97 + rng.normal(0, 0.3, len(keys)), -0.1, 1.2)
    x[::50] = np.nan
    weight = rng.choice([0.2, 0.4, -0.2], len(keys), p=[0.6, 0.3, 0.1])
    return {
        "x": x,
        "score": rng.random(len(keys)),
        "fold_key": keys,
        "weight": weight,
        "region_all": np.ones(len(keys), bool),
        "region_sr": rng.random(len(keys)) < 0.4,
    }


def tally_of(table, copies=5, rows=True):
    """A tally that was filled with the events of a table, all of which are selected."""
    sums = HistogramSums(("nominal", "isr_up"), LAYOUT.size)
    metadata = {"dataset": "d", "process": "p", "n_copies": copies, "sum_weights": 1.0, "xsec_fb": 2.0}
    part = DatasetTally(metadata, (("c", "all events"), ("c", "selected")), histograms=sums)
    part.total.fill(table["weight"])
    for step in part.steps:
        part.cutflow[step] = CutCount()
    part.cutflow["c", "all events"].fill(np.concatenate([table["weight"], [0.2, 0.2]]))
    part.cutflow["c", "selected"].fill(table["weight"])
    fills = []
    for name, spec in LAYOUT.specs.items():
        values = table["x" if name == "nminus1" else name]
        places = spec.places(values).astype(np.int64)
        if spec.folds:
            places = np.where(places < 0, -1, places + (table["fold_key"] % 3).astype(np.int64) * spec.bins)
        for region in LAYOUT.regions[name]:
            here = np.flatnonzero(table[f"region_{region}"])
            first = LAYOUT.first_bin(name, region)
            fills.append((np.where(places[here] < 0, -1, places[here] + first).astype(np.int32), here))
    sums.fill("nominal", fills, table["weight"])
    sums.fill("isr_up", fills, 1.1 * table["weight"])
    if rows:
        part.features["f", 0] = {**table, "channel": np.zeros(len(table["x"]), np.int8)}
    out = Tally(LAYOUT, (Region("all", channel="c").channel,))
    out.datasets["d"] = part
    return out


def test_observables_and_scores_have_the_errors_of_a_plain_loop() -> None:
    table = sample()
    histograms = tally_of(table).result()["histograms"]
    for region in ("all", "sr"):
        here = table[f"region_{region}"]
        places = AXIS.places(table["x"][here])
        expected = by_hand(places, table["fold_key"][here], table["weight"][here])
        found = histograms["x"][{"process": 0, "region": region, "variation": "nominal"}].variances(flow=True)
        assert found == pytest.approx([4.0 * expected[k] for k in range(6)])
        # the variation by the same factors
        up = histograms["x"][{"process": 0, "region": region, "variation": "isr_up"}].variances(flow=True)
        assert up == pytest.approx(1.21 * found)
    here = table["region_sr"]
    for fold in range(3):
        own = here & (table["fold_key"] % 3 == fold)
        expected = by_hand(
            (table["score"][own] * 2).astype(int), table["fold_key"][own], table["weight"][own]
        )
        found = histograms["score"][{"process": 0, "region": 0, "variation": "nominal", "fold": fold}]
        assert found.variances() == pytest.approx([4.0 * expected[k] for k in range(2)])


def test_other_histograms_have_the_ratio_of_their_region() -> None:
    table = sample()
    here = table["region_sr"]
    whole = by_hand([0] * here.sum(), table["fold_key"][here], table["weight"][here])[0]
    naive = np.bincount(AXIS.places(table["x"][here])[~np.isnan(table["x"][here])],
                        table["weight"][here & ~np.isnan(table["x"])] ** 2, 6)  # fmt: skip
    ratio = whole / (table["weight"][here] ** 2).sum()
    found = tally_of(table).result()["histograms"]["nminus1"]
    found = found[{"process": 0, "region": 0, "variation": "nominal"}].variances(flow=True)
    assert found == pytest.approx(4.0 * ratio * naive)


def test_cutflow_is_exact_where_the_rows_are_its_events_and_a_bound_before() -> None:
    table = sample()
    first, last = tally_of(table).result()["cutflow"]["processes"]["p"]
    exact = by_hand([0] * len(table["x"]), table["fold_key"], table["weight"])[0]
    assert last["variance"] == pytest.approx(4.0 * exact)
    assert first["variance"] == pytest.approx(4.0 * 5 * ((table["weight"] ** 2).sum() + 0.08))
    assert first["raw"] == len(table["x"]) + 2


def test_without_rows_there_is_the_bound_and_without_copies_nothing_changes() -> None:
    table = sample()
    naive = tally_of(table, copies=1).result()["histograms"]["x"].variances(flow=True)
    assert tally_of(table, rows=False).result()["histograms"]["x"].variances(flow=True) == pytest.approx(
        5 * naive
    )
    assert (
        tally_of(table, copies=1, rows=False).result()["histograms"]["x"].variances(flow=True).tolist()
        == naive.tolist()
    )
    assert (copies_of({}), copies_of({"n_copies": None}), copies_of({"n_copies": 4})) == (1, 1, 4)
    # rows of other events than those that were filled are not used
    table["x"] = table["x"][::-1]
    errors = CopyErrors(LAYOUT, 5, {**table, "x": np.zeros(len(table["x"]))})
    squares = tally_of(table).datasets["d"].histograms.values("nominal")[1]
    ratio = errors.factors(squares)[LAYOUT.block("x")]
    assert len(set(ratio[:6].tolist())) == 1


def test_errors_are_the_scatter_of_independent_samples() -> None:
    """Contents of 3000 samples of 40 hard processes with 4 decays each, in bins that share hard processes."""
    rng = np.random.default_rng(8)
    n, m, copies = 3000, 40, 4
    centre = rng.random((n, m, 1))
    x = centre + rng.normal(0, 0.15, (n, m, copies))
    # the number of hard processes fluctuates, too
    there = np.arange(m) < rng.poisson(m / 2, n)[:, None]
    contents = np.stack(
        [((x > k / 4) & (x <= (k + 1) / 4) & there[..., None]).sum(axis=(1, 2)) for k in range(4)]
    )
    exact, naive = np.zeros(4), np.zeros(4)
    for i in range(200):
        values, keys = x[i][there[i]].ravel(), np.repeat(np.arange(there[i].sum()), copies)
        places = np.where((values > 0) & (values <= 1), np.ceil(values * 4).astype(int) - 1, -1)
        one, two = sums_of_squares(places, keys, np.ones(len(values)), 4)
        naive += one / 200
        exact += two / 200
    scatter = contents.var(axis=1)
    assert exact == pytest.approx(scatter, rel=0.1)
    assert (naive < 0.6 * scatter).all()


def test_nothing_is_nothing() -> None:
    empty = sums_of_squares(np.array([-1]), np.array([3]), np.array([1.0]), 2)
    assert [x.tolist() for x in empty] == [[0.0, 0.0]] * 2

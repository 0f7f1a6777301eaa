"""A compiled selection counts like the cuts one by one, and fills end in the right bins."""

from __future__ import annotations

import math

import boost_histogram as bh
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.processors.base.flow import Flow
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import DatasetTally
from massgap.processors.errors import ProcessorError

SPECS = (
    HistogramSpec("plain", "plain", "x", 4, 0.0, 1.0),
    HistogramSpec("classes", "classes", "x", 3, 0.0, 1.0, ("a", "b"), "selection"),
)
LAYOUT = Layout(SPECS)
STEPS = ("one", "two", "three")
weights = st.floats(-1e6, 1e6)


class Events:
    """Only the masks matter."""

    def __getitem__(self, mask):
        return self


def flow_of(w, nominal: bool = True, **more) -> Flow:
    given_weights = {"nominal": np.asarray(w, dtype=np.float64), **more}
    part = DatasetTally({}, (), histograms=HistogramSums(tuple(given_weights), LAYOUT.size))
    return Flow(part, LAYOUT, given_weights, nominal=nominal)


@given(st.lists(st.tuples(st.integers(0, 3), weights), max_size=40))
@settings(max_examples=80)
def test_reach_counts_as_step_by_step_cuts_do(events) -> None:
    reached = np.array([r for r, _ in events], dtype=np.int8)
    w = [x for _, x in events]
    at_once, one_by_one = flow_of(w, up=np.arange(len(w))), flow_of(w, up=np.arange(len(w)))
    at_once.reach(STEPS, reached)
    left = reached
    for k, step in enumerate(STEPS, start=1):
        one_by_one.keep(Events(), step, left >= k)
        left = left[left >= k]
    assert at_once.part.steps == one_by_one.part.steps == STEPS
    for step in STEPS:
        a, b = at_once.part.cutflow[step], one_by_one.part.cutflow[step]
        assert a.raw == b.raw
        assert a.sums.values().tobytes() == b.sums.values().tobytes()
    for name in ("nominal", "up"):
        assert at_once.weights[name].tolist() == one_by_one.weights[name].tolist()
    assert at_once.weight.tolist() == [x for r, x in events if r == 3]


def test_reach_of_no_event_and_of_no_survivor() -> None:
    flow = flow_of([])
    flow.reach(STEPS, np.zeros(0, dtype=np.int8))
    assert [flow.part.cutflow[s].raw for s in STEPS] == [0, 0, 0]
    flow = flow_of([1.0, 2.0])
    flow.reach(STEPS, np.array([0, 1], dtype=np.int8))
    assert [flow.part.cutflow[s].raw for s in STEPS] == [1, 0, 0]
    assert [float(flow.part.cutflow[s].sums.values()[0]) for s in STEPS] == [2.0, 0.0, 0.0]
    assert len(flow.weight) == 0


def test_shifted_objects_do_not_count() -> None:
    flow = flow_of([1.0, 2.0], nominal=False)
    flow.reach(STEPS, np.array([3, 1], dtype=np.int8))
    assert flow.part.steps == ()
    assert flow.weight.tolist() == [1.0]


def test_reach_needs_one_number_per_event_and_comes_before_filling() -> None:
    flow = flow_of([1.0, 2.0])
    with pytest.raises(
        ProcessorError, match=r"step 'three': the mask has shape \(3,\), but there are 2 events"
    ):
        flow.reach(STEPS, np.zeros(3, dtype=np.int8))
    flow.fill("plain", np.zeros(2))
    with pytest.raises(ProcessorError, match="cut before filling"):
        flow.reach(STEPS, np.zeros(2, dtype=np.int8))


fills = st.lists(
    st.tuples(st.one_of(st.floats(-0.5, 1.5), st.just(math.nan)), st.booleans(), st.integers(0, 1), weights),
    max_size=30,
)


@given(fills)
@settings(max_examples=60)
def test_fills_with_masks_and_classes(rows) -> None:
    values, masks, classes, w = (np.array([r[i] for r in rows]) for i in range(4))
    masks, classes = masks.astype(bool), classes.astype(np.int64)
    flow = flow_of(w.astype(np.float64), up=2.0 * w.astype(np.float64))
    flow.fill("plain", values, mask=masks)
    flow.fill("classes", values, mask=masks, classes=classes)
    flow.fill("classes", values, classes=1)
    flow.finish()
    defined = ~np.isnan(values.astype(np.float64))
    for name, factor in (("nominal", 1.0), ("up", 2.0)):
        plain = bh.Histogram(bh.axis.Regular(4, 0, 1), storage=bh.storage.Weight())
        both = bh.Histogram(
            bh.axis.Integer(0, 2, underflow=False, overflow=False),
            bh.axis.Regular(3, 0, 1),
            storage=bh.storage.Weight(),
        )
        if len(rows):
            use = defined & masks
            plain.fill(values[use], weight=factor * w[use])
            both.fill(classes[use], values[use], weight=factor * w[use])
            both.fill(1, values[defined], weight=factor * w[defined])
        sumw, sumw2 = flow.part.histograms.values(name)
        for block, true in (("plain", plain), ("classes", both)):
            view = true.view(flow=True)
            for found, expected in ((sumw, view["value"]), (sumw2, view["variance"])):
                np.testing.assert_allclose(
                    found[LAYOUT.block(block)], expected.ravel(), rtol=1e-12, atol=1e-5
                )
    # Each undefined value counts once, however often its event is filled.
    undefined = {"plain": int((~defined & masks).sum()), "classes": int((~defined).sum())}
    assert flow.part.undefined == {name: n for name, n in undefined.items() if n}


def test_masks_that_are_changed_between_fills() -> None:
    """The rows of a mask are remembered for the next fill with the same one."""
    flow = flow_of([1.0, 1.0, 1.0])
    mask = np.array([True, False, False])
    flow.fill("plain", np.full(3, 0.1), mask=mask)
    mask = mask | np.array([False, True, False])
    flow.fill("plain", np.full(3, 0.1), mask=mask)
    mask &= np.array([True, False, False])
    flow.fill("plain", np.full(3, 0.1), mask=mask)
    flow.finish()
    assert flow.part.histograms.values("nominal")[0].sum() == 4.0


def test_awkward_values_and_masks() -> None:
    import awkward as ak

    flow = flow_of([1.0, 2.0, 4.0])
    flow.fill("plain", ak.Array([0.1, 0.6, 0.9]), mask=ak.Array([True, False, True]))
    flow.finish()
    assert flow.part.histograms.values("nominal")[0].sum() == 5.0

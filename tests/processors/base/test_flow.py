"""Cuts are counted as a plain loop counts them, and fills end in the right bins of the right regions."""

from __future__ import annotations

import math

import awkward as ak
import boost_histogram as bh
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.contracts.description import Region
from massgap.processors.base.axes import Regular
from massgap.processors.base.chunk_pass import ChunkPass
from massgap.processors.base.flow import Flow
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import DatasetTally
from massgap.processors.errors import ProcessorError

REGIONS = {name: Region(name, channel="c") for name in ("every", "a", "b")}
SPECS = (
    HistogramSpec("plain", Regular(4, 0.0, 1.0, name="x"), regions=["every"]),
    HistogramSpec("parts", Regular(3, 0.0, 1.0, name="x"), regions=["a", "b"]),
)
LAYOUT = Layout(SPECS, tuple(REGIONS))
STEPS = ("one", "two", "three")
weights = st.floats(-1e6, 1e6)


class Events:
    """Only the masks matter."""

    def at(self, kept):
        return self


def flow_of(w, nominal: bool = True, **more) -> Flow:
    given_weights = {"nominal": np.asarray(w, dtype=np.float64), **more}
    part = DatasetTally({}, (), histograms=HistogramSums(tuple(given_weights), LAYOUT.size))
    return Flow(ChunkPass(part, LAYOUT, REGIONS, nominal=nominal), given_weights, "c")


def in_no_part(flow: Flow) -> Flow:
    for name in ("a", "b"):
        flow.region(name, np.zeros(len(flow), dtype=bool))
    return flow


def cutflow(flow: Flow) -> dict[str, tuple[int, float, float]]:
    flow.finish()
    part = flow.chunk.part
    assert {channel for channel, _ in part.steps} <= {"c"}
    return {
        step: (part.cutflow[key].raw, *map(float, part.cutflow[key].sums.values()))
        for key in part.steps
        for step in [key[1]]
    }


@given(st.lists(st.tuples(st.integers(0, 3), weights), max_size=40))
@settings(max_examples=80)
def test_cuts_count_as_a_plain_loop_does(events) -> None:
    reached, w = np.array([r for r, _ in events], dtype=np.int8), [x for _, x in events]
    flow = flow_of(w, up=np.arange(len(w), dtype=np.float64))
    left = reached
    for k, step in enumerate(STEPS, start=1):
        flow.keep(Events(), step, left >= k)
        left = left[left >= k]
    assert flow.weight.tolist() == [x for r, x in events if r == 3]
    assert flow.weights["up"].tolist() == [i for i, (r, _) in enumerate(events) if r == 3]
    assert len(flow) == sum(r == 3 for r, _ in events)
    counted = cutflow(flow)
    assert tuple(counted) == STEPS
    for k, step in enumerate(STEPS, start=1):
        here = [x for r, x in events if r >= k]
        # Exact sums are rounded once more when they are read: one unit in the last place.
        true = (len(here), math.fsum(here), math.fsum(x * x for x in here))
        assert counted[step] == pytest.approx(true, rel=5e-16, abs=1e-300)


def test_no_event_and_no_survivor() -> None:
    flow = flow_of([])
    flow.keep(Events(), "one", np.zeros(0, dtype=bool))
    assert cutflow(flow) == {"one": (0, 0.0, 0.0)}
    flow = flow_of([1.0, 2.0])
    flow.keep(Events(), "one", [False, True])
    flow.keep(Events(), "two", [False])
    assert len(flow.weight) == 0
    assert cutflow(flow) == {"one": (1, 2.0, 4.0), "two": (0, 0.0, 0.0)}


def test_shifted_objects_do_not_count() -> None:
    flow = flow_of([1.0, 2.0], nominal=False)
    flow.keep(Events(), "one", [True, False])
    in_no_part(flow).fill("plain", np.array([math.nan]))
    flow.finish()
    assert (flow.chunk.part.steps, flow.chunk.part.undefined) == ((), {})
    assert flow.weight.tolist() == [1.0]


def test_steps_after_the_first_fill_are_counted_with_a_mask() -> None:
    flow = in_no_part(flow_of([1.0, 2.0, 4.0]))
    flow.fill("plain", np.zeros(3))
    flow.count("some", [True, False, True])
    assert cutflow(flow) == {"some": (2, 5.0, 17.0)}


def test_a_step_has_one_mask_one_name_and_comes_before_filling() -> None:
    flow = flow_of([1.0, 2.0])
    with pytest.raises(
        ProcessorError, match=r"step 'three': the mask has shape \(3,\), but there are 2 events"
    ):
        flow.keep(Events(), "three", np.zeros(3, dtype=bool))
    flow.count("one")
    with pytest.raises(ProcessorError, match="step 'one' is counted twice"):
        flow.count("one")
    flow.fill("plain", np.zeros(2))
    with pytest.raises(ProcessorError, match=r"step 'late': cut before .*histograms; use count\(\)"):
        flow.keep(Events(), "late", [True, True])


fills = st.lists(
    st.tuples(
        st.one_of(st.floats(-0.5, 1.5), st.just(math.nan)),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        weights,
    ),
    max_size=30,
)


@given(fills)
@settings(max_examples=60)
def test_fills_with_masks_and_regions(rows) -> None:
    values, masks, in_a, in_b, w = (np.array([r[i] for r in rows]) for i in range(5))
    masks, in_a, in_b = (x.astype(bool) for x in (masks, in_a, in_b))
    values, w = values.astype(np.float64), w.astype(np.float64)
    flow = flow_of(w, up=2.0 * w)
    flow.region("a", in_a)
    flow.fill("plain", values, mask=masks)
    flow.fill("parts", values, mask=masks)
    flow.region("b", in_b)
    flow.fill("parts", values)
    flow.finish()
    defined = ~np.isnan(values)
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
            for k, inside in enumerate((in_a, in_b)):
                for chosen in (use & inside, defined & inside):
                    both.fill(k, values[chosen], weight=factor * w[chosen])
        sumw, sumw2 = flow.chunk.part.histograms.values(name)
        for block, true in (("plain", plain), ("parts", both)):
            view = true.view(flow=True)
            for found, expected in ((sumw, view["value"]), (sumw2, view["variance"])):
                np.testing.assert_allclose(
                    found[LAYOUT.block(block)], expected.ravel(), rtol=1e-12, atol=1e-5
                )


def test_undefined_values_count_once_per_event_and_histogram() -> None:
    flow = flow_of([1.0, 2.0, 4.0, 8.0])
    values = np.array([math.nan, math.nan, 0.5, 0.5])
    flow.region("a", [True, False, True, False])
    flow.region("b", [True, True, False, False])
    for mask in (None, [True, False, True, True], None):
        flow.fill("parts", values, mask=mask)
    flow.fill("plain", values, mask=[False, True, True, True])
    flow.finish()
    assert flow.chunk.part.undefined == {"parts": 2, "plain": 1}


def test_what_is_masked_is_undefined_whatever_lies_below() -> None:
    masked = np.ma.masked_array([0.1, 0.1, 0.5, 0.9], [False, True, False, False])
    contents = []
    for values in (masked, ak.from_numpy(masked), np.array([0.1, math.nan, 0.5, 0.9])):
        flow = in_no_part(flow_of([1.0, 2.0, 4.0, 8.0]))
        flow.fill("plain", values)
        flow.finish()
        assert flow.chunk.part.undefined == {"plain": 1}
        contents.append(flow.chunk.part.histograms.values("nominal")[0][LAYOUT.block("plain")].tolist())
    assert contents[0] == contents[1] == contents[2]
    assert sum(contents[0]) == 13.0


def test_masks_that_are_changed_between_fills() -> None:
    flow = in_no_part(flow_of([1.0, 1.0, 1.0]))
    mask = np.array([True, False, False])
    flow.fill("plain", np.full(3, 0.1), mask=mask)
    mask = mask | np.array([False, True, False])
    flow.fill("plain", np.full(3, 0.1), mask=mask)
    mask &= np.array([True, False, False])
    flow.fill("plain", np.full(3, 0.1), mask=mask)
    flow.finish()
    # The fills are resolved at the end: a mask that was changed in place meanwhile must not change them.
    assert flow.chunk.part.histograms.values("nominal")[0].sum() == 4.0


def test_awkward_values_and_masks() -> None:
    import awkward as ak

    flow = in_no_part(flow_of([1.0, 2.0, 4.0]))
    flow.fill("plain", ak.Array([0.1, 0.6, 0.9]), mask=ak.Array([True, False, True]))
    flow.finish()
    assert flow.chunk.part.histograms.values("nominal")[0].sum() == 5.0


def test_mistakes_in_fills_are_named() -> None:
    flow = flow_of([1.0, 2.0])
    with pytest.raises(ProcessorError, match="there is no histogram 'plane'; the analysis has plain, parts"):
        flow.fill("plane", np.zeros(2))
    with pytest.raises(ProcessorError, match="histogram 'plain': 3 values are given, but 2 events are left"):
        flow.fill("plain", np.zeros(3))
    with pytest.raises(ProcessorError, match=r"'plain' is filled with 1 arrays \(x\), not 2"):
        flow.fill("plain", np.zeros(2), np.zeros(2))
    with pytest.raises(ProcessorError, match=r"histogram 'plain': the mask has shape \(3,\)"):
        flow.fill("plain", np.zeros(2), mask=[True] * 3)

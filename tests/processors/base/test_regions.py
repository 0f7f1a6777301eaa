"""Regions of one channel: set by hand or by cuts, one within another, with the distributions before each cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.contracts.description import Cut, Region
from massgap.processors.base.axes import Regular
from massgap.processors.base.chunk_pass import ChunkPass
from massgap.processors.base.flow import Flow
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import DatasetTally
from massgap.processors.errors import ProcessorError

X, Y = (Regular(4, 0.0, 4.0, name=name) for name in "xy")
CUTS = (Cut("x_hard", "x", lambda x: x > 1.0), Cut("y_hard", "y", lambda y: y > 2.0))
REGIONS = (
    Region("every", channel="c"),
    Region("by_hand", channel="c", within="every"),
    Region("cut", channel="c", within="by_hand", cuts=CUTS),
    Region("other", channel="c", cuts=CUTS[:1]),
    Region("elsewhere", channel="d"),
)
SPECS = (
    HistogramSpec("x", X),
    HistogramSpec("y", Y, regions=["cut"]),
    HistogramSpec("nminus1_x_hard", X, regions=["cut", "other"]),
    HistogramSpec("nminus1_y_hard", Y, regions=["cut"]),
)


def flow_of(n: int, regions=REGIONS, specs=SPECS, *, channel: str = "c", weights=None) -> Flow:
    layout = Layout(specs, tuple(region.name for region in regions))
    w = {"nominal": np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)}
    part = DatasetTally({}, (), histograms=HistogramSums(tuple(w), layout.size))
    return Flow(ChunkPass(part, layout, {region.name: region for region in regions}), w, channel)


def contents(flow: Flow, name: str, region: str) -> list[float]:
    layout = flow.chunk.layout
    start = layout.first_bin(name, region)
    found = flow.chunk.part.histograms.values("nominal")[0]
    return found[start : start + layout.specs[name].bins].tolist()


def counted(values, chosen, weights) -> list[float]:
    """A histogram of four bins from 0 to 4, in plain Python."""
    out = [0.0] * 6
    for value, is_in, weight in zip(values, chosen, weights, strict=True):
        if is_in and not math.isnan(value):
            out[0 if value < 0 else 5 if value >= 4 else 1 + int(value)] += weight
    return out


value = st.one_of(st.sampled_from([-1.0, 0.5, 1.0, 1.5, 2.0, 3.5, 4.0]), st.just(math.nan))


@settings(max_examples=80)
@given(st.lists(st.tuples(value, value, st.booleans(), st.integers(1, 9)), max_size=25))
def test_cuts_regions_and_nminus1_against_a_plain_loop(rows) -> None:
    x, y, hand, w = ([row[i] for row in rows] for i in range(4))
    flow = flow_of(len(rows), weights=w)
    flow.region("by_hand", np.array(hand, dtype=bool))
    flow.record(None, {"x": np.array(x), "y": np.array(y)})
    flow.finish()
    passes_x, passes_y = [a > 1 for a in x], [b > 2 for b in y]
    cut = [h and a and b for h, a, b in zip(hand, passes_x, passes_y, strict=True)]
    regions = {"every": [True] * len(rows), "by_hand": hand, "cut": cut, "other": passes_x}
    for name, inside in regions.items():
        assert contents(flow, "x", name) == counted(x, inside, w), name
    assert contents(flow, "y", "cut") == counted(y, cut, w)
    # Before each cut: all other cuts, and the region that it lies within.
    before_x = [h and b for h, b in zip(hand, passes_y, strict=True)]
    before_y = [h and a for h, a in zip(hand, passes_x, strict=True)]
    assert contents(flow, "nminus1_x_hard", "cut") == counted(x, before_x, w)
    assert contents(flow, "nminus1_y_hard", "cut") == counted(y, before_y, w)
    assert contents(flow, "nminus1_x_hard", "other") == counted(x, regions["every"], w)
    steps = {step: count.raw for (_, step), count in flow.chunk.part.cutflow.items()}
    # Alternative regions share a cut, each counts it for itself.
    assert steps == {"x_hard": sum(before_y), "y_hard": sum(cut), "x_hard (other)": sum(passes_x)}
    undefined = {
        "x": sum(math.isnan(a) for a in x),
        # No undefined value passes a cut: y is filled in that region alone.
        "nminus1_x_hard": sum(math.isnan(a) for a in x),
        "nminus1_y_hard": sum(h and a and math.isnan(b) for h, a, b in zip(hand, passes_x, y, strict=True)),
    }
    assert flow.chunk.part.undefined == {name: n for name, n in undefined.items() if n}


def test_the_first_region_holds_all_events_unless_it_is_set() -> None:
    flow = flow_of(3)
    assert flow.passes("every").tolist() == [True] * 3
    flow = flow_of(3)
    flow.region("every", [True, False, True])
    flow.region("by_hand", [True, True, False])
    assert flow.passes("by_hand").tolist() == [True, False, False]
    assert flow.passes("every").tolist() == [True, False, True]


def test_a_region_that_was_not_set_is_refused_with_the_remedy() -> None:
    remedy = r"the region 'by_hand' was not set: call flow.region\('by_hand', mask\), or give it cuts and call flow.record"
    flow = flow_of(2)
    with pytest.raises(ProcessorError, match=remedy):
        flow.passes("by_hand")
    flow.fill("x", np.zeros(2))
    with pytest.raises(ProcessorError, match=remedy):
        flow.finish()
    # A cut region lies within it.
    with pytest.raises(ProcessorError, match=remedy):
        flow_of(2).record(None, {"x": np.zeros(2), "y": np.zeros(2)})
    # Where nothing is filled there is nothing to ask for.
    flow_of(2).finish()


def test_mistakes_in_regions_are_named() -> None:
    flow = flow_of(2)
    flow.region("by_hand", [True, False])
    for act, message in (
        (lambda: flow.region("by_hand", [True, True]), "the region 'by_hand' was set before"),
        (
            lambda: flow.region("sr", [True, True]),
            r"no region 'sr' in the channel 'c', which has every, by_hand, cut",
        ),
        (lambda: flow.region("elsewhere", [True, True]), "no region 'elsewhere' in the channel 'c'"),
        (lambda: flow.passes("elsewhere"), "no region 'elsewhere' in the channel 'c'"),
        (
            lambda: flow.region("cut", [True]),
            r"region 'cut': the mask has shape \(1,\), but there are 2 events",
        ),
        (lambda: flow.channel("c"), "this is the flow of the channel 'c'.*use it as it is"),
        (lambda: flow.channel("e"), "no region belongs to the channel 'e'; the regions' channels are c, d"),
    ):
        with pytest.raises(ProcessorError, match=message):
            act()
    with pytest.raises(
        ProcessorError, match=r"belongs to the channel 'c': begin it with flow.channel\('c'\)"
    ):
        flow_of(2, channel="").region("by_hand", [True, True])


def test_no_cut_follows_a_region() -> None:
    flow = flow_of(2)
    flow.region("by_hand", [True, False])
    with pytest.raises(ProcessorError, match="step 'late': cut before regions"):
        flow.keep(None, "late", [True, False])


def test_masks_belong_to_the_flow() -> None:
    """What an analysis does with its mask afterwards, or with that of passes(), moves no event."""
    flow = flow_of(2)
    mask = np.array([True, False])
    flow.region("by_hand", mask)
    mask[:] = True
    assert flow.passes("by_hand").tolist() == [True, False]
    for name in ("every", "by_hand"):
        with pytest.raises(ValueError, match="read-only"):
            flow.passes(name)[:] = False


def test_observables_and_cuts_must_be_complete() -> None:
    flow = flow_of(2)
    with pytest.raises(ProcessorError, match=r"observable 'x' has the shape \(3,\), but 2 events are left"):
        flow.record(None, {"x": np.zeros(3)})
    flow.region("by_hand", [True, True])
    with pytest.raises(ProcessorError, match=r"'y_hard' of the region 'cut' needs the observable 'y'"):
        flow.record(None, {"x": np.zeros(2)})
    read = flow_of(2, (Region("r", channel="c", cuts=(Cut("x_hard", "x"),)),), SPECS[:1])
    with pytest.raises(ProcessorError, match=r"'x_hard' of the region 'r' has no function"):
        read.record(None, {"x": np.zeros(2)})

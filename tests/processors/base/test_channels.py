"""Channels of an analysis: cutflows of their own, no common event, the same numbers for any chunks."""

from __future__ import annotations

from typing import Any

import awkward as ak
import eventfiles
import numpy as np
import pytest
from runs import bits, fileset_of

from massgap.contracts.description import Cut, Description, Feature, Region
from massgap.processors import Analysis
from massgap.processors.errors import ProcessorError
from massgap.runner import run

PT = Feature("pt", "$p_T$", "GeV", 0.0, 200.0, 20)
MASS = Feature("m_ll", "$m_{ll}$", "GeV", 0.0, 200.0, 20)


class TwoChannels(Analysis):
    """Events with two muons, and those with one; only the first have a mass."""

    name = "two_channels"
    observables = (PT, MASS)
    regions = (
        Region("two", channel="2l"),
        Region("off_z", channel="2l", within="two", cuts=[Cut("z_veto", "m_ll", lambda m: abs(m - 91) > 10)]),
        Region("one", channel="1l"),
    )

    def __init__(self, model: Any = None, *, begin: str = "always", **options: Any) -> None:
        super().__init__(model, **options)
        self.begin = begin

    def select(self, event: Any, flow: Any) -> None:
        event = flow.keep(event, "a jet", event.jets.counts > 0)
        muons = event.muons
        for name, n in (("2l", 2), ("1l", 1)):
            if self.begin == "if any" and not (muons.counts == n).any():
                continue
            channel = flow.channel(name)
            chosen = channel.keep(event, f"muons: {n}", muons.counts == n)
            if self.begin == "return" and not len(chosen):
                return
            x = {"pt": chosen.muons.at(0).pt}
            if n == 2:
                x["m_ll"] = (chosen.muons.at(0).awkward + chosen.muons.at(1).awkward).mass
            channel.record(chosen, x)


def made(n: int = 400) -> list[dict[str, Any]]:
    """Two muons or one; the first 150 events have two, so that some chunks hold nothing of a channel."""
    events = eventfiles.make_events(n, seed=31)
    for i, event in enumerate(events):
        event["muons"].sort(key=lambda muon: -muon["pt"])
        if i >= 150 and i % 3:
            del event["muons"][1:]
        elif i < 150 and len(event["muons"]) == 1:
            event["muons"].clear()
    return events


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return made()


@pytest.fixture(scope="module")
def fileset(events, tmp_path_factory) -> dict[str, Any]:
    return fileset_of(eventfiles.write_nano(tmp_path_factory.mktemp("channels") / "tt.root", events))


@pytest.fixture(scope="module")
def whole(fileset):
    result = run(TwoChannels(features=True), fileset)
    result.require_complete()
    return result


def test_each_channel_has_its_cutflow_that_begins_with_the_common_steps(events, whole) -> None:
    with_jet = [e for e in events if e["jets"]]
    numbers = {n: sum(len(e["muons"]) == n for e in with_jet) for n in (1, 2)}
    rows = [(row["channel"], row["step"], row["raw"]) for row in whole.cutflow["processes"]["tt"]]
    off_z = whole.features["tt"]["region_off_z"].sum()
    common = [("all events", len(events)), ("a jet", len(with_jet))]
    assert rows == [
        *(("2l", step, n) for step, n in common),
        ("2l", "muons: 2", numbers[2]),
        ("2l", "z_veto", off_z),
        *(("1l", step, n) for step, n in common),
        ("1l", "muons: 1", numbers[1]),
    ]
    assert whole.cutflow["channels"] == ["2l", "1l"]
    assert whole.cutflow["steps"] == ["all events", "a jet", "muons: 2", "z_veto", "muons: 1"]
    assert 0 < off_z < numbers[2]
    assert numbers[1] > 50


def test_rows_are_those_of_the_events_in_their_order(events, whole) -> None:
    table = whole.features["tt"]
    kept = [e for e in events if e["jets"] and len(e["muons"]) in (1, 2)]
    assert table["channel"].tolist() == [f"{len(e['muons'])}l" for e in kept]
    np.testing.assert_array_equal(
        table["pt"], np.array([e["muons"][0]["pt"] for e in kept], dtype=np.float32)
    )
    assert (table["m_ll"].isna() == (table["channel"] == "1l")).all()
    assert (table["region_two"] == (table["channel"] == "2l")).all()
    assert (table["region_one"] == (table["channel"] == "1l")).all()
    assert (table["region_off_z"] == (abs(table["m_ll"] - 91) > 10)).all()
    for region, h in (("two", "pt"), ("one", "pt"), ("off_z", "m_ll"), ("two", "m_ll")):
        inside = table[table[f"region_{region}"]]
        found = whole.histograms[h][{"region": region, "process": "tt", "variation": "nominal"}]
        assert found.values(flow=True).sum() == pytest.approx(inside["weight"].sum(), rel=1e-12)
        counts, _ = np.histogram(inside[h], bins=np.linspace(0, 200, 21), weights=inside["weight"])
        np.testing.assert_allclose(found.values(), counts, rtol=1e-9, atol=1e-9)
    # Nothing of two muons' mass is filled for one muon, and their pT is nowhere undefined.
    assert whole.histograms["m_ll"][{"region": "one"}].values(flow=True).sum() == 0
    assert whole.undefined == {}


def same(found, whole) -> None:
    found.require_complete()
    assert bits(found) == bits(whole)
    assert found.cutflow == whole.cutflow
    assert found.undefined == whole.undefined
    table = found.features["tt"]
    assert sorted(table.columns) == sorted(whole.features["tt"].columns)
    assert table[whole.features["tt"].columns].equals(whole.features["tt"])


@pytest.mark.parametrize("chunksize", [37, 100, 399])
def test_chunks_change_no_bit_and_no_row(fileset, whole, chunksize) -> None:
    same(run(TwoChannels(features=True), fileset, chunksize=chunksize), whole)


def test_finished_chunks_are_used_again_bit_for_bit(fileset, whole, tmp_path) -> None:
    first = run(TwoChannels(features=True), fileset, chunksize=60, checkpoints=tmp_path)
    again = run(TwoChannels(features=True), fileset, chunksize=60, checkpoints=tmp_path)
    assert all(entry.from_checkpoint for entry in again.ledger.chunks)
    same(first, whole)
    same(again, whole)
    other = run(TwoChannels(features=True, begin="if any"), fileset, chunksize=60, checkpoints=tmp_path)
    assert not any(entry.from_checkpoint for entry in other.ledger.chunks)


@pytest.mark.parametrize("chunksize", [25, 60, 10_000])
def test_a_chunk_may_begin_no_channel(fileset, whole, chunksize, tmp_path) -> None:
    """The first chunks hold no event with one muon, and do not begin that channel."""
    for _ in range(2):  # the second time from checkpoints
        found = run(
            TwoChannels(features=True, begin="if any"), fileset, chunksize=chunksize, checkpoints=tmp_path
        )
        same(found, whole)


def test_a_chunk_may_end_where_no_event_is_left(fileset, whole) -> None:
    class Returns(Analysis):
        name = "returns"
        observables = (PT,)

        def select(self, event: Any, flow: Any) -> None:
            event = flow.keep(event, "one muon", event.muons.counts == 1)
            if not len(event):
                return
            event = flow.keep(event, "a jet", event.jets.counts > 0)
            flow.record(event, {"pt": event.muons.at(0).pt})

    at_once, small = (run(Returns(features=True), fileset, chunksize=size) for size in (1000, 30))
    same(small, at_once)
    assert [row["raw"] for row in small.cutflow["processes"]["tt"]][2] == (
        whole.features["tt"]["channel"] == "1l"
    ).sum()


def processed(analysis: Analysis, events) -> Any:
    return analysis.process(ak.zip(eventfiles.columns(events), depth_limit=1))


def test_channels_that_share_an_event_are_refused(events) -> None:
    class Shared(TwoChannels):
        def select(self, event: Any, flow: Any) -> None:
            for name, most in (("2l", 2), ("1l", 5)):
                channel = flow.channel(name)
                mask = (event.muons.counts >= 1) & (event.muons.counts <= most)
                chosen = channel.keep(event, "muons", mask)
                x = chosen.muons.at(0).pt
                channel.record(chosen, {"pt": x, "m_ll": x})

    shared = sum(1 <= len(e["muons"]) <= 2 for e in events)
    with pytest.raises(
        ProcessorError, match=rf"{shared} events are in regions of both channels '2l' and '1l'.*exclusive"
    ):
        processed(Shared(), events)


def test_events_of_no_region_may_be_in_two_channels(events) -> None:
    """Only regions must share no event: channels begin with the same ones."""

    class Wide(Analysis):
        name = "wide"
        observables = (PT,)
        regions = (Region("even", channel="a"), Region("odd", channel="b"))

        def select(self, event: Any, flow: Any) -> None:
            odd = event.identifiers[:, 2] % 2 == 1
            for name, region, mask in (("a", "even", ~odd), ("b", "odd", odd)):
                channel = flow.channel(name)
                channel.region(region, mask)
                channel.record(event, {"pt": event.muons.at(0).pt})

    tally = processed(Wide(), events)["tally"]
    result = tally.result()
    # Undefined for events without a muon: each counts once, in the channel of its region.
    assert result["undefined"] == {"pt": sum(not e["muons"] for e in events)}
    h = result["histograms"]["pt"]
    true = [sum(bool(e["muons"]) and e["number"] % 2 == k for e in events) for k in (0, 1)]
    raw = [h[{"process": 0, "region": r, "variation": 0}].values(flow=True).sum() for r in ("even", "odd")]
    weights = [
        sum(float(np.float32(e["weight"])) for e in events if e["muons"] and e["number"] % 2 == k)
        for k in (0, 1)
    ]
    np.testing.assert_allclose(raw, weights, rtol=1e-9)
    assert min(true) > 100


@pytest.mark.parametrize("what", ["fill", "rows"])
def test_what_is_filled_before_the_split_is_refused(events, what) -> None:
    class Early(TwoChannels):
        def select(self, event: Any, flow: Any) -> None:
            if what == "fill":
                flow.fill("pt", np.zeros(len(event)))
            else:
                flow.write_rows({"x": np.zeros(len(event))})

    with pytest.raises(ProcessorError, match=r"filled before the events were split.*flow.channel\('2l'\)"):
        processed(Early(features=True), events)


def test_a_channel_is_begun_once(events) -> None:
    class Twice(TwoChannels):
        def select(self, event: Any, flow: Any) -> None:
            flow.channel("2l")
            flow.channel("2l")

    with pytest.raises(ProcessorError, match=r"the channel '2l' was begun before: keep the flow"):
        processed(Twice(), events)


def test_cuts_come_before_the_split(events) -> None:
    class Late(TwoChannels):
        def select(self, event: Any, flow: Any) -> None:
            flow.channel("2l")
            flow.keep(event, "late", event.muons.counts > 0)

    with pytest.raises(ProcessorError, match="step 'late': cut before regions, channels"):
        processed(Late(), events)


def _with_regions(*regions: Region) -> Analysis:
    class OneChannel(Analysis):
        name = "one_channel"
        observables = (MASS,)

        def select(self, event: Any, flow: Any) -> None:
            two = event.muons.counts == 2
            event = flow.keep(event, "two muons", two)
            flow.record(event, {"m_ll": (event.muons.at(0).awkward + event.muons.at(1).awkward).mass})

    OneChannel.regions = regions
    return OneChannel()


def _window(low: float, high: float) -> list[Cut]:
    return [Cut(f"from_{low:g}", "m_ll", lambda m: (m > low) & (m <= high), edges=(low, high))]


def test_regions_that_are_said_to_be_disjoint_are(events) -> None:
    apart = _with_regions(
        Region("low", cuts=_window(0, 60)), Region("high", cuts=_window(60, 1e9), disjoint=("low",))
    )
    assert processed(apart, events)["tally"].result()
    described = Description.from_dict(apart.description().as_dict()).region("high")
    assert described.disjoint == ("low",)
    assert described.channel
    shared = _with_regions(
        Region("low", cuts=_window(0, 80)), Region("high", cuts=_window(60, 1e9), disjoint=("low",))
    )
    with pytest.raises(ProcessorError, match=r"\d+ events are in both regions 'high' and 'low'.*exclusive"):
        processed(shared, events)
    missing = _with_regions(Region("low", cuts=_window(0, 80), disjoint=("hihg",)))
    with pytest.raises(ProcessorError, match="'low' is said to be disjoint from 'hihg', which is not there"):
        processed(missing, events)

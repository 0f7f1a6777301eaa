"""Tallies: what chunks add up to, and what must not be added."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest

from massgap.contracts.description import Region
from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.normalisation import normalisation
from massgap.processors.base.axes import Regular
from massgap.processors.base.chunk_pass import ChunkPass
from massgap.processors.base.flow import Flow
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import DatasetTally, Tally
from massgap.processors.errors import ProcessorError

REGIONS = {name: Region(name, channel="mumu1j") for name in ("topology", "precuts")}
LAYOUT = Layout(
    (
        HistogramSpec("x", Regular(4, 0.0, 1.0, name="x")),
        HistogramSpec("y", Regular(3, 0.0, 3.0, name="y"), regions=("topology",)),
    ),
    tuple(REGIONS),
)
CHANNELS = ("mumu1j",)


class Events:
    """As much of an event as a flow needs."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def at(self, kept):
        return Events(len(kept))


def make(
    x, w, *, dataset="d", variations=("nominal",), cut=True, source=("f", 0), rows=True, **metadata
) -> Tally:
    x, w = np.asarray(x, dtype=float), np.asarray(w, dtype=float)
    sums = HistogramSums(tuple(variations), LAYOUT.size)
    part = DatasetTally({"dataset": dataset, **metadata}, (), histograms=sums)
    part.total.fill(w)
    chunk = ChunkPass(part, LAYOUT, REGIONS, source=source, keep_rows=rows)
    flow = Flow(chunk, {v: w * (1 + i) for i, v in enumerate(variations)}, "mumu1j")
    flow.count("all")
    if cut:
        flow.keep(Events(len(x)), "x > 0", x > 0)
        x = x[x > 0]
    flow.region("precuts", x > 0.5)
    flow.fill("x", x)
    flow.fill("y", 3 * x)
    if rows:
        flow.write_rows({"x": x})
    flow.finish()
    chunk.finish_rows()
    tally = Tally(LAYOUT, CHANNELS)
    tally.datasets[dataset] = part
    return tally


def test_sum_is_the_same_for_any_order() -> None:
    rng = np.random.default_rng(2)
    parts = [make(rng.normal(size=50), rng.normal(1, 2, 50), source=("f", i)) for i in range(4)]
    results = []
    for order in itertools.permutations(range(4)):
        total = Tally(LAYOUT, CHANNELS)
        for i in order:
            total += parts[i]
        results.append(total.result())
    first = results[0]
    assert first["datasets"]["d"]["events"] == 200
    for other in results[1:]:
        for name in ("x", "y"):
            assert (
                other["histograms"][name].view(flow=True).tobytes()
                == first["histograms"][name].view(flow=True).tobytes()
            )
        assert other["cutflow"] == first["cutflow"]
        assert other["features"]["d"].equals(first["features"]["d"])


def test_adding_leaves_the_operands_alone() -> None:
    a, b = make([0.1, 0.2], [1, 2]), make([0.3], [4], source=("f", 2))
    before = pickle.dumps(a.result()["cutflow"])
    total = a + b
    total += make([0.9], [8], source=("g", 0))
    assert pickle.dumps(a.result()["cutflow"]) == before
    assert total.result()["cutflow"]["processes"]["d"][0]["weighted"] == 15.0


def test_contents_and_flow_bins() -> None:
    x = [0.1, 0.1, 0.6, 1.0, 7.0, -1.0]
    out = make(x, [1, 2, 4, 8, 16, 32]).result()
    h = out["histograms"]["x"]
    assert h["d", "topology", "nominal", :].values(flow=True).tolist() == [0, 3, 0, 4, 0, 24]
    assert h["d", "precuts", "nominal", :].values(flow=True).tolist() == [0, 0, 0, 4, 0, 24]
    assert h["d", "topology", "nominal", :].variances(flow=True).tolist() == [0, 5, 0, 16, 0, 320]
    rows = out["cutflow"]["processes"]["d"]
    assert [(r["step"], r["raw"], r["weighted"], r["variance"]) for r in rows] == [
        ("all", 6, 63.0, 1365.0),
        ("x > 0", 5, 31.0, 341.0),
    ]


def test_variations_fill_their_own_weights() -> None:
    h = make([0.1, 0.6], [1, 2], variations=("nominal", "up")).result()["histograms"]["y"]
    assert list(h.axes["variation"]) == ["nominal", "up"]
    assert h[:, :, "up", :].values().sum() == 2 * h[:, :, "nominal", :].values().sum()


def test_undefined_values_are_left_out_and_each_event_counted_once() -> None:
    out = make([math.nan, 0.6, math.nan], [1, 2, 4], cut=False).result()
    assert out["undefined"] == {"x": 2, "y": 2}
    assert out["histograms"]["x"].values(flow=True).sum() == 4.0  # 0.6 before and after the cut
    assert np.isfinite(out["histograms"]["x"].values(flow=True)).all()


def test_tranches_of_a_process_are_scaled_each() -> None:
    total = make([0.1], [2.0], dataset="a", process="tt", xsec_fb=10.0, sum_weights=4.0)
    total += make([0.1, 0.1], [1.0, 1.0], dataset="b", process="tt", xsec_fb=3.0)
    out = total.result()
    assert out["unit"] == "fb"
    assert list(out["histograms"]["x"].axes["process"]) == ["tt"]
    assert out["cutflow"]["processes"]["tt"][0]["weighted"] == 2 * 10 / 4 + 3.0
    assert out["cutflow"]["processes"]["tt"][0]["variance"] == 4 * (10 / 4) ** 2 + 2 * 1.5**2
    assert out["features"]["a"]["weight"].tolist() == [5.0]
    assert out["features"]["b"]["weight"].tolist() == [1.5, 1.5]


def test_units() -> None:
    data = make([0.1], [1.0], dataset="data", is_data=True)
    assert data.result()["unit"] == "events"
    assert (data + make([0.1], [1.0], dataset="tt", xsec_fb=1.0)).result()["unit"] == "fb"
    assert (data + make([0.1], [1.0], dataset="tt")).result()["unit"] == "sum of generator weights"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"xsec_fb": 2.0}, id="metadata"),
        pytest.param({"cut": False}, id="steps"),
        pytest.param({"variations": ("nominal", "up")}, id="variations"),
        pytest.param({"source": ("f", 0)}, id="same chunk"),
    ],
)
def test_what_does_not_belong_together_is_refused(other) -> None:
    with pytest.raises(ProcessorError, match="dataset 'd'"):
        make([0.1], [1.0]) + make([0.1], [1.0], **{"source": ("f", 1), **other})


def test_other_layouts_are_refused() -> None:
    with pytest.raises(ProcessorError, match="histograms differ"):
        Tally(LAYOUT, CHANNELS) + Tally(Layout((LAYOUT.specs["y"],), tuple(REGIONS)), CHANNELS)
    with pytest.raises(ProcessorError, match="histograms differ"):
        Tally(LAYOUT, CHANNELS) + Tally(LAYOUT, ("ee1j",))


@pytest.mark.parametrize("total", [0.0, -5.0, math.nan, math.inf])
def test_a_sum_of_weights_that_cannot_normalise_is_refused(total: float) -> None:
    with pytest.raises(FilesetError, match=r"'tt'.*sum of generator weights"):
        normalisation({"dataset": "tt", "xsec_fb": 1.0, "sum_weights": total}, 1.0)


def test_normalisation() -> None:
    assert normalisation({"xsec_fb": 6.0, "sum_weights": 3.0}, 1.0) == 2.0
    assert normalisation({"xsec_fb": 6.0}, 1.5) == 4.0
    assert normalisation({"is_data": True, "xsec_fb": None}, 1.5) == 1.0
    assert normalisation({"xsec_fb": 6.0}, 0.0) == 0.0  # no event at all


def test_flow_refuses_a_mask_of_another_length_and_cuts_after_fills() -> None:
    part = DatasetTally({"dataset": "d"}, (), histograms=HistogramSums(("nominal",), LAYOUT.size))
    flow = Flow(ChunkPass(part, LAYOUT, REGIONS), {"nominal": np.ones(3)}, "mumu1j")
    with pytest.raises(ProcessorError, match=r"step 'a': the mask has shape \(2,\), but there are 3 events"):
        flow.keep(Events(3), "a", [True, False])
    flow.fill("y", np.ones(3))
    with pytest.raises(ProcessorError, match=r"step 'a': cut before regions, channels and histograms"):
        flow.keep(Events(3), "a", [True] * 3)

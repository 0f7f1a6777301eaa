from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.contracts.errors import HistogramError
from massgap.fits.errors import BinningError, WorkspaceError
from massgap.fits.workspaces.templates import (
    Template,
    Templates,
    choose_edges,
    rebin,
    templates_from_histogram,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def simple(background: list[float], variance: list[float], signal: list[float] | None = None) -> Templates:
    b, v = np.array(background), np.array(variance)
    s = np.ones_like(b) if signal is None else np.array(signal)
    return Templates(
        "c",
        "x",
        np.arange(b.size + 1.0),
        {"sig": Template(s, 0 * s), "bkg": Template(b, v, {"jes": (2 * b, b / 2)})},
    )


def test_folds_are_summed(make_score: Callable[..., Any], precuts_fb: dict[str, float]) -> None:
    score = make_score(variations=True)
    templates = templates_from_histogram(score)
    assert templates.channel == "mumu1j"
    assert templates.observable == "score"
    for name, xsec in precuts_fb.items():
        t = templates.processes[name]
        assert t.values.sum() == pytest.approx(xsec, rel=1e-12)
        assert t.variances.sum() == pytest.approx(xsec**2 / 6000, rel=1e-12)
        assert set(t.variations) == {"jes"}
        up, down = t.variations["jes"]
        assert up.sum() > t.values.sum() > down.sum()


def test_selection_axis(make_feature: Callable[..., Any]) -> None:
    after = templates_from_histogram(make_feature())
    before = templates_from_histogram(make_feature(), selection="topology")
    assert after.processes["tt"].values.tolist() == [0.5] * 4
    assert before.processes["tt"].values.tolist() == [1.0] * 4
    with pytest.raises(HistogramError, match=r"no selection 'all'; it has: topology, precuts"):
        templates_from_histogram(make_feature(), selection="all")


def test_channels_are_chosen(make_feature: Callable[..., Any]) -> None:
    with pytest.raises(HistogramError, match="no channel 'ee1j'"):
        templates_from_histogram(make_feature(), channel="ee1j")
    two = hist.Hist(
        hist.axis.StrCategory(["a"], name="process"),
        hist.axis.StrCategory(["x", "y"], name="channel"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(2, 0, 1, name="m"),
        storage=hist.storage.Weight(),
    )
    with pytest.raises(HistogramError, match="several of axis 'channel'; it has: x, y"):
        templates_from_histogram(two)
    assert templates_from_histogram(two, channel="y").channel == "y"


def one(variations: list[str], **fill: Any) -> hist.Hist[Any]:
    h = hist.Hist(
        hist.axis.StrCategory(["a"], name="process"),
        hist.axis.StrCategory(["c"], name="channel"),
        hist.axis.StrCategory(variations, name="variation"),
        hist.axis.Regular(4, 0, 1, name="m"),
        storage=hist.storage.Weight(),
    )
    if fill:
        h.fill(**({"process": "a", "channel": "c", "variation": "nominal"} | fill))
    return h


def test_flow_is_kept() -> None:
    h = one(["nominal"], m=[-1.0, 0.1, 1.0, 5.0], weight=[1.0, 2.0, 4.0, 8.0])
    assert templates_from_histogram(h).processes["a"].values.tolist() == [3.0, 0.0, 0.0, 12.0]
    assert templates_from_histogram(h, flow=False).processes["a"].values.tolist() == [2.0, 0.0, 0.0, 0.0]


def test_entries_outside_the_categories_are_refused() -> None:
    h = one(["nominal"], process="b", m=[0.5])
    with pytest.raises(HistogramError, match="outside the categories of its axis 'process'"):
        templates_from_histogram(h)


def test_bad_histograms() -> None:
    with pytest.raises(HistogramError, match="not finite"):
        templates_from_histogram(one(["nominal"], m=[0.5], weight=[np.nan]))
    with pytest.raises(WorkspaceError, match=r"'jes_up' .* has no partner"):
        templates_from_histogram(one(["nominal", "jes_up"]))
    with pytest.raises(HistogramError, match="no 'nominal'"):
        templates_from_histogram(one(["jes_up", "jes_down"]))
    plain = hist.Hist(hist.axis.StrCategory(["a"], name="process"), hist.axis.Regular(2, 0, 1, name="m"))
    with pytest.raises(HistogramError, match="no axis 'channel'"):
        templates_from_histogram(plain)
    counts = hist.Hist(*one(["nominal"]).axes, storage=hist.storage.Double())
    counts.fill(process="a", channel="c", variation="nominal", m=[0.5], weight=[2.0])
    with pytest.raises(HistogramError, match="holds no variances"):
        templates_from_histogram(counts)


def test_untouched_samples_have_no_variation() -> None:
    h = one(["nominal", "jes_up", "jes_down"], m=[0.5])
    assert templates_from_histogram(h).processes["a"].variations == {}


def test_rebin_sums_everything() -> None:
    merged = rebin(simple([1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4]), [0, 1, 4])
    bkg = merged.processes["bkg"]
    assert merged.edges.tolist() == [0.0, 1.0, 4.0]
    assert bkg.values.tolist() == [1.0, 9.0]
    assert bkg.variances == pytest.approx([0.1, 0.9])
    assert bkg.variations["jes"][0].tolist() == [2.0, 18.0]


@pytest.mark.parametrize(
    ("edges", "text"),
    [
        ([0, 1.5, 4], "1.5 is no bin edge of 'x'; the nearest is"),
        ([0, 2], "must cover the whole range of 'x', from 0 to 4"),
        ([4, 0], "increasing"),
        ([0], "increasing"),
        ([0, 2, 2, 4], "increasing"),
    ],
)
def test_bad_edges(edges: list[float], text: str) -> None:
    with pytest.raises(BinningError, match=text):
        rebin(simple([1.0] * 4, [0.1] * 4), edges)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), min_size=1, max_size=40),
    st.floats(0.5, 20.0),
    st.floats(0.05, 1.0),
    st.integers(1, 12),
)
def test_chosen_bins_fulfil_what_was_asked(
    bins: list[tuple[float, float]], least: float, error: float, most: int
) -> None:
    b, s = np.array(bins).T
    templates = simple(b.tolist(), (0.1 * b).tolist(), s.tolist())
    total, variance = b.sum(), 0.1 * b.sum()
    if total < least or variance**0.5 > error * total:
        with pytest.raises(BinningError, match="No binning"):
            choose_edges(
                templates, "sig", ["bkg"], lumi_fb=1.0, min_background=least, max_relative_error=error
            )
        return
    try:
        edges = choose_edges(
            templates,
            "sig",
            ["bkg"],
            lumi_fb=1.0,
            min_background=least,
            max_relative_error=error,
            max_bins=most,
        )
    except BinningError:
        # Rounding at the boundary of the conditions.
        assert total == pytest.approx(least) or variance**0.5 == pytest.approx(error * total)
        return
    merged = rebin(templates, edges).processes["bkg"]
    assert edges[0] == 0.0
    assert edges[-1] == b.size
    assert merged.values.min() >= least * (1 - 1e-9)
    assert np.all(np.sqrt(merged.variances) <= error * merged.values * (1 + 1e-9))
    if s.sum() > 0:
        assert merged.values.size <= most


def test_chosen_bins_are_finest_on_the_right() -> None:
    edges = choose_edges(simple([10.0] * 6, [0.1] * 6), "sig", ["bkg"], lumi_fb=1.0, min_background=15.0)
    assert edges.tolist() == [0.0, 2.0, 4.0, 6.0]
    edges = choose_edges(simple([10.0] * 5, [0.1] * 5), "sig", ["bkg"], lumi_fb=1.0, min_background=15.0)
    assert edges.tolist() == [0.0, 3.0, 5.0]

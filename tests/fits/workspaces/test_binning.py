from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.fits.errors import BinningError
from massgap.fits.workspaces.binning import choose_edges, rebin
from massgap.fits.workspaces.templates import Template, Templates


def simple(background: list[float], variance: list[float], signal: list[float] | None = None) -> Templates:
    b, v = np.array(background), np.array(variance)
    s = np.ones_like(b) if signal is None else np.array(signal)
    return Templates(
        "c",
        "x",
        np.arange(b.size + 1.0),
        {"sig": Template(s, 0 * s), "bkg": Template(b, v, {"jes": (2 * b, b / 2)})},
    )


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


def test_a_region_without_signal_has_no_more_bins_than_allowed() -> None:
    """Where there is no signal to share out, the background is: a control region of 400 full bins is not fitted in 400."""
    full = simple([1000.0] * 400, [1.0] * 400, signal=[0.0] * 400)
    edges = choose_edges(full, "sig", ["bkg"], lumi_fb=1.0, max_bins=8)
    assert np.diff(edges).tolist() == [50.0] * 8

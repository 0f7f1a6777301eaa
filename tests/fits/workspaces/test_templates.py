from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pytest

from massgap.contracts.errors import HistogramError
from massgap.fits.errors import WorkspaceError
from massgap.fits.workspaces.templates import templates_from_histogram

if TYPE_CHECKING:
    from collections.abc import Callable


def test_folds_are_summed(make_score: Callable[..., Any], precuts_fb: dict[str, float]) -> None:
    score = make_score(variations=True)
    templates = templates_from_histogram(score, channel="mumu1j")
    assert templates.channel == "mumu1j"
    assert templates_from_histogram(score).channel == "precuts"
    assert templates.observable == "score"
    for name, xsec in precuts_fb.items():
        t = templates.processes[name]
        assert t.values.sum() == pytest.approx(xsec, rel=1e-12)
        assert t.variances.sum() == pytest.approx(xsec**2 / 6000, rel=1e-12)
        assert set(t.variations) == {"jes"}
        up, down = t.variations["jes"]
        assert up.sum() > t.values.sum() > down.sum()


def test_region_axis(make_feature: Callable[..., Any]) -> None:
    after = templates_from_histogram(make_feature(), region="precuts")
    before = templates_from_histogram(make_feature(), region="topology")
    assert after.processes["tt"].values.tolist() == [0.5] * 4
    assert before.processes["tt"].values.tolist() == [1.0] * 4
    with pytest.raises(HistogramError, match=r"no region 'all'; it has: topology, precuts.*--region"):
        templates_from_histogram(make_feature(), region="all")


def test_regions_are_chosen() -> None:
    two = hist.Hist(
        hist.axis.StrCategory(["a"], name="process"),
        hist.axis.StrCategory(["x", "y"], name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(2, 0, 1, name="m"),
        storage=hist.storage.Weight(),
    )
    with pytest.raises(HistogramError, match="several regions; it has: x, y"):
        templates_from_histogram(two)
    assert templates_from_histogram(two, region="y").channel == "y"


def one(variations: list[str], **fill: Any) -> hist.Hist[Any]:
    h = hist.Hist(
        hist.axis.StrCategory(["a"], name="process"),
        hist.axis.StrCategory(["c"], name="region"),
        hist.axis.StrCategory(variations, name="variation"),
        hist.axis.Regular(4, 0, 1, name="m"),
        storage=hist.storage.Weight(),
    )
    if fill:
        h.fill(**({"process": "a", "region": "c", "variation": "nominal"} | fill))
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
    with pytest.raises(HistogramError, match="no axis 'region'"):
        templates_from_histogram(plain)
    counts = hist.Hist(*one(["nominal"]).axes, storage=hist.storage.Double())
    counts.fill(process="a", region="c", variation="nominal", m=[0.5], weight=[2.0])
    with pytest.raises(HistogramError, match="holds no variances"):
        templates_from_histogram(counts)


def test_untouched_samples_have_no_variation() -> None:
    h = one(["nominal", "jes_up", "jes_down"], m=[0.5])
    assert templates_from_histogram(h).processes["a"].variations == {}

"""Numbers of the electroweakino study: orderings of its planes, interference of three samples, closed form, classifiers."""

from __future__ import annotations

import json
import math

import hist
import numpy as np
import pandas as pd
import pytest

from massgap.contracts.plane_folder import PLANE_FORMAT, PlaneFolder
from massgap.models.measures.roc import auc, roc_curve
from massgap.studies.electroweakino.figures import cross_sections, significances, spectrum_of_interference
from massgap.studies.electroweakino.further import further_tables
from massgap.studies.electroweakino.numbers.checks import closed_form, in_one_channel
from massgap.studies.electroweakino.numbers.performance import EFFICIENCY, Performance
from massgap.studies.electroweakino.numbers.reach import (
    combined_is_best,
    falls_with_mass,
    largest_difference,
    reach,
    rises_with_luminosity,
)
from massgap.studies.electroweakino.numbers.rki import interference, sets_of
from massgap.studies.electroweakino.places import COMBINED, ENDLESS, PlanePlace

LUMIS = (137.0, 3000.0)
MASSES = (200.0, 400.0, 600.0)


def test_an_event_with_rows_in_two_channels_is_found():
    """Each row is of one channel by itself: rows of one event are counted together, those of its copies are not."""
    columns = ["region_1l", "region_2l"]
    rows = [
        ("a", 1, 100.0, True, False),
        ("a", 2, 120.0, False, True),
        ("a", 2, 130.0, True, False),  # a copy of the hard process before
        ("b", 1, 100.0, True, False),
    ]
    table = pd.DataFrame(rows, columns=["dataset", "fold_key", "met", *columns]).assign(m_jj=500.0)
    assert in_one_channel(table, columns) == 1.0
    twice = pd.concat([table, table.iloc[:1].assign(region_1l=False, region_2l=True)])
    assert in_one_channel(twice, columns) == 0.75


def limit(m, gap, lumi):
    """1 at 400 GeV, 3000 fb-1 and a gap of 25 GeV, exponential in the mass."""
    return math.exp((m - 400) / 100) * math.sqrt(3000 / lumi) * 25 / gap


def plane(factor=1.0, masses=MASSES, **changes):
    """A plane whose limits are `factor` times the formula; `changes` replaces limits of rows named "m_gap_lumi"."""
    points = []
    for lumi in LUMIS:
        for m in masses:
            for gap in (10.0, 25.0):
                mu = changes.get(f"m{m:g}_{gap:g}_{lumi:g}", factor * limit(m, gap, lumi))
                points.append(
                    {
                        "name": f"s_{m:g}_{gap:g}",
                        "process": f"s_{m:g}_{gap:g}",
                        "masses": {"m_wino": m, "m_lsp": m - gap},
                        "lumi_fb": lumi,
                        "cross_section_fb": 10.0,
                        "converged": True,
                        "upper_limit": {"expected": [mu] * 5},
                        "limit_fb": {"expected": [10 * mu] * 5},
                        "significance": {"expected": 2 / mu},
                    }
                )
    return PlaneFolder("x", {"points": points, "luminosities": list(LUMIS), "contours": []})


def place(channel):
    return PlanePlace("WZ", "own", channel)


def test_the_combination_beside_the_best_channel():
    channels = {place("1l"): plane(2.0), place("2l"): plane(1.5)}
    assert combined_is_best({place(COMBINED): plane(1.2), **channels}) == (12, 12)
    # a limit a little worse than the best channel's, at one of twelve points
    worse = plane(1.2, m400_25_3000=1.6)
    assert combined_is_best({place(COMBINED): worse, **channels}) == (11, 12)
    assert combined_is_best(channels).share is None
    other = {PlanePlace("WZ", "paper", "1l"): plane(0.1)}
    assert combined_is_best({place(COMBINED): plane(1.2), **other}).share is None


def test_more_luminosity_is_never_worse():
    assert rises_with_luminosity({place("1l"): plane()}) == (6, 6)
    assert rises_with_luminosity({place("1l"): plane(m200_10_3000=1e3)}) == (5, 6)


def test_heavier_signals_are_harder():
    assert falls_with_mass({place(COMBINED): plane()}) == (8, 8)
    assert falls_with_mass({place(COMBINED): plane(m600_10_137=0.01)}) == (7, 8)
    assert falls_with_mass({place("1l"): plane(m600_10_137=0.01)}).share is None


def test_the_largest_difference_of_two_planes():
    other = plane(masses=(200.0, 900.0), m200_10_3000=1.01 * limit(200, 10, 3000))
    # the significance is 2 over the limit
    assert largest_difference(plane(), other) == pytest.approx(0.01, rel=0.02)
    assert largest_difference(plane(), plane(masses=(900.0,))) is None


def test_reach_is_where_the_formula_says():
    """The limit is 1 at 400 GeV for a gap of 25 GeV; exponentials are interpolated exactly."""
    assert reach(plane(), 3000.0, 25.0) == pytest.approx(400.0)
    assert reach(plane(), 3000.0, 10.0) == pytest.approx(400 - 100 * math.log(2.5))
    # 2 / mu = 3
    assert reach(plane(), 3000.0, 25.0, "evidence") == pytest.approx(400 - 100 * math.log(1.5))
    assert reach(plane(100.0), 3000.0, 25.0) == "below 200"
    assert reach(plane(1e-3), 3000.0, 25.0) == "above 600"
    assert reach(plane(), 3000.0, 33.0) is None


def test_figures_of_planes():
    planes = {"1l": plane(2.0).results, "combined": plane().results}
    contour = {
        "lumi_fb": 3000.0,
        "what": "exclusion",
        "band": 0,
        "cross_section": 0,
        "lines": [[[400, 375], [310, 300]]],
    }
    planes["combined"]["contours"] = [contour]
    drawn = significances(planes, 3000.0)
    shown = [axes for axes in drawn.axes if axes.get_visible() and axes.get_title()]
    assert [axes.get_title() for axes in shown] == ["1l", "combined"]
    (line,) = shown[1].get_lines()
    assert line.get_xydata().tolist() == [[400, 25], [310, 10]]
    nothing = {"1l": {"points": [], "contours": []}}
    assert significances(nothing, 3000.0).axes
    axes = cross_sections({"WZ": plane().results}, {}).axes[0]
    # the smallest limit of a mass is that of the larger gap
    assert axes.get_lines()[1].get_ydata().tolist() == pytest.approx(
        [10 * limit(m, 25, 3000) for m in MASSES]
    )


def histogram(**values):
    """process -> (values, variances), half of it in each of two regions."""
    made = hist.Hist(
        hist.axis.StrCategory(list(values), name="process"),
        hist.axis.StrCategory(["1l", "2l"], name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(4, 0, 400, name="m_jj"),
        storage=hist.storage.Weight(),
    )
    for k, (of, variances) in enumerate(values.values()):
        for region in (0, 1):
            made.view(flow=False)["value"][k, region, 0] = np.array(of) / 2
            made.view(flow=False)["variance"][k, region, 0] = np.array(variances) / 2
    return made


def test_interference_of_three_samples():
    found = interference(
        histogram(
            a_incl=([4, 3, 2, 1], [0.1] * 4),
            a_ew=([1, 1, 1, 1], [0.0] * 4),
            a_qcd=([2, 2, 2, 0], [0.0] * 4),
        ),
        ("a_incl", "a_ew", "a_qcd"),
        ("1l", "2l"),
    )
    # by hand: (1, 0, -1, 0) of 10 fb in bins of 100 GeV
    assert found.value == pytest.approx([1e-3, 0, -1e-3, 0])
    assert found.total[0] == pytest.approx(0.0)
    joined = interference(
        histogram(
            a_incl=([4, 3, 2, 1], [0.1] * 4), a_ew=([1] * 4, [0.0] * 4), a_qcd=([2, 2, 2, 0], [0.0] * 4)
        ),
        ("a_incl", "a_ew", "a_qcd"),
        ("1l", "2l"),
        join=2,
    )
    assert joined.value == pytest.approx([5e-4, -5e-4])
    empty = histogram(a_incl=([0] * 4, [0] * 4), a_ew=([1] * 4, [0] * 4), a_qcd=([1] * 4, [0] * 4))
    assert interference(empty, ("a_incl", "a_ew", "a_qcd"), ("1l", "2l")) is None


def test_errors_of_the_interference_are_those_of_replicas():
    random = np.random.default_rng(1)
    means = {
        "a_incl": np.array([40, 30, 20, 10]) * 10.0,
        "a_ew": np.full(4, 100.0),
        "a_qcd": np.array([200, 200, 200, 1.0]),
    }
    wanted = interference(histogram(**{k: (v, v) for k, v in means.items()}), tuple(means), ("1l", "2l"))
    drawn = [
        interference(
            histogram(**{k: (random.poisson(v), v) for k, v in means.items()}), tuple(means), ("1l", "2l")
        )
        for _ in range(600)
    ]
    # 600 replicas know a standard deviation to 3 %
    assert np.std([each.value for each in drawn], axis=0) == pytest.approx(wanted.error, rel=0.12)
    assert np.std([each.total[0] for each in drawn]) == pytest.approx(wanted.total[1], rel=0.12)
    assert spectrum_of_interference({"a": wanted}).axes


def test_a_set_must_be_complete():
    assert sets_of(["a_incl", "a_ew", "b_incl", "b_qcd"]) == {}


def test_closed_form_of_a_fit_folder(tmp_path):
    samples = {"s": [3.0, 1.0], "tt": [50.0, 4.0], "VV": [10.0, 1.0]}
    channel = {"name": "1l", "samples": [{"name": n, "data": v, "modifiers": []} for n, v in samples.items()]}
    exact = math.sqrt(sum(2 * ((s + b) * math.log(1 + s / b) - s) for s, b in ((3.0, 60.0), (1.0, 5.0))))
    assert closed_form(tmp_path) is None
    (tmp_path / "workspace.json").write_text(json.dumps({"channels": [channel]}))
    results = {"signal": "s", "discovery": {"expected_significance": 1.01 * exact}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert closed_form(tmp_path) == pytest.approx(1.01, rel=1e-12)


class Told(Performance):
    """Scores are columns of the table."""

    def trained(self, place):
        return place in self.table

    def _score(self, place, table):
        return table[place].to_numpy(float)


def test_classifiers_are_asked_about_the_same_events(tmp_path):
    random = np.random.default_rng(3)
    n = 400
    process = np.array(["s", "other", "tt", "VV"])[np.arange(n) % 4]
    label = process == "s"
    good = label + random.normal(0, 0.5, n)
    table = pd.DataFrame(
        {
            "process": process,
            "weight": np.where(process == "tt", 3.0, 1.0),
            "region_2l": True,
            "good": good,
            "poor": label + random.normal(0, 2.0, n),
        }
    )
    made = Told(tmp_path)
    made.__dict__.update(table=table, signals=("s", "other"))
    found = made.qualities("2l", ["good", "poor", "not there"], ["s"])
    assert list(found) == ["good", "poor"]
    # other signals are neither signal nor background; signal counts one
    used = process != "other"
    curve = roc_curve(good[used], label[used], np.where(label, 1.0, table["weight"])[used])
    assert found["good"].auc == pytest.approx(auc(curve))
    # at least 99.1 % of the signal is above the threshold, and one event less would be too few
    threshold = np.sort(good[label])[::-1][math.ceil(EFFICIENCY * label.sum()) - 1]
    background = used & ~label
    share = table["weight"][background & (good >= threshold)].sum() / table["weight"][background].sum()
    assert found["good"].background == pytest.approx(share)
    gain, error = found["good"].better_than(found["poor"])
    assert gain > 3 * error > 0
    # the same events: the difference is known better than if the samples were independent
    assert made.qualities("2l", ["good"], ["nothing"]) == {}


def test_tables_of_planes(tmp_path):
    """Own cross sections and the paper's side by side, and what the simulation's statistics cost."""
    for place_, made in (
        (PlanePlace("WZ", "own", COMBINED).folder, plane()),
        (PlanePlace("WZ", "paper", COMBINED).folder, plane(0.5)),
        (ENDLESS, plane(0.25)),
    ):
        rows = [{"cross_section_uncertainty": None, **row} for row in made.results["points"]]
        content = {**made.results, "points": rows, "format": PLANE_FORMAT}
        (tmp_path / place_).mkdir(parents=True)
        (tmp_path / place_ / "plane.json").write_text(json.dumps(content))
    found = {table.title: table for table in further_tables(tmp_path)}
    reaches = found["Reach of the combination [GeV]"]
    # no plane at 300 fb-1: nothing is said of it
    assert ("WZ", "own", "25", "246", None, "400", "below 200", None, "308") in reaches.rows
    (limits,) = [table for title, table in found.items() if title.startswith("Expected limits")]
    row = next(row for row in limits.rows if row[0] == "s_400_25")
    assert [value for value, _ in row[1:]] == pytest.approx([10.0, 10.0, 10.0, 2.0, 4.0])
    simulation = found["How far the simulation limits the plane"]
    assert [row[3][0] for row in simulation.rows] == pytest.approx([4.0] * 6)

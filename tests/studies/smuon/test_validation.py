"""The smuon paper's tables beside a run, its yields in both mixtures, and the planes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from massgap.contracts.feature_table import read_feature_tables
from massgap.contracts.run_folder import open_run
from massgap.models.errors import FeatureError
from massgap.processors import Smuon
from massgap.studies.errors import StudyError
from massgap.studies.smuon.planes import Plane, counting_planes, exclusion_line
from massgap.studies.smuon.reach import excluded_events
from massgap.studies.smuon.validation import paper, validate
from massgap.studies.smuon.yields import PAPER_FB, Yields, normalisation

pytest.importorskip("jax")


@pytest.fixture(scope="module")
def table(small):
    run = open_run(small.scored)
    return read_feature_tables(run.path, run.manifest).table


@pytest.fixture(scope="module")
def yields(small):
    return Yields(small.scored)


@pytest.fixture(scope="module")
def rows(small):
    return {(row.table, row.row, row.column): row for row in validate(small.folder)}


def test_regions_of_scores_are_the_events_above_the_threshold(table) -> None:
    for name in ("low", "high", "bdt", "lowlevel", "derived"):
        above = table[f"score_{name}"] > 0.7
        assert (table[f"region_{name}"] == above).all(), name
        assert 0 < above.sum() < len(table), name


def test_each_score_sees_the_features_of_its_set(small) -> None:
    known = {
        name: json.loads((path.parent / "training.json").read_text()) for name, path in small.models.items()
    }
    sizes = {name: len(training["features"]) for name, training in known.items()}
    assert sizes == {"low": 37, "high": 37, "bdt": 37, "lowlevel": 21, "derived": 16}
    assert known["low"]["signal"] == ["smuonR_200_0", "smuonR_300_0"]
    assert known["low"]["recipe"]["name"] == "smuon-low"
    assert known["bdt"]["recipe"]["kind"] == "trees"


def test_a_model_of_another_set_of_features_is_refused(small) -> None:
    with pytest.raises(
        FeatureError, match=r"score 'lowlevel' takes the model of its own training: massgap train"
    ):
        Smuon({"lowlevel": small.models["derived"]})


def test_yields_are_sums_of_the_table(table, yields) -> None:
    for process in ("tt", "smuonR_300_0"):
        for region in ("preselection", "static_veto", "veto_c", "low"):
            used = table[(table["process"] == process) & table[f"region_{region}"]]
            found = yields.one(process, region)
            assert found.value == pytest.approx(used["weight"].sum())
            assert found.error == pytest.approx(math.sqrt((used["weight"] ** 2).sum()))


def test_the_mixtures(yields) -> None:
    factors = normalisation()
    assert factors["tt"] == pytest.approx(1.599, abs=0.01)  # 9.5 pb over 5.94 pb without taus
    total = sum(factors[name] * yields.one(name, "preselection").value for name in PAPER_FB)
    for mixture in ("as Table III", "as Table VIII"):
        assert yields.background("preselection", mixture).value == pytest.approx(total)
    printed = yields.background("preselection", "printed yields").value
    assert 139 * printed == pytest.approx(376.9 + 307.4 + 57.4)
    # tt is nine tenths of the second one, whatever was selected.
    shares = {
        name: factor * yields.one(name, "preselection").value / total
        for name, factor in yields.event_factors("as Table VIII").items()
    }
    assert shares == pytest.approx({name: fb / sum(PAPER_FB.values()) for name, fb in PAPER_FB.items()})
    assert shares["tt"] == pytest.approx(0.905, abs=1e-3)
    # In a region the mixture is that of efficiencies.
    wanted = sum(shares[name] * yields.efficiency(name, "static_veto").value for name in PAPER_FB)
    assert yields.background_efficiency("static_veto", "as Table VIII").value == pytest.approx(wanted)


def test_the_error_of_an_efficiency_is_binomial_where_weights_are_equal(yields) -> None:
    found = yields.efficiency("tt", "veto_c")
    n = yields.one("tt", "preselection").effective
    assert found.error == pytest.approx(math.sqrt(found.value * (1 - found.value) / n), rel=0.15)


def test_tables_hold_what_the_run_says(rows, yields, table) -> None:
    assert rows["Table VIII", "300/0", "network"].ours == pytest.approx(
        100 * yields.efficiency("smuonR_300_0", "low").value
    )
    assert rows["Table VIII", "500/0", "network"].ours == pytest.approx(
        100 * yields.efficiency("smuonR_500_0", "high").value
    )
    assert rows["Table IX, tt alone", "tt", "veto_c"].ours == pytest.approx(
        100 * yields.efficiency("tt", "veto_c").value
    )
    assert rows["Table VIII", "100/0", "network"].verdict == "absent"
    of_signal = table[table["process"] == "smuonR_300_0"]
    kept = np.average(of_signal["region_veto_b_sum"], weights=of_signal["weight"])
    assert rows["Table IX, all hadrons", "300/0", "veto_b_sum"].ours == pytest.approx(100 * kept)
    printed = paper().tables
    assert rows["Table IX, all hadrons", "300/0", "veto_b_sum"].paper == printed["Table IX"].values[6][1]
    reached = [row for key, row in rows.items() if key[0] == "Reach of the printed yields"]
    assert [row.verdict for row in reached] == ["agrees"] * 3
    steps = {row["step"]: row["weighted"] for row in yields.run.cutflow["processes"]["tt"]}
    assert rows["Table III", "tt", "M_T2"].ours == pytest.approx(steps["M_T2 > 90"] / steps["m_mumu"])


def test_the_area_is_that_of_all_pairs(rows, table, yields) -> None:
    factors = yields.event_factors("as Table III")
    signal = table[table["process"] == "smuonR_300_0"]
    background = table[table["process"].isin(list(factors))]
    w = background["weight"] * background["process"].map(factors)
    s, b = signal["score_derived"].to_numpy(), background["score_derived"].to_numpy()
    order = (s[:, None] > b[None, :]) + 0.5 * (s[:, None] == b[None, :])
    area = np.average(np.average(order, axis=0, weights=signal["weight"]), weights=w)
    assert rows["Table VII", "300/0", "derived"].ours == pytest.approx(1 - area, abs=1e-9)


def test_planes_are_counting_experiments(yields) -> None:
    planes = list(counting_planes(yields))
    assert len(planes) == 4 * 2 * 3 * 2  # regions, mixtures, luminosities, uncertainties
    plane = next(
        p
        for p in planes
        if (p.region, p.mixture, p.luminosity, p.uncertainty) == ("high", "as Table III", 300.0, 0.5)
    )
    b = 300 * yields.background("high", "as Table III").value
    assert plane.excluded == pytest.approx(excluded_events(b, 0.5))
    of = {p["m_slepton"]: p for p in plane.points}
    assert of[500.0]["mu"] == pytest.approx(plane.excluded / (300 * yields.one("smuonR_500_0", "high").value))
    # More luminosity reaches farther, an uncertainty less far.
    reaches = {(p.luminosity, p.uncertainty): p.reach() for p in planes if p.region == "high"}
    assert reaches[3000.0, 0.0] > reaches[139.0, 0.0] > reaches[139.0, 0.5]


def made_plane(points) -> Plane:
    return Plane("low", "as Table III", 139.0, 0.0, "asymptotic", 5.0, 0.5, 100.0, 6.0, tuple(points))


def test_the_line_of_exclusion_is_where_the_limit_is_one() -> None:
    """A limit that is exponential in both masses is a plane in its logarithm: the line is straight."""
    points = [
        {"m_slepton": m, "m_lsp": lsp, "signal": 6 / mu, "mu": mu}
        for m in (200.0, 300.0, 500.0)
        for lsp in (0.0, 80.0, 150.0)
        for mu in (math.exp((m - 350) / 80 + lsp / 100),)
    ]
    lines = exclusion_line(made_plane(points))
    assert len(lines) == 1
    x, y = lines[0].T
    np.testing.assert_allclose((x - 350) / 80 + y / 100, 0.0, atol=1e-6)
    assert made_plane(points).reach() == pytest.approx(350)


def test_planes_without_a_line() -> None:
    one = {"m_slepton": 200.0, "m_lsp": 0.0, "signal": 3.0, "mu": 2.0}
    assert exclusion_line(made_plane([one])) == []
    assert made_plane([one]).reach() is None
    in_a_row = [{**one, "m_slepton": m} for m in (200.0, 300.0, 400.0)]
    assert exclusion_line(made_plane(in_a_row)) == []
    empty = [{**one, "m_lsp": 10.0, "signal": 0.0, "mu": math.inf}]
    assert exclusion_line(made_plane([*in_a_row, *empty])) == []


def test_all_tables_of_the_paper_can_be_read() -> None:
    tables = paper().tables
    assert len(tables["Table VIII"].rows) == len(tables["Table IX"].rows) == 18
    # Misprints are corrected: the veto of 500/0, and b of 100/25.
    assert tables["Table VIII"].values[tables["Table VIII"].rows.index("500/0")][2] == 51.0
    assert tables["Table IX"].values[tables["Table IX"].rows.index("100/25")][1:3] == (42.4, 96.4)


def test_networks_are_compared_with_trees_at_the_efficiency_of_the_veto(rows, table, yields) -> None:
    factors = yields.event_factors("as Table III")
    signal = table[table["process"] == "smuonR_300_0"]
    background = table[table["process"].isin(list(factors))]
    w = background["weight"] * background["process"].map(factors)
    wanted = yields.efficiency("smuonR_300_0", "static_veto").value
    kept = {}
    for score in ("low", "bdt"):
        s = signal.sort_values(f"score_{score}", ascending=False, kind="stable")
        above = s["weight"].cumsum()
        least = s[f"score_{score}"].iloc[int((above < wanted * above.iloc[-1]).sum())]
        kept[score] = w[background[f"score_{score}"] >= least].sum() / w.sum()
    row = rows["Networks against trees", "low, 300/0", "rejection"]
    assert row.ours == pytest.approx(kept["bdt"] / kept["low"])
    assert 0.0 < row.error < row.ours
    difference = rows["Networks against trees", "low, 300/0", "area"]
    assert 0.0 < difference.error < 0.05
    assert rows["Networks against trees", "all, 300/0", "area"].verdict == "absent"


def test_a_control_region_can_be_fitted_beside_what_is_kept(small) -> None:
    from massgap.contracts.run_folder import open_run
    from massgap.fits.combination.runs import require_disjoint
    from massgap.fits.plan import FitPart, FitPlan, PlannedRun

    run = open_run(small.scored)
    plan = FitPlan([("veto_c", "score_low"), FitPart("cr_tt", "met", count=True)], ())
    require_disjoint([PlannedRun(run, plan)])


def test_the_chapters_show_tables_and_planes(small) -> None:
    from massgap.reports.run.inputs import read_inputs
    from massgap.studies.smuon.chapters import chapters

    inputs = read_inputs(small.scored, None, None)
    beside, planes, further = (str(chapter.body(inputs)) for chapter in chapters())
    assert "Table VIII" in beside
    assert "Excluded events by method" in further
    assert planes.count("<figure") == 4
    assert "High network" in planes


def test_what_is_no_run_of_it_is_refused(small, tmp_path) -> None:
    with pytest.raises(StudyError, match="massgap study smuon --out"):
        validate(tmp_path)
    manifest = json.loads((small.scored / "manifest.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    manifest["description"]["analysis"] = "slepton"
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StudyError, match="analysis 'slepton'"):
        validate(other)
    manifest["description"]["analysis"] = "smuon"
    del manifest["datasets"]["mumulnu"]
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StudyError, match=r"no mumulnu.*massgap generate smuon"):
        validate(other)

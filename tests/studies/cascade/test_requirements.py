"""What the study has to reach beyond the tables of its paper: each has a row with a verdict, from old scans as well as from new ones."""

from __future__ import annotations

import json
import math

import pytest

from massgap.contracts.study_folder import StudyFolder, write_study
from massgap.studies.cascade.further import further_tables, tables_of
from massgap.studies.cascade.requirements import grows
from massgap.studies.cascade.scanning.scan import FORMAT
from massgap.studies.cascade.validation import measured, paper, validate
from massgap.studies.errors import StudyError

TRIPLET = "met,delta4,m_mumugamma"


def line(values, **spreads):
    best = {ratio: {"mean": 0.4, "spread": spread} for ratio, spread in spreads.items()}
    return {TRIPLET: {"values": values, "best": best}, "momenta": {"values": values, "best": best}}


def way(coverage, width, **further):
    one = {"coverage": coverage, "error": 0.01, "width": width, **further}
    return {"coverage": [coverage, 0.005], "masses": {"250": one, "450": one, "650": one}}


def model():
    """As a scan before errors of widths had it."""
    networks = {
        name: {"auc": [0.95, 0.002], "benchmark": {"auc": [area, 0.0005]}}
        for name, area in (("momenta", 0.96), (TRIPLET, 0.955), ("met,m_mumu,m_mumugamma", 0.935))
    }
    networks[TRIPLET]["ratio"] = {
        ratio: {"mean": 0.1, "width": 1.0, "estimate": 1.0, "spread": 0.1} for ratio in ("1", "0.1", "0.01")
    }
    ado = {"met": 0.8, "delta4": 0.75, "m_mumu": 0.6, "m_plus_gamma": 0.6, "m_minus_gamma": 0.6}
    ado |= dict.fromkeys(("pt_plus", "pt_minus", "pt_gamma"), 0.7)
    estimates = [
        {"mass": m, "ratio": r, "mean": m + 20, "spread": s, "mean_error": 2.0, "spread_error": 1.0}
        for m in (300.0, 200.0, 400.0, 500.0, 600.0, 700.0)
        for r, s in ((0.05, 60.0), (1.0, 30.0))
    ]
    estimates[-1]["mean"] = 610.0
    gaps = line([-2.0, 0.0, 2.0], **{"1": 0.0, "0.1": 1.0, "0.01": 5.0})
    ways = {"maps": way(0.69, 60.0), "sets": way(0.60, 90.0), "template": way(0.68, 100.0)}
    return {
        "networks": networks,
        "orderings": {name: [value, 0.002] for name, value in ado.items()},
        "lines": {
            **dict.fromkeys(("alpha", "beta", "gamma"), gaps),
            "delta": line([-500.0, 500.0], **{"1": 200.0, "0.1": 300.0, "0.01": 300.0}),
        },
        "hypotheses": {
            "auc": [0.9, 0.01],
            "lines": {
                "alpha": {"one": [0.5, 0.3], "separate": [0.9, 0.4], "values": [-2.0, 0.0, 2.0]},
                "beta": {"one": [0.0, None], "separate": [4.0, 0.5], "values": [-2.0, 0.0, 2.0]},
            },
        },
        "mass": {"estimates": estimates, "beyond": {"ratio": 1.0, "ways": ways}},
    }


def scanned():
    shares = {f"{share:g}": {"coverage": 0.67, "error": 0.01, "width": 0.2} for share in (0.25, 0.55, 0.75)}
    rates = [{"ratio": ratio, "accuracy": rate} for ratio, rate in ((0.01, 0.9), (0.1, 0.999), (1.0, 1.0))]
    network = {"auc": [0.66, 0.003], "belt": {"ratio": 0.1, "shares": shares}, "accuracies": rates}
    models = {"fDM": model(), "sDM": model()}
    return {
        "format": FORMAT,
        "models": models,
        "spin": {"networks": {"m_mumu,met": network}},
        "complete": True,
    }


def verdicts(folder):
    return {(row.table, row.row, row.column): row.verdict for row in validate(folder)}


def test_each_requirement_has_a_verdict(tmp_path):
    (tmp_path / "scan.json").write_text(json.dumps(scanned()))
    found = verdicts(tmp_path)
    assert found["Mass gaps", "fDM, S/B = 1, alpha", "number"] == "agrees"
    assert found["Table I", "sDM, S/B = 1, beta", "number"] == "differs"
    assert found["Spread of delta", "S/B = 1", "fDM"] == "agrees"
    assert found["One network", "alpha", "fDM"] == "agrees"
    assert found["One network", "beta", "sDM"] == "differs"
    assert found["Gaps", "momenta, best triplet, at least", "fDM"] == "agrees"
    assert found["Gaps", "best triplet, best without Delta_4, at most", "fDM"] == "agrees"
    assert found["Pulls", "width, S/B = 0.01", "sDM"] == "agrees"
    assert found["Distance of the mass scale", "M_chi = 200 GeV", "fDM"] == "agrees"
    assert found["Distance of the mass scale", "M_chi = 700 GeV", "fDM"] == "differs"
    assert found["Spread of other masses", "M_chi = 500 GeV, S/B = 1", "fDM"] == "agrees"
    assert found["Coverage of the mass scale", "maps, M_chi = 450 GeV", "fDM"] == "agrees"
    assert found["Coverage of the mass scale", "sets, M_chi = 450 GeV", "fDM"] == "differs"
    assert found["Width against the template", "maps, M_chi = 250 GeV", "sDM"] == "agrees"
    assert found["Width against the template", "sets, M_chi = 250 GeV", "sDM"] == "differs"
    assert found["Coverage of the spin", "share of sDM = 0.25", "number"] == "agrees"
    assert found["Spin accuracy", "S/B = 0.1", "number"] == "agrees"
    assert found["Orderings", "spread of gamma grows as S/B falls, fDM", "number"] == "agrees"
    assert tables_of(scanned())


def test_rows_and_numbers_have_the_same_names():
    numbers, printed = measured(scanned()), paper()
    for name in ("Mass gaps", "Pulls", "Gaps", "Orderings", "One network", "Coverage of the mass scale"):
        ours, theirs = {row for row, _ in numbers[name]}, set(printed.tables[name].rows)
        assert ours & theirs, name
        if name not in ("Mass gaps", "Orderings"):
            assert ours <= theirs, name


def test_a_miss_of_an_experiment_with_few_events_is_none():
    found = scanned()
    told = found["models"]["fDM"]["mass"]["beyond"]["ways"]
    told["sets"]["masses"]["250"] = {"coverage": 0.6, "error": 0.05, "width": 85.0, "width_error": 5.0}
    told["template"]["masses"]["250"] = {"coverage": 0.6, "error": 0.05, "width": 100.0, "width_error": 4.0}
    value, error = measured(found)["Width against the template"]["sets, M_chi = 250 GeV", "fDM"]
    assert value == pytest.approx(0.85)
    assert error == pytest.approx(math.hypot(0.05, 0.85 * 0.04))
    # no interval at all
    told["sets"]["masses"]["250"] = {"coverage": 0.0, "error": 0.05, "width": None}
    assert ("sets, M_chi = 250 GeV", "fDM") not in measured(found)["Width against the template"]
    assert tables_of(found)


def test_no_event_behind_the_cut_is_a_limit():
    found = scanned()
    found["processes"] = {
        "WW": {"fb": 5.0, "error": 0.02, "effective": 40_000.0},
        "taus": {"fb": 85.0, "error": 0.4, "effective": 37_722.0},
    }
    for of in found["models"].values():
        of["purified"] = {"left_fb": {"WW": [0.025, 0.0015], "taus": [0.0, 0.0]}}
    (table,) = (one for one in tables_of(found) if one.title.startswith("Background"))
    assert table.rows[0][3:] == ((0.025, 0.0015), (0.025, 0.0015))
    assert table.rows[1][3:] == ("below 0.0052 (90 %)", "below 0.0052 (90 %)")


def test_spreads_that_grow():
    assert grows([0.0, 0.0, 3.0])
    # within the errors of 50 iterations, 10 % each
    assert grows([2.0, 1.8, 5.0])
    assert not grows([2.0, 1.0, 5.0])
    assert not grows([0.0, 0.0, 0.0])


def test_a_scan_of_an_earlier_call_is_not_that_of_the_study(tmp_path):
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan" / "scan.json").write_text(json.dumps(scanned()))
    write_study(StudyFolder(tmp_path, "cascade", scans={"scan": {"run": "run"}}))
    assert validate(tmp_path)
    assert further_tables(tmp_path)
    write_study(StudyFolder(tmp_path, "cascade", failed={"scan": "too few events"}))
    with pytest.raises(StudyError, match="has not done it: too few events"):
        validate(tmp_path)
    assert not further_tables(tmp_path)
    write_study(StudyFolder(tmp_path, "cascade"))
    with pytest.raises(StudyError, match="has not come so far"):
        validate(tmp_path)

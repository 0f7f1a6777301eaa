"""Statements with verdicts, steps at edges, counts per bin, calibration and limits of the vlq study, against known numbers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from vlq_scores import quality

from massgap.contracts.study_folder import StudyFolder
from massgap.models.folds import fold_key, held_out_fold
from massgap.models.recipes.vlq import MASS
from massgap.stages.studying.steps import Going
from massgap.studies.errors import StudyError
from massgap.studies.vlq.further import claims_table
from massgap.studies.vlq.numbers.bins import bin_counts, counts_table, smallest
from massgap.studies.vlq.numbers.claims import claims_at
from massgap.studies.vlq.numbers.edges import jumps_at
from massgap.studies.vlq.numbers.limits import Limit, limits_of, limits_table
from massgap.studies.vlq.numbers.measured import mass_edges
from massgap.studies.vlq.numbers.performance import AtMass
from massgap.studies.vlq.study import STUDY


def at(mass, **strengths):
    return AtMass(mass, 2000, 2000, {f"models/{name}": quality(value) for name, value in strengths.items()})


def test_each_statement_has_its_number_and_verdict():
    point = at(6000.0, mubdt=2.0, munn=1.2, pnn=1.6, pnn_b=1.6, mubdt_6000=2.6)
    claims = {(c.kind, c.words): c for c in claims_at([point])}
    assert claims["not worse", "muBDT is not worse than pNN"].verdict == "confirmed"
    worse = claims["not worse", "muNN is not worse than pNN"]
    assert worse.verdict == "contradicted"
    assert worse.value == pytest.approx(point.found["models/munn"].auc - point.found["models/pnn"].auc)
    assert claims["better", "pNN_B is better than pNN"].verdict == "not confirmed"
    assert claims["better", "muBDT is better than pNN_B"].verdict == "confirmed"
    good = claims["as good", "muBDT is as good as muBDT_6000"]
    assert good.value == pytest.approx(
        (1 - point.found["models/mubdt"].auc) / (1 - point.found["models/mubdt_6000"].auc)
    )
    assert good.verdict == "contradicted"
    rows = claims_table(list(claims.values())).texts()
    assert len(rows) == len(claims)
    assert {row[-1] for row in rows} == {"confirmed", "not confirmed", "contradicted"}


def test_only_at_6_tev_the_text_says_which_is_better():
    assert {c.kind for c in claims_at([at(2000.0, mubdt=2.0, pnn=1.6, pnn_b=1.6)])} == {"not worse"}
    assert claims_at([AtMass(6000.0, 2, 2, {})]) == []


def background(n, seed):
    random = np.random.default_rng(seed)
    mass = random.uniform(900, 6500, n)
    return mass, random.random(n), np.exp(-(mass - 900) / 400) * random.choice([1.0, 4.0], n)


def test_a_score_without_steps_has_none():
    edges = mass_edges()[1:-1]
    found = [jumps_at(edges, *background(20_000, seed), reach=100.0) for seed in range(12)]
    assert all(one.ndf == len(edges) for one in found)
    # Of 12 the number with a step by chance is binomial with 0.0455: more than 3 come once in 500.
    assert sum(not one.none for one in found) <= 3
    assert np.mean([one.chi2 / one.ndf for one in found]) == pytest.approx(1.0, abs=0.2)


def test_a_trend_is_no_step_and_a_step_is_one():
    edges = mass_edges()[1:-1]
    mass, score, weight = background(20_000, 4)
    assert jumps_at(edges, mass, score / 2 + mass / 20_000, weight, reach=100.0).none
    stepped = jumps_at(edges, mass, score + 0.4 * (mass > edges[9]), weight, reach=100.0)
    assert not stepped.none
    assert np.nanargmax(np.abs(stepped.step / stepped.error)) == 9
    assert stepped.step[9] == pytest.approx(0.4, abs=4 * stepped.error[9])


def test_too_few_events_say_nothing_of_steps():
    found = jumps_at(np.array([1100.0]), np.array([1050.0, 1150.0]), np.ones(2), np.ones(2), reach=100.0)
    assert found.ndf == 0
    assert np.isnan(found.largest)
    assert found.none


def test_counts_of_bins_are_those_of_the_folds():
    random = np.random.default_rng(2)
    n = 6000
    table = pd.DataFrame(
        {MASS: random.uniform(700, 6700, n), "fold_key": fold_key(1, 1, np.arange(n)), "weight": 2.0}
    )
    is_background = np.arange(n) % 3 == 0
    counts = bin_counts(table, is_background)
    assert len(counts) == 28
    fold = held_out_fold(table["fold_key"].to_numpy(np.uint64), 4)
    one = counts[5]
    inside = ((table[MASS] >= one.low) & (table[MASS] < one.high)).to_numpy()
    for k, of in enumerate((~is_background, is_background)):
        per_fold = [int((inside & of & (fold == f)).sum()) for f in range(4)]
        assert one.every[k] == sum(per_fold)
        assert one.validation[k] == min(per_fold)
        assert one.training[k] == min(sum(per_fold) - per_fold[f] - per_fold[(f + 1) % 4] for f in range(4))
    assert one.effective == pytest.approx(one.every[1])
    below = [c for c in counts if c.high <= 4100]
    assert len(below) == 16
    assert smallest(counts)["training, background"] == min(c.training[1] for c in below)
    assert len(counts_table(counts).texts()) == 28


def test_an_empty_bin_has_no_events():
    table = pd.DataFrame({MASS: [950.0], "fold_key": fold_key(1, 1, np.arange(1)), "weight": 1.0})
    counts = bin_counts(table, np.array([True]))
    assert (counts[1].every, counts[1].effective) == ((0, 0), 0.0)
    assert counts[0].effective == 1.0


def test_limits_are_those_of_plane_and_fits(tmp_path):
    assert limits_of(tmp_path) == []

    def row(mass, limit, **more):
        expected = (
            None
            if limit is None
            else {"observed": None, "expected": [limit * f for f in (0.5, 0.7, 1.0, 1.4, 2.0)]}
        )
        return {"x": mass, "lumi_fb": 3000.0, "cross_section_fb": 2.0, "limit_fb": expected, **more}  # fmt: skip

    spread = {"upper_limit": {"expected": [None, None, {"std": 0.05}, None, None]}}
    points = [row(2000.0, 0.6, uncertainty=spread), row(1000.0, 0.8), row(1200.0, None)]
    plane = tmp_path / "tagged" / "plane"
    plane.mkdir(parents=True)
    plane.joinpath("plane.json").write_text(
        json.dumps({"format": "massgap-plane/1", "luminosities": [3000.0], "points": points})
    )
    own = tmp_path / "own" / "2000" / "fit"
    own.mkdir(parents=True)
    results = {"upper_limit": {"expected": [0.1, 0.15, 0.25, 0.3, 0.4]}, "simulation": spread}
    own.joinpath("results.json").write_text(json.dumps({"format": "massgap-fit/2", **results}))
    low, high = limits_of(tmp_path)
    assert (low.mass, low.median, low.error, low.own, low.quotient) == (1000.0, 0.8, None, None, None)
    assert (high.mass, high.own) == (2000.0, 0.5)
    assert high.error == high.own_error == pytest.approx(0.1)
    value, error = high.quotient
    assert value == pytest.approx(1.2)
    assert error == pytest.approx(1.2 * np.hypot(0.1 / 0.6, 0.1 / 0.5))
    assert [cells[0] for cells in limits_table([low, high]).texts()] == ["1", "2"]
    assert isinstance(low, Limit)


def test_the_small_form_leaves_out_what_takes_long():
    small = {step.name for step in STUDY.chosen(small=True)}
    every = {step.name for step in STUDY.chosen()}
    assert {
        "samples",
        "run",
        "models/mubdt",
        "models/pnn_b",
        "tagged",
        "tagged/plane",
        "report.html",
    } <= small
    assert every - small == {
        "samples/tests", "tests", "models/tabm",
        *(f"{place}{mass}{more}" for mass in (1000, 2000, 4000, 6000)
          for place, more in (("models/own_", ""), ("own/", ""), ("own/", "/fit"))),
    }  # fmt: skip


def test_a_run_whose_optional_model_was_not_made_says_so(tmp_path):
    """A study goes on without an optional training, and names it where a later step needs it."""
    record = StudyFolder(tmp_path, "vlq", failed={"models/own_1000": "too few events"})
    going = Going(STUDY, record, None, {}, None, {})
    step = next(step for step in STUDY.steps if step.name == "own/1000")
    with pytest.raises(StudyError, match=r"own/1000 needs models/own_1000, .*: too few events"):
        going._run(step)

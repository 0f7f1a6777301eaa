"""Uncertainties of the finite simulation, and toys, at the points of a plane."""

from __future__ import annotations

from dataclasses import replace

import pytest

from massgap.fits.fit_run import fit_run
from massgap.fits.inference.toys import ToyOptions
from massgap.fits.planes.cross_sections import CrossSections
from massgap.fits.planes.options import PlaneOptions
from massgap.fits.planes.plane_run import plane_runs


def rows(*arguments, **options):
    return plane_runs(*arguments, [100.0], **options).results["points"]


def test_uncertainties_are_those_of_fits(tmp_path, plane_run, plane_grid, fit_options):
    signals, masses = plane_grid((100.0, 300.0), (20.0, 100.0))
    run = plane_run(tmp_path / "run", signals, masses, variation=0.1)
    options = replace(fit_options(), replicas=10, replica_seed=3)
    for row in rows([run], tmp_path / "plane", options=options)[1:3]:
        fit = fit_run(run, tmp_path / "fit", 100.0, row["process"], options=options).results["simulation"]
        found = row["uncertainty"]
        assert (found["replicas"], found["seed"], found["method"]) == (10, 3, "histogram")
        assert found["expected_significance"]["std"] > 0.0
        for key in ("expected_significance", "upper_limit", "cls"):
            ours, theirs = found[key], fit[key]
            if key != "expected_significance":
                ours, theirs = ours["expected"][2], theirs["expected"][2]
            assert ours["std"] == pytest.approx(theirs["std"], rel=1e-3)
            assert ours["mean"] == pytest.approx(theirs["mean"], rel=1e-3)


def test_a_limit_scales_with_the_cross_section_and_so_does_its_uncertainty(tmp_path, plane_run, fit_options):
    run = plane_run(tmp_path / "run", {"a": (0.1, 0.2, 0.3)}, {"a": {"m": 100.0}})
    options = replace(fit_options(mc_statistics="off"), replicas=10)
    (own,) = rows([run], tmp_path / "own", options=options)
    twice = CrossSections("mine", "a test", ({"process": "a", "fb": 20.0, "uncertainty": None},))
    (other,) = rows([run], tmp_path / "twice", options=options, plane=PlaneOptions(cross_sections=twice))
    std = [row["uncertainty"]["upper_limit"]["expected"][2]["std"] for row in (own, other)]
    assert other["upper_limit"]["expected"][2] == pytest.approx(
        0.5 * own["upper_limit"]["expected"][2], rel=1e-5
    )
    assert std[1] == pytest.approx(0.5 * std[0], rel=1e-3)


def test_other_replicas_are_made_anew_and_the_same_ones_are_not(tmp_path, plane_run, fit_options):
    run = plane_run(tmp_path / "run", {"a": (0.1, 0.2, 0.3)}, {"a": {"m": 100.0}})
    options = replace(fit_options(), replicas=4)
    found = {}
    for seed, reused in ((1, 0), (1, 1), (2, 0)):
        result = plane_runs([run], tmp_path / "plane", [100.0], options=replace(options, replica_seed=seed))
        assert result.reused == reused
        found[seed] = result.results["points"][0]["uncertainty"]["expected_significance"]["std"]
    assert found[1] != found[2]
    (row,) = rows([run], tmp_path / "plane", options=replace(options, replicas=0))
    assert row["uncertainty"] == {}


def test_toys_agree_where_counts_are_large_and_small_counts_are_told(tmp_path, plane_run, fit_options):
    run = plane_run(tmp_path / "run", {"a": (0.3, 0.0, 0.0)}, {"a": {"m": 100.0}}, background=(1.0, 0.0, 0.0))
    options = fit_options(
        (0.0, 3.0), lumi_uncertainty=0.0, default_normalisation=0.0, mc_statistics="off", systematics=False
    )
    with_toys = replace(options, toys=ToyOptions(2000))
    (row,) = rows([run], tmp_path / "toys", options=with_toys)
    limit = row["toys"]["upper_limit"]
    assert limit["expected"][2] == pytest.approx(
        row["upper_limit"]["expected"][2], abs=4.0 * limit["expected_errors"][2] + 0.05
    )
    assert row["toys"]["certificate"]["failed"] == 0
    assert row["small_counts"] is None
    few = plane_runs([run], tmp_path / "few", [3.0], options=options).results
    assert "Use toys: --toys" in few["points"][0]["small_counts"]
    assert any(warning.startswith("a: ") and "--toys" in warning for warning in few["warnings"])

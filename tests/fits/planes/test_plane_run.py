from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyhf
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from massgap.contracts.errors import FolderBusyError
from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.plane_folder import open_plane
from massgap.errors import MassgapError
from massgap.fits.errors import FitError, PlaneError
from massgap.fits.inference.hypothesis_tests import discovery, hypothesis_test, upper_limit
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.planes import tasks
from massgap.fits.planes.cross_sections import CrossSections
from massgap.fits.planes.options import PlaneOptions
from massgap.fits.planes.plane_run import plane_runs
from massgap.fits.workspaces.schema import schema_warnings_off

COUNTING = {
    "lumi_uncertainty": 0.0,
    "default_normalisation": 0.0,
    "mc_statistics": "off",
    "systematics": False,
}


def workspaces(folder, suffix=""):
    with schema_warnings_off():
        background = pyhf.Workspace(json.loads((folder / f"background{suffix}.json").read_text()))
        patches = pyhf.PatchSet(json.loads((folder / f"patchset{suffix}.json").read_text()))
        patches.verify(background)
        return {patch.name: patches.apply(background, patch.name) for patch in patches.patches}


def test_closed_forms_of_counting_experiments(tmp_path, plane_run, fit_options):
    masses = {name: {"m": float(m)} for name, m in (("a", 100), ("b1", 200))}
    run = plane_run(tmp_path / "run", {"a": (0.3, 0, 0), "b1": (0.1, 0, 0)}, masses, background=(1.0, 0, 0))
    options = fit_options((0.0, 3.0), **COUNTING)
    found = plane_runs([run], tmp_path / "plane", [100.0], options=options).results
    b = 100.0
    for row, s in zip(found["points"], (30.0, 10.0), strict=True):
        assert row["events"] == {"signal": pytest.approx(s), "background": pytest.approx(b), "observed": None}
        assert row["efficiency"] == pytest.approx(s / 100.0 / 10.0)
        z = np.sqrt(2.0 * ((s + b) * np.log1p(s / b) - s))
        assert row["significance"]["expected"] == pytest.approx(z, rel=1e-6)

        def root(mu, s=s):
            return np.sqrt(2.0 * (mu * s - b * np.log1p(mu * s / b)))

        for n, cls, limit in zip(
            range(-2, 3), row["cls"]["expected"], row["upper_limit"]["expected"], strict=True
        ):
            assert cls == pytest.approx(norm.cdf(n - root(1.0)) / norm.cdf(n), rel=1e-6)
            target = n - norm.ppf(0.05 * norm.cdf(n))
            assert limit == pytest.approx(brentq(lambda mu, t=target: root(mu) - t, 0, 100), rel=1e-6)
        assert row["limit_fb"]["expected"] == pytest.approx(np.multiply(10.0, row["upper_limit"]["expected"]))
        assert row["cross_section_fb"] == 10.0


def test_rows_are_those_of_pyhf_on_its_own_patch_set(tmp_path, plane_run, plane_grid, fit_options):
    signals, masses = plane_grid((100.0, 300.0), (20.0, 100.0))
    run = plane_run(tmp_path / "run", signals, masses, data=(210, 90, 55), variation=0.1)
    found = plane_runs([run], tmp_path / "plane", [100.0], options=fit_options()).results
    complete = workspaces(tmp_path / "plane")
    assert list(complete) == [row["name"] for row in found["points"]]
    for row in found["points"][1:3]:
        workspace = complete[row["name"]]
        with schema_warnings_off():
            model = workspace.model()
        bounds = model.config.suggested_bounds()
        bounds[model.config.poi_index] = (0.0, 100.0)
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-10))
        for mu, seen in ((1.0, row["cls"]), (row["upper_limit"]["observed"], {"observed": 0.05})):
            observed, expected = pyhf.infer.hypotest(
                mu, workspace.data(model), model, par_bounds=bounds, return_expected_set=True
            )
            assert float(observed) == pytest.approx(seen["observed"], abs=1e-5)
            if "expected" in seen:
                assert [float(x) for x in expected] == pytest.approx(seen["expected"], abs=1e-5)


@pytest.mark.parametrize("data", [None, (230, 80, 70), (150, 60, 20)])
def test_rows_are_those_of_single_fits(tmp_path, plane_run, plane_grid, fit_options, data):
    signals, masses = plane_grid()
    run = plane_run(tmp_path / "run", signals, masses, data=data, variation=0.1)
    found = plane_runs([run], tmp_path / "plane", [100.0], options=fit_options()).results
    complete = workspaces(tmp_path / "plane")
    seen = data is not None
    for row in found["points"][::4]:
        likelihood = Likelihood(complete[row["name"]])
        limit = upper_limit(likelihood, observed=seen)
        cls = hypothesis_test(likelihood, observed=seen)
        strength = discovery(likelihood, observed=seen)
        assert row["upper_limit"]["expected"] == pytest.approx(limit.expected, rel=1e-6)
        assert row["cls"]["expected"] == pytest.approx(cls.expected, rel=1e-6)
        assert row["significance"]["expected"] == pytest.approx(strength.expected_significance, rel=1e-6)
        assert row["cls"]["observed"] == (pytest.approx(cls.cls, rel=1e-6) if seen else None)
        assert row["upper_limit"]["observed"] == (pytest.approx(limit.observed, rel=1e-6) if seen else None)
        if seen:
            expected = pytest.approx(strength.observed_significance, abs=1e-5)
            assert row["significance"]["observed"] == expected
        certificate = row["certificate"]
        assert certificate["distance"] < 1e-10
        assert certificate["fits"] > 10
        assert not certificate["flat"]


def test_several_luminosities_each_with_its_workspace(tmp_path, plane_run, plane_grid, fit_options):
    signals, masses = plane_grid((100.0, 300.0), (20.0, 100.0))
    run = plane_run(tmp_path / "run", signals, masses, data=(210, 90, 55))
    result = plane_runs([run], tmp_path / "plane", [100.0, 400.0], options=fit_options())
    rows = open_plane(tmp_path / "plane")
    assert [row["lumi_fb"] for row in result.results["points"]] == [100.0] * 4 + [400.0] * 4
    for suffix, lumi in (("_100", 100.0), ("_400", 400.0)):
        complete = workspaces(tmp_path / "plane", suffix)
        row = rows.points(lumi)[2]
        limit = upper_limit(complete[row["name"]])
        assert row["upper_limit"]["expected"] == pytest.approx(limit.expected, rel=1e-6)
        # Data are of one luminosity, and which it is is not known here.
        assert row["upper_limit"]["observed"] is None
    assert any("another luminosity" in warning for warning in result.results["warnings"])
    assert not (tmp_path / "plane" / "background.json").exists()
    assert (tmp_path / "plane" / "plane.csv").read_text().count("\n") == 9


def test_cross_sections_scale_signals_and_band_or_parameter(tmp_path, plane_run, plane_grid, fit_options):
    signals, masses = plane_grid((100.0, 300.0), (20.0, 100.0))
    run = plane_run(tmp_path / "run", signals, masses)
    own = plane_runs([run], tmp_path / "own", [100.0], options=fit_options()).results
    rows = tuple({"process": name, "masses": None, "fb": 5.0, "uncertainty": 1.0} for name in signals)
    half = CrossSections("half", "a test", rows)
    options = PlaneOptions(cross_sections=half)
    found = plane_runs([run], tmp_path / "half", [100.0], options=fit_options(), plane=options).results
    for row, before in zip(found["points"], own["points"], strict=True):
        assert row["upper_limit"]["expected"][2] == pytest.approx(2.0 * before["upper_limit"]["expected"][2])
        assert row["limit_fb"]["expected"][2] == pytest.approx(before["limit_fb"]["expected"][2])
        assert row["efficiency"] == pytest.approx(before["efficiency"])
        assert row["cross_section_uncertainty"] == 1.0
    assert {entry["cross_section"] for entry in found["contours"]} == {0, 1, -1}
    assert {entry["cross_section"] for entry in own["contours"]} == {0}
    profiled = PlaneOptions(cross_sections=half, profile_cross_section=True)
    wide = plane_runs([run], tmp_path / "wide", [100.0], options=fit_options(), plane=profiled).results
    for row, before in zip(wide["points"], found["points"], strict=True):
        assert row["upper_limit"]["expected"][2] > 1.01 * before["upper_limit"]["expected"][2]
    assert "signal_cross_section" in likelihood_names(tmp_path / "wide")
    assert {entry["cross_section"] for entry in wide["contours"]} == {0}


def likelihood_names(folder):
    return Likelihood(next(iter(workspaces(folder).values()))).names


def test_a_signal_without_events_is_a_row_that_did_not_converge(tmp_path, plane_run, plane_grid, fit_options):
    signals, masses = plane_grid()
    signals["s_200_140"] = (0.0, 0.0, 0.0)
    run = plane_run(tmp_path / "run", signals, masses)
    result = plane_runs([run], tmp_path / "plane", [100.0], options=fit_options())
    bad = [row for row in result.results["points"] if not row["converged"]]
    assert [row["name"] for row in bad] == ["s_200_140"]
    assert "no events" in bad[0]["error"]
    assert bad[0]["upper_limit"] is None
    assert bad[0]["limit_fb"] is None
    assert not result.converged
    assert any("s_200_140" in warning for warning in result.results["warnings"])
    assert "s_200_140" not in workspaces(tmp_path / "plane")
    line = next(
        x for x in (tmp_path / "plane" / "plane.csv").read_text().splitlines() if x.startswith("s_200_140")
    )
    assert ",,,,," in line
    for entry in result.results["contours"]:
        places = np.array([place for line in entry["lines"] for place in line]).reshape(-1, 2)
        # The cell of the point that is not known has a half width of 50 and 20 GeV.
        inside = (np.abs(places[:, 0] - 200.0) < 45.0) & (np.abs(places[:, 0] - places[:, 1] - 60.0) < 18.0)
        assert not inside.any()


def test_bins_are_chosen_from_all_signals(tmp_path, plane_run, fit_options):
    signals = {"low": (1.0, 0.0, 0.0), "high": (0.0, 0.0, 0.001)}
    masses = {"low": {"m": 1.0}, "high": {"m": 2.0}}
    run = plane_run(tmp_path / "run", signals, masses)
    found = plane_runs([run], tmp_path / "plane", [100.0], options=fit_options(None)).results
    # Each signal has half of the say: neither the strong nor the weak one alone would keep two edges.
    assert found["workspaces"][0]["parts"][0]["binning"] == [0.0, 2.0, 3.0]


class Interrupted(Exception):
    pass


def test_an_interrupted_plane_goes_on_and_is_the_same(
    tmp_path, plane_run, plane_grid, fit_options, monkeypatch
):
    signals, masses = plane_grid()
    run = plane_run(tmp_path / "run", signals, masses)
    monkeypatch.setattr(tasks, "_BATCH", 2)
    whole = plane_runs([run], tmp_path / "whole", [100.0], options=fit_options())
    assert whole.reused == 0

    def stop(done, total):
        assert total == 9
        if done >= 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        plane_runs([run], tmp_path / "plane", [100.0], options=fit_options(), progress=stop)
    assert not (tmp_path / "plane" / "plane.json").exists()
    # Half a line, as of a process that was killed while it wrote.
    with (tmp_path / "plane" / "points.jsonl").open("a") as file:
        file.write('{"digest": "abc", "resu')
    done = []
    again = plane_runs(
        [run], tmp_path / "plane", [100.0], options=fit_options(), progress=lambda n, _: done.append(n)
    )
    assert again.reused == 4
    assert done == [4, 6, 8, 9]
    assert again.results == whole.results
    assert plane_runs([run], tmp_path / "plane", [100.0], options=fit_options()).reused == 9


@pytest.mark.parametrize("change", ["level", "lumi", "model", "signal", "background", "code"])
def test_no_stale_number_after_any_change(tmp_path, plane_run, plane_grid, fit_options, monkeypatch, change):
    signals, masses = plane_grid((100.0, 300.0), (20.0, 100.0))
    run = plane_run(tmp_path / "run", signals, masses)
    plane_runs([run], tmp_path / "plane", [100.0], options=fit_options())
    options, lumi, reused = fit_options(), 100.0, 0
    if change == "level":
        options = type(options)(histogram="x", edges=options.edges, level=0.9)
    elif change == "lumi":
        lumi = 100.5
    elif change == "model":
        options = fit_options(lumi_uncertainty=0.03)
    elif change == "signal":
        signals["s_100_80"] = (0.1, 0.2, 0.3)
        plane_run(tmp_path / "run", signals, masses)
        reused = 3
    elif change == "background":
        plane_run(tmp_path / "run", signals, masses, background=(2.0, 1.0, 0.51))
    else:
        monkeypatch.setattr("massgap.fits.planes.finished.package_digest", lambda **_: "other code")
    again = plane_runs([run], tmp_path / "plane", [lumi], options=options)
    fresh = plane_runs([run], tmp_path / "fresh", [lumi], options=options)
    assert again.reused == reused
    assert again.results == fresh.results
    # What is not needed any more is not kept.
    assert len((tmp_path / "plane" / "points.jsonl").read_text().splitlines()) == 4


def test_a_worker_that_is_lost_leaves_points_that_are_tried_again(
    tmp_path, plane_run, plane_grid, fit_options
):
    from massgap.fits.planes.tasks import fit_batch

    class Lost:
        reason = "it was killed"

    def losing(function, items, *, shared):
        yield 1, Lost()
        yield 0, fit_batch(shared, items[0])

    losing.workers = 1
    signals, masses = plane_grid((100.0, 300.0), (20.0, 100.0))
    run = plane_run(tmp_path / "run", signals, masses)
    found = plane_runs([run], tmp_path / "plane", [100.0], options=fit_options(), executor=losing)
    bad = [row for row in found.results["points"] if not row["converged"]]
    assert len(bad) == 2
    assert "killed" in bad[0]["error"]
    again = plane_runs([run], tmp_path / "plane", [100.0], options=fit_options())
    assert again.reused == 2
    assert again.converged


def test_what_makes_no_plane_is_named(tmp_path, plane_run, plane_grid, fit_options):
    signals, masses = plane_grid((100.0, 300.0), (20.0, 100.0))
    run = plane_run(tmp_path / "run", signals, masses)
    out = tmp_path / "plane"
    with pytest.raises(FitError, match=r"names no luminosity.*--lumi"):
        plane_runs([run], out, options=fit_options())
    for lumis, words in (([0.0], "positive"), ([1.0, 1.0], "several different")):
        with pytest.raises(FitError, match=words):
            plane_runs([run], out, lumis, options=fit_options())
    with pytest.raises(PlaneError, match=r"--interpolation.*spline, linear"):
        PlaneOptions(interpolation="cubic")
    energy = CrossSections("theirs", "", (), sqrt_s_tev=8.0)
    with pytest.raises(PlaneError, match=r"of 8 TeV, the samples of 13 TeV.*--xsec"):
        plane_runs([run], out, [1.0], options=fit_options(), plane=PlaneOptions(cross_sections=energy))
    with locked_folder(out), pytest.raises(FolderBusyError):
        plane_runs([run], out, [100.0], options=fit_options())
    empty = plane_run(tmp_path / "empty", dict.fromkeys(signals, (0.0, 0.0, 0.0)), masses)
    with pytest.raises(MassgapError, match=r"The signal 's_100_0' has no events"):
        plane_runs([empty], out, [100.0], options=fit_options())
    hole = plane_run(tmp_path / "hole", signals, masses, background=(2.0, 0.0, 0.5))
    with pytest.raises(MassgapError, match=r"Bin 1 of channel 'one'"):
        plane_runs([hole], out, [100.0], options=fit_options())


def test_limits_rise_where_signals_fall(tmp_path, plane_run, plane_grid, fit_options):
    signals, masses = plane_grid(gaps=(60.0,))
    run = plane_run(tmp_path / "run", signals, masses)
    found = plane_runs([run], tmp_path / "plane", [100.0], options=fit_options()).results
    limits = [row["upper_limit"]["expected"][2] for row in found["points"]]
    assert all(b > 2.0 * a for a, b in pairwise(limits))
    assert found["axes"]["shape"] == "line"


def test_two_runs_are_one_likelihood_if_they_share_no_event(tmp_path, plane_run, plane_grid, fit_options):
    signals, masses = plane_grid((100.0, 300.0), (20.0, 100.0))
    one = plane_run(tmp_path / "one", signals, masses)
    two = plane_run(tmp_path / "two", signals, masses, background=(1.0, 0.5, 0.2))
    # Nothing here tells which events they have.
    with pytest.raises(FitError, match=r"share events cannot be told.*--allow-overlap"):
        plane_runs([one, two], tmp_path / "plane", [100.0], options=fit_options())
    assert not (tmp_path / "plane" / "plane.json").exists()
    both = plane_runs([one, two], tmp_path / "plane", [100.0], options=fit_options(), allow_overlap=True)
    assert [run["path"] for run in both.results["runs"]] == [str(one), str(two)]
    complete = workspaces(tmp_path / "plane")
    alone = plane_runs([one], tmp_path / "alone", [100.0], options=fit_options())
    for row, single in zip(both.results["points"], alone.results["points"], strict=True):
        assert [channel["name"] for channel in complete[row["name"]]["channels"]] == ["one_one", "two_one"]
        limit = upper_limit(complete[row["name"]])
        assert row["upper_limit"]["expected"] == pytest.approx(limit.expected, rel=1e-6)
        assert row["upper_limit"]["expected"][2] < 0.8 * single["upper_limit"]["expected"][2]
        assert row["events"]["signal"] == pytest.approx(2.0 * single["events"]["signal"])
    other = plane_run(tmp_path / "other", signals, masses, metadata={"xsec_fb": 11.0})
    with pytest.raises(PlaneError, match=r"has 10 fb in one run and 11 fb in another"):
        plane_runs([one, other], tmp_path / "plane", [100.0], options=fit_options(), allow_overlap=True)


def test_one_sided_variations_scale_with_the_cross_section():
    from massgap.fits.parts import FilledPart, FilledPlan
    from massgap.fits.plan import FitPart
    from massgap.fits.planes.filling import FilledPlane
    from massgap.fits.workspaces.templates import Template, Templates

    v = np.array([1.0, 2.0])
    template = Template(v, v, {"jes": (2 * v, 3 * v)}, {"top": ("up", 4 * v)})
    templates = Templates("c", "x", np.array([0.0, 1.0, 2.0]), {"s": template})
    plane = FilledPlane(1.0, FilledPlan((FilledPart(FitPart("r", "x"), templates, None),), [], (), ()))
    scaled = plane.templates("s", 10.0)[0].processes["s"]
    assert scaled.values.tolist() == [10.0, 20.0]
    assert scaled.variances.tolist() == [100.0, 200.0]
    assert [side.tolist() for side in scaled.variations["jes"]] == [[20.0, 40.0], [30.0, 60.0]]
    assert scaled.one_sided["top"][0] == "up"
    assert scaled.one_sided["top"][1].tolist() == [40.0, 80.0]


def test_the_reference_engine_says_the_same(tmp_path, plane_run, fit_options):
    run = plane_run(tmp_path / "run", {"a": (0.1, 0.2, 0.3)}, {"a": {"m": 100.0}}, data=(210, 90, 55))
    options = fit_options()
    found = plane_runs([run], tmp_path / "ours", [100.0], options=options).results["points"][0]
    engine = replace(options, engine="pyhf")
    theirs = plane_runs([run], tmp_path / "pyhf", [100.0], options=engine).results["points"][0]
    for key in ("cls", "upper_limit"):
        assert found[key]["expected"] == pytest.approx(theirs[key]["expected"], rel=1e-4)
        assert found[key]["observed"] == pytest.approx(theirs[key]["observed"], rel=1e-4)
    assert found["significance"] == pytest.approx(theirs["significance"], rel=1e-4)

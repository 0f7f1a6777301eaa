"""Numbers of a study's folder beside its run: trainings, planes, fits, scales; made up, so that what must come out is known."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from massgap.contracts.model_folder import write_model_folder
from massgap.contracts.study_folder import StudyFolder, write_study
from massgap.studies.smuon.numbers.contours import held_out
from massgap.studies.smuon.numbers.folders import Folders
from massgap.studies.smuon.numbers.further import further_tables, gain_steps
from massgap.studies.smuon.numbers.samples import effective_events, scale_errors
from massgap.studies.smuon.numbers.trainings import learning_curve, missed, trainings
from massgap.studies.smuon.places import GRID, PLANE, SEEDS, TESTED, TRAINED, fraction_place, seed_place
from massgap.studies.smuon.planes import Plane, beyond, open_ends
from massgap.studies.smuon.study import STUDY
from massgap.studies.smuon.validation import _steps
from massgap.studies.smuon.yields import Amount, Yields


@pytest.fixture
def home(tmp_path):
    write_study(StudyFolder(tmp_path, "smuon", small=False))
    return tmp_path


def train(home, place, areas, seed=1, sha="a"):
    training = {
        "model_file": "all.onnx",
        "model_sha256": sha,
        "seed": seed,
        "folds": [{"auc_eval": area} for area in areas],
        "importance": {"all": {"ht": 0.75, "met": 0.25}},
    }
    write_model_folder(home / place, training, b"", "")


def test_the_plane_has_154_points_of_25_masses() -> None:
    assert len(GRID) == 154
    assert len({m for m, _ in GRID}) == 25
    assert all(0 <= lsp < m for m, lsp in GRID)
    assert set(TRAINED) <= set(GRID)
    # Every point is made once.
    assert len(PLANE) + len(set(TRAINED) | set(TESTED)) == len(set(GRID) | set(TESTED))
    made = [
        name for step in STUDY.steps if step.name in ("samples", "plane_samples") for name in step.processes
    ]
    assert len(made) == len(set(made))


def test_the_small_form_has_every_kind_of_step() -> None:
    names = [step.name for step in STUDY.chosen(small=True)]
    assert {
        "scale_samples",
        "scales",
        "whole",
        "scored",
        "planes/all",
        "fits/controls_high",
        "report.html",
    } <= set(names)
    assert "plane_samples" not in names
    run = next(step for step in STUDY.chosen(small=True) if step.name == "run")
    assert run.sources == ("samples",)


def test_trainings_are_compared_by_their_means_over_folds(home) -> None:
    train(home, "models/all", [0.90, 0.94], sha="same")
    for seed, area in zip(SEEDS, (0.92, 0.93, 0.91, 0.92, 0.92), strict=True):
        train(
            home, seed_place(seed), [area - 0.02, area + 0.02], seed, sha="same" if seed == 1 else str(seed)
        )
    train(home, fraction_place(0.25), [0.84, 0.84])
    found = trainings(Folders.of(home))
    means = [0.08, 0.07, 0.09, 0.08, 0.08]
    spread = np.std(means, ddof=1) / np.mean(means)
    assert found["spread of 1 - AUC between seeds, relative", "number"] == pytest.approx(
        (spread, spread / math.sqrt(8))
    )
    assert found["the same seed gives the same file", "number"] == (1.0, None)
    ratio, error = found["1 - AUC with 0.25 of the events, over that with all", "number"]
    assert ratio == pytest.approx(2.0)
    assert error == pytest.approx(2.0 * 0.02 / 0.08)  # the folds of all scatter, those of a quarter do not
    assert "1 - AUC with 0.5 of the events, over that with all" not in {row for row, _ in found}
    assert list(learning_curve(Folders.of(home))) == [0.25, 1.0]
    # Another file of the same seed is told.
    train(home, seed_place(1), [0.9, 0.94], 1, sha="other")
    assert trainings(Folders.of(home))["the same seed gives the same file", "number"] == (0.0, None)


def test_the_error_of_a_training_is_that_of_the_mean_over_folds() -> None:
    value, error = missed({"folds": [{"auc_eval": a} for a in (0.9, 0.92, 0.94)]})
    assert value == pytest.approx(0.08)
    assert error == pytest.approx(0.02 / math.sqrt(3))


def entry(lumi, mean, shift, quantity="log expected limit"):
    return {
        "lumi_fb": lumi,
        "quantity": quantity,
        "mean": mean,
        "contour_shift": None if shift is None else {"mean": shift, "max": 2 * shift, "points": 4},
    }


def write_plane(home, score, limits, entries=()):
    points = [
        {
            "name": name,
            "lumi_fb": 139.0,
            "converged": limit is not None,
            "upper_limit": None if limit is None else {"observed": None, "expected": [0, 0, limit, 0, 0]},
        }
        for name, limit in limits.items()
    ]
    content = {"format": "massgap-plane/1", "points": points, "interpolation": list(entries)}
    (home / "planes" / score).mkdir(parents=True)
    (home / "planes" / score / "plane.json").write_text(json.dumps(content))


def test_held_out_points_are_those_of_the_expected_limit(home) -> None:
    entries = [
        entry(139.0, 0.05, 8.0),
        entry(139.0, 0.5, 80.0, "log expected significance"),
        entry(300.0, None, None),
    ]
    write_plane(home, "all", {}, entries)
    assert held_out(Folders.of(home)) == {
        ("all, 139 fb-1", "mu"): (pytest.approx(5.0), None),
        ("all, 139 fb-1", "contour"): (8.0, None),
    }


def write_fit(home, name, limit, significance, error):
    content = {
        "format": "massgap-fit/2",
        "upper_limit": {"expected": [0, 0, limit, 0, 0]},
        "discovery": {"expected_significance": significance},
        "simulation": {"expected_significance": {"std": error}},
    }
    (home / "fits" / name).mkdir(parents=True)
    (home / "fits" / name / "results.json").write_text(json.dumps(content))


def test_the_gain_is_told_in_the_order_of_its_steps(home) -> None:
    write_fit(home, "controls_high", 0.4, 3.5, 0.2)
    write_fit(home, "count_static_veto", 2.0, 1.0, 0.1)
    assert gain_steps(Folders.of(home)) == [
        ("static jet veto, counted", (2.0, None), (1.0, 0.1)),
        ("the same with tt free and a control region of tops", (0.4, None), (3.5, 0.2)),
    ]


def test_tables_of_a_study(home, small) -> None:
    """The run is a made-up one; the rest is beside it."""
    (home / "scored").symlink_to(small.scored)
    for score, limits in {
        "low": {"a": 1.0, "b": 4.0, "c": 1.0},
        "high": {"a": 2.0, "b": 2.0, "c": None},
        "all": {"a": 2.0, "b": 2.0, "c": 1.0},
    }.items():
        write_plane(home, score, limits)
    train(home, "models/high", [0.9, 0.9])
    found = {table.title: table for table in further_tables(home)}
    # Of a and b, as c did not converge in one: ratios 2 and 1, mean of the logarithms ln 2 / 2.
    ((words, (ratio, scatter)),) = found["One network for the whole plane"].rows
    assert words == "139 fb-1, 2 points"
    assert ratio == pytest.approx(math.sqrt(2))
    assert scatter == pytest.approx(math.sqrt(2) * math.log(2) / math.sqrt(2))
    assert found["Features by permutation"].rows == (("high", "ht 75 %, met 25 %"),)
    sections = {row[0]: row[1:] for row in found["Reach by cross sections of the signal"].rows}
    (lo, _), (nlo, _), _ = sections["bdt, as Table VIII"]
    assert nlo > lo  # K is above one everywhere
    methods = found["Excluded events by method"].rows
    assert len(methods) == 8
    assert all(sum(cell is not None for cell in row[1:]) == (3 if "50 %" in row[0] else 2) for row in methods)
    assert "What each step buys" not in found


def test_effective_events_of_the_least_signal() -> None:
    names = [f"smuonR_{m}_{lsp}" for m, lsp in TRAINED]
    counted = {name: Amount(10.0, 10.0 / math.sqrt(6000)) for name in names} | {
        "smuonR_200_150": Amount(1.0, 0.5),
        "tt": Amount(3.0, 0.03),
        "mumununu": Amount(1.0, 0.1),
        "mumulnu": Amount(0.0, 0.0),
    }
    yields = SimpleNamespace(masses=dict.fromkeys(names), one=lambda name, region: counted[name])
    found = {row: value for (row, _), (value, _) in effective_events(yields).items()}
    assert found == pytest.approx(
        {
            "tt": 10_000,
            "mumununu": 100,
            "mumulnu": 0,
            "signal of the fewest events": 4,
            "signals with at least 5000, of 18": 17,
        }
    )
    del yields.masses["smuonR_200_150"]
    assert "signal of the fewest events" not in {row for row, _ in effective_events(yields)}


def test_scale_errors_divide_out_the_cross_section(home, monkeypatch) -> None:
    import hist

    axes = [
        hist.axis.StrCategory(["smuonR_600_0"], name="process"),
        hist.axis.StrCategory(["preselection"], name="region"),
        hist.axis.StrCategory(["nominal", "muf_up", "muf_down"], name="variation"),
        hist.axis.Regular(1, 0, 1, name="met"),
    ]
    filled = hist.Hist(*axes, storage=hist.storage.Weight())
    for variation, weight in (("nominal", 10.0), ("muf_up", 9.0), ("muf_down", 11.5)):
        filled.fill("smuonR_600_0", "preselection", variation, 0.5, weight=weight)
    monkeypatch.setattr(Folders, "run", lambda self, name: SimpleNamespace(histogram=lambda name: filled))
    monkeypatch.setattr(
        "massgap.studies.smuon.numbers.samples._rates", lambda home, process: {"muf_up": 0.9, "muf_down": 1.2}
    )
    found = scale_errors(Folders.of(home))
    assert found["600/0", "initial up"] == (pytest.approx(20.0), None)
    assert found["600/0", "initial down"] == (pytest.approx(10.0), None)
    assert found["600/0", "M_T2 up"] == (0.0, None)  # up: 0.9 of 0.9; down: 1.15 of 1.2
    assert found["600/0", "M_T2 down"] == (pytest.approx(100 * (1 - 1.15 / 1.2)), None)


def test_a_single_run_has_none_of_it(tmp_path) -> None:
    folders = Folders.of(tmp_path)
    assert folders.home is None
    assert folders.small is None
    assert trainings(folders) == held_out(folders) == scale_errors(folders) == {}
    assert gain_steps(folders) == []


@pytest.mark.parametrize(
    ("trained", "outside"),
    [
        ([(200, 0), (400, 0), (400, 200)], [(300, 200), (500, 0)]),
        ([(200, 0), (600, 0)], [(300, 200)]),  # on a line
        ([(500, 0)], [(300, 200), (300, 50), (400, 0)]),  # one signal
    ],
)
def test_signals_outside_of_the_trained_ones(trained, outside) -> None:
    points = [(300, 50), (500, 0), (300, 200), (400, 0)]
    wanted = outside + ([(300, 50)] if len(trained) == 2 else [])
    assert beyond(trained, points) == sorted(wanted)


def test_a_line_that_ends_at_the_edge_of_the_points_is_open() -> None:
    points = tuple(
        {"m_slepton": m, "m_lsp": lsp, "signal": 1.0, "mu": 1.0} for m, lsp in ((200.0, 0.0), (400.0, 100.0))
    )
    plane = Plane("low", "as Table III", 139.0, 0.0, "asymptotic", 5.0, 0.5, 100.0, 6.0, points)
    closed = np.array([[300.0, 50.0], [310.0, 60.0], [300.0, 50.0]])
    across = np.array([[200.0, 0.0], [250.0, 40.0], [300.0, 0.0]])
    to_the_edge = np.array([[300.0, 0.0], [320.0, 100.0]])
    assert not open_ends(plane, [closed, across])
    assert open_ends(plane, [closed, to_the_edge])


def test_copies_of_an_event_are_no_new_ones(small) -> None:
    """Each event four times, with its key: the same share, and the same error."""
    alone = Yields(small.scored)
    table = pd.DataFrame(
        {
            "weight": [1.0, 2.0, 1.0, 3.0],
            "fold_key": np.array([1, 2, 3, 4], np.uint64),
            "region_veto_c": [True, False, True, True],
        }
    )
    share = Amount(5.0 / 7.0, 0.0)
    alone.one = lambda process, region: Amount(5.0 if region == "veto_c" else 7.0, 1.0)
    alone._copied = {"s": pd.concat([table.assign(weight=table["weight"] / 4)] * 4)}
    found = alone.efficiency("s", "veto_c")
    moves = table["weight"] * (table["region_veto_c"] - share.value)
    assert found.value == pytest.approx(share.value)
    assert found.error == pytest.approx(math.sqrt((moves**2).sum()) / 7.0)
    assert Yields(small.scored)._copied == {}


def cutflow(opposite, mass, transverse):
    names = ("opposite charge", "m_mumu", "M_T2 > 90")
    rows = zip(names, (opposite, mass, transverse), strict=True)
    return [{"step": name, "weighted": n, "variance": 0.01 * n} for name, n in rows]


def test_what_is_cut_in_the_hard_process_is_compared_with_whole_samples(home, monkeypatch) -> None:
    """tt: what passes M_T2 of the one, over what comes before it of the other; a signal tells by itself."""
    run = SimpleNamespace(
        manifest={
            "datasets": {"a": {"process": "tt", "hard_cut": {"tried": 1}}, "b": {"process": "smuonR_600_0"}}
        },
        cutflow={"processes": {"tt": cutflow(9.0, 8.0, 4.0), "smuonR_600_0": cutflow(10.0, 9.0, 8.0)}},
    )
    whole = SimpleNamespace(cutflow={"processes": {"tt": cutflow(1000.0, 800.0, 3.0)}})
    monkeypatch.setattr(Folders, "run", lambda self, name: whole if name == "whole" else None)
    yields = SimpleNamespace(run=run, one=lambda process, region: Amount(4.0, 0.2))
    found = _steps(yields, Folders.of(home))
    assert found["tt", "m_mumu"][0] == pytest.approx(0.8)
    assert found["tt", "M_T2"] == pytest.approx(
        (4.0 / 800.0, 0.005 * math.hypot(0.05, math.sqrt(8.0) / 800.0))
    )
    assert found["600/0", "M_T2"][0] == pytest.approx(8.0 / 9.0)
    monkeypatch.setattr(Folders, "run", lambda self, name: None)
    assert {row for row, _ in _steps(yields, Folders.of(home))} == {"600/0"}

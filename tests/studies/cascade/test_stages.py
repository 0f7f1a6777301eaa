"""Stages of the cascade study on small samples: variables, discovery cut, orderings, spins, lines of spectra."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import spearmanr

from massgap import stages
from massgap.arrays.errors import SelectionError
from massgap.cli import main
from massgap.contracts.errors import IncompleteRunError, MassgapError
from massgap.models.measures.ensembles import ensemble_score
from massgap.selections.cascade.momenta import ORIENTED
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, falling_spectrum
from massgap.studies.cascade.discovery import Cut, cut_at, estimated_ratio, ratio_pulls
from massgap.studies.cascade.ensembles.lines import Direction, winners
from massgap.studies.cascade.ensembles.spin import accuracies, ratio_of_network, spin_belt
from massgap.studies.cascade.further import tables_of
from massgap.studies.cascade.networks import Task, cross_fitted
from massgap.studies.cascade.samples import CHIRAL, background_events
from massgap.studies.cascade.study import STUDY
from massgap.studies.cascade.validation import measured, paper
from massgap.studies.cascade.variables import columns_of, variable_sets
from massgap.studies.errors import StudyError


def test_sets_of_variables():
    assert variable_sets("momenta|met, m_mumu") == {"momenta": ("momenta",), "met,m_mumu": ("met", "m_mumu")}
    assert columns_of(("momenta",)) == ORIENTED
    for wrong in ("", "met|", "met,met", "mets"):
        with pytest.raises(StudyError, match="--variables"):
            variable_sets(wrong)


@pytest.mark.parametrize(
    "masses", [(691, 660, 660, 600), (1, 2, 3, 4), (3, 2, 1), "abcd", (4, 3, 2, float("nan"))]
)
def test_masses_that_do_not_fall(masses):
    with pytest.raises(SelectionError, match="four that fall"):
        falling_spectrum(masses)


def test_lines_of_spectra():
    assert Direction.of_text("gamma=-1:1:0.5").values == (-1.0, -0.5, 0.0, 0.5, 1.0)
    # never beyond what was asked for
    assert Direction.of_text("alpha=-20:20:7").values[-1] == 15.0
    assert Direction.of_text("alpha=-20:20:6").values[-1] == 16.0
    with pytest.raises(
        StudyError, match=r"--line gamma=-80:0:10: at gamma = -80 GeV .* 651, 700, 591, 640 GeV"
    ):
        Direction.of_text("gamma=-80:0:10")
    for wrong in ("mass=0:1:1", "alpha=0:1", "alpha=0:1:0", "alpha=1:0:1", "alpha=x:1:1"):
        with pytest.raises(StudyError, match="--line alpha"):
            Direction.of_text(wrong)


def test_discovery_cut_against_sorting():
    rng = np.random.default_rng(1)
    signal, background, weight = rng.normal(2, 1, 5000), rng.normal(0, 1, 9000), rng.exponential(1, 9000)
    cut = cut_at(signal, background, weight, 0.05)
    share = weight[background > cut.threshold].sum() / weight.sum()
    assert cut.eps_b == pytest.approx(share, abs=1e-12)
    assert share <= 0.05 < share + weight.max() / weight.sum()
    assert cut.eps_s == (signal > cut.threshold).mean()
    assert 0.0 < cut.eps_b_error < 0.01
    with pytest.raises(StudyError, match="generate 200 at least"):
        cut_at(signal, background[:100], weight[:100])


def test_ratio_is_recovered_with_pulls_of_width_one():
    cut = Cut(0.0, 0.005, 0.0, 0.5, 0.0)
    for ratio in (0.01, 0.1, 1.0):
        pull = ratio_pulls(cut, ratio, 8640.0)
        assert abs(pull.mean) < 0.2
        assert 0.8 < pull.width < 1.2
        assert pull.estimate == pytest.approx(ratio, rel=0.03)
    share = 0.2 / 1.2 * 0.5 + 1.0 / 1.2 * 0.005
    assert float(estimated_ratio(cut, share * 1e6, 1e6)) == pytest.approx(0.2)
    with pytest.raises(StudyError, match="eps_S no larger than eps_B"):
        estimated_ratio(cut._replace(eps_s=0.005), 5, 1000)
    with pytest.raises(StudyError, match="S/B = -1"):
        ratio_pulls(cut, -1.0, 100.0)


def test_networks_reach_the_likelihood_ratio():
    rng = np.random.default_rng(2)
    first, second = rng.normal(0.7, 1, (4000, 1)), rng.normal(-0.7, 1, (3000, 1))
    task = Task(first, second, np.ones(4000), rng.uniform(0.5, 1.5, 3000), first)
    scored = cross_fitted({"x": task}, ["x"], (16,), epochs=60, patience=60)["x"]
    # Phi(1.4 / sqrt 2)
    assert scored.auc == pytest.approx(0.839, abs=4 * scored.auc_error + 0.005)
    # two networks of a few thousand events each: their logits differ by some tenths where both are right
    assert spearmanr(scored.first, first[:, 0]).statistic > 0.95
    assert np.allclose(scored.logits(first), scored.also)
    with pytest.raises(StudyError, match="has 30 events"):
        cross_fitted(
            {"x": task._replace(first=first[:30], weight_first=np.ones(30))},
            ["x"],
            (4,),
            epochs=1,
            patience=1,
        )


def test_accuracy_rises_with_events_and_spins_are_told_apart():
    rng = np.random.default_rng(3)
    logits = {"sDM": rng.normal(0.15, 0.55, 20000), "fDM": rng.normal(-0.15, 0.55, 20000)}
    background, eps = rng.normal(0, 0.3, 500), {"sDM": 0.5, "fDM": 0.5}
    rows = accuracies(logits, background, np.ones(500), eps, ratios=(0.001, 0.01, 0.1), n=4000)
    found = [row["accuracy"] for row in rows]
    assert found[0] < found[1] < found[2]
    assert rows[1]["n_sDM"] == pytest.approx(0.01 * 8640 * 0.5)
    with pytest.raises(MassgapError, match="empty"):
        accuracies(logits, None, None, {"sDM": 0.0, "fDM": 0.5}, n=10)
    assert float(ensemble_score([0.5, 0.5]).score) == 0.5


def test_the_threshold_of_spins_is_that_of_the_known_spectrum():
    """An experiment does not know its own: logits that are all shifted have another best threshold."""
    rng = np.random.default_rng(3)
    known = {"sDM": rng.normal(0.15, 0.55, 20000), "fDM": rng.normal(-0.15, 0.55, 20000)}
    own = {name: logits + 0.1 for name, logits in known.items()}
    eps, options = {"sDM": 0.5, "fDM": 0.5}, {"ratios": (0.02,), "n": 4000}
    (best,) = accuracies(own, None, None, eps, **options)
    (row,) = accuracies(own, None, None, eps, known=(known, eps), **options)
    assert row["best"] == best["accuracy"] == best["best"] > 0.99
    assert row["threshold"] == pytest.approx(0.0, abs=3.0)
    assert best["threshold"] > 4.0
    # 86 events: fDM at -4.3 +- 5.4, which is above the known threshold of 0 in one of five
    assert row["fDM"] == pytest.approx(0.8, abs=0.08)
    assert row["accuracy"] == pytest.approx(0.5 * (row["sDM"] + row["fDM"]))


def test_intervals_of_a_mixture_of_spins_cover():
    rng = np.random.default_rng(4)
    logits = {"sDM": rng.normal(0.15, 0.55, 20000), "fDM": rng.normal(-0.15, 0.55, 20000)}
    eps = {"sDM": 0.5, "fDM": 0.5}
    found = spin_belt(logits, rng.normal(0, 0.3, 500), np.ones(500), eps, 0.1, n=3000)
    for told in found["shares"].values():
        assert told["coverage"] == pytest.approx(0.6827, abs=4 * told["error"] + 0.01)
        # 432 events with logits 0.3 apart and 0.57 wide, and what the background adds: twice sqrt(432) 0.57 / (432 0.3)
        assert 0.15 < told["width"] < 0.30
    with pytest.raises(StudyError, match="empty"):
        spin_belt(logits | {"fDM": np.zeros(0)}, None, None, eps, 0.1)


def test_estimates_outside_the_trained_ratios():
    assert ratio_of_network(0.06, (0.05, 0.1)) == 0.05
    with pytest.raises(StudyError, match=r"outside of 0\.05 to 0\.1"):
        ratio_of_network(2.0, (0.05, 0.1))


def test_the_winner_is_the_spectrum_that_lets_most_pass():
    rng = np.random.default_rng(5)
    passed = [(rng.random(5000) < share, rng.random(4000) < 0.005) for share in (0.3, 0.5, 0.45)]
    best = winners((-1.0, 0.0, 1.0), passed, np.ones(4000), 1.0, 1)
    assert best == {"mean": 0.0, "spread": 0.0}
    assert winners((-1.0, 0.0, 1.0), passed, np.ones(4000), 0.001, 1)["spread"] > 0.0


@pytest.fixture(scope="module")
def background_run(tmp_path_factory):
    """Signals of a far spectrum stand in for backgrounds, whose generation takes minutes."""
    pytest.importorskip("pythia8mc")
    folder = tmp_path_factory.mktemp("study")
    fileset = stages.generate_partons("cascade_fDM_600_500_400_300", folder / "s", events=30_000)
    for entry in fileset.values():
        entry["metadata"] |= {"is_signal": False, "process": "other"}
        entry["files"] = {str(name): tree for name, tree in entry["files"].items()}
    stages.run("cascade", fileset=fileset, out=folder / "run", executor="iterative")
    return folder / "run"


def test_a_run_that_lost_events_is_no_background(background_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(background_run, run)
    ledger = json.loads((run / "ledger.json").read_text())
    (run / "ledger.json").write_text(json.dumps({**ledger, "complete": False}))
    with pytest.raises(IncompleteRunError, match="--accept-loss"):
        background_events(run)
    assert len(background_events(background_run).events) > 0


def test_scan_and_validation_from_the_command_line(background_run, tmp_path):
    out = tmp_path / "scan"
    words = [
        "scan",
        "cascade",
        "--background",
        str(background_run),
        "--out",
        str(out),
        "--quick",
        "--spin",
        "sDM",
    ]
    words += ["--events", "1200", "--variables", "met,m_mumu", "--process", "other"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    found = json.loads((out / "scan.json").read_text())
    assert found["complete"]
    assert found["summary"][-1] in done.output
    model = found["models"]["sDM"]
    assert 0.5 < model["networks"]["met,m_mumu"]["auc"][0] <= 1.0
    assert all(0.5 <= value <= 1.0 for value, _ in model["orderings"].values())

    page = CliRunner().invoke(main, ["validate", "cascade", str(out), "--json", str(tmp_path / "v.json")])
    assert page.exit_code == 0, page.output
    rows = json.loads((tmp_path / "v.json").read_text())["rows"]
    verdicts = {(row["table"], row["row"], row["column"]): row["verdict"] for row in rows}
    assert verdicts["Mass scale", "S/B = 1", "sDM"] == "absent"
    assert verdicts["Table II", "met", "fDM"] == "absent"
    assert verdicts["Table II", "met", "sDM"] != "absent"
    # the caption of Table III says the benchmark, and gains are of it
    rows = {(row["table"], row["row"], row["column"]): row for row in rows}
    told = model["networks"]["momenta"]["benchmark"]
    assert rows["Table III", "momenta", "sDM"]["ours"] == pytest.approx(told["auc"][0])
    assert 0.0 <= told["eps_s"][0] <= 1.0
    assert told["auc"] != model["networks"]["momenta"]["auc"]


def test_an_interrupted_scan_goes_on_where_it_was(background_run, tmp_path, monkeypatch):
    """And finds to the byte what one in one piece finds; other options begin anew."""
    from massgap.studies.cascade.scanning import model_scan as scanning

    made = []

    def along(line, model, names, *_):
        if stop and len(made) == 2:
            raise KeyboardInterrupt
        made.append((line.name, model, names))
        return {"values": (0.0, 1.0), "eps_s": (0.4, 0.5), "best": {"1": {"mean": 1.0 / 3.0, "spread": 0.1}}}

    monkeypatch.setattr(scanning, "along", along)
    options = {
        "variables": "met",
        "spin": "sDM",
        "lines": ("alpha=0:1:1", "beta=0:1:1"),
        "processes": ("other",),
    }
    options |= {"quick": True, "events": 1200}
    out, stop = tmp_path / "scan", True
    with pytest.raises(KeyboardInterrupt):
        stages.scan("cascade", background_run, out, **options)
    assert len(made) == 2
    assert not (out / "scan.json").exists()
    stop = False
    stages.scan("cascade", background_run, out, **options)
    assert made == [(line, "sDM", names) for line in ("alpha", "beta") for names in (("momenta",), ("met",))]
    assert sorted(path.name for path in out.iterdir()) == ["scan.json"]
    stages.scan("cascade", background_run, tmp_path / "whole", **options)
    assert len(made) == 8
    assert (out / "scan.json").read_bytes() == (tmp_path / "whole" / "scan.json").read_bytes()
    del made[:]
    stop = True
    with pytest.raises(KeyboardInterrupt):
        stages.scan("cascade", background_run, out, **options)
    del made[:]
    stop = False
    stages.scan("cascade", background_run, out, **options | {"seed": 2})
    assert len(made) == 4


def test_two_processes_share_the_spin_models_and_find_the_same(background_run, tmp_path):
    options = {"variables": "met", "lines": ("alpha=0:1:1",), "processes": ("other",), "events": 1200}
    told: dict[int, list[str]] = {1: [], 2: []}
    for workers, lines in told.items():
        out = tmp_path / str(workers)
        stages.scan(
            "cascade", background_run, out, quick=True, workers=workers, announce=lines.append, **options
        )
    assert (tmp_path / "1" / "scan.json").read_bytes() == (tmp_path / "2" / "scan.json").read_bytes()
    for model in ("fDM", "sDM"):
        own = [[line for line in lines if line.startswith(model)] for lines in told.values()]
        assert own[0] == own[1]
        assert len(own[0]) == 4
    assert sorted(path.name for path in (tmp_path / "2").iterdir()) == ["scan.json"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--spin", "tDM"], "no spin model 'tDM'"),
        (["--variables", "pt"], "--variables"),
        (["--spin", "fDM,tDM"], "no spin model 'tDM'"),
        (["--spin", ","], "no spin model is named"),
        (["--line", "x"], "--line alpha"),
        (["--line", "alpha=0:1:1", "--line", "alpha=2:3:1"], "two lines of alpha"),
        (["--line", "delta=-700:0:100"], "at delta = -700 GeV"),
        (["--process", "top"], "choose from these with --process"),
    ],
)
def test_scan_refuses_in_a_sentence(background_run, tmp_path, words, said):
    done = CliRunner().invoke(
        main,
        [
            "scan",
            "cascade",
            "--background",
            str(background_run),
            "--out",
            str(tmp_path),
            "--quick",
            "--process",
            "other",
            *words,
        ],
    )
    assert done.exit_code != 0
    assert said in done.output
    assert list(tmp_path.iterdir()) == []


def told(auc, benchmark):
    return {"auc": [auc, 0.002], "benchmark": {"auc": [benchmark, 0.002]}}


def test_statements_and_gaps_are_of_the_benchmark():
    networks = {
        "momenta": told(0.93, 0.96),
        "met,delta4,m_mumu": told(0.95, 0.955),
        "met,m_mumu,m_mumugamma": told(0.94, 0.93),
    }
    ado = {name: [0.7, 0.01] for name in ("pt_plus", "pt_minus", "pt_gamma")}
    ado |= {"met": [0.8, 0.01], "delta4": [0.75, 0.01]}
    ado |= {name: [0.6, 0.01] for name in ("m_mumu", "m_plus_gamma", "m_minus_gamma")}
    search = {"aucs": [0.8, 0.9, 0.925]}
    found = {"models": {"fDM": {"networks": networks, "orderings": ado, "search": search, "lines": {}}}}
    numbers = measured(found)
    assert numbers["Table III"]["momenta", "fDM"] == (0.96, 0.002)
    gaps = numbers["Gaps"]
    for bound in ("at least", "at most"):
        assert gaps[f"momenta, best triplet, {bound}", "fDM"][0] == pytest.approx(0.005)
        assert gaps[f"best triplet, best without Delta_4, {bound}", "fDM"][0] == pytest.approx(0.025)
    said = {row: value for (row, _), (value, _) in numbers["Orderings"].items()}
    assert said["the momenta are at least as good as the best triplet, fDM"] == 1.0
    assert said["three observables reach the momenta within 0.01, fDM"] == 1.0
    search["aucs"] = [0.8, 0.9, 0.915]
    said = {row: value for (row, _), (value, _) in measured(found)["Orderings"].items()}
    assert said["three observables reach the momenta within 0.01, fDM"] == 0.0
    networks["met,delta4,m_mumugamma"] = told(0.95, 0.95)
    best = {"1": {"mean": 0.0, "spread": 0.0}, "0.01": {"mean": 1.0, "spread": 4.0}}
    line = {"met,delta4,m_mumugamma": {"values": [-3.0, 0.0, 3.0], "best": best}}
    rows = [
        {"mass": 300.0, "ratio": r, "mean": m, "spread": 44.0, "mean_error": 3.0, "spread_error": 2.0}
        for r, m in ((0.1, 320.0), (1.0, 401.0))
    ]
    found["models"]["fDM"] |= {"lines": {"alpha": line}, "mass": {"estimates": rows[:1]}}
    within = "the benchmark's mass is within one standard deviation at every S/B, fDM"
    numbers = measured(found)
    # all iterations choose one of the scanned values: nothing between them is known
    assert numbers["Table IV"]["fDM, S/B = 1, alpha", "number"] == (0.0, pytest.approx(3 / 12**0.5))
    assert numbers["Table IV"]["fDM, S/B = 0.01, alpha", "number"] == (
        1.0,
        pytest.approx((16 + 9 / 12) ** 0.5),
    )
    assert numbers["Orderings"][within, "number"] == (1.0, None)
    found["models"]["fDM"]["mass"]["estimates"] = rows
    assert measured(found)["Orderings"][within, "number"] == (0.0, None)
    assert set(paper().tables["Orderings"].rows) >= {row for row, _ in numbers["Orderings"]}
    del networks["momenta"]["benchmark"]
    with pytest.raises(StudyError, match="massgap scan cascade --background"):
        measured(found)


def test_a_curve_without_vertex_has_its_highest_point_told():
    lines = {
        "alpha": {"one": [0.5, 0.3], "separate": [0.9, 0.4]},
        "beta": {"one": [0.0, None], "separate": [4.8, 2.1]},
    }
    models = {"fDM": {"hypotheses": {"lines": lines}}}
    (table,) = tables_of({"models": models})
    assert table.rows[0][2:] == ((0.5, 0.3), (0.9, 0.4), (pytest.approx(-0.4), pytest.approx(0.5)))
    assert table.rows[1][2:] == ("0 (highest point)", (4.8, 2.1), (-4.8, None))


def test_a_study_without_scan_says_so(tmp_path):
    done = CliRunner().invoke(
        main, ["scan", "slepton", "--background", str(tmp_path), "--out", str(tmp_path / "x")]
    )
    assert done.exit_code != 0
    assert "has no scan of variables; there is one in cascade" in done.output


def test_samples_of_the_study_have_the_couplings_of_its_networks():
    (signals,) = (step for step in STUDY.steps if step.name == "samples/signals")
    assert signals.options["chiral"] is CHIRAL


def test_the_testing_spectrum_falls():
    assert falling_spectrum(TESTING_SPECTRUM) == TESTING_SPECTRUM

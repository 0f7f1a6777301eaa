"""A part of the complete study on a fixed small sample: many trainings, one run with all scores, fits, limits, the comparison."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import eventfiles
import numpy as np
import pytest

from massgap import stages
from massgap.contracts.filesets.fileset import write_fileset
from massgap.contracts.run_folder import open_run
from massgap.contracts.study_folder import open_study
from massgap.fits.workspaces.nuisances import NuisanceSet
from massgap.models.errors import FeatureError
from massgap.processors.errors import ProcessorError
from massgap.processors.slepton import Slepton
from massgap.processors.vlq import Vlq
from massgap.stages.studying import steps as carried_out
from massgap.studies.slepton.numbers.detectors import detector_table
from massgap.studies.slepton.numbers.folders import Folders, paper
from massgap.studies.slepton.numbers.gain import further_tables, normalisations, of_spectra
from massgap.studies.slepton.numbers.tables import factors_of, table_one
from massgap.studies.slepton.places import BACKGROUNDS
from massgap.studies.slepton.study import STUDY

TOLD = "models/parameterised"
MODELS = ("models/benchmark", "models/low_mt2", "models/m110_70", TOLD)
EMPTY = "slepton_110_60"
"""A spectrum of which no event is selected."""
OF_EMPTY = ("models/m110_60", "fits/spectra/110_60_benchmark")
FITS = (
    "fits/benchmark",
    "fits/low_mt2",
    "fits/spectra/110_70_benchmark",
    "fits/spectra/110_70_retrained",
    "fits/spectra/110_80_parameterised",
    "fits/spectra/110_70_parameterised",
)
SAMPLES = ("samples/backgrounds", "samples/benchmark", "samples/spectra")
SIGNALS = {"slepton_110_80": 80.0, "slepton_110_70": 70.0}


def part_of_the_study():
    """Its steps that two spectra can do, with trainings that few events allow."""
    out = []
    for step in STUDY.steps:
        if step.kind == "train" and step.name in (*MODELS, *OF_EMPTY):
            few = {
                "protocol": "held_out",
                "importances": False,
                "compare_protocols": False,
                "hyperparameters": {"n_trees": 8},
                **({"signal": list(SIGNALS)} if step.name == TOLD else {}),
            }
            out.append(replace(step, options={**step.options, **few}, optional=step.name in OF_EMPTY))
        elif step.name == "scored":
            models = {s: m for s, m in step.models.items() if m in (*MODELS, *OF_EMPTY)}
            # Of one mass of the slepton the classifier is told that of the invisible particle alone.
            points = [{"m_lsp": mass} for mass in SIGNALS.values()]
            told = dict(zip(("parameterised_110_80", "parameterised_110_70"), points, strict=True))
            models = {s: m for s, m in models.items() if m != TOLD} | dict.fromkeys(told, TOLD)
            out.append(replace(step, models=models, options={**step.options, "hypothesis": told}))
        elif step.kind == "fit" and step.name in (*FITS, *OF_EMPTY):
            out.append(replace(step, optional=step.name in OF_EMPTY, fit={"replicas": 10}))
        elif step.kind == "plane":
            out.append(replace(step, parts=(("precuts", "score"),), optional=False, fit={"replicas": 0}))
        elif (step.kind == "generate" and step.name in SAMPLES) or step.name == "run":
            out.append(step)
    return replace(STUDY, steps=tuple(out))


def made_up(processes, out, **_):
    """What stands in for the generator: the same events for the same process."""
    fileset = {}
    masses = {**SIGNALS, EMPTY: 60.0}
    wanted = [name for name in processes if not name.startswith("slepton") or name in masses]
    for name in wanted:
        number = [*BACKGROUNDS, *masses].index(name)
        n = 1 if name == EMPTY else 1600 if name in SIGNALS else 500
        events = eventfiles.make_events(n, seed=number, first=10_000 * number, negative=False)
        path = Path(out) / f"{name}.root"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            eventfiles.write_nano(path, events, "v12")
        metadata = {"process": name, "xsec_fb": 40.0, "is_signal": name in masses, "is_data": False}
        if name in masses:
            metadata["masses"] = {"m_slepton": 110.0, "m_lsp": masses[name]}
        fileset[name] = {"files": {str(path): "Events"}, "metadata": metadata}
    write_fileset(fileset, Path(out) / "fileset.json")
    return fileset


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    pytest.importorskip("xgboost")
    folder = tmp_path_factory.mktemp("study")
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carried_out, "generate", made_up)
        study = part_of_the_study()
        first = stages.study(study, folder, announce=lines.append, executor="iterative", workers=1)
        before = {path: path.stat().st_mtime_ns for path in folder.glob("fits/**/results.json")}
        stages.study(study, folder, executor="iterative", workers=1)
    assert sum("not done" not in line for line in lines) == len(study.steps)
    return folder, first, before


@pytest.fixture(scope="module")
def folders(done):
    return Folders.find(done[0])


def test_all_steps_are_done_and_told(done) -> None:
    record = open_study(done[0])
    assert record.complete
    assert set(record.models) == set(MODELS)
    assert set(record.fits) == set(FITS)
    assert record.runs["scored"]["models"] == {
        "score": "models/benchmark",
        "low_mt2": "models/low_mt2",
        "m110_70": "models/m110_70",
        "parameterised_110_80": TOLD,
        "parameterised_110_70": TOLD,
    }
    scores = [name for name in open_run(done[0] / "scored").histograms if name.startswith("score")]
    assert {"score_parameterised_110_80", "score_parameterised_110_70"} < set(scores)


def test_fits_have_the_variations_of_their_regions_alone() -> None:
    """A variation of the run without an entry would move all processes, also those of which a handful of events is left."""
    varied = next(step for step in STUDY.steps if step.name == "varied")
    fits = [step for step in STUDY.steps if step.kind == "fit" and step.nuisances]
    assert len(fits) == 5
    for fit in fits:
        given = NuisanceSet.from_dict(fit.nuisances)
        assert [name for name in varied.wanted if given.enters(name)] == [], fit.name


def test_the_small_form_asks_no_classifier_that_it_does_not_train() -> None:
    """Hypotheses belong to scores: without the model of one there are none."""
    scored = next(step for step in STUDY.chosen(small=True) if step.name == "scored")
    assert "parameterised" not in scored.models
    assert list(carried_out.asked(scored.options, scored.models)["hypothesis"]) == []
    whole = next(step for step in STUDY.steps if step.name == "scored")
    assert len(carried_out.asked(whole.options, whole.models)["hypothesis"]["parameterised"]) == 12


def test_the_study_goes_on_without_a_spectrum_that_is_empty(done) -> None:
    record = open_study(done[0])
    assert set(record.failed) == set(OF_EMPTY)
    assert EMPTY in record.failed["models/m110_60"]
    assert "generate more events of it" in record.failed["models/m110_60"]
    assert "--signal" in record.failed["fits/spectra/110_60_benchmark"]


def test_a_fit_that_an_earlier_call_left_is_none_of_the_study(done, tmp_path) -> None:
    """This call could not make it: its numbers are not told as if it had."""
    (tmp_path / "fits" / "spectra").mkdir(parents=True)
    for place in ("scored", "run", "fits/benchmark", "fits/spectra/110_70_retrained"):
        (tmp_path / place).symlink_to(done[0] / place)
    record = json.loads((done[0] / "study.json").read_text())
    assert Folders.find(done[0]).results("fits/spectra/110_70_retrained") is not None
    del record["fits"]["fits/spectra/110_70_retrained"], record["runs"]["scored"]
    (tmp_path / "study.json").write_text(json.dumps(record))
    found = Folders.find(tmp_path)
    assert found.results("fits/spectra/110_70_retrained") is None
    assert found.results("fits/benchmark") is not None
    assert found.run == tmp_path / "run"


def test_a_second_call_fits_nothing_again(done) -> None:
    before = done[2]
    assert len(before) == len(FITS)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_every_score_holds_the_events_of_its_region(folders) -> None:
    run = folders.opened
    for score, region in (("score", "precuts"), ("score_low_mt2", "low_mt2"), ("score_m110_70", "precuts")):
        for process in (*BACKGROUNDS, *SIGNALS):
            at = {"process": process, "variation": "nominal"}
            filled = run.histogram(score)[{**at, "region": region}].values(flow=True).sum()
            there = run.histogram("m_ll")[{**at, "region": region}].values(flow=True).sum()
            assert filled == pytest.approx(there, rel=1e-12)


def test_a_limit_is_that_of_pyhf(done) -> None:
    """The likelihood of a fit of the study, tested by the other engine."""
    from massgap.fits.workspace_fit import WorkspaceFitOptions

    place = done[0] / "fits" / "spectra" / "110_70_retrained"
    ours = json.loads((place / "results.json").read_text())["upper_limit"]["expected"]
    found = stages.limit(place / "workspace.json", options=WorkspaceFitOptions(engine="pyhf"))
    np.testing.assert_allclose(found.points[0].results["upper_limit"]["expected"], ours, rtol=2e-3)


def test_the_plane_has_both_spectra_and_a_patch_set(done) -> None:
    plane = json.loads((done[0] / "plane" / "plane.json").read_text())
    assert {row["process"]: row["converged"] for row in plane["points"]} == {
        **dict.fromkeys(SIGNALS, True),
        EMPTY: False,
    }
    assert (done[0] / "plane" / "report.html").is_file()
    assert (done[0] / "plane" / "patchset.json").is_file()


def test_normalised_processes_have_the_printed_cross_sections(folders) -> None:
    ours, table = table_one(folders), paper().tables["Table I"]
    factors = factors_of(folders)
    for name in BACKGROUNDS:
        printed = table.values[table.rows.index(name)][1]
        assert ours[name, "pre-cuts"][0] * factors[name] == pytest.approx(printed)
    assert (
        factors["slepton_110_70"]
        == factors["slepton_110_80"]
        == pytest.approx(1.38 / ours["signal", "pre-cuts"][0])
    )


def test_numbers_stand_beside_the_paper(done) -> None:
    found = stages.validate("slepton", done[0])
    assert {row.table for row in found.rows} == set(paper().tables)
    told = {row.table for row in found.rows if row.ours is not None}
    assert {"Table I", "Table III", "Steps of the authors' files", "Text"} <= told
    page = found.page()
    assert "| signal: pre-cuts [fb] | 1.38 |" in page
    assert "## What each step buys" in page
    assert str(done[0]) not in page


def test_steps_of_the_authors_are_quotients_of_the_cutflow(done, folders) -> None:
    rows = {
        row.column: row
        for row in stages.validate("slepton", done[0]).rows
        if row.table.startswith("Steps") and row.row == "tt"
    }
    flow = [
        row for row in open_run(done[0] / "scored").cutflow["processes"]["tt"] if row["channel"] == "mumu1j"
    ]
    left = {row["step"]: row["weighted"] for row in flow}
    assert rows["one jet"].ours == pytest.approx(left["exactly one hard jet"] / left["MET > 30"])
    assert rows["b veto"].ours == pytest.approx(left["no b jet"] / left["no forward hard jet"])
    assert folders.study == done[0]


def test_gains_name_what_was_fitted(folders) -> None:
    found = of_spectra(folders)[110, 40]
    assert found["retrained"][0] > 0.0
    assert found["one for all"] is None
    assert found["told the masses"][0] > 0.0
    rows = {row.row: row.ours for row in stages.validate("slepton", folders.study).rows}
    ratio = found["told the masses"][0] / found["retrained"][0]
    assert rows["one told the masses over retrained, 110/70 (not trained on)"] == pytest.approx(ratio)
    assert rows["one classifier over retrained ones, mean"] is None
    titles = [table.title for table in further_tables(folders)]
    assert titles == ["What each step buys", "All spectra with four classifiers"]


def test_replicas_are_those_of_the_fits(done, folders) -> None:
    """The closed form in the first replicas scatters as the fit itself does in them, so that quotients of fits can be paired."""
    results = folders.results("fits/benchmark")
    draws = folders.replicas.binned(results)
    found = results["simulation"]
    first = draws[: found["replicas"]]
    if not found["joined"]:
        assert np.std(first, ddof=1) == pytest.approx(found["expected_significance"]["std"], rel=1e-2)
        assert np.mean(first) == pytest.approx(found["expected_significance"]["mean"], rel=1e-3)
    # A fit of other contents is none of this run.
    other = {
        **results,
        "discovery": {"expected_significance": 1.1 * results["discovery"]["expected_significance"]},
    }
    assert folders.replicas.binned(other) is None
    scan = folders.scan
    whole = folders.replicas.threshold(scan, 0, "significance")
    assert np.mean(whole) == pytest.approx(scan.combined.significance[0], rel=0.1)
    of_fold = [folders.replicas.threshold(scan, 0, "S/(1+B)", fold=fold) for fold in range(3)]
    assert np.mean(of_fold) == pytest.approx(np.mean([rows.ratio[0] for rows in scan.folds]), rel=0.1)


def test_other_detectors_stand_beside_this_one(done, folders, tmp_path) -> None:
    """The same run in their place: the same numbers in both columns, the printed ones before them."""
    (tmp_path / "detectors").mkdir()
    (tmp_path / "scored").symlink_to(done[0] / "scored")
    (tmp_path / "detectors" / "wide_jets").symlink_to(done[0] / "scored")
    record = json.loads((done[0] / "study.json").read_text())
    assert detector_table(folders) is None
    record["runs"]["detectors/wide_jets"] = record["runs"]["scored"]
    (tmp_path / "study.json").write_text(json.dumps(record))
    table = detector_table(Folders.find(tmp_path))
    rows = {row[0]: row[1:] for row in table.rows}
    assert len(table.header) == 1 + len(rows["tt: topology"])
    printed, here, cells, wide = rows["tt: topology"]
    assert (printed, cells) == ((66.8, None), None)
    assert here == wide == table_one(folders)["tt", "topology"]
    assert rows["mumu: MET step"][0] == (0.195, None)
    assert rows["tautau: efficiency"][0] == (0.0245, None)


def test_normalisations_are_those_of_the_fit() -> None:
    pulls = {
        "norm_tt": {"value": 2.0, "error": 0.1},
        "norm_WW": {"value": 0.3, "error": 0.5},
        "jes": {"value": 0.0, "error": 0.9},
    }
    model = {"normalisation": {"tt": "free"}, "default_normalisation": 0.2}
    yields = [
        {"channel": channel, "process": process, "prefit": [1.0, 0.1], "postfit": [events, error]}
        for channel, process, events, error in (
            ("precuts", "tt", 200.0, 8.0),
            ("mumu1b", "tt", 5000.0, 50.0),
            ("precuts", "WW", 50.0, 10.0),
            # a small simulation may have none of it there
            ("mumu1b", "WW", 0.0, 0.0),
        )
    ]
    fits = {"fits/controls": {"pulls": pulls, "options": {"model": model}, "yields": yields}}
    found = normalisations(SimpleNamespace(results=fits.get))
    assert found == (
        ("tt", "free", (0.05, None), None, (0.04, None), (0.01, None)),
        ("WW", "20%", (0.1, None), None, (0.2, None), None),
    )


def test_a_model_of_another_met_or_other_observables_is_refused(done) -> None:
    model = str(done[0] / "models" / "benchmark" / "slepton.onnx")
    assert Slepton(model).met == "objects"
    with pytest.raises(ProcessorError, match=r"'score' was trained with another MET: run with --met objects"):
        Slepton(model, met="detector")
    with pytest.raises(FeatureError, match=r"missing: m_ll, m_j"):
        Vlq(model)

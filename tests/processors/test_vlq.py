"""The vector-like-quark analysis against a plain Python loop over the same events (``vlq_reference``)."""

from __future__ import annotations

import itertools
import math
import re

import eventfiles
import numpy as np
import pandas as pd
import pytest
import vlq_reference as reference

from massgap.models.errors import ModelError
from massgap.models.folds import fold_key, held_out_fold
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training.export import verified_bytes
from massgap.models.training.recipe import Recipe
from massgap.models.training.trained_folds import train
from massgap.processors import Vlq
from massgap.processors.errors import ProcessorError
from massgap.runner import run
from massgap.selections.vlq.features import FEATURE_NAMES

XSEC = 250.0
N = 3000


@pytest.fixture(scope="module")
def events():
    return reference.make_events(N, seed=17)


@pytest.fixture(scope="module")
def nano(events, tmp_path_factory):
    path = tmp_path_factory.mktemp("vlq") / "nano.root"
    return eventfiles.write_columns(path, reference.nano_columns(events))


def process(path, **options):
    metadata = {"process": "p", "xsec_fb": XSEC}
    result = run(
        Vlq(features=True, **options),
        {"d": {"files": {str(path): None}, "metadata": metadata}},
        chunksize=800,
    )
    result.require_complete()
    return result


def check(cutflow, table, selected) -> None:
    scale = XSEC / math.fsum(selected["steps"]["all events"])
    assert [row["step"] for row in cutflow] == ["all events", *reference.STEPS]
    for row in cutflow:
        weights = selected["steps"][row["step"]]
        assert row["raw"] == len(weights), row["step"]
        assert row["weighted"] == pytest.approx(math.fsum(weights) * scale, rel=1e-12)
        assert row["variance"] == pytest.approx(math.fsum(w * w for w in weights) * scale**2, rel=1e-12)
    rows = selected["rows"]
    assert len(table) == len(rows)
    np.testing.assert_allclose(table["weight"], np.array([r["weight"] for r in rows]) * scale, rtol=1e-12)
    for name in FEATURE_NAMES:
        true = np.array([r[name] for r in rows])
        np.testing.assert_allclose(table[name], true, rtol=1e-7, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("beside", [80.0, 0.0])
def test_nanoaod(events, nano, beside):
    result = process(nano, min_pt_beside_lepton=beside)
    selected = reference.select(events, beside=beside)
    check(result.cutflow["processes"]["p"], result.features["d"], selected)
    counts = [len(weights) for weights in selected["steps"].values()]
    # Each cut takes something away, and enough is left to say so.
    assert all(a > b > 100 for a, b in itertools.pairwise(counts[:-1]))
    assert result.features["d"]["region_selected"].all()
    histogram = result.histograms["m_t_prime"][{"process": "p", "region": "selected", "variation": "nominal"}]
    mine, _ = np.histogram(
        [r["m_t_prime"] for r in selected["rows"]],
        bins=histogram.axes[0].edges,
        weights=[r["weight"] for r in selected["rows"]],
    )
    scale = XSEC / math.fsum(selected["steps"]["all events"])
    np.testing.assert_allclose(histogram.values(), mine * scale, rtol=1e-9, atol=1e-12)


def test_a_lone_lepton_is_no_fat_jet(events):
    """What the option is for: it takes away jets that are nothing but the lepton."""
    counts = [
        len(reference.select(events, beside=x)["steps"]["third lepton in the fat jet"]) for x in (0.0, 80.0)
    ]
    assert counts[0] > 1.5 * counts[1]


def test_delphes(events, tmp_path):
    """Branches named as in Delphes, in a flat tree: uproot cannot write its split classes."""
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    columns = reference.delphes_columns(events)
    path = eventfiles.write_columns(tmp_path / "delphes.root", columns, tree="Delphes")
    chunk = NanoEventsFactory.from_root(
        {str(path): "Delphes"},
        schemaclass=BaseSchema,
        metadata={"dataset": "d", "xsec_fb": XSEC, "process": "p"},
    ).events()
    processor = Vlq(features=True)
    out = processor.postprocess(processor.process(chunk))
    check(out["cutflow"]["processes"]["p"], out["features"]["d"], reference.select(events, own_masses=True))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_the_background_efficiency_is_a_share(share):
    with pytest.raises(ProcessorError, match=r"background_efficiency is .*: a share between 0 and 1"):
        Vlq(background_efficiency=share)


def test_the_background_efficiency_needs_a_model():
    with pytest.raises(ProcessorError, match="needs the score of a model: --model FILE"):
        Vlq(background_efficiency=0.01)


def test_a_threshold_is_a_number():
    with pytest.raises(ProcessorError, match="min_pt_beside_lepton is -1"):
        Vlq(min_pt_beside_lepton=-1)


def test_files_without_fat_jets(events, tmp_path):
    columns = reference.nano_columns(events[:200])
    few = {name: values for name, values in columns.items() if not name.startswith("FatJet")}
    path = eventfiles.write_columns(tmp_path / "nano.root", few)
    fileset = {"d": {"files": {str(path): None}, "metadata": {"process": "p", "xsec_fb": 1.0}}}
    errors = [str(chunk.error) for chunk in run(Vlq(), fileset).ledger.chunks]
    assert errors
    assert all(re.search(r"FatJet_pt.*--collections fat_jets=NAME", error) for error in errors)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Model files of the six variables: one whose score is flat in the reconstructed mass, and one whose is not."""
    random = np.random.default_rng(5)
    n = 6000
    table = pd.DataFrame({name: random.uniform(0, 1, n) for name in FEATURE_NAMES})
    table["m_t_prime"] = random.uniform(200, 3000, n)
    table["pt_z_l1"] = random.exponential(200, n) + 60.0 * (np.arange(n) % 2)
    table["process"] = np.where(np.arange(n) % 2, "T", "WZ")
    table["dataset"], table["weight"] = table["process"], 1.0
    table["fold_key"] = fold_key(1, 1, np.arange(n))
    out = {}
    for flat in ("m_t_prime", None):
        recipe = Recipe(
            "small",
            features=FEATURE_NAMES,
            signal=("T",),
            backgrounds=("WZ",),
            n_folds=2,
            flatten=flat,
            hyperparameters={"n_trees": 20, "max_depth": 2},
        )
        made = train(table, recipe, importances=False, compare_protocols=False)
        content, _ = verified_bytes(made, table[made.inputs].to_numpy(np.float32))
        path = tmp_path_factory.mktemp("models") / f"{flat}.onnx"
        path.write_bytes(content)
        out[flat] = str(path)
    return out


@pytest.fixture(scope="module")
def parameterised(tmp_path_factory):
    """A model of five variables and the true mass, in place of the reconstructed one."""
    random = np.random.default_rng(6)
    n = 4000
    names = FEATURE_NAMES[1:]
    table = pd.DataFrame({name: random.uniform(0, 1, n) for name in names})
    table["process"] = table["dataset"] = np.where(np.arange(n) % 2, "T", "WZ")
    table["true_m_T"] = random.choice([1000.0, 2000.0], n)
    table["pt_z_l1"] = random.exponential(200, n) + 0.4 * table["true_m_T"] * (np.arange(n) % 2)
    table["weight"], table["fold_key"] = 1.0, fold_key(1, 1, np.arange(n))
    recipe = Recipe(
        "small", features=(*names, "true_m_T"), signal=("T",), backgrounds=("WZ",), n_folds=2, label="true:random",
        hyperparameters={"n_trees": 10, "max_depth": 2},
    )  # fmt: skip
    made = train(table, recipe, importances=False, compare_protocols=False)
    content, _ = verified_bytes(made, table[made.inputs].to_numpy(np.float32))
    path = tmp_path_factory.mktemp("parameterised") / "pnn.onnx"
    path.write_bytes(content)
    return str(path)


def test_a_parameterised_model_without_the_reconstructed_mass(nano, parameterised):
    table = process(nano, model=parameterised, hypothesis={"m_T": 1500.0}).features["d"]
    expected = OnnxScorer(parameterised, hypothesis={"m_T": 1500.0}).score(
        {name: table[name].to_numpy() for name in FEATURE_NAMES[1:]},
        held_out_fold(table["fold_key"].to_numpy(np.uint64), 2),
    )
    np.testing.assert_allclose(table["score"], expected, atol=1e-6)
    assert np.std(expected) > 0.01


def test_a_parameterised_model_needs_its_hypothesis(parameterised):
    with pytest.raises(ModelError, match=r"parameterised in m_T: .*--hypothesis m_T=GEV"):
        Vlq(parameterised)


def test_a_hypothesis_outside_of_the_training_is_said(parameterised):
    (note,) = Vlq(parameterised, hypothesis="m_T=9000").notes()
    assert "m_T=9000 lies outside of the trained range 1000 to 2000: all scores are extrapolated" in note
    assert Vlq(parameterised, hypothesis="m_T=1000").notes() == []


def test_a_model_that_lies_in_a_run_is_pointed_at(tmp_path, monkeypatch):
    """What is typed after ``massgap train runs/vlq --name mubdt`` without the folder of the run."""
    (tmp_path / "runs" / "vlq" / "models" / "mubdt").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"There is runs/vlq/models/mubdt: --model runs/vlq/models/mubdt"):
        Vlq("models/mubdt", background_efficiency=0.01)


def test_a_region_at_a_background_efficiency(nano, models):
    result = process(nano, model=models["m_t_prime"], background_efficiency=0.3)
    table = result.features["d"]
    expected = OnnxScorer(models["m_t_prime"]).score(
        {name: table[name].to_numpy() for name in FEATURE_NAMES},
        held_out_fold(table["fold_key"].to_numpy(np.uint64), 2),
    )
    np.testing.assert_allclose(table["score"], expected, atol=1e-6)
    tagged = table["score"] > 0.7
    assert 10 < tagged.sum() < len(table) - 10
    assert (table["region_tagged"] == tagged).all()
    last = result.cutflow["processes"]["p"][-1]
    assert (last["step"], last["raw"]) == ("tagged", tagged.sum())
    histogram = result.histograms["m_t_prime"][{"process": "p", "region": "tagged", "variation": "nominal"}]
    assert histogram.sum(flow=True).value == pytest.approx(table["weight"][tagged].sum(), rel=1e-9)


def test_a_score_that_is_not_flat_is_refused(models):
    with pytest.raises(
        ProcessorError, match=r"flat in m_t_prime .* massgap train RUN_FOLDER --flatten m_t_prime"
    ):
        Vlq(models[None], background_efficiency=0.01)
    assert [region.name for region in Vlq(models[None]).regions] == ["selected"]

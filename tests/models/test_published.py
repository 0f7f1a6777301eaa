"""Published models, ONNX files with sidecar files, through a description; and what a PyTorch module is exported as."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import eventfiles
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from runs import fileset_of

from massgap.contracts.description import Feature, Region, Score
from massgap.models.errors import FeatureError, ModelError, ModelFileError
from massgap.models.folds import EVENT_PARITY, fold_of
from massgap.models.published.description import read_description
from massgap.models.published.graph import published_bytes
from massgap.models.scoring.scorer import OnnxScorer
from massgap.processors import Analysis
from massgap.runner import run

NAMES = ["lep1Pt", "met", "mN2"]
OFFSET, SCALE = np.array([-40e3, -100e3, -200e3]), np.array([2e-5, 1e-5, 1e-5])
"""In MeV, as lwtnn has it."""
WEIGHTS = {
    "even": np.array([[0.9], [0.4], [-0.3]], np.float32),
    "odd": np.array([[0.5], [0.8], [0.2]], np.float32),
}


def network(
    path: Path, weight: np.ndarray, *, sigmoid: bool = True, events: Any = "n", opset: int = 15
) -> Path:
    """A linear classifier of scaled inputs, as others export it."""
    nodes = [helper.make_node("MatMul", ["input", "w"], ["z"])]
    nodes += [helper.make_node("Sigmoid", ["z"], ["p"])] if sigmoid else []
    made = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [events, weight.shape[0]])],
        [
            helper.make_tensor_value_info(
                "p" if sigmoid else "z", TensorProto.FLOAT, [events, weight.shape[1]]
            )
        ],
        initializer=[numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def right(x: np.ndarray, which: str) -> np.ndarray:
    """The score by hand: rows are lep1Pt, met and mN2 in GeV."""
    z = (x.astype(float) * 1000 + OFFSET) * SCALE @ WEIGHTS[which].astype(float)
    return (1 / (1 + np.exp(-z)))[:, 0]


TEXT = """
format = "massgap-published/1"
trained_on_even = "even.onnx"
trained_on_odd = "odd.onnx"
sidecar = "variables.json"
scaling = "(x + offset) * scale"
source = "a paper"

[observables]
lep1Pt = "pt"

[factors]
lep1Pt = 1000.0
met = 1000.0
mN2 = 1000.0

[hypothesis]
mN2 = "N2"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for which, weight in WEIGHTS.items():
        network(tmp_path / f"{which}.onnx", weight)
    sidecar = {"variables": NAMES, "scale": SCALE.tolist(), "offset": OFFSET.tolist()}
    (tmp_path / "variables.json").write_text(json.dumps(sidecar))
    (tmp_path / "m.toml").write_text(TEXT)
    return tmp_path


def changed(folder: Path, old: str, new: str) -> Path:
    text = (folder / "m.toml").read_text()
    assert old in text
    (folder / "m.toml").write_text(text.replace(old, new))
    return folder / "m.toml"


ROWS = np.array([[40, 100, 250], [15, 300, 250], [200, 0, 250]], np.float32)


def test_a_pair_scores_each_event_by_the_model_that_has_not_seen_it(folder: Path) -> None:
    scorer = OnnxScorer(folder / "m.toml", hypothesis={"N2": 250.0})
    assert (scorer.features, scorer.n_folds, scorer.fold_rule) == (["pt", "met"], 2, EVENT_PARITY)
    columns = {"pt": ROWS[:, 0], "met": ROWS[:, 1]}
    numbers = np.array([4, 7, 10])
    fold = fold_of(scorer.fold_rule, np.array([1, 1, 1]), numbers, 2)
    found = scorer.score(columns, fold)
    # an even event by what was trained on odd ones
    expected = [right(ROWS[i : i + 1], "odd" if n % 2 == 0 else "even")[0] for i, n in enumerate(numbers)]
    assert found == pytest.approx(expected, abs=1e-6)
    assert np.abs(found - scorer.score(columns, 1 - fold)).min() > 1e-3
    with pytest.raises(ModelError, match="--hypothesis N2=GEV"):
        OnnxScorer(folder / "m.toml")
    # any order of the observables, and more of them
    other = OnnxScorer(folder / "m.toml", ["eta", "met", "pt"], hypothesis={"N2": 250.0})
    assert (other.score(columns, fold) == found).all()
    with pytest.raises(FeatureError, match=r"needs pt, which are not among met, eta.*\[observables\]"):
        OnnxScorer(folder / "m.toml", ["met", "eta"], hypothesis={"N2": 250.0})


def test_the_content_is_one_file_that_needs_nothing_beside_it(folder: Path, tmp_path_factory) -> None:
    content = published_bytes(folder / "m.toml")
    assert content == published_bytes(folder / "m.toml")
    alone = tmp_path_factory.mktemp("job") / "model.onnx"
    alone.write_bytes(content)
    x = {"pt": ROWS[:, 0], "met": ROWS[:, 1]}
    here, there = (OnnxScorer(path, hypothesis={"N2": 250.0}) for path in (folder / "m.toml", alone))
    assert here.sha256 == there.sha256
    assert (here.score(x, [0, 1, 0]) == there.score(x, [0, 1, 0])).all()
    # each file that decides a score decides the hash
    (folder / "variables.json").write_text((folder / "variables.json").read_text().replace("2e-05", "3e-05"))
    assert OnnxScorer(folder / "m.toml", hypothesis={"N2": 250.0}).sha256 != here.sha256


def test_jobs_of_a_batch_system_get_the_one_file(folder: Path, tmp_path_factory) -> None:
    from massgap.runner.slices import plan

    jobs = tmp_path_factory.mktemp("jobs")
    _, _, (shipped,) = plan._ship("mine", {"model": str(folder / "m.toml")}, jobs)
    assert shipped.read_bytes() == published_bytes(folder / "m.toml")


SIDECARS = {
    "lists": (
        {"variables": NAMES, "scale": SCALE.tolist(), "offset": OFFSET.tolist()},
        "(x + offset) * scale",
    ),
    "by name": (
        {
            "variables": NAMES,
            "scale": dict(zip(NAMES, SCALE.tolist(), strict=True)),
            "offset": dict(zip(NAMES, OFFSET.tolist(), strict=True)),
        },
        "(x + offset) * scale",
    ),
    "other sense": (
        {"variables": NAMES, "scale": (1 / SCALE).tolist(), "offset": (-OFFSET).tolist()},
        "(x - offset) / scale",
    ),
    "lwtnn": (
        {
            "inputs": [
                {"name": n, "scale": s, "offset": o} for n, s, o in zip(NAMES, SCALE, OFFSET, strict=True)
            ]
        },
        "(x + offset) * scale",
    ),
    "branches": (
        {"branches": NAMES, "normalization": {"mean": (-OFFSET).tolist(), "std": (1 / SCALE).tolist()}},
        None,
    ),
}


@pytest.mark.parametrize("form", SIDECARS)
def test_every_form_of_sidecar_scales_alike(folder: Path, form: str) -> None:
    content, scaling = SIDECARS[form]
    (folder / "variables.json").write_text(json.dumps(content))
    line = 'scaling = "(x + offset) * scale"\n'
    path = changed(folder, line, "" if scaling is None else f'scaling = "{scaling}"\n')
    scorer = OnnxScorer(path, hypothesis={"N2": 250.0})
    found = scorer.score({"pt": ROWS[:, 0], "met": ROWS[:, 1]}, [1, 1, 1])
    assert found == pytest.approx(right(ROWS, "even"), abs=1e-6)


def test_an_order_of_its_own_in_the_second_sidecar(folder: Path) -> None:
    turned = [2, 0, 1]
    network(folder / "odd.onnx", WEIGHTS["odd"][turned])
    content = {
        "variables": [NAMES[i] for i in turned],
        "scale": SCALE[turned].tolist(),
        "offset": OFFSET[turned].tolist(),
    }
    (folder / "odd.json").write_text(json.dumps(content))
    path = changed(
        folder, 'sidecar = "variables.json"', 'sidecar = "variables.json"\nsidecar_odd = "odd.json"'
    )
    found = OnnxScorer(path, hypothesis={"N2": 250.0}).score({"pt": ROWS[:, 0], "met": ROWS[:, 1]}, [0, 0, 1])
    expected = [*right(ROWS[:2], "odd"), *right(ROWS[2:], "even")]
    assert found == pytest.approx(expected, abs=1e-6)


def test_what_stands_for_a_missing_value(folder: Path) -> None:
    columns = {"pt": np.array([np.nan], np.float32), "met": np.array([50], np.float32)}
    path = folder / "m.toml"
    with pytest.raises(ModelError, match="between 0 and 1"):
        OnnxScorer(path, hypothesis={"N2": 250.0}).score(columns, [1])
    changed(folder, 'source = "a paper"', "missing = -999.0")
    for absent in (np.nan, np.inf, -np.inf):
        columns["pt"] = np.array([absent], np.float32)
        found = OnnxScorer(path, hypothesis={"N2": 250.0}).score(columns, [1])
        assert found == pytest.approx(right(np.array([[-0.999, 50, 250]]), "even"), abs=1e-6)


def test_two_numbers_before_a_softmax_and_one_model_for_all_events(folder: Path) -> None:
    weight = np.hstack([WEIGHTS["even"], -WEIGHTS["even"]])
    network(folder / "one.onnx", weight, sigmoid=False, events=1)
    text = TEXT.replace(
        'trained_on_even = "even.onnx"\ntrained_on_odd = "odd.onnx"\n', 'model = "one.onnx"\n'
    )
    text = text.replace('source = "a paper"', 'activation = "softmax"\ncolumn = 0')
    (folder / "m.toml").write_text(text)
    scorer = OnnxScorer(folder / "m.toml", hypothesis={"N2": 250.0})
    assert (scorer.n_folds, scorer.fold_rule) == (1, "")
    z = (ROWS.astype(float) * 1000 + OFFSET) * SCALE @ weight.astype(float)
    expected = 1 / (1 + np.exp(z[:, 1] - z[:, 0]))
    assert scorer.score({"pt": ROWS[:, 0], "met": ROWS[:, 1]}) == pytest.approx(expected, abs=1e-6)


def test_events_of_the_authors_are_scored_when_it_is_loaded(folder: Path) -> None:
    def with_check(score: float, event: int) -> Path:
        x = "{ lep1Pt = 60000.0, met = 150000.0, mN2 = 300000.0 }"
        (folder / "m.toml").write_text(
            f"{TEXT}\n[[check]]\ninputs = {x}\nevent = {event}\nscore = {score:.8f}\n"
        )
        return folder / "m.toml"

    score = right(np.array([[60, 150, 300]]), "odd")[0]
    assert OnnxScorer(with_check(score, 4), hypothesis={"N2": 300.0}).n_folds == 2
    # the other one of the pair, and a scaling in the other sense
    with pytest.raises(ModelFileError, match="which file was trained on even events"):
        OnnxScorer(with_check(score, 5), hypothesis={"N2": 300.0})
    with_check(score, 4)
    path = changed(folder, '"(x + offset) * scale"', '"(x - offset) / scale"')
    with pytest.raises(ModelFileError, match="look at scaling"):
        OnnxScorer(path, hypothesis={"N2": 300.0})


class Numbered(Analysis):
    """Writes the event number down, too."""

    name = "numbered"
    observables = (Feature("pt", unit="GeV"), Feature("met", unit="GeV"), Feature("number"))
    regions = (Region("muon"),)
    scores = (Score("net"),)

    def select(self, event: Any, flow: Any) -> None:
        chosen = flow.keep(event, "muon", event.muons.counts > 0)
        x = {"pt": chosen.muons.at(0).pt, "met": chosen.met.pt}
        flow.record(chosen, {**x, "number": chosen.identifiers[:, 2].astype(float)})


def test_in_a_run_even_and_odd_event_numbers_decide(folder: Path) -> None:
    path = eventfiles.write_nano(folder / "tt.root", eventfiles.make_events(300, seed=5))
    done = run(Numbered({"net": folder / "m.toml"}, features=True, hypothesis="N2=200"), fileset_of(path))
    done.require_complete()
    table = done.features["tt"]
    even = table["number"] % 2 == 0
    assert 50 < even.sum() < len(table) - 50
    x = np.column_stack([table["pt"], table["met"], np.full(len(table), 200.0)])
    expected = np.where(even, right(x, "odd"), right(x, "even"))
    np.testing.assert_allclose(table["score_net"], expected, rtol=0, atol=2e-6)
    histogram = done.histograms["score_net"][{"process": "tt", "region": "muon", "variation": "nominal"}]
    weights = [table.loc[mask, "weight"].sum() for mask in (even, ~even)]
    found = [histogram[{"fold": k}].sum(flow=True).value for k in (0, 1)]
    np.testing.assert_allclose(found, weights, rtol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            '"massgap-published/1"',
            '"other"',
            "must begin with format = 'massgap-published/1'; it has 'other'",
        ),
        ('source = "a paper"', "colour = 1", "unknown entry 'colour'; known are format, model"),
        ('trained_on_odd = "odd.onnx"', "", "must name model = ..., or trained_on_even"),
        ('sidecar = "variables.json"', "", "names no sidecar = ..."),
        ('"variables.json"', '"gone.json"', "Cannot read the sidecar file .*gone.json: No such file"),
        ('"even.onnx"', '"gone.onnx"', "Cannot read the model .*gone.onnx of .*m.toml: No such file"),
        ('scaling = "(x + offset) * scale"', "", "does not say what they mean: write scaling = "),
        ('"(x + offset) * scale"', '"x"', "'scaling' of the description .* is 'x': choose one of"),
        (
            'lep1Pt = "pt"',
            'lep2Pt = "pt"',
            r"\[observables\] of .* has 'lep2Pt', but the sidecar lists lep1Pt",
        ),
        ("met = 1000.0", "met = 0.0", "'factors' of the description .* cannot be"),
        ('source = "a paper"', "column = 3", r"has 1 columns: column = 3 in .* is not one of 0 to 0"),
        ('source = "a paper"', "[[check]]\nscore = 1.0", r"needs inputs = \{...\} and score"),
        ('source = "a paper"', "source =", "is not TOML"),
    ],
)
def test_what_does_not_fit_is_said(folder: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        published_bytes(changed(folder, old, new))


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ({}, "does not list the inputs.*it has nothing"),
        ({"variables": ["a", "a"]}, "names an input twice"),
        ({"variables": NAMES, "scale": [1, 2], "offset": [0, 0, 0]}, "one finite number for each of .* 2 entries"),
        ({"variables": NAMES, "scale": [1, 0, 1], "offset": [0, 0, 0]}, "scale of 'met' .* is 0"),
        ({"variables": NAMES, "scale": [1, None, 1], "offset": [0, 0, 0]}, "one finite number"),
        ({"branches": NAMES, "normalization": {"mean": [0, 0, 0]}}, "must have mean and std"),
        ({"variables": NAMES[:2], "scale": [1, 1], "offset": [0, 0]}, r"has 'mN2', but the sidecar lists|lists 2 inputs"),
    ],
)  # fmt: skip
def test_a_sidecar_that_does_not_fit_is_said(folder: Path, sidecar: dict[str, Any], words: str) -> None:
    (folder / "variables.json").write_text(json.dumps(sidecar))
    with pytest.raises(ModelFileError, match=words):
        published_bytes(folder / "m.toml")


def test_models_of_different_opsets_are_refused(folder: Path) -> None:
    network(folder / "odd.onnx", WEIGHTS["odd"], opset=13)
    with pytest.raises(ModelFileError, match=re.escape("different opsets (13, 15)")):
        published_bytes(folder / "m.toml")


def test_the_description_in_the_guide_is_one(folder: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "guide" / "models.md"
    blocks = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    (shown,) = [block for block in blocks if "massgap-published" in block]
    (folder / "shown.toml").write_text(shown)
    said = read_description(folder / "shown.toml")
    assert said.by_parity
    assert len(said.checks) == 1


# ---- a PyTorch module, in the form in which torch.onnx.export writes it

MEAN, STD = np.array([[50, 100, 250]], np.float32), np.array([[30, 60, 80]], np.float32)


def exported(path: Path, *, sigmoid: bool = True, inside: bool = True) -> Path:
    """``Scored`` of docs/guide/models.md with Linear(3, 4), ReLU, Linear(4, 1): its operators, names of parameters and transposed weights."""
    import onnx

    random = np.random.default_rng(2)
    shapes = {"net.0.weight": (4, 3), "net.0.bias": (4,), "net.2.weight": (1, 4), "net.2.bias": (1,)}
    tensors = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("IsNaN", ["features"], ["/IsNaN"]),
        helper.make_node("Where", ["/IsNaN", "mean", "features"], ["/Where"]),
        helper.make_node("Sub", ["/Where", "mean"], ["/Sub"]),
        helper.make_node("Div", ["/Sub", "std"], ["/Div"]),
        helper.make_node("Gemm", ["/Div", "net.0.weight", "net.0.bias"], ["/net/0"], transB=1),
        helper.make_node("Relu", ["/net/0"], ["/net/1"]),
        helper.make_node("Gemm", ["/net/1", "net.2.weight", "net.2.bias"], ["score"], transB=1),
    ]
    if sigmoid:
        nodes[-1].output[0] = "/net/2"
        nodes.append(helper.make_node("Sigmoid", ["/net/2"], ["score"]))
    made = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["events", 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["events", 1])],
        [
            numpy_helper.from_array(value, name)
            for name, value in {**tensors, "mean": MEAN, "std": STD}.items()
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"feature_names": "pt,met,mN2"})
    onnx.save_model(
        model,
        path,
        save_as_external_data=not inside,
        location=f"{path.name}.data" if not inside else None,
        size_threshold=0,
    )
    return path


def test_a_module_of_pytorch_as_the_recipe_exports_it(tmp_path: Path) -> None:
    path = exported(tmp_path / "mine.onnx")
    scorer = OnnxScorer(path, ["pt", "met", "mN2"])
    assert scorer.notes == []
    random = np.random.default_rng(2)
    w1, b1, w2, b2 = (random.normal(size=shape).astype(np.float32) for shape in ((4, 3), (4,), (1, 4), (1,)))
    x = np.where(np.isnan(rows := np.vstack([ROWS, [[np.nan, 80, 200]]])), MEAN, rows).astype(float)
    hidden = np.maximum((x - MEAN) / STD @ w1.T.astype(float) + b1, 0)
    expected = 1 / (1 + np.exp(-(hidden @ w2.T.astype(float) + b2)[:, 0]))
    assert scorer.score_all_folds(rows.astype(np.float32))[:, 0] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(FeatureError, match="another order"):
        OnnxScorer(path, ["met", "pt", "mN2"])


def test_what_the_recipe_warns_of_is_refused_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"keeps the tensor 'net.0.weight' in another file.*onnx.save"):
        OnnxScorer(exported(tmp_path / "apart.onnx", inside=False), ["pt", "met", "mN2"])
    with pytest.raises(ModelFileError, match=r"ends in Gemm, so it is no probability.*before a sigmoid"):
        OnnxScorer(exported(tmp_path / "logit.onnx", sigmoid=False), ["pt", "met", "mN2"])

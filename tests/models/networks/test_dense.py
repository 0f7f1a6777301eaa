from __future__ import annotations

import itertools

import numpy as np
import pytest

from massgap.contracts.errors import TableError
from massgap.models.errors import ModelError
from massgap.models.measures.roc import auc, logloss, roc_curve
from massgap.models.networks import dense
from massgap.models.networks.layers import ACTIVATIONS
from massgap.models.networks.optimisation import Events, optimise
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training import export
from massgap.models.training.recipe import Recipe
from massgap.models.training.trained_folds import train


def settings(**changes):
    return dense.TRAINER.checked_hyperparameters(changes)


def events(n, seed=0, width=3):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, width)).astype(np.float32)
    label = (random.random(n) < 1 / (1 + np.exp(-2 * x[:, 0] - x[:, 1] ** 2 + 1))).astype(np.float32)
    return Events(x, label, random.uniform(0.5, 1.5, n).astype(np.float32))


@pytest.fixture(scope="module")
def small():
    """A small recipe of the slepton-like table: 2 seeds, batch norm, missing values told."""
    return Recipe(
        "small",
        kind="mlp",
        n_folds=2,
        early_stopping=4,
        weighting="counts",
        signal=("slepton_110_80",),
        backgrounds=("tt", "WW", "tautau"),
        features=("mt2_100", "m_tautau", "cos_theta_star", "met"),
        region="precuts",
        hyperparameters={
            "hidden": [16, 8],
            "norm": "batch",
            "epochs": 5,
            "batch_size": 256,
            "dropout": 0.1,
            "learning_rate": 0.004,
        },
    )


@pytest.fixture(scope="module")
def trained_networks(full_table, small):
    return train(full_table, small)


def nasty(n, seed=3):
    """Rows of the four features as they come, missing, infinite, zero and at the ends of float32."""
    random = np.random.default_rng(seed)
    x = (np.array([115, 20, 0, 150]) + np.array([15, 150, 0.3, 60]) * random.normal(size=(n, 4))).astype(
        np.float32
    )
    x[random.random((n, 4)) < 0.05] = np.nan
    odd = random.random((n, 4)) < 0.05
    x[odd] = random.choice(
        np.array([0, -0.0, 1e-45, 3.4e38, -3.4e38, np.inf, -np.inf, 1e6], np.float32), odd.sum()
    )
    return x


@pytest.mark.parametrize(("norm", "activation"), [("none", "tanh"), ("batch", "silu"), ("layer", "gelu")])
def test_gradients_of_one_step_agree_with_finite_differences(norm, activation, slopes_of):
    chosen = settings(hidden=[4, 3], norm=norm, activation=activation)
    start = dense.initial(chosen, 3, np.random.default_rng(1))
    slope, expected = slopes_of(dense.forward, chosen, start, events(32))
    assert np.abs(slope).max() > 1e-2
    assert slope == pytest.approx(expected, abs=2e-9)


def test_a_step_of_sgd_is_that_of_the_definition():
    """Two steps on one batch, momentum and weight decay as in Sutskever et al. without dampening, by plain numpy."""
    chosen = settings(
        hidden=[2], activation="tanh", optimizer="sgd", learning_rate=0.3, momentum=0.5, weight_decay=0.1, epochs=2,
        batch_size=64,
    )  # fmt: skip
    data = events(64)
    start = dense.initial(chosen, 3, np.random.default_rng(1))
    found = optimise(dense.forward, chosen, start, data, data, patience=9, seed=(1,))
    (w1, b1), (w2, b2) = ((p["weight"].astype(float), p["bias"].astype(float)) for p in start[0])
    x, y, w = (a.astype(float) for a in data)
    velocity = [0.0] * 4
    losses = []
    for _ in range(2):
        h = np.tanh(x @ w1 + b1)
        p = 1 / (1 + np.exp(-(h @ w2 + b2)[:, 0]))
        losses.append(np.mean(-w * (y * np.log(p) + (1 - y) * np.log(1 - p))))
        d = (w * (p - y) / len(y))[:, None]
        back = d @ w2.T * (1 - h**2)
        slopes = [x.T @ back, back.sum(0), h.T @ d, d.sum(0)]
        velocity = [0.5 * v + s + 0.1 * t for v, s, t in zip(velocity, slopes, (w1, b1, w2, b2), strict=True)]
        w1, b1, w2, b2 = (t - 0.3 * v for t, v in zip((w1, b1, w2, b2), velocity, strict=True))
    assert found.curves["train"] == pytest.approx(losses, rel=1e-5)
    if found.best_epoch == 1:
        assert found.parameters[0]["weight"] == pytest.approx(w1, rel=1e-4, abs=1e-6)
        assert found.parameters[1]["bias"] == pytest.approx(b2, rel=1e-4, abs=1e-6)
    assert found.best_epoch == 1


def test_reaches_the_loss_of_scikit_learn_and_the_optimum():
    """Labels are drawn from a known probability: its own loss is the least that a classifier can have."""
    from sklearn.neural_network import MLPClassifier

    data, fresh = events(6000, 1), events(6000, 2)
    chosen = settings(hidden=[24, 24], epochs=12, batch_size=128)
    start = dense.initial(chosen, 3, np.random.default_rng(0))
    ours = optimise(dense.forward, chosen, start, data, fresh, patience=30, seed=(1,))
    theirs = MLPClassifier(
        (24, 24), batch_size=128, max_iter=12, n_iter_no_change=30, tol=0, alpha=0, random_state=1
    )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        theirs.fit(data.x, data.label)
    p = theirs.predict_proba(fresh.x)[:, 1]
    one = np.ones(len(p))
    x = fresh.x.astype(float)
    truth = 1 / (1 + np.exp(-2 * x[:, 0] - x[:, 1] ** 2 + 1))
    best = logloss(truth, fresh.label, one)
    inputs = fresh.x.astype(float)
    logits = dense.forward(np, chosen, ours.parameters, ours.state, inputs, None)[0]
    mine = logloss(1 / (1 + np.exp(-logits)), fresh.label, one)
    assert best < mine < best + 0.02
    assert mine == pytest.approx(logloss(p, fresh.label, one), abs=0.012)


@pytest.mark.parametrize(
    ("activation", "norm"), [*itertools.product(ACTIVATIONS, ("none",)), ("relu", "batch"), ("elu", "layer")]
)
@pytest.mark.parametrize("double", [False, True])
def test_every_activation_and_norm_is_the_same_in_onnx(activation, norm, double):
    from onnx import TensorProto, helper

    from massgap.models.networks.graph_writer import GraphWriter

    chosen = settings(hidden=[7, 5], activation=activation, norm=norm)
    random = np.random.default_rng(4)
    parameters, state = dense.initial(chosen, 3, random)
    for layer in (*parameters, *state):
        for name in layer:
            layer[name] = random.uniform(0.5, 1.5, layer[name].shape).astype(np.float32) * (
                1 if name != "weight" else 0.4
            )
    graph = GraphWriter(double=double)
    graph.named(graph.single(dense.write(graph, chosen, parameters, state, graph.number("x"))), "y")
    made = helper.make_graph(
        graph.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])], graph.initializers,
    )  # fmt: skip
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", export.OPSET)], ir_version=export.IR_VERSION
    )
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = random.normal(size=(500, 3)).astype(np.float32) * 3
    expected = dense.forward(np, chosen, parameters, state, x.astype(float), None)[0]
    (found,) = session.run(None, {"x": x})
    assert found[:, 0] == pytest.approx(expected, rel=1e-6, abs=1e-5 if not double else 1e-6)


def test_onnx_is_what_was_trained(trained_networks):
    content = export.to_bytes(export.to_onnx(trained_networks))
    scorer = OnnxScorer.from_bytes(content, "networks", features=trained_networks.features)
    x = nasty(200_000)
    expected = trained_networks.predict(x)
    whole = scorer.score_all_folds(x)
    assert np.abs(whole - expected).max() <= 1e-6
    assert np.ptp(whole) > 0.3
    for n in (1, 2, 33, 4096):
        assert np.abs(scorer.score_all_folds(x[:n]) - expected[:n]).max() <= 1e-6
    # an infinite value is a missing one, and what is far out is bounded
    odd = np.array([[np.inf] * 4, [np.nan] * 4, [3e38] * 4, [1e9] * 4], np.float32)
    scores = scorer.score_all_folds(odd)
    assert (scores[0] == scores[1]).all()
    assert (scores[2] == scores[3]).all()
    double = OnnxScorer.from_bytes(export.to_bytes(export.to_onnx(trained_networks, double=True)), "double")
    assert np.abs(double.score_all_folds(x[:5000]) - expected[:5000]).max() <= 6e-8


def test_a_network_that_rounds_too_much_is_written_in_float64(trained_networks, full_table, monkeypatch):
    x = full_table[trained_networks.features].to_numpy(np.float32)
    monkeypatch.setattr(export, "AGREEMENT", 1e-5)
    plain, _ = export.verified_bytes(trained_networks, x)
    monkeypatch.setattr(export, "AGREEMENT", 6e-8)
    precise, difference = export.verified_bytes(trained_networks, x)
    assert difference <= 6e-8
    assert len(precise) > len(plain)


def test_the_same_bytes_twice_whatever_the_order_of_the_rows(trained_networks, full_table, small):
    again = train(full_table.sample(frac=1, random_state=1), small)
    assert export.to_bytes(export.to_onnx(again)) == export.to_bytes(export.to_onnx(trained_networks))
    other = train(full_table, small.changed(seed=2), importances=False)
    assert other.training_hash != again.training_hash
    x = nasty(100)
    assert np.abs(other.predict(x) - again.predict(x)).max() > 1e-4


def test_scoring_with_the_wrong_fold_differs_and_a_planted_label_is_found(full_table, small):
    """The label is planted in one fold alone: only the classifier that has seen this fold profits from it."""
    from massgap.models.folds import held_out_fold

    table = full_table.copy()
    fold = held_out_fold(table["fold_key"].to_numpy(), 2)
    label = (table["process"] == "slepton_110_80").to_numpy()
    random = np.random.default_rng(0)
    table["met"] = np.where(fold == 0, np.where(label, 1.0, -1.0), random.choice([-1.0, 1.0], len(table)))
    folds = train(table, small.changed(hyperparameters={"epochs": 8}), importances=False)
    chosen = table[table["region_precuts"]]
    x, in_0 = chosen[folds.features].to_numpy(np.float32), fold[table["region_precuts"]] == 0
    right, wrong = (folds.cross_fitted(x, column) for column in (np.where(in_0, 0, 1), np.where(in_0, 1, 0)))
    assert np.abs(right - wrong).mean() > 0.05
    y = label[table["region_precuts"].to_numpy()]
    # the classifier of fold 0 has not seen the label, that of the other fold has
    clean, leaking = (auc(roc_curve(score[in_0], y[in_0], np.ones(in_0.sum()))) for score in (right, wrong))
    assert leaking > 0.95
    assert clean < 0.85


def test_seeds_best_or_all(full_table, small):
    both = small.changed(seeds=2, seed_choice="all", n_folds=2, hyperparameters={"epochs": 2})
    mean = train(full_table, both, importances=False)
    singles = [train(full_table, both.changed(seeds=1, seed=s), importances=False) for s in (1, 2)]
    x = nasty(1000)
    assert mean.predict(x) == pytest.approx(np.mean([one.predict(x) for one in singles], axis=0), abs=1e-7)
    scorer = OnnxScorer.from_bytes(export.to_bytes(export.to_onnx(mean)), "mean")
    assert np.abs(scorer.score_all_folds(x) - mean.predict(x)).max() <= 1e-6
    best = train(full_table, both.changed(seed_choice="best"), importances=False)
    for fold, result in enumerate(best.folds):
        merits = [one["merit"] for one in result.seeds]
        assert [one["seed"] for one in result.seeds] == [1, 2]
        winner = singles[int(np.argmax(merits))]
        assert (best.predict(x)[:, fold] == winner.predict(x)[:, fold]).all()


def test_the_epoch_is_chosen_by_the_mean_that_is_named(full_table, small):
    chosen = small.changed(hyperparameters={"choose_epoch": "auc+precision", "epochs": 6}, early_stopping=3)
    folds = train(full_table, chosen, importances=False)
    for result in folds.folds:
        merits = result.loss_curve["merit"]
        assert result.best_iteration == int(np.argmax(merits))
        assert len(merits) == min(6, result.best_iteration + 4)
    with pytest.raises(ModelError, match=r"choose_epoch is 'auc\+beauty': it must be one of logloss, auc"):
        small.changed(hyperparameters={"choose_epoch": "auc+beauty"})


def test_class_weights_move_the_score(full_table, small):
    quick = small.changed(hyperparameters={"epochs": 10})
    plain = train(full_table, quick, importances=False)
    heavy = train(full_table, quick.changed(class_weights={"signal": 9.0}), importances=False)
    x = nasty(2000)
    assert heavy.predict(x).mean() > plain.predict(x).mean() + 0.1


def test_what_cannot_be_trained_is_said(table, small):
    table["met"] = 100.0
    with pytest.raises(
        TableError, match=r"'met' has the value 100 in all events that fold 0.*--features mt2_100,"
    ):
        train(table, small)
    table["met"] = np.nan
    with pytest.raises(TableError, match=r"'met' is missing in all events that fold 0 is fitted to"):
        train(table, small)
    fast = {"optimizer": "sgd", "learning_rate": 1e30, "norm": "none"}
    table["met"] = np.arange(len(table)) % 100.0
    with pytest.raises(ModelError, match=r"fold 0, seed 1, diverged in epoch \d.*--set learning_rate=1e\+29"):
        train(table, small.changed(hyperparameters=fast))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": []}, "hidden is []: it must be a list of positive integers"),
        ({"hidden": [3, 0]}, "hidden is [3, 0]"),
        ({"activation": "step"}, "activation is 'step': choose one of relu, "),
        ({"dropout": 1.0}, "dropout is 1.0: it must be a number of at least 0 and at most 0.99"),
        ({"learning_rate": 0}, "learning_rate is 0: it must be a number above 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5: it must be an integer"),
        ({"n_trees": 5}, "Unknown hyperparameter 'n_trees': known are hidden"),
    ],
)
def test_hyperparameters_that_cannot_be(changes, words):
    import re

    with pytest.raises(ModelError, match=re.escape(words)):
        settings(**changes)

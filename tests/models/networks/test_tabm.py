"""TabM: one network is an ensemble of dense ones that share their weights."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.models.errors import ModelError
from massgap.models.networks import dense, tabm
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training import export
from massgap.models.training.recipe import Recipe
from massgap.models.training.trained_folds import train


@pytest.fixture(scope="module")
def recipe():
    return Recipe(
        "m",
        kind="tabm",
        n_folds=2,
        early_stopping=4,
        weighting="counts",
        signal=("slepton_110_80",),
        backgrounds=("tt", "WW", "tautau"),
        features=("mt2_100", "m_tautau", "cos_theta_star", "met"),
        region="precuts",
        hyperparameters={"hidden": [12, 8], "k": 5, "epochs": 8, "learning_rate": 0.01},
    )


@pytest.fixture(scope="module")
def trained_networks(full_table, recipe):
    return train(full_table, recipe)


def drawn(k, width=3):
    """Settings and parameters away from where they begin."""
    settings = tabm.TRAINER.checked_hyperparameters(
        {"hidden": [6, 4], "k": k, "dropout": 0.0, "activation": "tanh"}
    )
    random = np.random.default_rng(5)
    parameters, state = tabm.initial(settings, width, random)
    moved = [
        {
            name: (value + 0.3 * random.normal(size=value.shape)).astype(np.float32)
            for name, value in layer.items()
        }
        for layer in parameters
    ]
    return settings, moved, state


def test_it_begins_as_the_paper_says():
    settings = tabm.TRAINER.checked_hyperparameters({"hidden": [6, 4], "k": 7})
    first, second, last = tabm.initial(settings, 3, np.random.default_rng(0))[0]
    assert set(np.unique(first["r"])) == {-1.0, 1.0}
    assert (second["r"] == 1).all()
    assert (first["s"] == 1).all()
    assert (first["bias"] == first["bias"][0]).all()
    assert np.abs(first["weight"]).max() <= 3**-0.5
    assert (last["weight"].shape, last["bias"].shape) == ((7, 4), (7,))
    assert len(np.unique(last["weight"], axis=0)) == 7


def test_each_member_is_a_dense_network_and_the_score_their_mean():
    settings, parameters, state = drawn(4)
    x = np.random.default_rng(1).normal(size=(50, 3)) * 2
    probabilities = []
    for m in range(4):
        folded = [
            {
                "weight": layer["r"][m][:, None].astype(float) * layer["weight"] * layer["s"][m],
                "bias": layer["bias"][m],
            }
            for layer in parameters[:-1]
        ]
        folded.append(
            {"weight": parameters[-1]["weight"][m][:, None], "bias": parameters[-1]["bias"][m : m + 1]}
        )
        plain = dense.TRAINER.checked_hyperparameters({"hidden": [6, 4], "activation": "tanh"})
        logits = dense.forward(np, plain, folded, [{}] * 3, x, None)[0]
        probabilities.append(1 / (1 + np.exp(-logits)))
    found = tabm.forward(np, settings, parameters, state, x, None)[0]
    assert 1 / (1 + np.exp(-found)) == pytest.approx(np.mean(probabilities, axis=0), abs=1e-6)
    # far out nothing overflows
    far = tabm.forward(np, settings, [*parameters[:-1], {"weight": parameters[-1]["weight"] * 1e4, "bias": parameters[-1]["bias"]}], state, x, None)[0]  # fmt: skip
    assert np.isfinite(far).all()


def test_gradients_of_one_step_agree_with_finite_differences(slopes_of):
    settings, parameters, state = drawn(3)
    random = np.random.default_rng(2)
    batch = random.normal(size=(24, 3)), random.integers(0, 2, 24), random.uniform(0.5, 2, 24)
    slope, expected = slopes_of(tabm.forward, settings, (parameters, state), batch)
    assert np.abs(slope).max() > 1e-2
    assert slope == pytest.approx(expected, abs=2e-9)


def test_learns_and_onnx_is_what_was_trained(trained_networks, full_table):
    assert min(fold.auc_eval for fold in trained_networks.folds) > 0.7
    assert sum(trained_networks.importance["all"].values()) == pytest.approx(1)
    x = np.tile(full_table[trained_networks.features].to_numpy(np.float32), (4, 1))
    random = np.random.default_rng(0)
    odd = random.random(x.shape) < 0.05
    x[odd] = random.choice(np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 0, 1e-45], np.float32), odd.sum())
    content, difference = export.verified_bytes(trained_networks, x)
    assert difference <= 1e-6
    scorer = OnnxScorer.from_bytes(content, "tabm", trained_networks.features)
    expected = trained_networks.predict(x)
    assert np.abs(scorer.score_all_folds(x) - expected).max() <= 1e-6
    assert np.abs(scorer.score_all_folds(x[:1]) - expected[:1]).max() <= 1e-6
    assert np.ptp(expected) > 0.3
    # shared weights are in the file once for each fold, whatever k is
    assert len(content) < 40_000


def test_the_same_bytes_twice(trained_networks, full_table, recipe):
    again = train(full_table.sample(frac=1, random_state=1), recipe, importances=False)
    assert export.to_bytes(export.to_onnx(again)) == export.to_bytes(export.to_onnx(trained_networks))


def test_hyperparameters_that_cannot_be():
    with pytest.raises(ModelError, match="k is 0: it must be an integer of at least 1"):
        tabm.TRAINER.checked_hyperparameters({"k": 0})

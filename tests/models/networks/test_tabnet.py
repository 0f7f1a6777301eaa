from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.models.errors import ModelError
from massgap.models.networks import tabnet
from massgap.models.networks.backend import jax_and_optax
from massgap.models.networks.scaling import Scaling
from massgap.models.networks.sparsemax import sparsemax
from massgap.models.networks.trainer import Network
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training.export import IR_VERSION, OPSET, verified_bytes
from massgap.models.training.recipe import Recipe
from massgap.models.training.trained_folds import train

NAMES = ("mt2_100", "m_tautau", "cos_theta_star", "met", "eta_j")


@pytest.fixture(scope="module")
def recipe():
    return Recipe(
        "t",
        kind="tabnet",
        n_folds=2,
        weighting="counts",
        signal=("slepton_110_80",),
        backgrounds=("tt", "WW", "tautau"),
        features=NAMES,
        hyperparameters={
            "n_d": 4,
            "n_a": 4,
            "n_steps": 2,
            "epochs": 8,
            "batch_size": 512,
            "learning_rate": 0.03,
        },
    )


@pytest.fixture(scope="module")
def trained_networks(full_table, recipe):
    return train(full_table, recipe)


def by_bisection(z):
    """The threshold at which the positive parts sum to one, halved in on: no sorting."""
    low, high = z.max() - 1, z.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(z - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(z - low, 0)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=12))
def test_sparsemax_is_the_projection_onto_the_simplex(values):
    z = np.array(values)
    found = sparsemax(np, z[None])[0]
    assert found == pytest.approx(by_bisection(z), abs=1e-9)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert (found >= 0).all()


def test_the_gradient_of_sparsemax_agrees_with_finite_differences():
    jax, _ = jax_and_optax()
    random = np.random.default_rng(0)
    z, slope = random.normal(size=(20, 6)), random.normal(size=(20, 6))
    with jax.enable_x64(True):
        found = jax.grad(lambda x: (sparsemax(jax.numpy, x) * slope).sum())(jax.numpy.asarray(z))
    expected = np.empty_like(z)
    for i, j in np.ndindex(z.shape):
        step = np.zeros_like(z)
        step[i, j] = 1e-6
        expected[i, j] = ((sparsemax(np, z + step) - sparsemax(np, z - step)) * slope).sum() / 2e-6
    assert np.asarray(found) == pytest.approx(expected, abs=1e-7)


def test_gradients_of_one_step_agree_with_finite_differences(slopes_of):
    """In ghost batches, with shared and own gated units, and the penalty of the masks."""
    settings = tabnet.TRAINER.checked_hyperparameters(
        {
            "n_d": 2,
            "n_a": 2,
            "n_steps": 2,
            "n_shared": 1,
            "n_independent": 1,
            "virtual_batch_size": 8,
            "lambda_sparse": 0.1,
        }
    )
    random = np.random.default_rng(3)
    x, label = random.normal(size=(24, 3)), random.integers(0, 2, 24).astype(float)
    start = tabnet.initial(settings, 3, random)
    slope, expected = slopes_of(tabnet.forward, settings, start, (x, label, np.ones(24)))
    assert np.abs(slope).max() > 1e-2
    assert slope == pytest.approx(expected, abs=1e-7)


def test_ghost_batches_are_normalised_each_by_itself():
    settings = tabnet.TRAINER.checked_hyperparameters({"virtual_batch_size": 4, "bn_momentum": 0.5})
    x = np.arange(12.0).reshape(12, 1) ** 2
    one = {"scale": np.ones(1), "shift": np.zeros(1)}
    norms = tabnet._Norms(np, settings, training=object())
    y, after = norms(one, {"mean": np.zeros(1), "variance": np.ones(1)}, x)
    mean, variance = 0.0, 1.0
    for part, found in zip(np.split(x, 3), np.split(y, 3), strict=True):
        assert found == pytest.approx((part - part.mean()) / np.sqrt(part.var() + 1e-5))
        mean, variance = (mean + part.mean()) / 2, (variance + part.var(ddof=1)) / 2
    assert (after["mean"][0], after["variance"][0]) == pytest.approx((mean, variance))


def test_rows_of_masks_sum_to_one_and_importances_too(trained_networks, full_table):
    x = full_table[list(NAMES)].to_numpy(np.float32)
    for (network,) in trained_networks.classifiers:
        assert network.scaling.told.tolist() == [1]  # m_tautau may be missing
        masks, shares = tabnet.masks(network, x)
        assert masks.shape == (2, len(x), 5)
        assert masks.sum(axis=2) == pytest.approx(np.ones((2, len(x))), abs=1e-12)
        assert masks.min() >= 0
        assert (masks == 0).mean() > 0.1
        assert shares.min() >= 0
    steps = trained_networks.attention
    assert sum(step["share"] for step in steps) == pytest.approx(1)
    assert [sum(step[kind]) for step in steps for kind in ("signal", "background")] == pytest.approx([1] * 4)
    importance = trained_networks.importance["all"]
    assert sum(importance.values()) == pytest.approx(1)
    assert max(importance, key=importance.get) in {"mt2_100", "m_tautau", "cos_theta_star"}


def test_learns_and_onnx_is_what_was_trained(trained_networks, full_table):
    assert min(fold.auc_eval for fold in trained_networks.folds) > 0.65
    x = full_table[list(NAMES)].to_numpy(np.float32).copy()
    random = np.random.default_rng(0)
    odd = random.random(x.shape) < 0.05
    x[odd] = random.choice(np.array([np.nan, np.inf, -np.inf, 0, 3e38, -3e38, 1e-40], np.float32), odd.sum())
    content, difference = verified_bytes(trained_networks, x)
    assert difference <= 1e-6
    scorer = OnnxScorer.from_bytes(content, "tabnet", features=NAMES)
    expected = trained_networks.predict(x)
    for n in (1, 3, 5000):
        assert np.abs(scorer.score_all_folds(x[:n]) - expected[:n]).max() <= 1e-6


@pytest.mark.parametrize(("shared", "own", "steps"), [(0, 1, 1), (2, 0, 2), (1, 2, 4)])
def test_any_number_of_shared_and_own_units_is_the_same_in_onnx(shared, own, steps):
    import onnxruntime as ort
    from onnx import TensorProto, helper

    settings = tabnet.TRAINER.checked_hyperparameters(
        {"n_shared": shared, "n_independent": own, "n_steps": steps, "n_a": 5}
    )
    random = np.random.default_rng(0)
    parameters, state = tabnet.initial(settings, 4, random)
    assert len(parameters["shared"]) == shared
    assert len(parameters["transformers"]) == steps + 1
    scaling = Scaling(np.zeros(3, np.float32), np.ones(3, np.float32), np.array([1]), 10.0)
    network = Network(1, scaling, settings, parameters, state, 0, 1, 0.0, {})
    nodes, constants = tabnet.TRAINER.operators([(network,), (network, network)], "x", "y", double=True)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", w]) for n, w in (("x", 3), ("y", 2))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = random.normal(size=(300, 3)).astype(np.float32)
    x[::7, 1] = np.nan
    (found,) = session.run(None, {"x": x})
    expected = tabnet.TRAINER.predict((network,), x)
    assert np.ptp(expected) > 0.1
    assert found == pytest.approx(np.stack([expected, expected], axis=1), abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gamma": 0.9}, "gamma is 0.9: it must be a number of at least 1"),
        ({"n_shared": 0, "n_independent": 0}, "n_shared and n_independent are both 0"),
        ({"hidden": [3]}, "Unknown hyperparameter 'hidden': known are n_d"),
    ],
)
def test_hyperparameters_that_cannot_be(changes, words):
    with pytest.raises(ModelError, match=words):
        tabnet.TRAINER.checked_hyperparameters(changes)

"""Many small networks at once: each as it would come out alone."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.contracts.errors import TableError
from massgap.models.errors import ModelError
from massgap.models.networks import dense
from massgap.models.networks.many import Sample, fit_many, optimise_many
from massgap.models.networks.optimisation import Events, optimise

CHANGES = {"hidden": [6], "epochs": 6, "batch_size": 64, "dropout": 0.1, "learning_rate": 0.01}
FEATURES = ["a", "b", "c"]


def events(n: int, seed: int) -> Events:
    """The mass of a network moves where its classes lie; some values are missing."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3)).astype(np.float32) * 30 + 100
    label = (random.random(n) < 1 / (1 + np.exp(-(x[:, 0] - 100 - seed) / 10))).astype(np.float32)
    x[random.random((n, 3)) < 0.03] = np.nan
    return Events(x, label, random.uniform(0.2, 2, n))


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Two sizes, so that they are two groups, in turn."""
    return [Sample(f"mass {k}", events(300 if k % 2 else 450, k), events(200, 50 + k)) for k in range(6)]


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def together(samples, told):
    def see(*now):
        told.append(now)

    return fit_many(dense.TRAINER, samples, FEATURES, CHANGES, patience=2, seed=3, at_once=3, see=see)


def test_each_is_what_it_would_be_alone(samples, together):
    settings = dense.TRAINER.checked_hyperparameters(CHANGES)
    stopped = []
    for number, (sample, network) in enumerate(zip(samples, together, strict=True)):
        one = dense.TRAINER.prepared(sample.fit, sample.stop, settings, FEATURES, (3 + number, 0), "")
        alone = optimise(
            dense.forward, settings, one.initial, one.fit, one.stop, patience=2, seed=(3 + number, 0)
        )
        assert (network.best_epoch, network.n_epochs) == (alone.best_epoch, alone.n_epochs)
        for name, curve in alone.curves.items():
            assert network.curves[name] == pytest.approx(curve, abs=2e-5)
        by_itself = dense.TRAINER.network(3 + number, one.scaling, settings, alone)
        x = sample.stop.x
        assert dense.TRAINER.predict([network], x) == pytest.approx(
            dense.TRAINER.predict([by_itself], x), abs=2e-5
        )
        stopped.append(network.n_epochs)
    # Some stopped before the others, and were not trained on.
    assert len(set(stopped)) > 1
    # They differ from each other.
    scores = [dense.TRAINER.predict([network], samples[0].stop.x) for network in together]
    assert all(np.abs(scores[0] - other).max() > 0.02 for other in scores[1:])


def test_batch_norm_has_its_running_statistics_network_by_network(samples):
    """A network that is over goes along with the others: neither its parameters nor its statistics may move on."""
    changes = {**CHANGES, "norm": "batch", "dropout": 0.0}
    settings = dense.TRAINER.checked_hyperparameters(changes)
    found = fit_many(dense.TRAINER, samples, FEATURES, changes, patience=1, seed=3, at_once=3)
    for number, (sample, network) in enumerate(zip(samples, found, strict=True)):
        one = dense.TRAINER.prepared(sample.fit, sample.stop, settings, FEATURES, (3 + number, 0), "")
        alone = optimise(
            dense.forward, settings, one.initial, one.fit, one.stop, patience=1, seed=(3 + number, 0)
        )
        assert (network.best_epoch, network.n_epochs) == (alone.best_epoch, alone.n_epochs)
        assert network.curves["valid"] == pytest.approx(alone.curves["valid"], abs=5e-5)
        for name in ("mean", "variance"):
            assert network.state[0][name] == pytest.approx(alone.state[0][name], abs=1e-4)
        x = sample.stop.x
        by_itself = dense.TRAINER.network(3 + number, one.scaling, settings, alone)
        assert dense.TRAINER.predict([network], x) == pytest.approx(
            dense.TRAINER.predict([by_itself], x), abs=5e-5
        )
    assert len({network.n_epochs for network in found}) > 1
    means = [network.state[0]["mean"] for network in found]
    assert all(np.abs(means[0] - other).max() > 0.01 for other in means[1:])


def test_neither_the_order_nor_the_groups_matter(samples, together):
    found = optimise_many(
        dense.forward,
        settings := dense.TRAINER.checked_hyperparameters(CHANGES),
        [
            (one.initial, one.fit, one.stop, (3 + k, 0))
            for k in (4, 2, 0)
            for one in [
                dense.TRAINER.prepared(samples[k].fit, samples[k].stop, settings, FEATURES, (3 + k, 0), "")
            ]
        ],
        patience=2,
        at_once=3,
    )
    for k, one in zip((4, 2, 0), found, strict=True):
        assert one.best_epoch == together[k].best_epoch
        for mine, other in zip(one.parameters, together[k].parameters, strict=True):
            assert mine["weight"] == pytest.approx(other["weight"], abs=2e-5)


def test_one_goes_into_a_graph_as_any_other(together):
    import onnxruntime as ort
    from onnx import TensorProto, helper

    nodes, constants = dense.TRAINER.operators([[network] for network in together], "x", "y")
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 6])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = events(400, 9).x
    (found,) = session.run(None, {"x": x})
    for column, network in enumerate(together):
        assert found[:, column] == pytest.approx(dense.TRAINER.predict([network], x), abs=1e-6)


def test_finished_ones_are_told(together, told):
    assert told == [(3, 6), (6, 6)]


def test_what_cannot_be_trained_is_named(samples):
    def refused(error, words, **changed):
        sample = samples[1]._replace(fit=samples[1].fit._replace(**changed))
        with pytest.raises(error, match=words):
            fit_many(dense.TRAINER, [samples[0], sample], FEATURES, CHANGES, patience=2)

    fit = samples[1].fit
    refused(ModelError, "labels of mass 1 must be 0 and 1, and both", label=np.ones_like(fit.label))
    refused(ModelError, "labels of mass 1 must be 0 and 1", label=np.where(fit.label == 1, np.nan, 0))
    refused(ModelError, "weights of mass 1 must be finite", weight=-fit.weight)
    constant = np.where([[False, True, False]], 7, fit.x).astype(np.float32)
    refused(
        TableError, r"'b' has the value 7 in all events that mass 1 is fitted to.*--features a,c", x=constant
    )
    with pytest.raises(ModelError, match="at_once is 0"):
        fit_many(dense.TRAINER, samples[:1], FEATURES, CHANGES, patience=2, at_once=0)
    assert fit_many(dense.TRAINER, [], FEATURES, CHANGES, patience=2) == []
    wild = {**CHANGES, "optimizer": "sgd", "learning_rate": 1e30, "epochs": 2}
    with pytest.raises(ModelError, match=r"The training of mass 0 diverged in epoch \d"):
        fit_many(dense.TRAINER, samples[:1], FEATURES, wild, patience=2)

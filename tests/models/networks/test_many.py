"""Many small networks: each as it would come out alone, to the last bit, in however many processes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from massgap.contracts.errors import TableError
from massgap.models.errors import ModelError
from massgap.models.networks import dense
from massgap.models.networks.many import Sample, fit_many
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


def same(one, other) -> None:
    """To the last bit."""
    assert (one.seed, one.best_epoch, one.n_epochs) == (other.seed, other.best_epoch, other.n_epochs)
    assert one.curves == other.curves
    for mine, others in zip([*one.parameters, *one.state], [*other.parameters, *other.state], strict=True):
        assert mine.keys() == others.keys()
        for name, array in mine.items():
            assert np.array_equal(array, others[name])


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Two sizes, in turn."""
    return [Sample(f"mass {k}", events(300 if k % 2 else 450, k), events(200, 50 + k)) for k in range(6)]


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def together(samples, told):
    def see(*now):
        told.append(now)

    return fit_many(dense.TRAINER, samples, FEATURES, CHANGES, patience=2, seed=3, see=see)


def test_each_is_what_it_would_be_alone(samples, together):
    settings = dense.TRAINER.checked_hyperparameters(CHANGES)
    stopped = []
    for number, (sample, network) in enumerate(zip(samples, together, strict=True)):
        one = dense.TRAINER.prepared(sample.fit, sample.stop, settings, FEATURES, (3 + number, 0), "")
        alone = optimise(
            dense.forward, settings, one.initial, one.fit, one.stop, patience=2, seed=(3 + number, 0)
        )
        same(network, dense.TRAINER.network(3 + number, one.scaling, settings, alone))
        stopped.append(network.n_epochs)
    assert len(set(stopped)) > 1
    # They differ from each other.
    scores = [dense.TRAINER.predict([network], samples[0].stop.x) for network in together]
    assert all(np.abs(scores[0] - other).max() > 0.02 for other in scores[1:])


def test_processes_share_them_and_no_bit_depends_on_it(samples, together):
    told = []

    def see(*now):
        told.append(now)

    found = fit_many(dense.TRAINER, samples[:2], FEATURES, CHANGES, patience=2, seed=3, workers=2, see=see)
    for one, other in zip(found, together, strict=False):
        same(one, other)
    assert told == [(1, 2), (2, 2)]


def test_no_bit_depends_on_who_imports_jax_first():
    """The processes import it with one thread; a notebook may have imported it before massgap."""
    program = "import jax, pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    again = [
        f"{__file__}::test_processes_share_them_and_no_bit_depends_on_it",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    plain = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    command = [sys.executable, "-c", program, *again]
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_batch_norm_has_its_running_statistics_network_by_network(samples):
    changes = {**CHANGES, "norm": "batch", "dropout": 0.0}
    found = fit_many(dense.TRAINER, samples[:3], FEATURES, changes, patience=1, seed=3)
    for number, sample in enumerate(samples[:3]):
        (alone,) = fit_many(dense.TRAINER, [sample], FEATURES, changes, patience=1, seed=3 + number)
        same(found[number], alone)
    means = [network.state[0]["mean"] for network in found]
    assert all(np.abs(means[0] - other).max() > 0.01 for other in means[1:])


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
    assert told == [(number, 6) for number in range(1, 7)]


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
    with pytest.raises(ModelError, match="workers is 0"):
        fit_many(dense.TRAINER, samples[:1], FEATURES, CHANGES, patience=2, workers=0)
    assert fit_many(dense.TRAINER, [], FEATURES, CHANGES, patience=2) == []
    wild = {**CHANGES, "optimizer": "sgd", "learning_rate": 1e30, "epochs": 2}
    with pytest.raises(ModelError, match=r"The training of mass 0 diverged in epoch \d"):
        fit_many(dense.TRAINER, samples[:1], FEATURES, wild, patience=2)

"""Training of many small networks, and of TabNets against pytorch-tabnet, one thread."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Measurement, Row, paired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

GROUP = "Training"
WANTED, EPOCHS, CORES = 588, 30, 2
"""Networks of the scan of an analysis, their epochs, and cores that each train their part of them."""
HIDDEN = (50, 50, 50)
SEEDS = 5
MANY = f"{WANTED} networks 3-50-50-50-1, 200,000 events, {EPOCHS} epochs, {CORES} cores, norm {{}}"


def many(effort: Effort) -> Iterator[Row]:
    """Yield the lines about networks 3-50-50-50-1: extrapolated, or with ``--full`` all of them."""
    from massgap.models.networks import dense
    from massgap.models.networks.many import fit_many

    if os.environ.get("MASSGAP_BENCH_FULL") and effort is Effort.WHOLE:
        yield from _all_of_them()
        return
    n, networks, epochs = effort.of((200_000, 24, EPOCHS), (20_000, 8, 5), (2_048, 2, 1))
    for norm in ("none", "batch"):
        samples = _samples(n, networks)
        settings = {"hidden": list(HIDDEN), "norm": norm, "epochs": epochs}
        start = time.process_time()
        fit_many(dense.TRAINER, samples, ["a", "b", "c"], {**settings, "epochs": 1}, patience=1)
        first = time.process_time() - start
        trained = fit_many(dense.TRAINER, samples, ["a", "b", "c"], settings, patience=epochs)
        seconds = time.process_time() - start - first
        done = sum(network.n_epochs for network in trained)
        # A process compiles once, however many networks it trains.
        compiling = max(first - seconds / epochs, 0.0)
        minutes = (seconds / networks * (EPOCHS * 200_000) / (epochs * n) * WANTED / CORES + compiling) / 60
        yield Row(
            GROUP,
            MANY.format(norm),
            Measurement(minutes, minutes, minutes, 1, seconds),
            unit="min",
            goal=25.0,
            at_least=False,
            detail=f"extrapolated from {networks} networks on {n:,} events, {epochs} epochs each, in {seconds:.0f} CPU seconds of one "
            f"thread, {n // 10:,} stopping events included, and {compiling:.0f} s of compilation once per process ({seconds / done / n * 1e9:.0f} ns per event and "
            f"epoch), as if {CORES} processes shared them evenly",
        )


def _all_of_them() -> Iterator[Row]:
    """Minutes by the clock, of a machine that has nothing else to do."""
    from massgap.models.networks import dense
    from massgap.models.networks.many import fit_many

    samples = _samples(200_000, WANTED)
    for norm in ("none", "batch"):
        settings = {"hidden": list(HIDDEN), "norm": norm, "epochs": EPOCHS}
        start, before = time.monotonic(), os.times()
        trained = fit_many(dense.TRAINER, samples, ["a", "b", "c"], settings, patience=EPOCHS, workers=CORES)
        minutes, after = (time.monotonic() - start) / 60, os.times()
        # Of this process and of those that have ended.
        seconds = sum(after[:4]) - sum(before[:4])
        epochs = sum(network.n_epochs for network in trained)
        yield Row(
            GROUP,
            MANY.format(norm),
            Measurement(minutes, minutes, minutes, 1, seconds),
            unit="min",
            goal=25.0,
            at_least=False,
            detail=f"by the clock, {CORES} processes; {epochs:,} epochs of 200,000 events, 20,000 stopping events, {seconds:,.0f} CPU "
            f"seconds ({seconds / epochs / 200_000 * 1e9:.0f} ns per event and epoch)",
        )


def _samples(n: int, networks: int) -> list[Any]:
    """As many events again for each network, a tenth of them to stop by; the classes move a little from one to the next."""
    from massgap.models.networks.many import Sample
    from massgap.models.networks.optimisation import Events

    random = np.random.default_rng(3)
    samples = []
    for number in range(networks):
        x = random.normal(size=(n + n // 10, 3)).astype(np.float32)
        label = ((x**2).sum(axis=1) > 2 + number / networks).astype(np.float32)
        events = [Events(x[a], label[a], np.ones(len(x[a]), np.float32)) for a in (slice(n), slice(n, None))]
        samples.append(Sample(f"network {number}", *events))
    return samples


def tabnet(effort: Effort) -> Iterator[Row | str]:
    """Yield lines about the time of a TabNet, and about its loss, against pytorch-tabnet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = importlib.import_module("pytorch_tabnet.tab_model").TabNetClassifier
            importlib.import_module("torch").set_num_threads(1)
    except ImportError:
        yield "an epoch of a TabNet against pytorch-tabnet: not installed (there is no module for them)"
        yield "loss of a TabNet against pytorch-tabnet: not installed (there is no module for them)"
        return
    n, epochs, seeds = effort.of((32_768, 12, SEEDS), (16_384, 3, 2), (4_096, 1, 2))
    x, label, _ = _events(n, 1)
    unseen, of_unseen, probability = _events(n // 2, 2)
    optimum = _loss(probability, of_unseen)
    ours, theirs, times = [], [], []
    for seed in range(seeds):
        loss, seconds = _own_tabnet(x, label, unseen, of_unseen, seed, epochs)
        ours.append(loss)
        other, others = _their_tabnet(model, x, label, unseen, of_unseen, seed, epochs)
        theirs.append(other)
        times.append((seconds, others))
    measured = paired(times)
    yield Row(
        GROUP,
        "an epoch of a TabNet against pytorch-tabnet",
        measured,
        goal=2.5,
        detail=f"10 inputs, {n:,} events, batches of 2,048 in ghost batches of 128, evaluation included; "
        f"{measured.ours / n * 1e9:,.0f} and {measured.theirs / n * 1e9:,.0f} ns per event and epoch; one thread",
    )
    spread = float(np.std([*ours, *theirs], ddof=1))
    distance = float(abs(np.mean(ours) - np.mean(theirs)))
    yield Row(
        GROUP,
        "loss of a TabNet against pytorch-tabnet, in spreads of seeds",
        Measurement(distance / spread, distance / spread, distance / spread, seeds, float("nan")),
        unit="",
        goal=1.0,
        at_least=False,
        detail=f"log loss of unseen events at the best of {epochs} epochs, {seeds} seeds: {_listed(ours)} against {_listed(theirs)}; the "
        f"best that there is {optimum:.4f}",
    )


def _events(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Events of a known probability: features, labels, the probability."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 10)).astype(np.float32)
    probability = 1 / (1 + np.exp(-(1.5 * x[:, 0] + x[:, 1] ** 2 - 1 + x[:, 2] * x[:, 3])))
    return x, (random.random(n) < probability).astype(np.float32), probability


def _loss(probability: NDArray[Any], label: NDArray[Any]) -> float:
    p = np.clip(np.asarray(probability, np.float64), 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(label > 0.5, np.log(p), np.log1p(-p))))


def _own_tabnet(
    x: Any, label: Any, unseen: Any, of_unseen: Any, seed: int, epochs: int
) -> tuple[float, float]:
    """Lowest loss of the unseen events, and CPU seconds of an epoch that compiles nothing."""
    from massgap.models.networks import tabnet as own
    from massgap.models.networks.optimisation import Events, optimise

    settings = own.TRAINER.checked_hyperparameters({"batch_size": 2048, "epochs": epochs})
    ends = [time.process_time()]
    found = optimise(
        own.forward,
        settings,
        own.initial(settings, x.shape[1], np.random.default_rng(seed)),
        Events(x, label, np.ones(len(x), np.float32)),
        Events(unseen, of_unseen, np.ones(len(unseen), np.float32)),
        patience=epochs,
        seed=(seed,),
        multiple=128,
        see=lambda *_: ends.append(time.process_time()),
    )
    return min(found.curves["valid"]), float(min(np.diff(ends)))


def _their_tabnet(
    model: Any, x: Any, label: Any, unseen: Any, of_unseen: Any, seed: int, epochs: int
) -> tuple[float, float]:
    # It prints how it stopped whatever it is told.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        network = model(seed=seed, verbose=0, device_name="cpu")
        start = time.process_time()
        network.fit(
            x, label.astype(int), eval_set=[(unseen, of_unseen.astype(int))], eval_metric=["logloss"],
            max_epochs=epochs, patience=epochs + 1, batch_size=2048, virtual_batch_size=128, drop_last=True,
        )  # fmt: skip
        seconds = (time.process_time() - start) / epochs
        return _loss(network.predict_proba(unseen)[:, 1], of_unseen), seconds


def _listed(losses: list[float]) -> str:
    return ", ".join(f"{loss:.4f}" for loss in losses)

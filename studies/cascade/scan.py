"""The scan of variables and spectra: networks of each set for both spin models, orderings, and masses from the discovery cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.selections.cascade.spectrum import (
    TESTING_SPECTRUM,
    TRUTH_SPECTRUM,
    falling_spectrum,
    shifted_spectrum,
)
from massgap.studies.cascade.discovery import EPS_B, cut_at, ratio_pulls
from massgap.studies.cascade.ensembles.spin import spin_study
from massgap.studies.cascade.ensembles.stages import Beyond, beyond, lines_of
from massgap.studies.cascade.networks import cross_fitted
from massgap.studies.cascade.ordering import Sides, Training, guided_search, orderings
from massgap.studies.cascade.samples import (
    LUMINOSITY,
    MODELS,
    PAPER_BACKGROUND_FB,
    PAPER_PROCESSES,
    Backgrounds,
    Events,
    background_events,
    observables,
    signal_events,
)
from massgap.studies.cascade.variables import TRIPLETS, columns_of, variable_sets
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from massgap.studies.cascade.networks import Scored

__all__ = ["FORMAT", "RATIOS", "Direction", "scan", "summary"]

FORMAT = "massgap-scan/1"
RATIOS = (1.0, 0.1, 0.01)
"""S/B before the discovery cut."""
ESTIMATED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""S/B of figure 9."""
ITERATIONS = 50
"""Of the scan, each with other events of the benchmark (section IV.B)."""
PURIFYING = ("met", "delta4", "m_mumugamma")
"""The triplet that the paper purifies by."""
PURIFYING_NAME = ",".join(PURIFYING)
_SHOWN = 5
DIRECTIONS = ("alpha", "beta", "gamma", "delta")


class Direction(NamedTuple):
    """A line of spectra through the testing spectrum: name of the parameter of eq. (4.6), and its values in GeV."""

    name: str
    values: tuple[float, ...]

    @classmethod
    def of_text(cls, text: str) -> Direction:
        """``alpha=-20:20:5``, from, to and step in GeV.

        Raises
        ------
        StudyError
            If it is not of this form.

        Examples
        --------
        >>> Direction.of_text("alpha=-10:10:10").values
        (-10.0, 0.0, 10.0)
        """
        name, _, numbers = text.partition("=")
        try:
            low, high, step = (float(part) for part in numbers.split(":"))
            n = round((high - low) / step)
        except (ValueError, ZeroDivisionError, OverflowError):
            n = 0
        if name not in DIRECTIONS or not 1 <= n <= 1000:
            msg = f"{text!r} is no line of spectra: write --line alpha=-20:20:5 with one of {', '.join(DIRECTIONS)}"
            raise StudyError(msg)
        return cls(name, tuple(low + step * k for k in range(n + 1)))


def scan(
    out: Path,
    background: str | Path,
    *,
    variables: str = "momenta",
    models: Sequence[str] = MODELS,
    lines: Sequence[Direction] = (),
    triplets: bool = False,
    ensembles: int = 0,
    further: Beyond | None = None,
    processes: Sequence[str] = PAPER_PROCESSES,
    events: int = 20_000,
    training: Training | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train networks of sets of variables at the testing spectrum, and along lines through it; all results go into ``scan.json``.

    Parameters
    ----------
    out
        Folder for the results.
    background
        A run of the analysis over backgrounds, with feature tables.
    variables
        Sets as :func:`massgap.studies.cascade.variables.variable_sets` reads them.  The momenta are always there: orderings refer to
        their network.
    models
        Spin models.
    lines
        Lines of spectra along which each set is trained again, one network a point.
    triplets
        Also the triplets of Table III, and the search that orderings guide.
    ensembles
        So many ensembles of each model and S/B tell how well spins are determined, behind the discovery cut of the network of
        :data:`PURIFYING`; 0 for none.
    further
        Also a network with the spectrum as input, the likelihood of all four parameters and the mass scale, of so much; None for none.
    processes
        Of the background; by default those that the paper's 2.88 fb can hold.
    events
        Selected signal events per network.
    training
        Sizes and epochs of the networks.
    announce
        Called with a line of text when something begins.

    Returns
    -------
    dict
        What is in the file.

    Raises
    ------
    massgap.errors.MassgapError
        If a set, model or line is unknown, masses do not fall, or there are too few events.
    """
    from massgap.contracts.writing import prepare_folder, write_json

    training = training or Training()
    sets = {"momenta": ("momenta",), **variable_sets(variables)}
    if further is not None:
        sets.setdefault(PURIFYING_NAME, PURIFYING)
    every_background = background_events(background)
    other = every_background.of(processes)
    folder = prepare_folder(out)
    result = {**_about(every_background, other, events), "training": training._asdict(), "models": {}}
    for model in models:
        signal = signal_events(model, TESTING_SPECTRUM, events, seed=training.seed)
        sides = _sides(signal, other, TESTING_SPECTRUM)
        every = {**sets, **({",".join(names): names for names in TRIPLETS[model]} if triplets else {})}
        scored = {}
        for name, names in every.items():
            announce(f"{model}: network of {name}")
            scored[name] = sides.fitted(names, training)
        found: dict[str, Any] = {
            "networks": {name: _told(one, other.weight) for name, one in scored.items()},
            "orderings": {
                name: list(value) for name, value in orderings(sides, scored["momenta"], most=events).items()
            },
            "lines": {},
        }
        if triplets:
            announce(f"{model}: search guided by orderings")
            found["search"] = guided_search(sides, scored["momenta"], training, most=events)._asdict()
        for line in lines:
            for name, names in sets.items():
                announce(f"{model}: {len(line.values)} spectra along {line.name}, networks of {name}")
                found["lines"].setdefault(line.name, {})[name] = _along(
                    line, model, names, other, events, training
                )
        if PURIFYING_NAME in scored:
            benchmark = signal_events(model, TRUTH_SPECTRUM, events, seed=training.seed + 1)
            found["purified"] = _purified(
                scored[PURIFYING_NAME], other, every_background, processes, benchmark
            )
            if further is not None:
                along = {
                    name: sets[PURIFYING_NAME]
                    for name, sets in found["lines"].items()
                    if PURIFYING_NAME in sets
                }
                found |= beyond(
                    model, scored[PURIFYING_NAME], PURIFYING, other, along, training, further, announce
                )
        result["models"][model] = found
    if ensembles:
        announce("spins from ensembles")
        try:
            result["spin"] = _spin(other, events, training, ensembles)
        except StudyError as error:
            result["spin_missing"] = str(error)
    result |= {"summary": summary(result), "complete": True}
    write_json(folder / "scan.json", result)
    return result


def _about(every: Backgrounds, other: Events, events: int) -> dict[str, Any]:
    """What a scan says of itself first."""
    return {
        "format": FORMAT,
        "spectrum": list(TESTING_SPECTRUM),
        "eps_b": EPS_B,
        "events": {"signal": events, "background": len(other)},
        "background_fb": {"here": float(other.weight.sum()), "paper": PAPER_BACKGROUND_FB},
        "background_effective": float(other.weight.sum() ** 2 / (other.weight**2).sum()),
        "processes": every.shares(),
    }


def _spin(other: Events, events: int, training: Training, ensembles: int) -> dict[str, Any]:
    """Spins behind the discovery cut of one network, that of the testing spectrum and fermions."""
    signal = signal_events("fDM", TESTING_SPECTRUM, events, seed=training.seed)
    scored = _sides(signal, other, TESTING_SPECTRUM).fitted(PURIFYING, training)
    cut = cut_at(scored.first, scored.second, other.weight)
    columns = columns_of(PURIFYING)

    def passes(sample: Events) -> NDArray[np.bool_]:
        x = observables(sample, TESTING_SPECTRUM)
        return scored.logits(np.stack([x[name] for name in columns], axis=1)) > cut.threshold

    beside = other.take(scored.second > cut.threshold)
    return spin_study(
        beside,
        passes,
        events=2 * events,
        epochs=training.epochs,
        patience=training.patience,
        ensembles=ensembles,
        seed=training.seed,
    )


def summary(result: Mapping[str, Any]) -> list[str]:
    """Lines that tell what a scan has found."""
    sizes = result["events"]
    fb = result["background_fb"]
    lines = [
        f"{sizes['signal']:,} signal and {sizes['background']:,} background events, {fb['here']:.3g} fb (the paper's: {fb['paper']:g} fb)"
    ]
    for model, found in result["models"].items():
        for name, told in found["networks"].items():
            line = f"{model}  AUC {told['auc'][0]:.4f} +- {told['auc'][1]:.4f}  {name}"
            if "cut" in told:
                cut = told["cut"]
                line += (
                    f"; eps_S = {cut['eps_s']:.3f} +- {cut['eps_s_error']:.3f} at eps_B = {result['eps_b']:g}"
                )
            lines.append(line)
        ranked = ", ".join(
            f"{name} {value:.3f}" for name, (value, _) in list(found["orderings"].items())[:_SHOWN]
        )
        lines.append(f"{model}  decision ordering with the network of the momenta: {ranked}")
        if "search" in found:
            steps = zip(found["search"]["names"], found["search"]["aucs"], strict=True)
            lines.append(f"{model}  guided search: {', '.join(f'{name} (AUC {a:.4f})' for name, a in steps)}")
        for line_name, sets in found["lines"].items():
            for name, along in sets.items():
                best = ", ".join(
                    f"{b['mean']:.1f} +- {b['spread']:.1f} GeV at S/B = {ratio}"
                    for ratio, b in along["best"].items()
                )
                lines.append(f"{model}  {line_name} by {name}: {best}")
        lines += lines_of(model, found)
    if "spin_missing" in result:
        lines.append(f"spin: {result['spin_missing']}")
    for name, told in result.get("spin", {}).get("networks", {}).items():
        rates = ", ".join(f"{row['accuracy']:.4f} at S/B = {row['ratio']:g}" for row in told["accuracies"])
        lines.append(f"spin by {name}: AUC {told['auc'][0]:.4f} +- {told['auc'][1]:.4f}; accuracy {rates}")
    return lines


def _sides(signal: Events, other: Events, spectrum: Sequence[float]) -> Sides:
    return Sides(observables(signal, spectrum), observables(other, spectrum), signal.weight, other.weight)


def _told(scored: Scored, weight: NDArray[np.float64]) -> dict[str, Any]:
    """AUC, discovery cut and (S/B)_est of a network."""
    told: dict[str, Any] = {"auc": [scored.auc, scored.auc_error]}
    try:
        cut = cut_at(scored.first, scored.second, weight)
        told["cut"] = {**cut._asdict(), "gain": cut.gain}
        expected = PAPER_BACKGROUND_FB * LUMINOSITY
        told["ratio"] = {f"{ratio:g}": ratio_pulls(cut, ratio, expected)._asdict() for ratio in RATIOS}
    except StudyError as error:
        told["cut_missing"] = str(error)
    return told


def _purified(
    scored: Scored, other: Events, every: Backgrounds, processes: Sequence[str], benchmark: Events
) -> dict[str, Any]:
    """What the discovery cut leaves of each process and of the benchmark, and (S/B)_est of the latter (fig. 9)."""
    try:
        cut = cut_at(scored.first, scored.second, other.weight)
    except StudyError as error:
        return {"missing": str(error)}
    columns = columns_of(PURIFYING)

    def logits(sample: Events) -> NDArray[np.float64]:
        x = observables(sample, TESTING_SPECTRUM)
        return scored.logits(np.stack([x[name] for name in columns], axis=1))

    def left(name: str) -> tuple[float, float]:
        inside = every.rows(processes)
        if name in processes:
            chosen = every.process[inside] == every.names.index(name)
            weight = other.weight[chosen & (scored.second > cut.threshold)]
        else:
            sample = every.of([name])
            weight = sample.weight[logits(sample) > cut.threshold]
        return float(weight.sum()), float(np.sqrt((weight**2).sum()))

    of_truth = float(benchmark.weight[logits(benchmark) > cut.threshold].sum() / benchmark.weight.sum())
    expected = PAPER_BACKGROUND_FB * LUMINOSITY
    return {
        "left_fb": {name: list(left(name)) for name in every.names},
        "eps_s_benchmark": of_truth,
        "ratio": {
            f"{ratio:g}": {
                "same": ratio_pulls(cut, ratio, expected)._asdict(),
                "benchmark": ratio_pulls(cut, ratio, expected, eps_s=of_truth)._asdict(),
            }
            for ratio in ESTIMATED
        },
    }


def _along(
    line: Direction,
    model: str,
    names: tuple[str, ...],
    other: Events,
    events: int,
    training: Training,
) -> dict[str, Any]:
    """A network per spectrum of a line, and which of them has the largest gain for the benchmark, 50 times."""
    spectra = [
        falling_spectrum(shifted_spectrum(**{line.name: value}, start=TESTING_SPECTRUM))
        for value in line.values
    ]
    benchmark = signal_events(model, TRUTH_SPECTRUM, events, seed=training.seed + 1)
    columns = columns_of(names)
    tasks = {}
    for value, spectrum in zip(line.values, spectra, strict=True):
        signal = signal_events(model, spectrum, events, seed=training.seed)
        x = observables(benchmark, spectrum)
        tasks[f"{line.name} = {value:g}"] = (
            _sides(signal, other, spectrum)
            .task(names)
            ._replace(also=np.stack([x[name] for name in columns], axis=1))
        )
    fitted = cross_fitted(
        tasks,
        columns,
        training.hidden(names),
        epochs=training.epochs,
        patience=training.patience,
        seed=training.seed,
    )
    passed, thresholds = [], []
    for one in fitted.values():
        cut = cut_at(one.first, one.second, other.weight)
        thresholds.append(cut.threshold)
        passed.append((one.also > cut.threshold, one.second > cut.threshold))
    shares = [float(signal.mean()) for signal, _ in passed]
    best = {
        f"{ratio:g}": _winners(line.values, passed, other.weight, ratio, training.seed) for ratio in RATIOS
    }
    return {"values": list(line.values), "eps_s": shares, "best": best}


def _winners(
    values: tuple[float, ...],
    passed: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    weight: NDArray[np.float64],
    ratio: float,
    seed: int,
) -> dict[str, float]:
    """Mean and standard deviation of the value whose network lets most of the benchmark pass, over iterations."""
    rng = np.random.default_rng([seed, round(1e6 * ratio)])
    expected = PAPER_BACKGROUND_FB * LUMINOSITY
    signal = np.stack([one for one, _ in passed]).astype(np.float64)
    other = np.stack([two for _, two in passed]).astype(np.float64)
    winners = []
    for _ in range(ITERATIONS):
        drawn = rng.poisson(ratio * expected / signal.shape[1], signal.shape[1])
        beside = rng.poisson(expected * weight / weight.sum())
        winners.append(values[int(np.argmax(signal @ drawn + other @ beside))])
    return {"mean": float(np.mean(winners)), "spread": float(np.std(winners, ddof=1))}

"""The scan of variables and spectra: networks of each set for both spin models, orderings, and masses from the discovery cut."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, TRUTH_SPECTRUM
from massgap.studies.cascade.discovery import EPS_B, at_threshold, cut_at, ratio_pulls
from massgap.studies.cascade.ensembles.lines import RATIOS, Direction, along, require_different
from massgap.studies.cascade.ensembles.spin import spin_study
from massgap.studies.cascade.ensembles.stages import Beyond, beyond, lines_of
from massgap.studies.cascade.networks import area
from massgap.studies.cascade.ordering import Sides, Training, guided_search, orderings
from massgap.studies.cascade.samples import (
    LUMINOSITY,
    MODELS,
    PAPER_BACKGROUND_FB,
    PAPER_PROCESSES,
    Backgrounds,
    Events,
    background_events,
    checked_models,
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
ESTIMATED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""S/B of figure 9."""
PURIFYING = ("met", "delta4", "m_mumugamma")
"""The triplet that the paper purifies by."""
PURIFYING_NAME = ",".join(PURIFYING)
_SHOWN = 5


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
    along_events: int = 20_000,
    training: Training | None = None,
    announce: Callable[[str], None] = lambda _: None,
    part: Callable[[str, Callable[[], Any]], Any],
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
        Selected signal events per network at the testing spectrum.
    along_events
        As many, or fewer if ``events`` is less, of each spectrum of a line, with at most three times as many of the background, in half of
        the epochs: there are hundreds of them.
    training
        Sizes and epochs of the networks.
    announce
        Called with a line of text when something begins.
    part
        Called with a name and what makes the part of that name: made now, or kept from a call that was interrupted. Networks of sets
        of variables at the testing spectrum are none, for what follows needs them.

    Returns
    -------
    dict
        What is in the file.

    Raises
    ------
    massgap.errors.MassgapError
        If a set, model or line is unknown, masses do not fall, a parameter has two lines, or there are too few events.
    """
    from massgap.contracts.writing import prepare_folder, write_json

    models = _checked(models, lines)
    begun, training = _announced(announce, part), training or Training()
    sets = {"momenta": ("momenta",), **variable_sets(variables)}
    if further is not None:
        sets.setdefault(PURIFYING_NAME, PURIFYING)
    every_background = background_events(background)
    other = every_background.of(processes)
    folder = prepare_folder(out)
    beside = other.take(np.arange(min(len(other), 3 * min(along_events, events))))
    half = training._replace(epochs=-(-training.epochs // 2))
    result = {**_about(every_background, other, events), "training": training._asdict(), "models": {}}
    purifiers: dict[str, Scored] = {}
    for model in models:
        signal = signal_events(model, TESTING_SPECTRUM, events, seed=training.seed)
        benchmark = signal_events(model, TRUTH_SPECTRUM, events, seed=training.seed + 1)
        sides = Sides.of(signal, other, TESTING_SPECTRUM)
        every = {**sets, **({",".join(names): names for names in TRIPLETS[model]} if triplets else {})}
        scored: dict[str, Scored] = {}
        for name, names in every.items():
            announce(f"{model}: network of {name}")
            scored[name] = sides.fitted(names, training)
        found: dict[str, Any] = {
            "networks": _all_told(scored, every, other, benchmark),
            "orderings": {name: list(value) for name, value in orderings(sides, scored["momenta"]).items()},
            "lines": {},
        }
        if triplets:
            search = partial(_searched, sides, scored["momenta"], training)
            found["search"] = begun(f"{model}: search guided by orderings", search)
        for line in lines:
            for name, names in sets.items():
                what = f"{model}: {len(line.values)} spectra along {line.name}, networks of {name}"
                told = partial(along, line, model, names, beside, min(along_events, events), half)
                found["lines"].setdefault(line.name, {})[name] = begun(what, told)
        if PURIFYING_NAME in scored:
            purifiers[model] = scored[PURIFYING_NAME]
            found["purified"] = _purified(
                scored[PURIFYING_NAME], other, every_background, processes, benchmark
            )
            if further is not None:
                found |= beyond(
                    model,
                    scored[PURIFYING_NAME],
                    PURIFYING,
                    other,
                    _separate(found["lines"]),
                    training,
                    further,
                    announce,
                    part,
                )
        result["models"][model] = found
    if ensembles:
        spins = partial(_spin, other, events, training, ensembles, purifiers.get("fDM"))
        result |= begun("spins from ensembles", spins)
    result |= {"summary": summary(result), "complete": True}
    write_json(folder / "scan.json", result)
    return result


def _checked(models: Sequence[str], lines: Sequence[Direction]) -> tuple[str, ...]:
    """The spin models, each once; what cannot be is refused before anything is trained."""
    require_different(lines)
    return checked_models(models)


def _announced(
    announce: Callable[[str], None], part: Callable[[str, Callable[[], Any]], Any]
) -> Callable[[str, Callable[[], Any]], Any]:
    """Makes parts, and says which."""

    def begun(what: str, make: Callable[[], Any]) -> Any:
        announce(what)
        return part(what, make)

    return begun


def _searched(sides: Sides, momenta: Scored, training: Training) -> dict[str, Any]:
    return guided_search(sides, momenta, training)._asdict()


def _separate(lines: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Line -> what networks of the purifying triplet have found along it."""
    return {name: along_it[PURIFYING_NAME] for name, along_it in lines.items() if PURIFYING_NAME in along_it}


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


def _spin(
    other: Events, events: int, training: Training, ensembles: int, purifier: Scored | None
) -> dict[str, Any]:
    """What is found of spins, or why nothing is: too few events for it are no reason to lose the rest."""
    try:
        return {"spin": _spins(other, events, training, ensembles, purifier)}
    except StudyError as error:
        return {"spin_missing": str(error)}


def _spins(
    other: Events, events: int, training: Training, ensembles: int, purifier: Scored | None
) -> dict[str, Any]:
    """Spins behind the discovery cut of one network, that of the testing spectrum and fermions: trained here if it was not yet."""
    scored = purifier
    if scored is None:
        signal = signal_events("fDM", TESTING_SPECTRUM, events, seed=training.seed)
        scored = Sides.of(signal, other, TESTING_SPECTRUM).fitted(PURIFYING, training)
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
            for name, told in sets.items():
                best = ", ".join(
                    f"{b['mean']:.1f} +- {b['spread']:.1f} GeV at S/B = {ratio}"
                    for ratio, b in told["best"].items()
                )
                lines.append(f"{model}  {line_name} by {name}: {best}")
        lines += lines_of(model, found)
    if "spin_missing" in result:
        lines.append(f"spin: {result['spin_missing']}")
    for name, told in result.get("spin", {}).get("networks", {}).items():
        rates = ", ".join(f"{row['accuracy']:.4f} at S/B = {row['ratio']:g}" for row in told["accuracies"])
        lines.append(f"spin by {name}: AUC {told['auc'][0]:.4f} +- {told['auc'][1]:.4f}; accuracy {rates}")
    return lines


def _logits(
    scored: Scored, names: Sequence[str], seen: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Logits of a network of these variables for events of which these observables are known."""
    return scored.logits(np.stack([seen[name] for name in columns_of(tuple(names))], axis=1))


def _all_told(
    scored: Mapping[str, Scored], every: Mapping[str, Sequence[str]], other: Events, benchmark: Events
) -> dict[str, Any]:
    """Name -> what a network of these variables has found."""
    seen = observables(benchmark, TESTING_SPECTRUM)
    return {
        name: _told(one, other.weight, _logits(one, every[name], seen), benchmark.weight)
        for name, one in scored.items()
    }


def _told(
    scored: Scored,
    weight: NDArray[np.float64],
    logits: NDArray[np.float64],
    of_benchmark: NDArray[np.float64],
) -> dict[str, Any]:
    """AUC, discovery cut and (S/B)_est of a network; and the first two with the benchmark, which it was not trained for, as the signal."""
    told: dict[str, Any] = {
        "auc": [scored.auc, scored.auc_error],
        "benchmark": {"auc": list(area(logits, scored.second, of_benchmark, weight))},
    }
    try:
        cut = cut_at(scored.first, scored.second, weight)
        told["cut"] = {**cut._asdict(), "gain": cut.gain}
        share = at_threshold(logits, of_benchmark, cut.threshold)
        # moving the threshold by its error does to the benchmark what it does to the signal
        moved = cut.eps_s_error**2 - cut.eps_s * (1.0 - cut.eps_s) / max(len(scored.first), 1)
        error = float(np.sqrt(share * (1.0 - share) / max(len(logits), 1) + max(moved, 0.0)))
        told["benchmark"] |= {"eps_s": [share, error]}
        expected = PAPER_BACKGROUND_FB * LUMINOSITY
        told["ratio"] = {f"{ratio:g}": ratio_pulls(cut, ratio, expected)._asdict() for ratio in RATIOS}
    except StudyError as error_of_cut:
        told["cut_missing"] = str(error_of_cut)
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

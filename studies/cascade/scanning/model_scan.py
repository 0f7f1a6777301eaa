"""One spin model of the scan: networks of each set of variables, orderings, spectra along lines, and what the discovery cut is needed for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, TRUTH_SPECTRUM
from massgap.studies.cascade.discovery import at_threshold, cut_at, ratio_pulls
from massgap.studies.cascade.ensembles.lines import RATIOS, Direction, along
from massgap.studies.cascade.ensembles.stages import Beyond, beyond
from massgap.studies.cascade.networks import area
from massgap.studies.cascade.ordering import Sides, Training, guided_search, orderings
from massgap.studies.cascade.samples import (
    LUMINOSITY,
    PAPER_BACKGROUND_FB,
    Backgrounds,
    Events,
    observables,
    signal_events,
)
from massgap.studies.cascade.variables import TRIPLETS, columns_of
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from massgap.studies.cascade.networks import Scored

__all__ = ["ESTIMATED", "PURIFYING", "PURIFYING_NAME", "ModelScan", "announced"]

ESTIMATED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""S/B of figure 9."""
PURIFYING = ("met", "delta4", "m_mumugamma")
"""The triplet that the paper purifies by."""
PURIFYING_NAME = ",".join(PURIFYING)


@dataclass(frozen=True)
class ModelScan:
    """What is scanned for one spin model, apart from the others: called with its name, it returns what is found and the purifying network, None if
    there is none.

    Attributes
    ----------
    background, processes
        All backgrounds, and those that networks are trained against.
    sets
        Name -> variables of a network at the testing spectrum and along the lines.
    lines, triplets, further, events, along_events, training, part
        As :func:`massgap.studies.cascade.scanning.scan.scan` has them.
    """

    background: Backgrounds
    processes: tuple[str, ...]
    sets: Mapping[str, tuple[str, ...]]
    lines: tuple[Direction, ...]
    triplets: bool
    further: Beyond | None
    events: int
    along_events: int
    training: Training
    part: Callable[[str, Callable[[], Any]], Any]

    def __call__(self, model: str, announce: Callable[[str], None]) -> tuple[dict[str, Any], Scored | None]:
        """Scan it; ``announce`` is called with a line of text when something begins."""
        begun, training, lines = announced(announce, self.part), self.training, self.lines
        other = self.background.of(self.processes)
        beside = other.take(np.arange(min(len(other), 3 * min(self.along_events, self.events))))
        half = training._replace(epochs=-(-training.epochs // 2))
        signal = signal_events(model, TESTING_SPECTRUM, self.events, seed=training.seed)
        benchmark = signal_events(model, TRUTH_SPECTRUM, self.events, seed=training.seed + 1)
        sides = Sides.of(signal, other, TESTING_SPECTRUM)
        further_sets = {",".join(names): names for names in TRIPLETS[model]} if self.triplets else {}
        every = {**self.sets, **further_sets}
        scored: dict[str, Scored] = {}
        for name, names in every.items():
            announce(f"{model}: network of {name}")
            scored[name] = sides.fitted(names, training)
        found: dict[str, Any] = {
            "networks": _all_told(scored, every, other, benchmark),
            "orderings": {name: list(value) for name, value in orderings(sides, scored["momenta"]).items()},
            "lines": {},
        }
        if self.triplets:
            search = partial(_searched, sides, scored["momenta"], training)
            found["search"] = begun(f"{model}: search guided by orderings", search)
        for line in lines:
            for name, names in self.sets.items():
                what = f"{model}: {len(line.values)} spectra along {line.name}, networks of {name}"
                told = partial(along, line, model, names, beside, min(self.along_events, self.events), half)
                found["lines"].setdefault(line.name, {})[name] = begun(what, told)
        purifier = scored.get(PURIFYING_NAME)
        if purifier is not None:
            found["purified"] = _purified(purifier, other, self.background, self.processes, benchmark)
            if self.further is not None:
                found |= beyond(
                    model,
                    purifier,
                    PURIFYING,
                    other,
                    _separate(found["lines"]),
                    training,
                    self.further,
                    announce,
                    self.part,
                )
        return found, purifier


def announced(
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

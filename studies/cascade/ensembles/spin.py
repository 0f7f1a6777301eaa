"""Spins from ensembles: networks of single events, product of their odds, accuracy of a threshold against S/B."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.counting.neyman import confidence_belt
from massgap.models.measures.ensemble_draws import Part, best_threshold, ensemble_logits
from massgap.models.measures.roc import auc, roc_curve
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, TRUTH_SPECTRUM
from massgap.studies.cascade.ensembles.pools import BACKGROUND_UNCERTAINTY, POINTS
from massgap.studies.cascade.networks import Scored, Task, cross_fitted
from massgap.studies.cascade.samples import (
    CHIRAL,
    LUMINOSITY,
    PAPER_BACKGROUND_FB,
    Events,
    observables,
    signal_events,
)
from massgap.studies.cascade.variables import columns_of
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["SETS", "accuracies", "checked_ratio", "ratio_of_network", "spin_belt", "spin_study"]

SETS: dict[tuple[str, ...], tuple[int, ...]] = {
    ("momenta",): (100, 100, 100),
    ("m_mumu",): (30, 30),
    ("m_mumu", "met"): (30, 30),
}
"""Variables of the networks, and their hidden layers (section VI)."""
BELT_RATIO = 0.1
"""S/B of the intervals of a mixture."""
RATIOS = (0.0067, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""S/B before the discovery cut; the first is where 5 standard deviations are left after it."""


def checked_ratio(ratio: float, trained: Sequence[float]) -> float:
    """S/B, if it is within what networks were trained for.

    Raises
    ------
    StudyError
        If it is not.

    Examples
    --------
    >>> checked_ratio(0.3, (0.1, 1.0))
    0.3
    """
    low, high = min(trained), max(trained)
    if not low <= ratio <= high:
        msg = f"S/B = {ratio:g} is outside of {low:g} to {high:g}, for which the networks were trained: train one for it"
        raise StudyError(msg)
    return float(ratio)


def ratio_of_network(ratio: float, trained: Sequence[float]) -> float:
    """Of the values of S/B that networks were trained for, the one nearest to an estimate, by their quotient.

    Raises
    ------
    StudyError
        If the estimate is outside of them.

    Examples
    --------
    >>> ratio_of_network(0.25, (0.1, 0.2, 1.0))
    0.2
    """
    checked = checked_ratio(ratio, trained)
    return float(min(trained, key=lambda one: abs(np.log(one / checked))))


def accuracies(
    logits: Mapping[str, NDArray[np.float64]],
    background: NDArray[np.float64] | None,
    weight: NDArray[np.float64] | None,
    eps: Mapping[str, float],
    *,
    known: tuple[Mapping[str, NDArray[np.float64]], Mapping[str, float]] | None = None,
    ratios: Sequence[float] = RATIOS,
    eps_b: float = 0.005,
    n: int = 100_000,
    seed: int = 1,
) -> list[dict[str, float]]:
    """Accuracy of a threshold on the product of odds, for each S/B.

    Parameters
    ----------
    logits
        Spin model -> logits of its events behind the discovery cut; large for sDM.
    background, weight
        Logits and weights of background events behind the cut; None leaves background out.
    eps
        Spin model -> share of its events that the cut leaves.
    known
        Logits and shares of the spectrum that the threshold is chosen with, for an experiment does not know its own (section VI.D takes
        the testing spectrum); by default those of the ensembles themselves.
    ratios, eps_b
        S/B before the cut, and the background's share.
    n, seed
        Ensembles of each model, a fifth as many choose the threshold; the same seed gives the same.

    Returns
    -------
    list of dict
        Per S/B: accuracy of both, of each, the threshold, what the best threshold would have reached, AUC, the numbers of events
        expected, and that of ensembles.
    """
    expected = PAPER_BACKGROUND_FB * LUMINOSITY

    def drawn(signal: Any, shares: Any, ratio: float, n: int, first_seed: int) -> list[NDArray[np.float64]]:
        found = []
        for k, model in enumerate(("sDM", "fDM")):
            parts = [Part(signal[model], ratio * expected * shares[model])]
            if background is not None:
                parts.append(Part(background, expected * eps_b, weight))
            found.append(ensemble_logits(parts, n, seed=first_seed + k))
        return found

    rows = []
    for ratio in ratios:
        of_s, of_f = drawn(logits, eps, ratio, n, 2 * seed)
        best = best_threshold(of_s, of_f)
        threshold = best.threshold
        if known is not None:
            threshold = best_threshold(*drawn(*known, ratio, max(n // 5, 1), 2 * seed + 100_000)).threshold
        right = float((of_s > threshold).mean()), float((of_f <= threshold).mean())
        both = np.concatenate([of_s, of_f])
        label = np.repeat([1.0, 0.0], n)
        rows.append(
            {
                "ratio": ratio,
                "accuracy": 0.5 * sum(right),
                "sDM": right[0],
                "fDM": right[1],
                "threshold": threshold,
                "best": best.accuracy,
                "auc": auc(roc_curve(both, label, np.ones(2 * n))),
                "n_sDM": ratio * expected * eps["sDM"],
                "n_fDM": ratio * expected * eps["fDM"],
                "ensembles": n,
            }
        )
    return rows


def spin_belt(
    logits: Mapping[str, NDArray[np.float64]],
    background: NDArray[np.float64] | None,
    weight: NDArray[np.float64] | None,
    eps: Mapping[str, float],
    ratio: float,
    *,
    eps_b: float = 0.005,
    n: int = 1000,
    seed: int = 1,
) -> dict[str, Any]:
    """Intervals of the share of sDM in a mixture of both models, and their coverage, from the sum of logits of an ensemble.

    The normalisation of the background varies in the ensembles, by three points with the moments of a normal distribution.

    Parameters
    ----------
    logits, background, weight, eps, eps_b
        As for :func:`accuracies`.
    ratio
        S/B before the cut.
    n
        Ensembles of each share; the belt is made from eleven of them, and tested between these.
    seed
        The same gives the same.

    Returns
    -------
    dict
        Edges of the belt in logits per expected event, and for each tested share coverage, its error, and the median width.
    """
    expected = PAPER_BACKGROUND_FB * LUMINOSITY
    least = min(len(one) for one in logits.values())
    if not least:
        msg = f"no signal event passes the discovery cut, so that ensembles at S/B = {ratio:g} are empty: raise --events"
        raise StudyError(msg)

    def drawn(share: float, further: int) -> NDArray[np.float64]:
        found = []
        for k, (sigma, chance) in enumerate(POINTS):
            parts = [
                Part(logits[model], part * ratio * expected * eps[model])
                for model, part in (("sDM", share), ("fDM", 1.0 - share))
            ]
            if background is not None:
                scale = 1.0 + BACKGROUND_UNCERTAINTY * sigma
                parts.append(Part(background, scale * expected * eps_b, weight))
            number = max(round(chance * n), 1)
            found.append(ensemble_logits(parts, number, seed=[seed, round(1000 * share), further, k]))
        return np.concatenate(found) / (ratio * expected)

    shares = np.linspace(0.0, 1.0, 11)
    belt = confidence_belt(shares.tolist(), [drawn(float(share), 0) for share in shares])
    rows = {}
    for share in (0.25, 0.55, 0.75):
        values = drawn(share, 1)
        covered, error = belt.coverage(share, values)
        width = np.diff(belt.intervals(values), axis=1)
        rows[f"{share:g}"] = {"coverage": covered, "error": error, "width": float(np.nanmedian(width))}
    return {"ratio": ratio, "low": belt.low.tolist(), "high": belt.high.tolist(), "shares": rows}


def spin_study(
    beside: Events | None,
    passes: Callable[[Events], NDArray[np.bool_]] | None,
    *,
    events: int = 50_000,
    epochs: int = 60,
    patience: int = 20,
    ensembles: int = 100_000,
    seed: int = 1,
    chiral: bool = CHIRAL,
) -> dict[str, Any]:
    """Table V (b) and the accuracies: networks of the testing spectrum, asked about the truth spectrum.

    Parameters
    ----------
    beside
        Background events behind the discovery cut; None for ensembles of signal alone.
    passes
        The discovery cut: signal events -> which pass; None for none.
    events
        Selected events of each model and spectrum, before the cut.
    epochs, patience, seed
        Of the trainings.
    ensembles
        Per model and S/B.
    chiral
        Of the production.
    """
    keep = passes or (lambda sample: np.ones(len(sample), bool))
    made = {
        (model, spectrum): signal_events(model, spectrum, events, seed=seed + k, chiral=chiral)
        for k, spectrum in enumerate((TESTING_SPECTRUM, TRUTH_SPECTRUM))
        for model in ("sDM", "fDM")
    }
    kept = {key: sample.take(keep(sample)) for key, sample in made.items()}
    eps, of_known = (
        {model: len(kept[model, spectrum]) / events for model in ("sDM", "fDM")}
        for spectrum in (TRUTH_SPECTRUM, TESTING_SPECTRUM)
    )
    found: dict[str, Any] = {"discovery_cut": passes is not None, "eps_s": eps, "networks": {}}
    if beside is not None:
        found["background_kept"] = len(beside)
    for names, hidden in SETS.items():
        scored, further = _network(names, hidden, kept, beside, epochs=epochs, patience=patience, seed=seed)
        rest = None if beside is None or not len(beside) else beside.weight
        sizes = [len(kept[model, TRUTH_SPECTRUM]) for model in ("sDM", "fDM")]
        truth = {"sDM": further[: sizes[0]], "fDM": further[sizes[0] : sum(sizes)]}
        behind = None if rest is None else further[sum(sizes) :]
        found["networks"][",".join(names)] = {
            "auc": [scored.auc, scored.auc_error],
            "belt": spin_belt(truth, behind, rest, eps, BELT_RATIO, n=max(ensembles // 50, 200), seed=seed),
            "accuracies": accuracies(
                truth,
                behind,
                rest,
                eps,
                known=({"sDM": scored.first, "fDM": scored.second}, of_known),
                n=ensembles,
                seed=seed,
            ),
        }
    return found


def _network(
    names: tuple[str, ...],
    hidden: tuple[int, ...],
    kept: Mapping[Any, Events],
    beside: Events | None,
    **training: Any,
) -> tuple[Scored, NDArray[np.float64]]:
    """A network at the testing spectrum, and the logits of both models at the truth spectrum and of the background, in this order."""
    columns = columns_of(names)

    def x(sample: Events) -> NDArray[np.float64]:
        seen = observables(sample, TESTING_SPECTRUM)
        return np.stack([seen[name] for name in columns], axis=1)

    first, second = (kept[model, TESTING_SPECTRUM] for model in ("sDM", "fDM"))
    further = [kept[model, TRUTH_SPECTRUM] for model in ("sDM", "fDM")]
    if beside is not None and len(beside):
        further.append(beside)
    task = Task(x(first), x(second), first.weight, second.weight, np.concatenate([x(one) for one in further]))
    scored = cross_fitted({"spin": task}, columns, hidden, **training)["spin"]
    return scored, scored.also

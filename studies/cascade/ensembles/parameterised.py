"""One network with the spectrum as input, which replaces one network per spectrum, and the likelihood of all four parameters with it.

Such a network is trained on signals of many spectra, each with background events whose Delta_4 is that of the same spectrum (P. Baldi et al.,
Eur. Phys. J. C 76 (2016) 235).  With classes that count alike, the exponential of its logit is the ratio of the densities of signal and
background (K. Cranmer, J. Pavez and G. Louppe, arXiv:1506.02169).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.selections.cascade.spectrum import Spectrum, falling_spectrum, shifted_spectrum
from massgap.studies.cascade.networks import Scored, Task, cross_fitted
from massgap.studies.cascade.samples import Events, observables, signal_events
from massgap.studies.cascade.variables import columns_of
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from massgap.studies.cascade.ordering import Training

__all__ = ["BOX", "PARAMETERS", "Hypotheses", "hypothesis_network", "optimum", "spectrum_at"]

PARAMETERS = ("alpha", "beta", "gamma", "delta")
BOX = {"alpha": (-24.0, 24.0), "beta": (-24.0, 24.0), "gamma": (-24.0, 24.0), "delta": (-450.0, 250.0)}
"""Spectra that the network is trained for, around the testing spectrum: somewhat more than what is scanned, GeV."""

_LEAST_GAP = 5.0
"""Between masses that follow each other, GeV: with smaller ones hardly an event is selected."""


def spectrum_at(point: Sequence[float]) -> Spectrum:
    """The spectrum of alpha, beta, gamma and delta.

    Raises
    ------
    massgap.arrays.errors.SelectionError
        If its masses do not fall.
    """
    alpha, beta, gamma, delta = (float(value) for value in point)
    return falling_spectrum(shifted_spectrum(alpha, beta, gamma, delta))


class Hypotheses(NamedTuple):
    """The network.

    Attributes
    ----------
    names
        Observables that it takes besides the four parameters.
    scored
        What was trained; its second class are the events of ``background``.
    background
        Background events in the order of the training.
    """

    names: tuple[str, ...]
    scored: Scored
    background: Events

    def logits(self, events: Events, point: Sequence[float]) -> NDArray[np.float64]:
        """Of events that it has not seen, for one spectrum."""
        return self.scored.logits(_inputs(events, self.names, checked_point(point)))

    def of_background(
        self, point: Sequence[float], rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Of the background events, each of the half of the network that has not seen it; of the first rows alone where they are given.

        Parameters
        ----------
        point
            The spectrum.
        rows
            Numbers of events from 0 on without a gap: it is the place of an event that tells which half has not seen it.
        """
        events = self.background if rows is None else self.background.take(rows)
        return self.scored.logits(_inputs(events, self.names, checked_point(point)))


def checked_point(point: Sequence[float]) -> tuple[float, ...]:
    """The four parameters, if the network was trained for such.

    Raises
    ------
    StudyError
        If one is outside of :data:`BOX`.
    """
    for name, value in zip(PARAMETERS, point, strict=True):
        low, high = BOX[name]
        if not low <= value <= high:
            msg = f"{name} = {value:g} GeV is outside of {low:g} to {high:g}, for which the network with the spectrum as input was trained"
            raise StudyError(msg)
    return tuple(float(value) for value in point)


def _inputs(events: Events, names: tuple[str, ...], point: Sequence[float]) -> NDArray[np.float32]:
    x = observables(events, spectrum_at(point))
    columns = [x[name] for name in columns_of(names)]
    return np.stack([*columns, *(np.full(len(events), value) for value in point)], axis=1).astype(np.float32)


def hypothesis_network(
    model: str,
    other: Events,
    names: tuple[str, ...],
    training: Training,
    *,
    spectra: int,
    events: int,
    hidden: Sequence[int] = (100, 100),
    seed: int = 1,
) -> Hypotheses:
    """Train the network.

    Parameters
    ----------
    model
        Spin model.
    other
        Background events.
    names
        Observables.
    training
        Epochs and patience.
    spectra
        So many, drawn evenly from :data:`BOX`.
    events
        Signal events of all spectra together.
    hidden, seed
        Of the network and of the spectra.

    Raises
    ------
    StudyError
        If a spectrum would have no event.
    """
    if not 0 < spectra <= min(events, len(other)):
        msg = f"{spectra} spectra with {events} signal and {len(other)} background events leave none for each: raise --events"
        raise StudyError(msg)
    rng = np.random.default_rng([seed, 81])
    points = _drawn_points(spectra, rng)
    order = np.concatenate([np.arange(len(other))[k::spectra] for k in range(spectra)])
    background = other.take(order)
    starts = np.cumsum([0, *(len(range(k, len(other), spectra)) for k in range(spectra))])
    first, second, weights = [], [], []
    for k, point in enumerate(points):
        signal = signal_events(model, spectrum_at(point), -(-events // spectra), seed=seed + 4000)
        first.append(_inputs(signal, names, point))
        weights.append(signal.weight)
        part = background.take(np.arange(starts[k], starts[k + 1]))
        second.append(_inputs(part, names, point))
    task = Task(np.concatenate(first), np.concatenate(second), np.concatenate(weights), background.weight)
    scored = cross_fitted(
        {"spectra": task},
        [*columns_of(names), *PARAMETERS],
        hidden,
        epochs=training.epochs,
        patience=training.patience,
        seed=seed,
    )["spectra"]
    return Hypotheses(names, scored, background)


def _drawn_points(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points even in the box, of those whose gaps are all above :data:`_LEAST_GAP`."""
    points = np.stack([rng.uniform(*BOX[name], 20 * n) for name in PARAMETERS], axis=1)
    masses = np.stack(shifted_spectrum(*points.T), axis=1)
    return points[(-np.diff(masses, axis=1)).min(axis=1) > _LEAST_GAP][:n]


def optimum(values: Any, heights: Any, within: float = 0.8) -> tuple[float, float]:
    """Where a curve is highest, by a parabola through its points above a share of its height, and the error of that.

    Parameters
    ----------
    values, heights
        Points of the curve, shape (n,).
    within
        The share of the way from its lowest to its highest point.

    Returns
    -------
    place, error : float
        The error is that of the scatter of the points about the parabola; NaN where three points leave none.

    Examples
    --------
    >>> abs(round(optimum([-2.0, -1.0, 0.0, 1.0, 2.0], [0.0, 3.0, 4.0, 3.0, 0.0], within=0.0)[0], 6))
    0.0
    """
    x, y = np.asarray(values, np.float64), np.asarray(heights, np.float64)
    near = y >= y.min() + within * (y.max() - y.min())
    if near.sum() < 4:
        near = np.isin(np.arange(len(x)), np.argsort(-y)[: min(5, len(x))])
    design = np.stack([x[near] ** 2, x[near], np.ones(int(near.sum()))], axis=1)
    fit, _, rank, _ = np.linalg.lstsq(design, y[near], rcond=None)
    if rank < 3 or not fit[0] < 0.0:
        return float(x[y.argmax()]), float("nan")
    place = float(np.clip(-0.5 * fit[1] / fit[0], x.min(), x.max()))
    free = int(near.sum()) - 3
    if free < 1:
        return place, float("nan")
    scatter = float(((y[near] - design @ fit) ** 2).sum()) / free
    slope = np.array([0.5 * fit[1] / fit[0] ** 2, -0.5 / fit[0], 0.0])
    return place, float(np.sqrt(slope @ (np.linalg.inv(design.T @ design) * scatter) @ slope))

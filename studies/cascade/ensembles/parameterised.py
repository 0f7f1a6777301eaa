r"""A network with the spectrum as input, which replaces one network per spectrum.

The ratio of the densities of signal and background is that of two classifiers' odds (K. Cranmer, J. Pavez and G. Louppe, arXiv:1506.02169):

.. math:: \frac{p(x | \theta)}{p_B(x)} = \frac{p(x | \theta)}{p(x)} \cdot \frac{p(x)}{p_B(x)}

with p(x) the signal of all spectra of a box together.  The first factor has all that depends on the spectrum: a network of observables and spectrum (P. Baldi
et al., Eur. Phys. J. C 76 (2016) 235) tells events with their own spectrum from events with that of others (J. Hermans, V. Begy and G. Louppe,
arXiv:1903.04057), which costs signal events alone, made in seconds.  The second is a classifier of observables alone; that background events are few where
they look like signal moves no spectrum.  A single network of both against the background had alpha wrong by several GeV, whatever its size, and the mean
of its ratio over the background off by up to a factor of 14 (docs/analyses/cascade.md).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.selections.cascade.spectrum import (
    TESTING_SPECTRUM,
    Spectrum,
    falling_spectrum,
    shifted_spectrum,
)
from massgap.selections.observables.cascades.endpoints import endpoints
from massgap.studies.cascade.networks import Scored, Task, cross_fitted
from massgap.studies.cascade.samples import Events, observables, signal_events
from massgap.studies.cascade.variables import columns_of
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from massgap.studies.cascade.ordering import Training

__all__ = [
    "BOX",
    "MOST",
    "NEAR",
    "PARAMETERS",
    "Hypotheses",
    "checked_point",
    "hypothesis_network",
    "is_open",
    "optimum",
    "spectrum_at",
]

PARAMETERS = ("alpha", "beta", "gamma", "delta")
Box = dict[str, tuple[float, float]]
BOX: Box = {"alpha": (-24.0, 24.0), "beta": (-24.0, 24.0), "gamma": (-24.0, 24.0), "delta": (-450.0, 250.0)}
"""Spectra around the testing spectrum, GeV: somewhat more than what is scanned."""
NEAR: Box = {"alpha": (-8.0, 8.0), "beta": (-8.0, 8.0), "gamma": (-8.0, 8.0), "delta": (-450.0, 250.0)}
"""Those that are left when the edges of the masses have been measured: the scans find the first three parameters to 2.5 GeV."""

_LEAST_GAP = 5.0
"""Between masses that follow each other, GeV: with smaller ones hardly an event is selected."""
_SOFT = 2.0
"""GeV, over which an edge is passed: twice the resolution of masses."""
_MEAN = 200_000
"""Events that a mean is taken over, at most."""
MOST = 60.0
"""A logit is at most this."""


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
    """The ratio of the densities of signal and background, for any spectrum of a box.

    Attributes
    ----------
    names
        Observables that both networks take.
    of_spectrum
        The network that takes the spectrum, too: density of the signal of one spectrum over that of all.
    of_signal
        The classifier of all signal against background; its second class are the events of ``background``.
    signal
        Events of all spectra in the order of the training, of both.
    background
        Background events in the order of the training.
    box
        Spectra that it was trained for.
    """

    names: tuple[str, ...]
    of_spectrum: Scored
    of_signal: Scored
    signal: Events
    background: Events
    box: Box = BOX

    def logits(self, events: Events, point: Sequence[float]) -> NDArray[np.float64]:
        """Logarithms of the ratio for one spectrum, shape (n,); of events that no network has seen, or of the first of ``background`` in their order."""
        return self.first_logits(events, point) + self.second_logits(events)

    def first_logits(self, events: Events, point: Sequence[float]) -> NDArray[np.float64]:
        """Logarithms of the factor that depends on the spectrum."""
        return self.of_spectrum.logits(aligned(events, self.names, checked_point(point, self.box)))

    def second_logits(self, events: Events) -> NDArray[np.float64]:
        """Logarithms of the factor that does not."""
        return self.of_signal.logits(_plain(events, self.names))

    def log_mean(self, point: Sequence[float]) -> float:
        """Logarithm of the mean of the first factor over the signal of all spectra, each event by the half that has not seen it: 0 for a perfect network."""
        # the place of an event tells which half that is
        some = self.signal.take(np.arange(min(len(self.signal), _MEAN)))
        logits, weight = self.first_logits(some, point), some.weight
        return float(np.log(np.exp(np.clip(logits, -MOST, MOST)) @ weight / weight.sum()))


def checked_point(point: Sequence[float], box: Box = BOX) -> tuple[float, ...]:
    """The four parameters, if the network was trained for such.

    Raises
    ------
    StudyError
        If one is outside of the box.
    """
    for name, value in zip(PARAMETERS, point, strict=True):
        low, high = box[name]
        # a sum of a place and a step may be a rounding beyond
        if not low - 1e-9 <= value <= high + 1e-9:
            msg = f"{name} = {value:g} GeV is outside of {low:g} to {high:g}, for which the network with the spectrum as input was trained"
            raise StudyError(msg)
    return tuple(float(value) for value in point)


def aligned(events: Events, names: tuple[str, ...], point: Sequence[float]) -> NDArray[np.float32]:
    """Inputs of the network with the spectrum: observables in units of what the spectrum makes the largest, how far beyond the edge, and the parameters.

    So edges are at one place for all spectra, and need not be learned for each.  Which photon mass has the muon of X is not known: the larger and the
    smaller one stand for those with either muon.
    """
    spectrum = spectrum_at(point)
    x = dict(observables(events, spectrum))
    edge = endpoints(*spectrum)
    far, near = max(float(edge.m13), float(edge.m23)), min(float(edge.m13), float(edge.m23))
    # [GeV^8] to the fourth root, as the observables are
    volume = float(edge.m12 * edge.m13 * edge.m23 * spectrum.m_y) ** 0.5
    scales = {"m_mumu": float(edge.m12), "m_mumugamma": float(edge.m123)}
    scales |= {"m_plus_gamma": far, "m_minus_gamma": far}
    columns = columns_of(names)
    if {"m_plus_gamma", "m_minus_gamma"} <= set(columns):
        both = x["m_plus_gamma"], x["m_minus_gamma"]
        x["m_plus_gamma"], x["m_minus_gamma"] = np.maximum(*both), np.minimum(*both)
        scales["m_minus_gamma"] = near
    found: list[Any] = []
    for name in columns:
        if name in scales:
            found += [x[name] / scales[name], np.tanh((x[name] - scales[name]) / _SOFT)]
        else:
            found.append(x[name] / volume if name.startswith("delta4") else x[name])
    found += [np.full(len(events), value) for value in point]
    return np.stack(found, axis=1).astype(np.float32)


def _aligned_names(names: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in columns_of(names):
        found += [name, f"{name}_beyond"] if name.startswith("m_") else [name]
    return [*found, *PARAMETERS]


def _plain(events: Events, names: tuple[str, ...]) -> NDArray[np.float32]:
    x = observables(events, TESTING_SPECTRUM)
    return np.stack([x[name] for name in columns_of(names)], axis=1).astype(np.float32)


def hypothesis_network(
    model: str,
    other: Events,
    names: tuple[str, ...],
    training: Training,
    *,
    spectra: int,
    events: int,
    hidden: Sequence[int] = (100, 100, 100),
    box: Box = BOX,
    seed: int = 1,
) -> Hypotheses:
    """Train both networks.

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
        So many, drawn evenly from the box.
    events
        Signal events of all spectra together.
    hidden, seed
        Of the networks and of the spectra.
    box
        Spectra that it is trained for.

    Raises
    ------
    StudyError
        If a spectrum would have no event.
    """
    if not 0 < spectra <= events:
        msg = f"{spectra} spectra with {events} signal events leave none for each: raise --events"
        raise StudyError(msg)
    rng = np.random.default_rng([seed, 81])
    points = _drawn_points(spectra, box, rng)
    signal, own = _of_all(model, points, -(-events // spectra), seed + 4000, rng)
    task = Task(
        _at(signal, own, names, points),
        # the spectrum of another event
        _at(signal, rng.permutation(own), names, points),
        signal.weight,
        signal.weight,
    )
    settings: dict[str, Any] = {"epochs": training.epochs, "patience": training.patience, "seed": seed}
    of_spectrum = cross_fitted({"spectra": task}, _aligned_names(names), hidden, **settings)["spectra"]
    task = Task(_plain(signal, names), _plain(other, names), signal.weight, other.weight)
    of_signal = cross_fitted({"signal": task}, columns_of(names), hidden[:2], **settings)["signal"]
    return Hypotheses(names, of_spectrum, of_signal, signal, other, box)


def _of_all(
    model: str, points: NDArray[np.float64], each: int, seed: int, rng: np.random.Generator
) -> tuple[Events, NDArray[np.int64]]:
    """Events of all spectra in random order, those of each with the same weight together, and the number of the spectrum of each."""
    parts = [signal_events(model, spectrum_at(point), each, seed=seed, few=True) for point in points]
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    weight = np.concatenate([part.weight / part.weight.mean() for part in parts])
    order = rng.permutation(len(weight))
    return Events(columns, weight).take(order), np.repeat(np.arange(len(points)), each)[order]


def _at(
    signal: Events, which: NDArray[np.int64], names: tuple[str, ...], points: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Inputs of events with a spectrum each."""
    found = np.empty((len(signal), len(_aligned_names(names))), np.float32)
    order = np.argsort(which, kind="stable")
    for rows, point in zip(
        np.split(order, np.searchsorted(which[order], np.arange(1, len(points)))), points, strict=True
    ):
        found[rows] = aligned(signal.take(rows), names, point)
    return found


def _drawn_points(
    n: int, box: Mapping[str, tuple[float, float]], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Points even in the box, of those whose gaps are all above :data:`_LEAST_GAP`."""
    points = np.stack([rng.uniform(*box[name], 20 * n) for name in PARAMETERS], axis=1)
    return points[_open(points)][:n]


def _open(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    masses = np.stack(shifted_spectrum(*points.T), axis=1)
    return np.asarray((-np.diff(masses, axis=1)).min(axis=1) > _LEAST_GAP)


def is_open(box: Mapping[str, tuple[float, float]]) -> bool:
    """Whether events of every spectrum of a box are selected: gaps between masses are linear in the parameters."""
    return bool(_open(np.array(list(itertools.product(*(box[name] for name in PARAMETERS))))).all())


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

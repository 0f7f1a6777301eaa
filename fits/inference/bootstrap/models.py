"""The model of a workspace with other contents: those of a replica of its simulation.

The arrays of the model are reused. What belongs to the simulated sample changes: contents, shape variations, and the widths
of the parameters for the statistics of the simulation, which the replica has its own of. What was given stays: normalisations,
rates of variations, the luminosity.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.fits.likelihoods.model import Data
from massgap.fits.likelihoods.parameters import FREE, POISSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.fits.likelihoods.model import Model

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["Layout", "ModelReplicas"]


class Layout(NamedTuple):
    """Where things stand in the flat arrays of a model.

    Attributes
    ----------
    bins : ndarray of int, shape (contents,)
        Bin of each entry of the contents.
    of_signal : ndarray of bool, shape (contents,)
        Whether its sample is scaled by the parameter of interest.
    shapes : ndarray of int, shape (shape entries,)
        Entry of the contents that each entry of the shape variations belongs to.
    counted, counters : ndarray of int
        Entries of the contents, and the parameter of the statistics of the simulation that each has; an entry may have several.
    channels : ndarray of int, shape (channels + 1,)
        First bin of each channel.
    """

    bins: Integers
    of_signal: NDArray[np.bool_]
    shapes: Integers
    counted: Integers
    counters: Integers
    channels: Integers

    def joined(self, contents: Floats) -> Integers | None:
        """Bin into which each is joined so that all have background; None if a channel has none."""
        n = int(self.channels[-1])
        background = np.bincount(self.bins[~self.of_signal], contents[~self.of_signal], n)
        into = np.arange(n)
        if (background > 0.0).all():
            return into
        for low, high in pairwise(self.channels):
            kept = low + np.flatnonzero(background[low:high] > 0.0)
            if not len(kept):
                return None
            left = np.searchsorted(kept, np.arange(low, high), side="right") - 1
            into[low:high] = kept[np.maximum(left, 0)]
        left_over = np.bincount(into, background, n)
        return into if (left_over[into] > 0.0).all() else None

    @classmethod
    def of(cls, model: Model) -> Layout:
        """That of a model."""
        arrays = model.arrays
        bins, signal, shapes = [], [], []
        counted, counters = [], []
        for c in range(len(arrays.channel_bins) - 1):
            own = np.arange(arrays.channel_bins[c], arrays.channel_bins[c + 1])
            for k in range(arrays.channel_blocks[c], arrays.channel_blocks[c + 1]):
                at = arrays.contents_at[k] + np.arange(len(own))
                bins.append(own)
                rates = arrays.rate_parameters[arrays.rates[k] : arrays.rates[k + 1]]
                signal.append(np.full(len(own), model.poi in rates))
                shapes += [at] * int(arrays.shapes[k + 1] - arrays.shapes[k])
                first = arrays.factor_parameters[arrays.factors[k] : arrays.factors[k + 1]]
                factors = [start + np.arange(len(own)) for start in first]
                if arrays.grouped[k]:
                    factors.append(arrays.profiled[own])
                for parameters in factors:
                    if arrays.constraints[parameters[0]] != FREE:
                        counted.append(at)
                        counters.append(parameters)
        return cls(
            np.concatenate(bins),
            np.concatenate(signal),
            _joined(shapes),
            _joined(counted),
            _joined(counters),
            arrays.channel_bins,
        )


def _added(shift: Integers, values: Floats) -> Floats:
    """Values added to what stands so many places further on."""
    at = np.arange(len(values)) + shift
    return np.asarray(np.bincount(at, values, len(values)), dtype=np.float64)


def _joined(parts: list[Integers]) -> Integers:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


class ModelReplicas:
    """Gives the model of a workspace other contents.

    A shape variation moves with the contents of its bin: its ratio to them stays. Where positive and negative weights
    cancel to less than the weight of one event, a ratio makes no sense, and the difference to them stays.

    Parameters
    ----------
    model : Model
        That of a workspace made of simulated events.
    variances : ndarray of shape (contents,)
        Variance of its contents from the number of simulated events.
    """

    def __init__(self, model: Model, variances: Floats) -> None:
        self.model = model
        self.layout = Layout.of(model)
        contents = model.arrays.contents
        self._scales = (contents != 0.0) & (contents**2 >= variances * (1.0 - 1e-6))

    def model_with(self, contents: Floats, variances: Floats) -> tuple[Model, bool] | None:
        """The model of a replica.

        A bin in which nothing is expected without signal cannot be fitted: it is joined to its neighbour on the left, or on
        the right where there is none, as an analyst would do with a sample like this.

        Parameters
        ----------
        contents, variances : ndarray of shape (contents,)
            Events, and their variance, in the order of the model's contents.

        Returns
        -------
        model : Model
            With the same number of bins; those that were joined to others are empty.
        joined : bool
            Whether any was.

        None if a channel has no background left.
        """
        model, layout = self.model, self.layout
        arrays = model.arrays
        ratio = np.where(self._scales, contents / np.where(self._scales, arrays.contents, 1.0), 1.0)
        shapes = [arrays.shape_means * ratio[layout.shapes], arrays.shape_skews * ratio[layout.shapes]]
        into = layout.joined(contents)
        if into is None:
            return None
        shift = into - np.arange(len(into))
        counts, joined = model.observed.counts, bool(shift.any())
        if joined:
            contents, variances = (_added(shift[layout.bins], x) for x in (contents, variances))
            shapes = [_added(shift[layout.bins[layout.shapes]], x) for x in shapes]
            counts = _added(shift, counts)
        widths, fixed, auxiliary = self._statistics(contents, variances)
        arrays = arrays._replace(
            contents=contents, shape_means=shapes[0], shape_skews=shapes[1], widths=widths, fixed=fixed
        )
        return replace(model, arrays=arrays, observed=Data(counts, auxiliary)), joined

    def _statistics(self, contents: Floats, variances: Floats) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """Widths, fixed parameters and auxiliary data, with those for the statistics of the simulation anew.

        As in :mod:`massgap.fits.likelihoods.parameters`: a relative error with a Gaussian constraint, or counts of a Poisson one.
        """
        arrays, layout, size = self.model.arrays, self.layout, len(self.model.names)
        total = np.bincount(layout.counters, contents[layout.counted], size)
        spread = np.bincount(layout.counters, variances[layout.counted], size)
        own = np.bincount(layout.counters, minlength=size) > 0
        known = own & (total > 0.0) & (spread > 0.0)
        ratio = np.sqrt(np.where(known, spread, 1.0)) / np.where(known, total, 1.0)
        poisson = arrays.constraints == POISSON
        widths = np.where(own, np.where(poisson, 1.0 / ratio**2, ratio), arrays.widths)
        auxiliary = np.where(own & poisson, widths, self.model.observed.auxiliary)
        return widths, np.where(own, ~known, arrays.fixed), auxiliary

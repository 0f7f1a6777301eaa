"""A HistFactory model: parameters, flat arrays, and the data that a workspace brings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.fits.errors import WorkspaceError
from massgap.fits.likelihoods.arrays import ModelArrays, model_arrays
from massgap.fits.likelihoods.evaluation import expectation
from massgap.fits.likelihoods.parameters import FREE, POISSON, ParameterSet, collect_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Data", "Model", "model_of"]


class Data(NamedTuple):
    """What is measured.

    Attributes
    ----------
    counts : ndarray of shape (bins,)
        Events per bin.
    auxiliary : ndarray of shape (parameters,)
        The auxiliary measurement of each parameter's constraint term; 0 where there is none.
    """

    counts: Floats
    auxiliary: Floats


@dataclass(frozen=True)
class Model:
    """Parameters and expectation of a workspace.

    Attributes
    ----------
    parameters : mapping
        Name -> :class:`ParameterSet`, in the order of the parameters.
    names : tuple of str
        One per parameter.
    channels : tuple of str
        In the order of the bins.
    poi : int
        Index of the parameter of interest, -1 without one.
    arrays : ModelArrays
        What the kernels take.
    initial : ndarray of shape (parameters,)
        Start values.
    observed : Data
        Observations of the workspace.
    channel_specifications : tuple of mapping
        The channels of the workspace.
    """

    parameters: Mapping[str, ParameterSet]
    names: tuple[str, ...]
    channels: tuple[str, ...]
    poi: int
    arrays: ModelArrays
    initial: Floats
    observed: Data
    channel_specifications: tuple[Mapping[str, Any], ...]

    def unprofiled(self) -> Model:
        """The same model with every parameter as one of the kernels' own."""
        return replace(self, arrays=model_arrays(self.channel_specifications, self.parameters, profile=False))

    def prior(self, index: int) -> tuple[float, float]:
        """Nominal value and width of a constrained parameter; that of a Poisson one is the relative error of its counts."""
        arrays = self.arrays
        width = float(arrays.widths[index])
        return float(self.initial[index]), 1.0 / np.sqrt(width) if arrays.constraints[
            index
        ] == POISSON else width

    def place(self, index: int) -> tuple[str, int]:
        """Channel of a bin, and its position there, from 0."""
        channel = int(np.searchsorted(self.arrays.channel_bins, index, side="right")) - 1
        return self.channels[channel], index - int(self.arrays.channel_bins[channel])

    def expected(self, theta: Floats) -> Data:
        """Asimov data: what the parameters expect of counts and auxiliary measurements."""
        counts = np.empty(len(self.observed.counts))
        expectation(self.arrays, theta, counts)
        kinds = self.arrays.constraints
        auxiliary = np.where(
            kinds == FREE, 0.0, np.where(kinds == POISSON, theta * self.arrays.widths, theta)
        )
        return Data(counts, auxiliary)


def model_of(
    workspace: Mapping[str, Any],
    *,
    measurement: str | None = None,
    poi: str | None = None,
    profile: bool = True,
) -> Model:
    """The model of a workspace.

    Parameters
    ----------
    workspace : mapping
        HistFactory workspace in the JSON form of pyhf.
    measurement : str, optional
        Name of the measurement; default the first.
    poi : str, optional
        Parameter of interest; default that of the measurement.
    profile : bool
        Minimise over one constrained parameter per bin analytically.

    Raises
    ------
    WorkspaceError
        If a name is not there or has two meanings, or lengths do not fit.
    """
    chosen = _measurement(workspace, measurement)
    channels = workspace["channels"]
    parameters = collect_parameters(channels, chosen["config"].get("parameters", ()))
    names = tuple(name for entry in parameters.values() for name in entry.names)
    wanted = chosen["config"].get("poi", "") if poi is None else poi
    if wanted and (wanted not in parameters or not parameters[wanted].scalar):
        scalars = ", ".join(
            name for name, entry in parameters.items() if entry.constraint == FREE and entry.scalar
        )
        message = (
            f"The parameter of interest '{wanted}' is no single parameter of the workspace; normalisations that may be "
            f"(--poi NAME): {scalars or 'none'}. A workspace without signals, as published with a patch set, needs both "
            "(--patchset FILE)."
        )
        raise WorkspaceError(message)
    seen = {str(entry["name"]): entry["data"] for entry in workspace["observations"]}
    counts = []
    for channel in channels:
        n, name = len(channel["samples"][0]["data"]), str(channel["name"])
        if name not in seen or len(seen[name]) != n:
            message = (
                f"The observations of channel '{name}' must be {n} numbers, as the contents of its samples."
            )
            raise WorkspaceError(message)
        if not all(0.0 <= count < np.inf for count in seen[name]):
            message = f"The observations of channel '{name}' must be numbers of events, none of them negative: {seen[name]}."
            raise WorkspaceError(message)
        counts += seen[name]
    auxiliary = [a for entry in parameters.values() for a in (entry.auxiliary or (0.0,) * len(entry))]
    return Model(
        parameters,
        names,
        tuple(str(channel["name"]) for channel in channels),
        names.index(wanted) if wanted else -1,
        model_arrays(channels, parameters, profile=profile),
        np.array([x for entry in parameters.values() for x in entry.init], dtype=np.float64),
        Data(np.array(counts, dtype=np.float64), np.array(auxiliary, dtype=np.float64)),
        tuple(channels),
    )


def _measurement(workspace: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    measurements: dict[str, Mapping[str, Any]] = {
        str(entry["name"]): entry for entry in workspace["measurements"]
    }
    if name is None:
        return next(iter(measurements.values()))
    if name not in measurements:
        message = f"The workspace has no measurement '{name}'; it has (--measurement NAME): {', '.join(measurements)}."
        raise WorkspaceError(message)
    return measurements[name]

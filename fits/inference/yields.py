"""Yields of each process in each channel before and after a fit, with what all parameters together leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.fits.likelihoods.arrays import model_arrays
from massgap.fits.likelihoods.evaluation import expectation
from massgap.fits.likelihoods.model import model_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from massgap.fits.inference.likelihood import Likelihood

    Floats = NDArray[np.float64]

__all__ = ["Yield", "fitted_yields"]

_STEP = 1e-4
"""Of the central differences: expectations are smooth, in most parameters linear."""
_DATA = ("hi_data", "lo_data")


class Yield(NamedTuple):
    """Events of a process in all bins of a channel.

    Attributes
    ----------
    channel
        As in the workspace.
    process
        As in the workspace; None for all backgrounds together.
    prefit
        Events with the nominal parameters, and what the widths of the constrained ones leave open: nothing of free factors.
    postfit
        Events with the parameters of the fit, and what their covariance leaves open.
    """

    channel: str
    process: str | None
    prefit: tuple[float, float]
    postfit: tuple[float, float]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**self._asdict(), "prefit": list(self.prefit), "postfit": list(self.postfit)}


def fitted_yields(
    likelihood: Likelihood,
    workspace: Mapping[str, Any],
    signal: str,
    pars: Floats,
    covariance: Floats,
) -> list[Yield]:
    r"""Yields of all processes.

    With the covariance :math:`C` of the parameters :math:`\theta` the variance of a yield :math:`y` is
    :math:`\nabla y^T C \nabla y`: parameters that move it against each other and are known together alone, such as a free factor
    and the scales of a process, count as what they are together.  A parameter that samples share is that of all of them: with one for the statistics of
    all simulation in a bin, the error of a small process there is that of the sum.

    Parameters
    ----------
    likelihood
        That was fitted, of any engine.
    workspace
        HistFactory workspace that it is of.
    signal
        Name of the signal's samples.
    pars, covariance
        Of the fit, in the order of ``likelihood.names``, shapes (p,) and (p, p).

    Returns
    -------
    list of Yield
        In the order of the workspace, after those of each channel the sum of its backgrounds.
    """
    model = model_of(workspace)
    order = [likelihood.names.index(name) for name in model.names]
    nominal = np.asarray(likelihood.with_poi(1.0), np.float64)[order]
    fitted, matrix = (
        np.asarray(pars, np.float64)[order],
        np.asarray(covariance, np.float64)[np.ix_(order, order)],
    )
    widths = np.array([_width(likelihood, index) for index in order])
    processes = list(dict.fromkeys(_processes(workspace["channels"])))
    groups: dict[str | None, list[str]] = {name: [name] for name in processes}
    groups[None] = [name for name in processes if name != signal]
    found: dict[tuple[str, str | None], Yield] = {}
    for process, members in groups.items():
        own = _YieldsOf(model, workspace["channels"], members)
        before, after = own(nominal), own(fitted)
        prior = np.sqrt(((own.gradient(nominal) * widths) ** 2).sum(axis=1))
        slope = own.gradient(fitted)
        error = np.sqrt(np.maximum(np.einsum("ci,ij,cj->c", slope, matrix, slope), 0.0))
        for k, channel in enumerate(model.channels):
            told = [(float(y[k]), float(e[k])) for y, e in ((before, prior), (after, error))]
            found[channel, process] = Yield(channel, process, told[0], told[1])
    return [
        found[str(channel["name"]), process]
        for channel in workspace["channels"]
        for process in (*_processes([channel]), None)
    ]


def _processes(channels: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(sample["name"]) for channel in channels for sample in channel["samples"]]


def _width(likelihood: Likelihood, index: int) -> float:
    prior = likelihood.prior(index)
    return 0.0 if prior is None or not np.isfinite(prior[1]) else float(prior[1])


class _YieldsOf:
    """Expected events per channel of some processes alone, shape (channels,), and their derivatives, shape (channels, p)."""

    def __init__(self, model: Any, channels: Sequence[Mapping[str, Any]], processes: Sequence[str]) -> None:
        alone = [
            {
                **channel,
                "samples": [
                    sample if str(sample["name"]) in processes else _empty(sample)
                    for sample in channel["samples"]
                ],
            }
            for channel in channels
        ]
        # modifiers of the others stay: they tell where the parameters of bins are
        self._arrays = model_arrays(alone, model.parameters, profile=False)
        self._bins = np.empty(len(model.observed.counts))

    def __call__(self, theta: Floats) -> Floats:
        expectation(self._arrays, theta, self._bins)
        return np.add.reduceat(self._bins, self._arrays.channel_bins[:-1])

    def gradient(self, theta: Floats) -> Floats:
        columns = []
        for index in range(len(theta)):
            ends = []
            for sign in (1.0, -1.0):
                moved = theta.copy()
                moved[index] += sign * _STEP
                ends.append(self(moved))
            columns.append((ends[0] - ends[1]) / (2.0 * _STEP))
        return np.stack(columns, axis=1)


def _empty(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample without events whose modifiers, and so its parameters, are still there."""
    nothing = [0.0] * len(sample["data"])
    modifiers = [
        {**modifier, "data": dict.fromkeys(_DATA, nothing)} if modifier["type"] == "histosys" else modifier
        for modifier in sample["modifiers"]
    ]
    return {**sample, "data": nothing, "modifiers": modifiers}

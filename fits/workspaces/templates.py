"""Yields per process and bin of one region, taken out of a histogram of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from massgap.fits.contents import read_region
from massgap.fits.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import hist

__all__ = ["Template", "Templates", "templates_from_histogram"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Template:
    """One process: values and variances per bin, and its systematic variations.

    ``variations`` maps the name of a variation to its (up, down) values.
    """

    values: Floats
    variances: Floats
    variations: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)


@dataclass(frozen=True)
class Templates:
    """All processes of one channel of a likelihood over the same bin edges.

    Values are in fb (squared for variances) for simulation and in events for data, as in a run.
    """

    channel: str
    observable: str
    edges: Floats
    processes: Mapping[str, Template]

    def total(self, names: Iterable[str]) -> tuple[Floats, Floats]:
        """Sum of values and of variances of some processes."""
        names = list(names)
        zero = np.zeros(self.edges.size - 1)
        values = sum((self.processes[n].values for n in names), zero)
        variances = sum((self.processes[n].variances for n in names), zero)
        return values, variances


def templates_from_histogram(
    histogram: hist.Hist[Any],
    *,
    region: str | None = None,
    channel: str | None = None,
    flow: bool = True,
) -> Templates:
    """Take the yields of one region out of a histogram of a run.

    Parameters
    ----------
    histogram : hist.Hist
        Named axes ``process``, ``region``, ``variation``, optionally ``fold``, and the observable last; Weight
        storage. Folds are summed.
    region : str, optional
        Region; may be left out if the histogram has only one.
    channel : str, optional
        What the channel of the likelihood is called; default the name of the region.
    flow : bool
        Add underflow and overflow to the first and last bin. A score of exactly 1 is there.

    Returns
    -------
    Templates

    Raises
    ------
    HistogramError
        If an axis or a category is missing, the storage holds no variances or a content is not
        finite.
    WorkspaceError
        If a variation lacks its up or down side.
    """
    contents = read_region(histogram, region)
    values, variances = contents.over_folds().with_flow(below=flow, above=flow)
    at = contents.nominal
    pairs = _variation_pairs(contents.variations, contents.observable)
    processes = {}
    for i, process in enumerate(contents.processes):
        nominal = values[i, at]
        shifted = {
            name: (values[i, up], values[i, down])
            for name, (up, down) in pairs.items()
            # A sample that a variation does not touch was either not filled or filled alike.
            if not (np.array_equal(values[i, up], nominal) and np.array_equal(values[i, down], nominal))
            and (values[i, up].any() or values[i, down].any())
        }
        processes[process] = Template(nominal, variances[i, at], shifted)
    return Templates(channel or contents.region, contents.observable, contents.edges, processes)


def _variation_pairs(labels: tuple[str, ...], observable: str) -> dict[str, tuple[int, int]]:
    """Positions of the up and down side of each variation."""
    pairs = {}
    for label in labels:
        if label == "nominal":
            continue
        name, _, side = label.rpartition("_")
        other = {"up": "down", "down": "up"}.get(side.lower())
        partner = next((x for x in labels if other and x.lower() == f"{name}_{other}".lower()), None)
        if not name or partner is None:
            message = (
                f"The variation '{label}' of the histogram over '{observable}' has no partner: "
                "variations come as name_up and name_down. Fill both in the analysis and run it again."
            )
            raise WorkspaceError(message)
        if side.lower() == "up":
            pairs[name] = (labels.index(label), labels.index(partner))
    return pairs

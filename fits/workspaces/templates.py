"""Yields per process and bin of one region, taken out of a histogram of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from massgap.fits.contents import read_region
from massgap.fits.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import hist

__all__ = ["Template", "Templates", "templates_from_histogram"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Template:
    """One process: values and variances per bin, and its systematic variations.

    ``variations`` maps the name of a variation to its (up, down) values; ``one_sided`` that of one with a single side to
    ("up" or "down", values), which no likelihood takes before somebody says what the other side is.
    """

    values: Floats
    variances: Floats
    variations: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    one_sided: Mapping[str, tuple[str, Floats]] = field(default_factory=dict)


@dataclass(frozen=True)
class Templates:
    """All processes of one channel of a likelihood over the same bin edges.

    Values are in fb (squared for variances) for simulation and in events for data, as in a run. ``region`` and ``run`` say
    where it is from, "" where nobody asks.
    """

    channel: str
    observable: str
    edges: Floats
    processes: Mapping[str, Template]
    region: str = ""
    run: str = ""

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
    one_sided: Callable[[str], bool] | None = None,
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
    one_sided : callable, optional
        Says whether a variation may have one side only, "up" if its label names none; default none may.

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
    pairs, singles = _variation_pairs(contents.variations, contents.observable, one_sided)
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
        single = {
            name: (side, values[i, j])
            for name, (side, j) in singles.items()
            if values[i, j].any() and not np.array_equal(values[i, j], nominal)
        }
        processes[process] = Template(nominal, variances[i, at], shifted, single)
    return Templates(
        channel or contents.region, contents.observable, contents.edges, processes, contents.region
    )


def _variation_pairs(
    labels: tuple[str, ...], observable: str, one_sided: Callable[[str], bool] | None
) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[str, int]]]:
    """Positions of the up and down side of each variation, and of the one side of those that may have one."""
    pairs: dict[str, tuple[int, int]] = {}
    singles: dict[str, tuple[str, int]] = {}
    allowed = one_sided or (lambda _: False)
    for label in labels:
        if label == "nominal":
            continue
        name, _, side = label.rpartition("_")
        other = {"up": "down", "down": "up"}.get(side.lower())
        partner = next((x for x in labels if other and x.lower() == f"{name}_{other}".lower()), None)
        if other is not None and name and partner is not None:
            if side.lower() == "up":
                pairs[name] = (labels.index(label), labels.index(partner))
        elif other is not None and name and allowed(name):
            singles[name] = (side.lower(), labels.index(label))
        elif allowed(label):
            singles[label] = ("up", labels.index(label))
        else:
            message = (
                f"The variation '{label}' of the histogram over '{observable}' has no partner: "
                "variations come as name_up and name_down. Fill both in the analysis and run it again, or say in a file "
                f'(--nuisances FILE) what the other side is: name = "{name if other else label}", kind = "shape", '
                'one_sided = "mirror".'
            )
            raise WorkspaceError(message)
    return pairs, singles

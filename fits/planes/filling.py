"""Yields of all signals of a plane, in bins that they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.errors import BinningError
from massgap.fits.parts import fill_plans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.fits.parts import FilledPlan
    from massgap.fits.plan import FitOptions, PlannedRun
    from massgap.fits.workspaces.templates import Templates

__all__ = ["FilledPlane", "fill_plane"]


@dataclass(frozen=True)
class FilledPlane:
    """Channels of a plane at one luminosity.

    Attributes
    ----------
    lumi_fb : float
    filled : FilledPlan
        Templates of all processes in the shared bins, in fb.
    """

    lumi_fb: float
    filled: FilledPlan

    def templates(self, signal: str, scale: float = 1.0) -> list[Templates]:
        """All channels, the signal multiplied by a factor."""
        return [_scaled(part.templates, signal, scale) for part in self.filled.parts]

    def signal_yield(self, signal: str) -> tuple[float, float]:
        """Cross section of a signal in all bins, and its statistical error, in fb."""
        found = [part.templates.processes.get(signal) for part in self.filled.parts]
        total = sum(float(t.values.sum()) for t in found if t is not None)
        return total, float(np.sqrt(sum(float(t.variances.sum()) for t in found if t is not None)))

    @property
    def background(self) -> float:
        """Events expected without signal."""
        return self.lumi_fb * sum(
            float(part.templates.total(self.filled.backgrounds)[0].sum()) for part in self.filled.parts
        )

    @property
    def observed(self) -> float | None:
        """Events seen, None without data."""
        seen = self.filled.observations
        return None if seen is None else float(sum(sum(counts) for counts in seen.values()))

    def as_dict(self) -> list[dict[str, Any]]:
        """``parts`` of ``plane.json``."""
        return [part.as_dict(self.filled.backgrounds, 1.0) for part in self.filled.parts]


def fill_plane(
    runs: Sequence[PlannedRun],
    signals: Sequence[str],
    backgrounds: Sequence[str],
    options: FitOptions,
    lumi_fb: float,
) -> FilledPlane:
    """Fill all channels in bins that all signals share, see :func:`massgap.fits.workspaces.binning.choose_edges`.

    Parameters
    ----------
    runs : sequence of PlannedRun
    signals, backgrounds : sequence of str
        Processes, as the likelihood calls them. A signal without any event is left to the fits to name.
    options : FitOptions
    lumi_fb : float
        Luminosity in fb-1 for which bins are chosen.

    Raises
    ------
    BinningError
        If no bins can be chosen, with the luminosity.
    massgap.errors.MassgapError
        As of :func:`massgap.fits.parts.fill_plans`.
    """
    try:
        return FilledPlane(lumi_fb, fill_plans(runs, signals, backgrounds, options, lumi_fb))
    except BinningError as error:
        message = f"At {lumi_fb:g} fb-1: {error}"
        raise BinningError(message) from error


def _scaled(templates: Templates, name: str, factor: float) -> Templates:
    t = templates.processes[name]
    scaled = replace(
        t,
        values=factor * t.values,
        variances=factor**2 * t.variances,
        variations={key: (factor * up, factor * down) for key, (up, down) in t.variations.items()},
        one_sided={key: (side, factor * values) for key, (side, values) in t.one_sided.items()},
    )
    return replace(templates, processes={**templates.processes, name: scaled})

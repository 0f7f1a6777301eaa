"""The rows of a threshold scan: one per threshold, kept as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.counting.significance import asimov, asimov_with_uncertainty, s_over_1pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["MERITS", "ScanRows"]

MERITS = ("S", "B", "s_over_1pb", "asimov", "asimov_uncertain")
"""Columns that are told of a single threshold."""


@dataclass(frozen=True)
class ScanRows:
    """Everything against threshold for one fold, or for all events (``fold`` is None).

    All arrays have one entry per threshold, shape (n,): the left edges of the bins if events above are kept, the
    right ones if those below.

    Attributes
    ----------
    fold : int or None
        The fold whose events these are, scaled up by the number of folds.
    threshold : ndarray
        In units of the observable, increasing.
    signal, background : ndarray
        Expected events S and B beyond the threshold at the luminosity of the scan.
    signal_smooth, background_smooth : ndarray
        The same from smoothed cumulative cross sections; NaN where no simulated event is left.
    xsec_fb : dict
        Process -> cross section beyond the threshold, fb; times the luminosity it is the events of that process.
    n_eff_signal, n_eff_background : ndarray
        Effective numbers of simulated events.
    reliable : ndarray of bool
        Where both are large enough for the threshold to be quoted.
    background_uncertainty : float
        Relative uncertainty of the background in ``significance_uncertain``.
    """

    fold: int | None
    threshold: Floats
    signal: Floats
    background: Floats
    signal_smooth: Floats
    background_smooth: Floats
    xsec_fb: dict[str, Floats]
    n_eff_signal: Floats
    n_eff_background: Floats
    reliable: NDArray[np.bool_]
    background_uncertainty: float = 0.2

    @property
    def ratio(self) -> Floats:
        """S/(1+B) of the raw curves."""
        return s_over_1pb(self.signal, self.background)

    @property
    def ratio_smooth(self) -> Floats:
        """S/(1+B) of the smoothed curves."""
        return s_over_1pb(self.signal_smooth, self.background_smooth)

    @property
    def significance(self) -> Floats:
        """Asimov significance of the raw curves, NaN without background."""
        return asimov(self.signal, self.background)

    @property
    def significance_smooth(self) -> Floats:
        """Asimov significance of the smoothed curves."""
        return asimov(self.signal_smooth, self.background_smooth)

    @property
    def significance_uncertain(self) -> Floats:
        """Asimov significance of the raw curves with the uncertainty of the background."""
        return asimov_with_uncertainty(
            self.signal, self.background, self.background_uncertainty * self.background
        )

    @property
    def significance_uncertain_smooth(self) -> Floats:
        """Asimov significance of the smoothed curves with the uncertainty of the background."""
        return asimov_with_uncertainty(
            self.signal_smooth, self.background_smooth, self.background_uncertainty * self.background_smooth
        )

    def quotable(self, min_ratio: float = 0.0) -> NDArray[np.bool_]:
        """Thresholds with enough simulated events, a significance, and a smoothed S/(1+B) of at least ``min_ratio``."""
        with np.errstate(invalid="ignore"):
            enough = self.reliable & (self.ratio_smooth >= min_ratio)
        return np.asarray(enough & np.isfinite(self.significance_smooth))

    def row(self, index: int, *, smooth: bool = False) -> dict[str, float | None]:
        """Figures of merit at one threshold, of the raw or the smoothed curves; undefined numbers are None."""
        end = "_smooth" if smooth else ""
        columns = self.columns()
        picked = {name: _number(columns[name + end][index]) for name in MERITS}
        return {"threshold": float(self.threshold[index]), **picked}

    def as_dict(self) -> dict[str, Any]:
        """Form of ``scan.json``: a list per column, raw and with ``_smooth``; undefined numbers are null."""
        out: dict[str, Any] = {
            "threshold": self.threshold.tolist(),
            **{name: [_number(x) for x in column] for name, column in self.columns().items()},
            "xsec_fb": {name: [_number(x) for x in column] for name, column in self.xsec_fb.items()},
            "n_eff_signal": [_number(x) for x in self.n_eff_signal],
            "n_eff_background": [_number(x) for x in self.n_eff_background],
            "reliable": self.reliable.tolist(),
        }
        return out if self.fold is None else {"fold": self.fold, **out}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, background_uncertainty: float = 0.2) -> ScanRows:
        """Rows as ``scan.json`` has them, the inverse of :meth:`as_dict`."""
        return cls(
            fold=data.get("fold"),
            threshold=_array(data["threshold"]),
            signal=_array(data["S"]),
            background=_array(data["B"]),
            signal_smooth=_array(data["S_smooth"]),
            background_smooth=_array(data["B_smooth"]),
            xsec_fb={name: _array(column) for name, column in data["xsec_fb"].items()},
            n_eff_signal=_array(data["n_eff_signal"]),
            n_eff_background=_array(data["n_eff_background"]),
            reliable=np.asarray(data["reliable"], dtype=bool),
            background_uncertainty=background_uncertainty,
        )

    def columns(self) -> dict[str, Floats]:
        """Events and figures of merit as ``scan.json`` names them, raw and with ``_smooth``."""
        return {
            "S": self.signal,
            "B": self.background,
            "s_over_1pb": self.ratio,
            "asimov": self.significance,
            "asimov_uncertain": self.significance_uncertain,
            "S_smooth": self.signal_smooth,
            "B_smooth": self.background_smooth,
            "s_over_1pb_smooth": self.ratio_smooth,
            "asimov_smooth": self.significance_smooth,
            "asimov_uncertain_smooth": self.significance_uncertain_smooth,
        }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _array(column: list[float | None]) -> Floats:
    return np.asarray([np.nan if x is None else x for x in column], dtype=np.float64)

"""What a feature list says of one observable: name, label, unit, range and meaning."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Feature"]


@dataclass(frozen=True)
class Feature:
    """One observable: its name, how a plot labels and bins it, and what it is.

    Parameters
    ----------
    name
        Name in feature tables, histograms and models.
    label
        LaTeX label for plots, without the unit.
    unit
        "GeV", "rad" or "" for a pure number.
    low, high, bins
        Range and number of bins of the histogram.
    description
        One sentence in plain words.

    Examples
    --------
    >>> Feature("met", "$E_T^{miss}$", "GeV", 0, 500, 50, "Missing transverse momentum").axis_label
    '$E_T^{miss}$ [GeV]'
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    bins: int
    description: str

    @property
    def axis_label(self) -> str:
        """Label with unit, as an axis shows it."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

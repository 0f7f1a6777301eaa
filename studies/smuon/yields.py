"""Expected events of a run in the regions of the smuon analysis, with the paper's normalisation and both of its mixtures."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from massgap.contracts.run_folder import open_run
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.contracts.run_folder import RunFolder

__all__ = [
    "MIXTURES",
    "PAPER_FB",
    "PRINTED",
    "Amount",
    "Mixture",
    "Yields",
    "normalisation",
    "share_of",
    "signal_factors",
]

Mixture = Literal["as Table III", "as Table VIII", "printed yields"]
MIXTURES: tuple[Mixture, ...] = ("as Table III", "as Table VIII")
"""Backgrounds as their cross sections say; and in the shares of cross sections before all cuts, which the printed numbers of
Tables VIII and IX need: there the mean weight of a *selected* data set is its cross section."""

PRINTED = {"tt": 376.9, "mumununu": 307.4, "mumulnu": 57.4}
"""Events after M_T2 at 139 fb-1 in Table III: as ``"printed yields"`` backgrounds are scaled to them, and only efficiencies are one's own."""
PAPER_FB = {"tt": 9500.0, "mumununu": 840.0, "mumulnu": 160.0}
"""Cross sections of the paper, fb, decays to muons included (section II)."""
_COUNTED = "met"
"""A histogram in which every event is."""


class Amount(NamedTuple):
    """A number and its standard error from the finite simulation."""

    value: float
    error: float

    @property
    def effective(self) -> float:
        """So many events of equal weight have this relative error."""
        return (self.value / self.error) ** 2 if self.error else 0.0


def normalisation() -> dict[str, float]:
    """Background -> factor on the leading-order samples: tt to the measured cross section, others the paper's K of 1.2.

    Samples of tt have muons of taus, too, which the paper's 9.5 pb are without.
    """
    from massgap.samples.processes.dimuon import TAU_TO_MU, XSEC_TT

    return {"tt": PAPER_FB["tt"] * (1.0 + TAU_TO_MU) ** 2 / XSEC_TT, "mumununu": 1.2, "mumulnu": 1.2}


class Yields:
    """What a run counts.

    Parameters
    ----------
    folder
        Run folder of the smuon analysis.

    Raises
    ------
    StudyError
        If it is of another analysis, or lacks one of the three backgrounds.
    IncompleteRunError
        If it has lost events, whose loss was not accepted.
    """

    def __init__(self, folder: str | Path) -> None:
        self.run: RunFolder = open_run(folder)
        if (analysis := self.run.description.analysis) != "smuon":
            msg = f"{folder} is a run of the analysis {analysis!r}: give one of smuon, or a folder of massgap study smuon"
            raise StudyError(msg)
        if missing := [name for name in PAPER_FB if name not in self.run.backgrounds]:
            msg = f"{folder} has no {missing[0]}: run over all backgrounds, massgap generate smuon makes them"
            raise StudyError(msg)
        self.run.require_complete()

    @cached_property
    def masses(self) -> dict[str, tuple[float, float]]:
        """Signal -> masses of smuon and neutralino, GeV."""
        return {
            str(m["process"]): (float(m["masses"]["m_slepton"]), float(m["masses"]["m_lsp"]))
            for m in self.run.manifest["datasets"].values()
            if m.get("is_signal") and {"m_slepton", "m_lsp"} <= set(m.get("masses") or {})
        }

    @cached_property
    def cross_sections(self) -> dict[str, float]:
        """Signal -> cross section of its samples before filters and cuts, fb, where they say it."""
        return {
            str(m["process"]): float(m["hard_xsec_fb"])
            for m in self.run.manifest["datasets"].values()
            if m.get("process") in self.masses and m.get("hard_xsec_fb")
        }

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Regions that the run has."""
        return tuple(str(name) for name in self.run.histogram(_COUNTED).axes["region"])

    def one(self, process: str, region: str) -> Amount:
        """Cross section of a process in a region, fb, leading order."""
        filled: Any = self.run.histogram(_COUNTED)
        part = filled[{"process": process, "region": region, "variation": "nominal"}]
        values, variances = part.values(flow=True), part.variances(flow=True)
        return Amount(float(values.sum()), math.sqrt(float(variances.sum())))

    def efficiency(self, process: str, region: str) -> Amount | None:
        """Share of the events after M_T2 that are in a region; None where there are none.

        The copies of an event (``massgap generate --repeat``) have its jets in common: where there are any, the error is of the
        sums over the copies of each event, if the run has kept its tables.
        """
        part, whole = self.one(process, region), self.one(process, "preselection")
        found = share_of(part, whole)
        if found is None or part.value == 0.0 or process not in self._copied:
            return found
        table = self._copied[process]
        moves = table["weight"] * (table[f"region_{region}"].astype(float) - found.value)
        of_events = moves.groupby(table["fold_key"]).sum()
        return Amount(found.value, float(np.sqrt((of_events**2).sum())) / float(table["weight"].sum()))

    @cached_property
    def _copied(self) -> dict[str, Any]:
        """Process -> table of its selected events, of those that were made with copies."""
        from massgap.contracts.feature_table import read_feature_tables

        names = {
            str(m["process"])
            for m in self.run.manifest["datasets"].values()
            if int(m.get("n_copies") or 1) > 1
        }
        if not names or not (self.run.path / "features").is_dir():
            return {}
        table = read_feature_tables(self.run.path, self.run.manifest).table
        return {
            name: part
            for name, part in table.groupby(table["process"].astype(str), observed=True)
            if name in names
        }

    def background(self, region: str, mixture: Mixture) -> Amount:
        """Cross section of all backgrounds in a region, fb, with the paper's normalisation."""
        factors = self._factors(mixture)
        parts = [self.one(name, region) for name in factors]
        value = sum(factor * part.value for factor, part in zip(factors.values(), parts, strict=True))
        error = math.hypot(
            *(factor * part.error for factor, part in zip(factors.values(), parts, strict=True))
        )
        return Amount(value, error)

    def background_efficiency(self, region: str, mixture: Mixture) -> Amount | None:
        """Share of the background after M_T2 that is in a region."""
        return share_of(self.background(region, mixture), self.background("preselection", mixture))

    def event_factors(self, mixture: Mixture) -> dict[str, float]:
        """Background -> factor on the weights of its events."""
        return dict(self._factors(mixture))

    def _factors(self, mixture: Mixture) -> dict[str, float]:
        factors = normalisation()
        if mixture == "as Table III":
            return factors
        selected = {name: self.one(name, "preselection").value for name in factors}
        if mixture == "printed yields":
            return {name: PRINTED[name] / 139.0 / fb if fb > 0.0 else 0.0 for name, fb in selected.items()}
        total = sum(factors[name] * selected[name] for name in factors)
        whole = sum(PAPER_FB.values())
        return {
            name: total * PAPER_FB[name] / whole / selected[name] if selected[name] > 0.0 else 0.0
            for name in factors
        }


def share_of(part: Amount, whole: Amount) -> Amount | None:
    """Share of a part in the whole and its error, of weighted events; of none at all, that of one event."""
    if whole.value <= 0.0:
        return None
    if part.value == 0.0:
        return Amount(0.0, 1.0 / whole.effective)
    share = part.value / whole.value
    variance = (1.0 - 2.0 * share) * part.error**2 + (share * whole.error) ** 2
    return Amount(share, float(np.sqrt(max(0.0, variance))) / whole.value)


def signal_factors(yields: Yields, name: str) -> dict[str, float]:
    """Signal -> factor on its weights for another set of cross sections: those of which the set has a number.

    Parameters
    ----------
    yields
        Of a run.
    name
        ``own``, or a set of the study (``nlo``, ``paper``).
    """
    from massgap.fits.errors import PlaneError
    from massgap.fits.planes.cross_sections import read_cross_sections
    from massgap.fits.planes.points import PlanePoint
    from massgap.studies.cross_sections import cross_section_sets

    if name == "own":
        return dict.fromkeys(yields.masses, 1.0)
    table = read_cross_sections(cross_section_sets("smuon")[name], name)
    out = {}
    for process, own in yields.cross_sections.items():
        m, lsp = yields.masses[process]
        try:
            fb, _ = table.of(PlanePoint(process, {"m_slepton": m, "m_lsp": lsp}, own, 0.0))
        except PlaneError:
            continue  # beyond the table
        out[process] = fb / own
    return out

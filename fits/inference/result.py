"""What a fit gives, and the rows of a short table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FitResult"]


@dataclass(frozen=True)
class FitResult:
    """Everything a fit folder holds.

    Attributes
    ----------
    out : Path
        The fit folder.
    results, workspace : dict
        Contents of ``results.json`` and ``workspace.json``.
    scan : dict or None
        Content of ``scan.json``, in ``scans`` an entry of
        :meth:`massgap.fits.scans.threshold_scan.ThresholdScan.as_dict` per histogram and region; None where nothing
        was scanned.
    warnings : tuple of str
        Sentences a user should see, such as an accepted loss.
    others : tuple of FitResult
        Those for further luminosities.
    """

    out: Path
    results: dict[str, Any]
    workspace: dict[str, Any]
    scan: dict[str, Any] | None
    warnings: tuple[str, ...] = ()
    others: tuple[FitResult, ...] = ()

    def summary(self) -> list[tuple[str, str]]:
        """Rows (what, value) of a short table."""
        r = self.results
        limit, found, strength = r["upper_limit"], r["discovery"], r["signal_strength"]
        rows = [("signal", str(r["signal"])), ("luminosity", f"{r['lumi_fb']:g} fb-1")]
        several = len(r["parts"]) > 1
        for part in r["parts"]:
            where = f" in {part['region']}" if several else ""
            where += f" of {part['run']}" if "run" in part else ""
            rows.append(("bins", f"{len(part['binning']) - 1} of {part['histogram']}{where}"))
        if several:
            rows.append(("correlated over channels", _shared(r["nuisances"])))
        spread = r.get("simulation") or {}
        error = _error(spread.get("expected_significance"), ".2f")
        words = f"{found['expected_significance']:.2f}{error} sigma{' (simulation)' if error else ''}"
        rows.append(("expected significance", words))
        if found["observed_significance"] is not None:
            rows.append(("observed significance", f"{found['observed_significance']:.2f} sigma"))
        percent = f"{100.0 * limit['level']:g} % CLs limit on mu"
        low, median, high = limit["expected"][1:4]
        error = _error((spread.get("upper_limit", {}).get("expected") or [None] * 5)[2], ".2g")
        band = f"{'simulation; ' if error else ''}68 %: {low:.3g} to {high:.3g}"
        rows.append((f"expected {percent}", f"{median:.3g}{error} ({band})"))
        if limit["observed"] is not None:
            rows.append((f"observed {percent}", f"{limit['observed']:.3g}"))
        kind = "fitted mu" if strength["on_data"] else "fitted mu (Asimov data, mu = 1)"
        down = strength["error_down"]
        interval = f"+{strength['error_up']:.3g}" + (
            f" -{down:.3g}" if down is not None else " (no lower end)"
        )
        rows.append((kind, f"{strength['value']:.3g} {interval}"))
        for other in r.get("luminosities", ())[1:]:
            median = other["expected_limit"][2]
            rows.append(
                (
                    f"at {other['lumi_fb']:g} fb-1",
                    f"expected {other['expected_significance']:.2f} sigma, {percent} {median:.3g}",
                )
            )
        if "toys" in r:
            from massgap.fits.inference.toys.results import toy_rows

            rows += toy_rows(r["toys"], "mu")
        scans = [] if self.scan is None else self.scan["scans"]
        for scan in scans:
            rows += _scan_rows(scan, named=len(scans) > 1)
        return rows


def _shared(nuisances: list[dict[str, Any]]) -> str:
    """Parameters that move several channels at once."""
    names = [entry["name"] for entry in nuisances if len(entry["channels"]) > 1]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} others" if len(names) > 8 else "")
    return shown or "none"


def _scan_rows(scan: Mapping[str, Any], *, named: bool) -> list[tuple[str, str]]:
    of_run = f" of {scan['run']}" if "run" in scan else ""
    name = f"{scan['histogram']} in {scan['region']}{of_run}" if named else scan["histogram"]
    spread = scan.get("simulation") or {}
    all_events = _merits(scan["all_events"], spread.get("all_events"))
    rows = [(f"without a cut on {name}: S, S/(1+B), Asimov", all_events)]
    best = scan["best"]
    if best is None:
        return [*rows, (f"best cut on {name}", "none has enough simulated events")]
    side = ">=" if scan["options"]["keep"] == "above" else "<"
    value = _merits(best, spread.get("best"))
    optimism = (spread.get("best") or {}).get("optimism")
    if optimism is not None and optimism > 0.0:
        value += f"; chosen on these events, some {optimism:.1g} too high"
    return [*rows, (f"best cut, {name} {side} {best['threshold']:.3g}", value)]


def _merits(row: Mapping[str, float | None], spread: Mapping[str, Any] | None) -> str:
    values = (row["S"], row["s_over_1pb"], row["asimov"])
    words = ", ".join("-" if value is None else f"{value:.3g}" for value in values)
    return words + _error((spread or {}).get("asimov"), ".2f")


def _error(spread: Mapping[str, Any] | None, digits: str) -> str:
    """What stands behind a number, nothing where its uncertainty is not known."""
    std = None if spread is None else spread["std"]
    return "" if std is None else f" +- {std:{digits}}"

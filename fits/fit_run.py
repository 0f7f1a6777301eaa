"""From a run folder to a fit folder: what ``massgap fit`` does, as a plain function."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import HistogramError
from massgap.contracts.run_folder import open_run
from massgap.fits.errors import FitError
from massgap.fits.inference.hypothesis_tests import discovery, signal_strength, upper_limit
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.scans.threshold_scan import ScanOptions, scan_thresholds
from massgap.fits.workspaces.templates import choose_edges, rebin, templates_from_histogram
from massgap.fits.workspaces.workspace import WorkspaceOptions, build_workspace, dump_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.workspaces.templates import Templates

__all__ = ["FitOptions", "FitResult", "fit_run"]


@dataclass(frozen=True)
class FitOptions:
    """Which histogram is fitted, in which bins, with which likelihood.

    Attributes
    ----------
    histogram, channel, selection : str
        Histogram of the run, its channel (if it has several) and its selection step (features).
    edges : sequence of float, optional
        Bin edges; default chosen by ``min_background``, ``max_relative_error`` and ``max_bins``.
    use_data : bool
        Use recorded data of the run as observations; without data only expectations are given.
    level : float
        Confidence level of the limit.
    model : WorkspaceOptions
        Content of the likelihood; its luminosity is replaced by that of the fit.
    scan : ScanOptions
        Threshold scan; its luminosity is replaced likewise.
    """

    histogram: str = "score"
    channel: str | None = None
    selection: str | None = None
    edges: Sequence[float] | None = None
    min_background: float = 5.0
    max_relative_error: float = 0.3
    max_bins: int = 20
    use_data: bool = True
    level: float = 0.95
    model: WorkspaceOptions = field(default_factory=WorkspaceOptions)
    scan: ScanOptions = field(default_factory=ScanOptions)


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
        Content of ``scan.json``; None without a score histogram.
    warnings : tuple of str
        Sentences a user should see, such as an accepted loss.
    """

    out: Path
    results: dict[str, Any]
    workspace: dict[str, Any]
    scan: dict[str, Any] | None
    warnings: tuple[str, ...] = ()

    def summary(self) -> list[tuple[str, str]]:
        """Rows (what, value) of a short table."""
        r = self.results
        limit, found, strength = r["upper_limit"], r["discovery"], r["signal_strength"]
        rows = [
            ("signal", str(r["signal"])),
            ("luminosity", f"{r['lumi_fb']:g} fb-1"),
            ("bins", f"{len(r['binning']) - 1} of {r['options']['histogram']}"),
            ("expected significance", f"{found['expected_significance']:.2f} sigma"),
        ]
        if found["observed_significance"] is not None:
            rows.append(("observed significance", f"{found['observed_significance']:.2f} sigma"))
        percent = f"{100.0 * limit['level']:g} % CLs limit on mu"
        low, median, high = limit["expected"][1:4]
        rows.append((f"expected {percent}", f"{median:.3g} (68 %: {low:.3g} to {high:.3g})"))
        if limit["observed"] is not None:
            rows.append((f"observed {percent}", f"{limit['observed']:.3g}"))
        kind = "fitted mu" if strength["on_data"] else "fitted mu (Asimov data, mu = 1)"
        down = strength["error_down"]
        interval = f"+{strength['error_up']:.3g}" + (
            f" -{down:.3g}" if down is not None else " (no lower end)"
        )
        rows.append((kind, f"{strength['value']:.3g} {interval}"))
        if self.scan is not None:
            before, after = self.scan["table_iii"]["precuts"], self.scan["table_iii"]["bdt"]
            rows.append(("before the score: S, S/(1+B), Asimov", _triple(before)))
            if after is None:
                rows.append(
                    ("with the score", f"S/(1+B) stays below {self.scan['options']['min_s_over_1pb']:g}")
                )
            else:
                rows.append(("score thresholds", _range(after["threshold"])))
                rows += [
                    (f"with the score: {label}", _range(after[key]))
                    for label, key in (("S", "S"), ("S/(1+B)", "s_over_1pb"), ("Asimov", "asimov"))
                ]
        return rows


def fit_run(
    run_folder: str | Path,
    out: str | Path,
    lumi_fb: float = 300.0,
    signal: str | None = None,
    *,
    backgrounds: Sequence[str] | None = None,
    options: FitOptions | None = None,
    accept_loss: bool = False,
    progress: Callable[[str], None] | None = None,
) -> FitResult:
    """Build the likelihood of a run, fit it, scan the score, and write the fit folder.

    Parameters
    ----------
    run_folder : path
        Folder written by a run.
    out : path
        Fit folder; made if needed. Gets ``workspace.json``, ``results.json`` and, if the run has a
        score, ``scan.json``, each replaced in one step, the results last.
    lumi_fb : float
        Luminosity in fb-1.
    signal : str, optional
        Signal process; may be left out if the run has one.
    backgrounds : sequence of str, optional
        Background processes; default all simulated processes that are no signal.
    options : FitOptions, optional
        Histogram, binning, uncertainties.
    accept_loss : bool
        Fit a run that has lost events, and say so.
    progress : callable, optional
        Gets one short sentence per step.

    Returns
    -------
    FitResult

    Raises
    ------
    FitError
        With the file, histogram, bin or option at fault and the remedy.

    Examples
    --------
    >>> result = fit_run("run", "fit", lumi_fb=139.0)  # doctest: +SKIP
    >>> result.results["upper_limit"]["expected"]  # doctest: +SKIP
    """
    say = progress or (lambda _: None)
    options = options or FitOptions()
    options = replace(
        options,
        model=replace(options.model, lumi_fb=lumi_fb),
        scan=replace(options.scan, lumi_fb=lumi_fb),
    )
    say("Reading the run")
    run = open_run(run_folder)
    loss = run.require_complete(accept_loss=accept_loss)
    warnings = [f"The run is incomplete and its loss was accepted: {loss}."] if loss else []
    signal = _choose_signal(run, signal)
    backgrounds = sorted(run.backgrounds if backgrounds is None else backgrounds)
    histogram = run.histogram(options.histogram)
    fine = templates_from_histogram(histogram, channel=options.channel, selection=options.selection)
    present = [name for name in backgrounds if name in fine.processes]
    absent = sorted(set(backgrounds) - set(present))
    if absent:
        # A process of which nothing was selected may be missing on the axis of the histogram.
        warnings.append(f"No event of {', '.join(absent)} is in the histogram '{options.histogram}'.")
    if signal not in fine.processes:
        message = f"The histogram '{options.histogram}' of {run.path} has no events of the signal '{signal}'."
        raise HistogramError(message)
    empty = [name for name in present if not fine.processes[name].values.any()]
    if empty:
        warnings.append(f"No event of {', '.join(empty)} is left; the fit goes without.")
    used = [name for name in present if name not in empty]
    say("Building the workspace")
    edges = options.edges
    if edges is None:
        edges = choose_edges(
            fine,
            signal,
            used,
            lumi_fb=lumi_fb,
            min_background=options.min_background,
            max_relative_error=options.max_relative_error,
            max_bins=options.max_bins,
        ).tolist()
    templates = rebin(fine, edges)
    on_data = options.use_data and bool(run.data)
    observed = {templates.channel: _observations(run, templates)} if on_data else None
    model = replace(
        options.model,
        normalisation={k: v for k, v in options.model.normalisation.items() if k not in set(empty + absent)},
    )
    workspace = build_workspace(templates, signal, used, options=model, observations=observed)
    likelihood = Likelihood(workspace)
    say("Testing for discovery")
    found = discovery(likelihood, observed=on_data)
    say("Finding the upper limit")
    limit = upper_limit(likelihood, level=options.level, observed=on_data)
    say("Fitting the signal strength")
    strength = signal_strength(likelihood, observed=on_data)
    results = {
        "format": "massgap-fit/1",
        "lumi_fb": lumi_fb,
        "workspace": "workspace.json",
        "signal": signal,
        "backgrounds": used,
        "run": {"code_hash": run.manifest.get("code_hash"), "fileset_hash": run.manifest.get("fileset_hash")},
        "channel": templates.channel,
        "observable": templates.observable,
        "options": _plain(replace(options, model=model)),
        "binning": [float(x) for x in templates.edges],
        "yields": _scaled(templates, [signal, *used], lumi_fb),
        "stat_errors": _errors(templates, [signal, *used], lumi_fb),
        "observations": observed[templates.channel] if observed else None,
        "discovery": asdict(found),
        "upper_limit": {**asdict(limit), "expected": list(limit.expected)},
        "signal_strength": {k: v for k, v in asdict(strength).items() if k != "pulls"},
        "pulls": {name: asdict(pull) for name, pull in strength.pulls.items()},
        "warnings": warnings,
    }
    scan = None
    if "score" in run.histograms:
        say("Scanning the score threshold")
        score = run.histograms["score"]
        scan = scan_thresholds(
            score, signal, _on_axis(score, backgrounds), channel=options.channel, options=options.scan
        ).as_dict()
    folder = Path(out)
    say("Writing the fit folder")
    _write(folder, workspace, results, scan)
    return FitResult(folder, results, workspace, scan, tuple(warnings))


def _choose_signal(run: RunFolder, signal: str | None) -> str:
    choices = ", ".join(run.signals) or "none"
    if signal is None and len(run.signals) == 1:
        return run.signals[0]
    if signal is None:
        message = f"{run.path} has these signals: {choices}. Choose one (signal=..., --signal)."
        raise FitError(message)
    if signal not in run.signals:
        message = f"{run.path} has no signal '{signal}'; it has: {choices}."
        raise FitError(message)
    return signal


def _on_axis(histogram: Any, names: Sequence[str]) -> list[str]:
    present = {str(x) for x in histogram.axes["process"]}
    return [name for name in names if name in present]


def _observations(run: RunFolder, templates: Templates) -> list[float]:
    """Counts of recorded data; they are events, not fb."""
    counts = templates.total(name for name in run.data if name in templates.processes)[0]
    if not np.array_equal(counts, np.round(counts)) or counts.min() < 0.0:
        message = (
            f"The data of {run.path} ({', '.join(run.data)}) are no counts: recorded events must be filled with "
            "weight 1. Check the is_data flag of their datasets."
        )
        raise HistogramError(message)
    return [float(x) for x in counts]


def _scaled(templates: Templates, names: Sequence[str], lumi_fb: float) -> dict[str, list[float]]:
    return {name: (templates.processes[name].values * lumi_fb).tolist() for name in names}


def _errors(templates: Templates, names: Sequence[str], lumi_fb: float) -> dict[str, list[float]]:
    return {name: (np.sqrt(templates.processes[name].variances) * lumi_fb).tolist() for name in names}


def _plain(options: FitOptions) -> dict[str, Any]:
    out: dict[str, Any] = {**asdict(options), "model": options.model.as_dict()}
    out["edges"] = list(options.edges) if options.edges is not None else None
    return out


def _write(folder: Path, workspace: Mapping[str, Any], results: Mapping[str, Any], scan: Any) -> None:
    """Write each file beside its place and move it there, the results last."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without its results an old folder cannot be taken for a new one.
        (folder / "results.json").unlink(missing_ok=True)
        (folder / "scan.json").unlink(missing_ok=True)
        _replace(folder / "workspace.json", dump_workspace(workspace))
        if scan is not None:
            _replace(folder / "scan.json", json.dumps(scan, allow_nan=False) + "\n")
        _replace(folder / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"The fit folder {folder} cannot be written ({reason}). Choose another folder (--out)."
        raise FitError(message) from error


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _range(pair: Sequence[float]) -> str:
    return f"{pair[0]:.3g} to {pair[1]:.3g}"


def _triple(values: Mapping[str, float | None]) -> str:
    texts = [f"{values[k]:.3g}" if values[k] is not None else "-" for k in ("S", "s_over_1pb", "asimov")]
    return ", ".join(texts)

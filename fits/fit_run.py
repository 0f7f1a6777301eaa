"""From a run folder to a fit folder: what ``massgap fit`` does, as a plain function."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.fit_folder import FIT_FORMAT, SCAN_FORMAT, write_fit_folder
from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.run_folder import open_run
from massgap.fits.errors import FitError
from massgap.fits.inference.bootstrap.expected import simulation_uncertainty
from massgap.fits.inference.bootstrap.replicas import ReplicaSource
from massgap.fits.inference.engines import likelihood_of
from massgap.fits.inference.hypothesis_tests import (
    discovery,
    hypothesis_test,
    signal_strength,
    upper_limit,
)
from massgap.fits.parts import fill_plan
from massgap.fits.plan import FitOptions, FitPart, FitPlan, make_plan, scores_of
from massgap.fits.result import FitResult
from massgap.fits.scans.scan_uncertainty import scan_uncertainty
from massgap.fits.scans.threshold_scan import scan_thresholds
from massgap.fits.workspaces.workspace import build_workspace, dump_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.inference.bootstrap.expected import SimulationUncertainty
    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.parts import FilledPlan

__all__ = ["FitOptions", "FitPart", "FitPlan", "FitResult", "fit_run"]


def fit_run(
    run_folder: str | Path,
    out: str | Path,
    lumi_fb: float | None = None,
    signal: str | None = None,
    *,
    plan: FitPlan | None = None,
    backgrounds: Sequence[str] | None = None,
    options: FitOptions | None = None,
    accept_loss: bool = False,
    progress: Callable[[str], None] | None = None,
) -> FitResult:
    """Build the likelihood of a run, fit it, scan its scores, and write the fit folder.

    Parameters
    ----------
    run_folder : path
        Folder written by a run.
    out : path
        Fit folder; made if needed. Gets ``workspace.json``, ``results.json`` and, if the run has a
        score, ``scan.json``, each replaced in one step, the results last.
    lumi_fb : float, optional
        Luminosity in fb-1; default that of the analysis.
    signal : str, optional
        Signal process; may be left out if the run has one.
    plan : FitPlan, optional
        Histograms and regions that are fitted together; default what ``options`` name, and without
        that the scores that the run has filled.
    backgrounds : sequence of str, optional
        Background processes; default all simulated processes that are no signal.
    options : FitOptions, optional
        Histogram, region, binning, uncertainties, replicas of the simulation.
    accept_loss : bool
        Fit a run that has lost events, and say so.
    progress : callable, optional
        Gets one short sentence per step.

    Returns
    -------
    FitResult

    Raises
    ------
    massgap.errors.MassgapError
        With the file, histogram, region, bin or option at fault and the remedy; also where another process is writing
        the folder.

    Examples
    --------
    >>> result = fit_run("run", "fit", lumi_fb=139.0)  # doctest: +SKIP
    >>> result.results["upper_limit"]["expected"]  # doctest: +SKIP
    >>> both = FitPlan([("two_leptons", "met"), ("three_leptons", "met", (0, 50, 400))])
    >>> fit_run("run", "fit", plan=both)  # doctest: +SKIP
    """
    say = progress or (lambda _: None)
    say("Reading the run")
    run = open_run(run_folder)
    loss = run.require_complete(accept_loss=accept_loss)
    warnings = [f"The run is incomplete and its loss was accepted: {loss}."] if loss else []
    request = _request(run, lumi_fb, signal, plan, backgrounds, options or FitOptions())
    options = request.options
    source = ReplicaSource(run, options.replicas, options.seed) if options.replicas else None
    filled = fill_plan(
        run, request.plan, request.signal, request.backgrounds, request.options, request.lumi_fb
    )
    warnings += filled.warnings
    with locked_folder(out):
        say("Building the workspace")
        workspace = _workspace(request, filled)
        likelihood = likelihood_of(workspace, engine=request.options.engine)
        tests = _test(likelihood, request, on_data=filled.observations is not None, say=say)
        if source is not None:
            say("Resampling the simulation")
            spread = _spread(workspace, request, filled, source)
            warnings += spread.warnings()
            tests["simulation"] = spread.as_dict()
        results = _results(run, request, filled, tests, warnings)
        scan = _scan(run, request, source, say)
        say("Writing the fit folder")
        write_fit_folder(Path(out), dump_workspace(workspace), results, scan)
    return FitResult(Path(out), results, workspace, scan, tuple(warnings))


@dataclass(frozen=True)
class _Request:
    """What a fit was asked for, with all that was left open decided."""

    lumi_fb: float
    signal: str
    backgrounds: list[str]
    plan: FitPlan
    options: FitOptions


def _request(
    run: RunFolder,
    lumi_fb: float | None,
    signal: str | None,
    plan: FitPlan | None,
    backgrounds: Sequence[str] | None,
    options: FitOptions,
) -> _Request:
    lumi_fb = run.description.luminosity if lumi_fb is None else lumi_fb
    if lumi_fb is None:
        message = (
            f"The analysis of {run.path} names no luminosity: give the one to scale to in fb-1 (lumi_fb=..., --lumi), "
            "for instance --lumi 300."
        )
        raise FitError(message)
    if plan is not None:
        named = [name for name in ("histogram", "region", "edges") if getattr(options, name)]
        if named:
            message = (
                f"A fit has a plan (plan=..., --part) or the option {named[0]} (--{named[0]}), not both: put it into the "
                "parts of the plan, for instance --part two_leptons:met:0,50,200."
            )
            raise FitError(message)
    options = replace(
        options,
        model=replace(options.model, lumi_fb=lumi_fb),
        scan=replace(options.scan, lumi_fb=lumi_fb),
    )
    return _Request(
        lumi_fb,
        _choose_signal(run, signal),
        sorted(run.backgrounds if backgrounds is None else backgrounds),
        plan or make_plan(run, options),
        options,
    )


def _choose_signal(run: RunFolder, signal: str | None) -> str:
    choices = ", ".join(run.signals) or "none"
    if signal is None and len(run.signals) == 1:
        return run.signals[0]
    if signal is None:
        message = f"{run.path} has these signals: {choices}. Choose one (signal=..., --signal)."
        raise FitError(message)
    if signal not in run.signals:
        message = (
            f"{run.path} has no signal '{signal}'; it has: {choices}. Choose one (signal=..., --signal)."
        )
        raise FitError(message)
    return signal


def _workspace(request: _Request, filled: FilledPlan) -> dict[str, Any]:
    model = request.options.model
    normalisation = {k: v for k, v in model.normalisation.items() if k not in filled.left_out}
    return build_workspace(
        [part.templates for part in filled.parts],
        request.signal,
        filled.backgrounds,
        options=replace(model, normalisation=normalisation),
        observations=filled.observations,
    )


def _test(
    likelihood: Likelihood, request: _Request, *, on_data: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Significance, limit and signal strength, as the results have them."""
    say("Testing for discovery")
    found = discovery(likelihood, observed=on_data)
    say("Finding the upper limit")
    limit = upper_limit(likelihood, level=request.options.level, observed=on_data)
    cls = hypothesis_test(likelihood, 1.0, observed=on_data)
    say("Fitting the signal strength")
    strength = signal_strength(likelihood, observed=on_data)
    return {
        "discovery": asdict(found),
        "upper_limit": {**asdict(limit), "expected": list(limit.expected)},
        "cls": {**asdict(cls), "expected": list(cls.expected)},
        "signal_strength": {k: v for k, v in asdict(strength).items() if k != "pulls"},
        "pulls": {name: asdict(pull) for name, pull in strength.pulls.items()},
    }


def _spread(
    workspace: dict[str, Any], request: _Request, filled: FilledPlan, source: ReplicaSource
) -> SimulationUncertainty:
    # By the compiled likelihood whatever the engine of the fit: the same answers, and there are many.
    return simulation_uncertainty(
        likelihood_of(workspace),
        filled,
        source,
        lumi_fb=request.lumi_fb,
        level=request.options.level,
        observed=filled.observations is not None,
    )


def _results(
    run: RunFolder, request: _Request, filled: FilledPlan, tests: dict[str, Any], warnings: list[str]
) -> dict[str, Any]:
    """Content of ``results.json``."""
    processes = [request.signal, *filled.backgrounds]
    options = request.options.as_dict()
    for name in filled.left_out:
        options["model"]["normalisation"].pop(name, None)
    return {
        "format": FIT_FORMAT,
        "lumi_fb": request.lumi_fb,
        "workspace": "workspace.json",
        "signal": request.signal,
        "backgrounds": filled.backgrounds,
        "run": {"code_hash": run.manifest.get("code_hash"), "fileset_hash": run.manifest.get("fileset_hash")},
        "parts": [part.as_dict(processes, request.lumi_fb) for part in filled.parts],
        "options": options,
        **tests,
        "warnings": warnings,
    }


def _scan(
    run: RunFolder, request: _Request, source: ReplicaSource | None, say: Callable[[str], None]
) -> dict[str, Any] | None:
    """Content of ``scan.json``; None where there is nothing to scan."""
    parts = request.plan.scans
    if parts is None:
        parts = tuple(FitPart(region, name) for name, regions in scores_of(run).items() for region in regions)
    scans = []
    for part in parts:
        say(f"Scanning the threshold on {part.histogram} in {part.region}")
        histogram = run.histogram(part.histogram)
        present = {str(name) for name in histogram.axes["process"]}
        scan = scan_thresholds(
            histogram,
            request.signal,
            [name for name in request.backgrounds if name in present],
            region=part.region,
            name=part.histogram,
            options=request.options.scan,
        )
        scans.append((scan if source is None else scan_uncertainty(scan, source)).as_dict())
    return {"format": SCAN_FORMAT, "scans": scans} if scans else None

"""From a run folder to a fit folder: what ``massgap fit`` does, as a plain function."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.fit_folder import (
    FIT_FORMAT,
    SCAN_FORMAT,
    luminosity_folder,
    remove_luminosities,
    write_fit_folder,
)
from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.run_folder import open_run
from massgap.fits.combination.requests import at_luminosity, fit_request, luminosities_of
from massgap.fits.combination.runs import require_disjoint
from massgap.fits.inference.bootstrap.expected import simulation_uncertainty
from massgap.fits.inference.bootstrap.replicas import ReplicaSource
from massgap.fits.inference.engines import likelihood_of
from massgap.fits.inference.hypothesis_tests import (
    discovery,
    hypothesis_test,
    signal_strength,
    upper_limit,
)
from massgap.fits.inference.result import FitResult
from massgap.fits.inference.small_counts import small_counts_warning
from massgap.fits.inference.yields import fitted_yields
from massgap.fits.parts import fill_plans
from massgap.fits.plan import FitOptions, FitPart, FitPlan, scores_of
from massgap.fits.scans.scan_uncertainty import scan_uncertainty
from massgap.fits.scans.shared_events import shared_variances
from massgap.fits.scans.threshold_scan import scan_thresholds
from massgap.fits.workspaces.correlations import correlations
from massgap.fits.workspaces.workspace import build_workspace, dump_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from massgap.fits.combination.requests import FitRequest
    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.parts import FilledPlan

__all__ = ["FitOptions", "FitPart", "FitPlan", "FitResult", "fit_run"]


def fit_run(
    run_folder: str | Path | Sequence[str | Path],
    out: str | Path,
    lumi_fb: float | Sequence[float] | None = None,
    signal: str | None = None,
    *,
    plan: FitPlan | None = None,
    backgrounds: Sequence[str] | None = None,
    options: FitOptions | None = None,
    renamed: Mapping[str, str] | None = None,
    allow_overlap: bool = False,
    accept_loss: bool = False,
    progress: Callable[[str], None] | None = None,
    toys_done: Callable[[int], None] | None = None,
) -> FitResult:
    """Build the likelihood of a run, or of several, fit it, scan its scores, and write the fit folder.

    Parameters
    ----------
    run_folder : path or sequence of path
        Folder written by a run, or several that share no event.
    out : path
        Fit folder; made if needed. Gets ``workspace.json``, ``results.json`` and, if the run has a
        score, ``scan.json``, each replaced in one step, the results last.
    lumi_fb : float or sequence of float, optional
        Luminosity in fb-1, of every run; default that of the analysis. Of several, each has a fit: the first one in ``out``,
        the others in fit folders inside, see :mod:`massgap.contracts.fit_folder`.
    signal : str, optional
        Signal process; may be left out if the runs have one.
    plan : FitPlan, optional
        Histograms and regions that are fitted together; default what ``options`` name, and without
        that the scores that the run has filled.
    backgrounds : sequence of str, optional
        Background processes; default all simulated processes that are no signal.
    options : FitOptions, optional
        Histogram, region, binning, uncertainties, replicas of the simulation.
    renamed : mapping, optional
        Process -> name in the likelihood, see :func:`massgap.fits.combination.planned_runs`.
    allow_overlap : bool
        Take regions and runs together that share events, or may do so, and say so.
    accept_loss : bool
        Fit a run that has lost events, and say so.
    progress : callable, optional
        Gets one short sentence per step.
    toys_done : callable, optional
        Gets the number of toys of each block that is done.

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
    if options is not None and options.toys is not None:
        options.toys.check_engine(options.engine)
    say("Reading the run")
    folders = [run_folder] if isinstance(run_folder, str | Path) else list(run_folder)
    runs = [open_run(folder) for folder in folders]
    lost = [(run, loss) for run in runs if (loss := run.require_complete(accept_loss=accept_loss))]
    warnings = [
        f"The run{f' {run.path}' if len(runs) > 1 else ''} is incomplete and its loss was accepted: {loss}."
        for run, loss in lost
    ]
    request = fit_request(runs, signal, plan, backgrounds, options or FitOptions(), renamed)
    lumis = luminosities_of(runs, lumi_fb)
    disjoint, doubts = require_disjoint(request.runs, allow_overlap=allow_overlap)
    warnings += doubts
    source = None
    if request.options.replicas:
        source = ReplicaSource(request.runs, request.options.replicas, request.options.replica_seed)
    # Everything is filled before anything is written: a request that cannot be fitted leaves no folder.
    requests = [at_luminosity(request, lumi) for lumi in lumis]
    filled = [
        fill_plans(each.runs, each.signal, each.backgrounds, each.options, each.lumi_fb) for each in requests
    ]
    with locked_folder(out):
        remove_luminosities(Path(out))
        facts = [
            replace(content, disjoint=tuple(disjoint), warnings=(*warnings, *content.warnings))
            for content in filled
        ]
        # The first one is written last: its results list the others.
        others = [
            _fit(each, content, Path(out) / luminosity_folder(each.lumi_fb), [], source, say, toys_done)
            for each, content in zip(requests[1:], facts[1:], strict=True)
        ]
        return _fit(requests[0], facts[0], Path(out), others, source, say, toys_done)


def _fit(
    request: FitRequest,
    filled: FilledPlan,
    out: Path,
    others: list[FitResult],
    source: ReplicaSource | None,
    say: Callable[[str], None],
    toys_done: Callable[[int], None] | None,
) -> FitResult:
    """The fit for one luminosity; ``others`` are those for further ones, which its results list."""
    say(f"Building the workspace for {request.lumi_fb:g} fb-1")
    notes = list(filled.warnings)
    workspace = _workspace(request, filled, notes)
    likelihood = likelihood_of(workspace, engine=request.options.engine)
    on_data = filled.observations is not None
    tests = _test(likelihood, workspace, request, on_data=on_data, say=say)
    tests |= _toys(likelihood, request, tests, notes, on_data=on_data, toys_done=toys_done)
    if source is not None:
        say("Resampling the simulation")
        # By the compiled likelihood whatever the engine of the fit: the same answers, and there are many.
        spread = simulation_uncertainty(
            likelihood_of(workspace),
            filled,
            source,
            lumi_fb=request.lumi_fb,
            level=request.options.level,
            observed=on_data,
        )
        notes += spread.warnings()
        tests["simulation"] = spread.as_dict()
    results = _results(request, filled, workspace, tests, notes)
    if others:
        results["luminosities"] = [_at_luminosity(results, "."), *(_listed(other, out) for other in others)]
    scan = _scan(request, source, say)
    say("Writing the fit folder")
    write_fit_folder(out, dump_workspace(workspace), results, scan)
    return FitResult(out, results, workspace, scan, tuple(notes), tuple(others))


def _listed(other: FitResult, out: Path) -> dict[str, Any]:
    return _at_luminosity(other.results, str(other.out.relative_to(out)))


def _at_luminosity(results: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """One entry of ``luminosities`` in ``results.json``."""
    return {
        "lumi_fb": results["lumi_fb"],
        "folder": folder,
        "expected_significance": results["discovery"]["expected_significance"],
        "observed_significance": results["discovery"]["observed_significance"],
        "expected_limit": results["upper_limit"]["expected"],
        "observed_limit": results["upper_limit"]["observed"],
    }


def _workspace(request: FitRequest, filled: FilledPlan, notes: list[str]) -> dict[str, Any]:
    model, gone = request.options.model.without(filled.left_out)
    notes += gone
    return build_workspace(
        [part.templates for part in filled.parts],
        request.signal,
        filled.backgrounds,
        options=model,
        observations=filled.observations,
        notes=notes,
    )


def _test(
    likelihood: Likelihood,
    workspace: dict[str, Any],
    request: FitRequest,
    *,
    on_data: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Significance, limit, signal strength and yields, as the results have them."""
    say("Testing for discovery")
    found = discovery(likelihood, observed=on_data)
    say("Finding the upper limit")
    limit = upper_limit(likelihood, level=request.options.level, observed=on_data)
    cls = hypothesis_test(likelihood, 1.0, observed=on_data)
    say("Fitting the signal strength")
    strength = signal_strength(likelihood, observed=on_data)
    yields = fitted_yields(likelihood, workspace, request.signal, strength.pars, strength.covariance)
    return {
        "discovery": asdict(found),
        "upper_limit": {**asdict(limit), "expected": list(limit.expected)},
        "cls": {**asdict(cls), "expected": list(cls.expected)},
        "signal_strength": strength.as_dict(),
        "pulls": {name: asdict(pull) for name, pull in strength.pulls.items()},
        "yields": [found.as_dict() for found in yields],
    }


def _toys(
    likelihood: Likelihood,
    request: FitRequest,
    tests: dict[str, Any],
    warnings: list[str],
    *,
    on_data: bool,
    toys_done: Callable[[int], None] | None,
) -> dict[str, Any]:
    """Tests with toys where they are wanted, else a warning where counts are small."""
    options = request.options
    if options.toys is not None:
        from massgap.fits.inference.toys.results import toy_results, toy_warnings

        found = toy_results(
            likelihood, options.toys, mu=None, level=options.level, observed=on_data, progress=toys_done
        )
        warnings += toy_warnings(found)
        return {"toys": found}
    if options.engine == "massgap":
        limit = tests["upper_limit"]["expected"][2]
        warning = small_counts_warning(likelihood, limit, observed=on_data)
        warnings += [] if warning is None else [warning]
    return {}


def _results(
    request: FitRequest,
    filled: FilledPlan,
    workspace: dict[str, Any],
    tests: dict[str, Any],
    warnings: list[str],
) -> dict[str, Any]:
    """Content of ``results.json``."""
    processes = [request.signal, *filled.backgrounds]
    options = request.options.as_dict()
    for name in filled.left_out:
        options["model"]["normalisation"].pop(name, None)
    runs = [
        {
            **({"label": planned.label, "renamed": dict(planned.renamed)} if planned.label else {}),
            "code_hash": planned.run.manifest.get("code_hash"),
            "fileset_hash": planned.run.manifest.get("fileset_hash"),
        }
        for planned in request.runs
    ]
    return {
        "format": FIT_FORMAT,
        "lumi_fb": request.lumi_fb,
        "workspace": "workspace.json",
        "signal": request.signal,
        "backgrounds": filled.backgrounds,
        **({"run": runs[0]} if len(runs) == 1 else {"runs": runs}),
        "parts": [part.as_dict(processes, request.lumi_fb) for part in filled.parts],
        "disjoint": list(filled.disjoint),
        "nuisances": correlations(workspace),
        "options": options,
        **tests,
        "warnings": warnings,
    }


def _scan(
    request: FitRequest, source: ReplicaSource | None, say: Callable[[str], None]
) -> dict[str, Any] | None:
    """Content of ``scan.json``; None where there is nothing to scan."""
    scans = []
    for planned in request.runs:
        run = planned.run
        parts = request.scans
        if parts is None:
            parts = tuple(
                FitPart(region, name) for name, regions in scores_of(run).items() for region in regions
            )
        own = {planned.renamed.get(name, name): name for name in (*run.signals, *run.backgrounds)}
        for part in parts:
            if planned.label and part.histogram not in run.histograms:
                continue
            say(f"Scanning the threshold on {part.histogram} in {part.region}")
            histogram = run.histogram(part.histogram)
            present = {str(name) for name in histogram.axes["process"]}
            if planned.label and own.get(request.signal) not in present:
                continue
            scan = scan_thresholds(
                histogram,
                own[request.signal],
                [own[name] for name in request.backgrounds if own.get(name) in present],
                region=part.region,
                name=part.histogram,
                shared=shared_variances(
                    run, part.histogram, part.region, above=request.options.scan.keep == "above"
                ),
                options=request.options.scan,
            )
            of_run = {"run": planned.label} if planned.label else {}
            found = scan if source is None else scan_uncertainty(scan, source, run=planned.label)
            scans.append({**of_run, **found.as_dict()})
    return {"format": SCAN_FORMAT, "scans": scans} if scans else None

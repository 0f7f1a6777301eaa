"""Runs with feature tables, whose events the tests choose, and their fits step by step, as ``massgap fit`` does them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hist
import numpy as np

from massgap.contracts.feature_table import write_feature_tables
from massgap.contracts.run_folder import RunFolder
from massgap.fits.combination import combine
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.parts import FilledPart, FilledPlan
from massgap.fits.plan import FitOptions, FitPlan, PlannedRun
from massgap.fits.workspaces.templates import Template
from massgap.fits.workspaces.workspace import WorkspaceOptions, build_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from massgap.fits.inference.bootstrap.replicas import ReplicaSource

LUMI = 100.0
BARE = WorkspaceOptions(lumi_fb=LUMI, mc_statistics="off", default_normalisation=0.0, lumi_uncertainty=0.0)


def sample(
    folder: Path,
    events: Mapping[str, tuple[Any, Any]],
    *,
    bins: int = 20,
    folds: int = 0,
    tables: bool = True,
    shift: Callable[[Any], Any] | None = None,
) -> RunFolder:
    """A run with a histogram ``x`` in the region ``sr``, and ``y``, twice x less 1, in ``tight``, where x is at least a half.

    Parameters
    ----------
    events
        Process -> (observable from 0 to 1, weight in fb) of its events; numbered from 0, as samples are.
    shift
        Factor of the weights of the variation ``tune_up``; ``tune_down`` divides by it.
    """
    import pandas as pd

    variations = ["nominal", *(["tune_up", "tune_down"] if shift else [])]
    histograms, made = {}, {}
    for name, region in (("x", "sr"), ("y", "tight")):
        axes: list[Any] = [
            hist.axis.StrCategory(sorted(events), name="process"),
            hist.axis.StrCategory([region], name="region"),
            hist.axis.StrCategory(variations, name="variation"),
        ]
        if folds:
            axes.append(hist.axis.Integer(0, folds, name="fold"))
        histograms[name] = hist.Hist(
            *axes, hist.axis.Regular(bins, 0.0, 1.0, name=name), storage=hist.storage.Weight()
        )
    for process, (given, size) in events.items():
        x, weight = np.broadcast_arrays(np.asarray(given, float), np.asarray(size, float))
        keys = np.arange(len(x), dtype=np.uint64)
        table = {"x": x, "y": 2.0 * x - 1.0, "fold_key": keys, "weight": weight}
        in_region = {"sr": np.ones(len(x), bool), "tight": x >= 0.5}
        for (name, h), inside in zip(histograms.items(), in_region.values(), strict=True):
            where: dict[str, Any] = {"process": process, "region": str(h.axes["region"][0])}
            if folds:
                where["fold"] = (keys % np.uint64(folds)).astype(np.int64)[inside]
            for variation in variations:
                factor = 1.0 if shift is None or variation == "nominal" else shift(x)
                varied = weight / factor if variation == "tune_down" else weight * factor
                h.fill(**where, variation=variation, **{name: table[name][inside]}, weight=varied[inside])
        regions = {f"region_{name}": inside for name, inside in in_region.items()}
        made[f"{process}_0"] = pd.DataFrame({**table, **regions, "channel": ""})
    manifest: dict[str, Any] = {
        "datasets": {f"{name}_0": {"process": name, "is_data": False} for name in events}
    }
    if tables:
        folder.mkdir(parents=True, exist_ok=True)
        manifest["features"] = write_feature_tables(folder / "features", made, {})
    run = RunFolder(folder, manifest)
    run.__dict__["histograms"] = histograms  # as if they had been read
    return run


def run_with_copies(folder: Path, copies: int) -> RunFolder:
    """Four rows of each hard process, whose histograms have the errors that a run gives them."""
    import pandas as pd

    rng = np.random.default_rng(4)
    x = np.clip(np.repeat(rng.random(100), 4) + rng.normal(0, 0.1, 400), 0.0, 0.999)
    events = {"signal": (x, 0.01), "tt": (rng.random(300), 0.02)}
    run = sample(folder, events, folds=3)
    keys = np.repeat(np.arange(100, dtype=np.uint64), 4)
    tables = {}
    for name in events:
        table = pd.read_parquet(folder / "features" / f"{name}_0.parquet")
        tables[f"{name}_0"] = table.assign(fold_key=keys) if name == "signal" else table
    manifest = {**run.manifest, "features": write_feature_tables(folder / "again", tables, {})}
    manifest["datasets"]["signal_0"]["n_copies"] = copies
    histogram = run.histogram("x")
    view = histogram.view(flow=True)
    at = [str(p) for p in histogram.axes["process"]].index("signal")
    for fold in range(3):
        own = keys % 3 == fold
        view["value"][at, 0, 0, fold + 1] = (
            np.histogram(x[own], np.linspace(0, 1, 21))[0] * 0.01 @ np.eye(20, 22, 1)
        )
        view["variance"][at, 0, 0, fold + 1] = variances_of_copies(x[own], keys[own], 20) @ np.eye(20, 22, 1)
    out = RunFolder(folder, manifest)
    out.__dict__["histograms"] = run.histograms
    return out


def squared_sums(keys, weights):
    """Sum over events of the square of what all their rows weigh together."""
    total = defaultdict(float)
    for key, weight in zip(keys, weights, strict=True):
        total[int(key)] += float(weight)
    return sum(each**2 for each in total.values())


def variances_of_copies(x, keys, bins):
    sums = defaultdict(float)
    for value, key in zip(x, keys, strict=True):
        sums[int(value * bins), key] += 0.01
    out = np.zeros(bins)
    for (place, _), total in sums.items():
        out[place] += total**2
    return out


def fill(
    run: RunFolder, edges: Sequence[float], backgrounds: Sequence[str] = ("tt",), *, signal: str = "signal"
) -> FilledPlan:
    """The histogram ``x`` in some bins."""
    planned = PlannedRun(run, FitPlan([("sr", "x", tuple(edges))]))
    return combine([planned], signal, backgrounds, FitOptions(use_data=False), LUMI)


def workspace_of(filled: FilledPlan, options: WorkspaceOptions, *, signal: str = "signal") -> dict[str, Any]:
    """HistFactory workspace."""
    return build_workspace(
        [part.templates for part in filled.parts], signal, filled.backgrounds, options=options
    )


def likelihood_of(filled: FilledPlan, options: WorkspaceOptions, *, signal: str = "signal") -> Likelihood:
    """Likelihood of the workspace."""
    return Likelihood(workspace_of(filled, options, signal=signal))


def plan_of_replica(filled: FilledPlan, source: ReplicaSource, r: int) -> FilledPlan:
    """What would have been filled, had the simulation been that replica; variations keep their ratio to the contents."""
    (part,) = filled.parts
    processes = {}
    for name, template in part.templates.processes.items():
        values, variances = (array[:, r] for array in source.of("x", "sr", name).merged(part.templates.edges))
        nominal = part.templates.total([name])[0]
        ratio = np.where(nominal != 0.0, values / np.where(nominal, nominal, 1.0), 1.0)
        shifts = {key: (up * ratio, down * ratio) for key, (up, down) in template.variations.items()}
        processes[name] = Template(values, variances, shifts)
    made = FilledPart(part.part, replace(part.templates, processes=processes), None)
    return replace(filled, parts=(made,))

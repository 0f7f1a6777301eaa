"""What is published of a run or a study: a plane or fit, its runs, and its likelihoods without signal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.planes.published import PublishedLikelihood
    from massgap.fits.workspaces.patch_sets import Patch

__all__ = ["Source", "SourceRun", "find_source"]


@dataclass(frozen=True)
class SourceRun:
    """A run of the likelihood, and the label that tells it from others ("" where there is one)."""

    label: str
    run: RunFolder


@dataclass(frozen=True)
class Source:
    """What is published.

    Attributes
    ----------
    folder : path
        Plane or fit folder.
    is_plane : bool
    results : dict
        Content of ``plane.json`` or ``results.json``.
    runs : list of SourceRun
    likelihoods : list
        Per luminosity the likelihood without signal, and its patches.
    """

    folder: Path
    is_plane: bool
    results: dict[str, Any] = field(repr=False)
    runs: list[SourceRun]
    likelihoods: list[tuple[PublishedLikelihood, list[Patch]]] = field(repr=False)


def find_source(folder: str | Path, likelihood: str | Path | None = None) -> Source:
    """Find the plane or fit of a run, or of a study, and the runs that it was made of.

    Parameters
    ----------
    folder
        Run or study.
    likelihood
        Plane or fit folder, as it is, or relative to the run or study; by default the only one.

    Raises
    ------
    BundleError
        If there is none or several, or the runs were made again since.
    """
    base = Path(folder)
    place = _place(base, likelihood)
    if (place / "plane.json").is_file():
        return _of_plane(place, base)
    if (place / "results.json").is_file():
        return _of_fit(place, base)
    msg = f"{place} holds neither plane.json nor results.json: give a folder of massgap plane or massgap fit (--likelihood FOLDER)"
    raise BundleError(msg)


def _place(base: Path, likelihood: str | Path | None) -> Path:
    if likelihood is not None:
        given = Path(likelihood)
        return base / given if not given.is_dir() and (base / given).is_dir() else given
    if (base / "study.json").is_file():
        from massgap.contracts.study_folder import open_study

        study = open_study(base)
        found = list(study.planes) or list(study.fits)
        if len(found) == 1:
            return base / found[0]
        if found:
            msg = f"{base} has several: {', '.join(found)}. Say which one is published (--likelihood {found[0]})"
            raise BundleError(msg)
        msg = (
            f"{base} has neither plane nor fit yet: massgap study {study.study} --out {base} goes on with it"
        )
        raise BundleError(msg)
    for name, file in (("plane", "plane.json"), ("fit", "results.json")):
        if (base / name / file).is_file():
            return base / name
    from massgap.contracts.run_folder import open_run

    open_run(base)
    msg = f"{base} has no plane and no fit: type massgap plane {base}, or massgap fit {base}, and publish then (or --likelihood FOLDER)"
    raise BundleError(msg)


def _of_plane(place: Path, base: Path) -> Source:
    from massgap.contracts.plane_folder import open_plane
    from massgap.fits.workspaces.patch_sets import patches_of

    results = open_plane(place).results
    runs = _runs(place, base, results["runs"])
    made = []
    for entry in results["workspaces"]:
        workspace, patches = (_document(place / entry[key]) for key in ("workspace", "patch_set"))
        signals = [row["process"] for row in results["points"] if row["lumi_fb"] == entry["lumi_fb"]]
        backgrounds = list(entry["parts"][0]["yields"])
        found = _likelihood(runs, entry, backgrounds, signals, results, workspace)
        of_names = {row["name"]: row for row in results["points"] if row["lumi_fb"] == entry["lumi_fb"]}
        known = patches_of(patches)
        _require_same(found, runs, place, of_names[known[0].name], known[0], results)
        made.append((found, known))
    return Source(place, True, results, runs, made)


def _of_fit(place: Path, base: Path) -> Source:
    from massgap.contracts.fit_folder import open_fit
    from massgap.fits.planes.signals import split_signal
    from massgap.fits.workspaces.patch_sets import Patch

    results = open_fit(place).results
    described = [{"path": str(place.parent), **run} for run in results.get("runs") or [results["run"]]]
    if len(described) > 1:
        msg = f"{place} is a fit of several runs: publish the plane of them (massgap plane RUN RUN --out PLANE, then --likelihood PLANE)"
        raise BundleError(msg)
    runs = _runs(place, base, described)
    made = []
    for entry in results.get("luminosities") or [{"folder": "."}]:
        own = open_fit(place / entry["folder"])
        workspace = _document(own.path / own.results["workspace"])
        signal = own.results["signal"]
        background, operations = split_signal(workspace, signal)
        found = _likelihood(runs, own.results, own.results["backgrounds"], [signal], own.results, background)
        masses = _masses(runs, signal)
        made.append((found, [Patch(signal, masses or {"process": signal}, operations)]))
        point = {"process": signal, "masses": masses, "cross_section_fb": None}
        _require_same(found, runs, place, point, made[-1][1][0], own.results)
    return Source(place, False, results, runs, made)


def _masses(runs: Sequence[SourceRun], signal: str) -> dict[str, float]:
    datasets = (metadata for each in runs for metadata in each.run.manifest["datasets"].values())
    return next((dict(m["masses"]) for m in datasets if m.get("process") == signal and m.get("masses")), {})


def _runs(place: Path, base: Path, described: Sequence[Mapping[str, Any]]) -> list[SourceRun]:
    """The runs that a likelihood was made of, as they were then."""
    from massgap.contracts.run_folder import open_run
    from massgap.fits.combination.runs import run_labels

    found = []
    for entry in described:
        path = Path(entry["path"])
        places = [path, place / path, base, place.absolute().parent, *_runs_of_study(base)]
        candidates = [p for p in places if (p / "manifest.json").is_file()]
        opened = [open_run(p) for p in candidates]
        same = [
            run
            for run in opened
            if all(entry.get(k) == run.manifest.get(k) for k in ("code_hash", "fileset_hash"))
        ]
        if not same:
            what = "was made again since" if opened else "is not there any more"
            stage = "plane" if (place / "plane.json").is_file() else "fit"
            msg = f"{path}, of which {place} was made, {what}: massgap {stage} {path} --out {place} makes it anew"
            raise BundleError(msg)
        same[0].require_complete(accept_loss=True)
        found.append(same[0])
    return [SourceRun(label, run) for label, run in zip(run_labels(found), found, strict=True)]


def _runs_of_study(base: Path) -> list[Path]:
    """Runs of a study where they are now: a plane names them as they were called when it was made."""
    if not (base / "study.json").is_file():
        return []
    from massgap.contracts.study_folder import open_study

    return [base / name for name in open_study(base).runs]


def _likelihood(
    runs: Sequence[SourceRun],
    entry: Mapping[str, Any],
    backgrounds: Sequence[str],
    signals: Sequence[str],
    results: Mapping[str, Any],
    workspace: dict[str, Any],
) -> PublishedLikelihood:
    """The yields of the backgrounds, out of the runs once more, in the bins of the fit."""
    from dataclasses import replace

    from massgap.fits.parts import fill_plans
    from massgap.fits.plan import FitOptions, FitPlan, PlannedRun
    from massgap.fits.planes.published import PublishedLikelihood, model_options

    known = {name for each in runs for name in (*each.run.backgrounds, *each.run.signals)}
    renamed = sorted({*backgrounds, *signals} - known)
    if renamed:
        msg = (
            f"'{renamed[0]}' is no process of {runs[0].run.path}: a likelihood with other names (of massgap plane --rename) cannot be published. Give the "
            'datasets this "process" in the fileset, run again, and fit it (massgap fit) without --rename'
        )
        raise BundleError(msg)
    model = model_options(results["options"]["model"])
    parts = [
        ((part.get("run", "")), (part["region"], part["histogram"], part["binning"]))
        for part in entry["parts"]
    ]
    planned = [
        PlannedRun(each.run, FitPlan([part for label, part in parts if label == each.label]), each.label)
        for each in runs
    ]
    options = FitOptions(
        use_data=any(part["observations"] is not None for part in entry["parts"]), model=model
    )
    filled = fill_plans(planned, list(signals), list(backgrounds), options, entry["lumi_fb"])
    others = {name for each in runs for name in each.run.backgrounds} - set(filled.backgrounds)
    alone = tuple(
        replace(
            part,
            templates=replace(
                part.templates,
                processes={name: part.templates.processes[name] for name in filled.backgrounds},
            ),
        )
        for part in filled.parts
    )
    filled = replace(filled, parts=alone, left_out=tuple(sorted({*filled.left_out, *others})))
    level = results.get("level") or results["options"]["level"]
    return PublishedLikelihood(entry["lumi_fb"], level, model, filled, workspace, tuple(signals))


def _require_same(
    found: PublishedLikelihood,
    runs: Sequence[SourceRun],
    place: Path,
    point: Mapping[str, Any],
    patch: Patch,
    results: Mapping[str, Any],
) -> None:
    """Make the patch of one signal again: what is handed on must give what was fitted."""
    from massgap.fits.planes.points import PlanePoint, own_cross_section

    name = str(point["process"])
    # Another run has the same signal again, with the same cross section.
    datasets = next(there for each in runs if (there := _datasets(each.run, name)))
    own_fb, _ = own_cross_section(datasets)
    made = found.with_signal(name, found.templates_of({each.label: each.run for each in runs}, name))
    fb = point["cross_section_fb"] or own_fb
    relative = None
    if results.get("xsec", {}).get("profiled") and point.get("cross_section_uncertainty"):
        relative = point["cross_section_uncertainty"] / fb
    again, same = found.patch(made, PlanePoint(name, dict(point["masses"]), own_fb), fb / own_fb, relative)
    if not same or list(again.operations) != list(patch.operations):
        stage = "plane" if (place / "plane.json").is_file() else "fit"
        msg = f"the likelihood of {place} does not come out of its runs any more: massgap {stage} {runs[0].run.path} --out {place} makes it anew"
        raise BundleError(msg)


def _datasets(run: RunFolder, process: str) -> list[dict[str, Any]]:
    return [m for m in run.manifest["datasets"].values() if m.get("process") == process]


def _document(path: Path) -> dict[str, Any]:
    from massgap.contracts.writing import read_json

    return read_json(
        path, remedy="Make the folder again, with massgap plane or massgap fit.", error=BundleError
    )

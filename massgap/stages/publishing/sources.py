"""What is published of a run or a study: a plane or fit, its runs, and its likelihoods without signal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.plan import FitPart
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
    notes : list of str
        What was chosen, and what a publisher should know.
    base : path
        The run or study that was given.
    """

    folder: Path
    is_plane: bool
    results: dict[str, Any] = field(repr=False)
    runs: list[SourceRun]
    likelihoods: list[tuple[PublishedLikelihood, list[Patch]]] = field(repr=False)
    notes: list[str] = field(default_factory=list)
    base: Path = Path()

    @property
    def published(self) -> dict[str, Any]:
        """Names of plane or fit, and of its runs, in the run or study where they lie in it."""
        paths = [self.folder, *(each.run.path for each in self.runs)]
        base = self.base.absolute()
        names = [
            path.absolute().relative_to(base).as_posix() if base in path.absolute().parents else path.name
            for path in paths
        ]
        return {"likelihood": names[0], "runs": names[1:]}


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
    place, notes = _place(base, likelihood)
    for file, of in (("plane.json", _of_plane), ("results.json", _of_fit)):
        if (place / file).is_file():
            found = of(place, base)
            return replace(found, notes=[*notes, *found.notes], base=base)
    msg = f"{place} holds neither plane.json nor results.json: give a folder of massgap plane or massgap fit (--likelihood FOLDER)"
    raise BundleError(msg)


def _place(base: Path, likelihood: str | Path | None) -> tuple[Path, list[str]]:
    """The plane or fit folder, and what was chosen from what, where nobody said it."""
    if likelihood is not None:
        given = Path(likelihood)
        return (base / given if not given.is_dir() and (base / given).is_dir() else given), []
    if (base / "study.json").is_file():
        from massgap.contracts.study_folder import open_study

        study = open_study(base)
        found = list(study.planes) or list(study.fits)
        if len(found) == 1:
            others = [name for name in study.fits if name not in found]
            return base / found[0], _choice(found[0], others)
        if found:
            msg = f"{base} has several: {', '.join(found)}. Say which one is published (--likelihood {found[0]})"
            raise BundleError(msg)
        msg = (
            f"{base} has neither plane nor fit yet: massgap study {study.study} --out {base} goes on with it"
        )
        raise BundleError(msg)
    for name, file in (("plane", "plane.json"), ("fit", "results.json")):
        if (base / name / file).is_file():
            others = ["fit"] if name == "plane" and (base / "fit" / "results.json").is_file() else []
            return base / name, _choice(name, others)
    from massgap.contracts.run_folder import open_run

    open_run(base)
    msg = f"{base} has no plane and no fit: type massgap plane {base}, or massgap fit {base}, and publish then (or --likelihood FOLDER)"
    raise BundleError(msg)


def _choice(chosen: str, others: Sequence[str]) -> list[str]:
    if not others:
        return []
    shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    return [f"{chosen} is published; --likelihood {others[0]} would publish that one (there are {shown})"]


def _of_plane(place: Path, base: Path) -> Source:
    from massgap.contracts.plane_folder import open_plane
    from massgap.fits.workspaces.patch_sets import patches_of

    results = open_plane(place).results
    runs, again = _runs(place, base, results["runs"])
    made = []
    for entry in results["workspaces"]:
        workspace, patches = (_document(place / entry[key]) for key in ("workspace", "patch_set"))
        signals = [row["process"] for row in results["points"] if row["lumi_fb"] == entry["lumi_fb"]]
        backgrounds = list(entry["parts"][0]["yields"])
        found = _likelihood(runs, entry, backgrounds, signals, results, workspace)
        of_names = {row["name"]: row for row in results["points"] if row["lumi_fb"] == entry["lumi_fb"]}
        known = patches_of(patches)
        # A run that was made again since may still give the same numbers: then all signals are compared.
        for patch in known if again else known[:1]:
            _require_same(found, runs, place, base, of_names[patch.name], patch, results)
        made.append((found, known))
    return Source(place, True, results, runs, made, _same_again(again, place))


def _of_fit(place: Path, base: Path) -> Source:
    from massgap.contracts.fit_folder import open_fit
    from massgap.fits.planes.signals import split_signal
    from massgap.fits.workspaces.patch_sets import Patch

    results = open_fit(place).results
    described = [{"path": str(place.parent), **run} for run in results.get("runs") or [results["run"]]]
    if len(described) > 1:
        msg = f"{place} is a fit of several runs: publish the plane of them (massgap plane RUN RUN --out PLANE, then --likelihood PLANE)"
        raise BundleError(msg)
    runs, again = _runs(place, base, described)
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
        _require_same(found, runs, place, base, point, made[-1][1][0], own.results)
    return Source(place, False, results, runs, made, _same_again(again, place))


def _same_again(runs: Sequence[str], place: Path) -> list[str]:
    return [
        f"{run} was made again after {place.name}, and gives the same likelihood, number by number"
        for run in runs
    ]


def _masses(runs: Sequence[SourceRun], signal: str) -> dict[str, float]:
    datasets = (metadata for each in runs for metadata in each.run.manifest["datasets"].values())
    return next((dict(m["masses"]) for m in datasets if m.get("process") == signal and m.get("masses")), {})


def _runs(
    place: Path, base: Path, described: Sequence[Mapping[str, Any]]
) -> tuple[list[SourceRun], list[str]]:
    """The runs that a likelihood was made of, and the paths of those that have other hashes now than they had then."""
    from massgap.contracts.run_folder import open_run
    from massgap.fits.combination.runs import run_labels

    found, again = [], []
    of_study = _runs_of_study(base, place)
    for number, entry in enumerate(described):
        path = Path(entry["path"])
        # Of a study the record says which run it was, wherever the study has been moved.
        own = of_study[number : number + 1] if len(of_study) == len(described) else []
        places = [*own, path, place / path, base, place.absolute().parent, *_runs_of_study(base)]
        opened = [open_run(p) for p in places if (p / "manifest.json").is_file()]
        same = [
            run
            for run in opened
            if all(entry.get(k) == run.manifest.get(k) for k in ("code_hash", "fileset_hash"))
        ]
        if not same and not opened:
            msg = f"{path}, of which {place} was made, is not there any more: {_made_anew(place, base, path)}"
            raise BundleError(msg)
        if not same:
            again.append(str(opened[0].path))
        found.append((same or opened)[0])
        found[-1].require_complete(accept_loss=True)
    return [SourceRun(label, run) for label, run in zip(run_labels(found), found, strict=True)], again


def _made_anew(place: Path, base: Path, run: Path) -> str:
    """What makes a plane or fit again."""
    if (base / "study.json").is_file() and place.absolute().is_relative_to(base.absolute()):
        from massgap.contracts.study_folder import open_study

        study = open_study(base)
        small = " --quick" if study.small else ""
        return f"massgap study {study.study}{small} --out {base} makes what has changed"
    stage = "plane" if (place / "plane.json").is_file() else "fit"
    return f"massgap {stage} {run} --out {place} makes it anew"


def _runs_of_study(base: Path, place: Path | None = None) -> list[Path]:
    """Runs of a study, or of one of its planes or fits, where they are now: those name them as they were called then."""
    if not (base / "study.json").is_file():
        return []
    from massgap.contracts.study_folder import open_study

    study = open_study(base)
    if place is None:
        return [base / name for name in study.runs]
    likelihoods = {**study.fits, **study.planes}
    return [
        base / str(entry["run"])
        for name, entry in likelihoods.items()
        if (base / name).absolute() == place.absolute() and entry.get("run")
    ]


def _likelihood(
    runs: Sequence[SourceRun],
    entry: Mapping[str, Any],
    backgrounds: Sequence[str],
    signals: Sequence[str],
    results: Mapping[str, Any],
    workspace: dict[str, Any],
) -> PublishedLikelihood:
    """The yields of the backgrounds, out of the runs once more, in the bins of the fit."""
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
    parts = [(part.get("run", ""), _part(part)) for part in entry["parts"]]
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


def _part(part: Mapping[str, Any]) -> FitPart:
    from massgap.fits.plan import FitPart

    edges = tuple(float(edge) for edge in part["binning"])
    return FitPart(part["region"], part["histogram"], edges, control=bool(part.get("control", False)))


def _require_same(
    found: PublishedLikelihood,
    runs: Sequence[SourceRun],
    place: Path,
    base: Path,
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
        msg = f"the likelihood of {place} does not come out of its runs any more: {_made_anew(place, base, runs[0].run.path)}"
        raise BundleError(msg)


def _datasets(run: RunFolder, process: str) -> list[dict[str, Any]]:
    return [m for m in run.manifest["datasets"].values() if m.get("process") == process]


def _document(path: Path) -> dict[str, Any]:
    from massgap.contracts.writing import read_json

    return read_json(
        path, remedy="Make the folder again, with massgap plane or massgap fit.", error=BundleError
    )

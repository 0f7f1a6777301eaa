"""A new signal, tested with a published bundle and nothing else."""

from __future__ import annotations

import contextlib
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import BundleError
from massgap.stages.publishing.bundle import open_bundle
from massgap.stages.publishing.signal_events import EventOptions, signal_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.inference.toys.options import ToyOptions
    from massgap.fits.planes.filling import FilledPlane
    from massgap.fits.planes.published import PublishedLikelihood
    from massgap.fits.workspaces.templates import Template
    from massgap.stages.publishing.bundle import Bundle
    from massgap.stages.publishing.signal_events import SignalEvents

__all__ = [
    "RECAST_FORMAT",
    "Recast",
    "recast",
    "run_signal",
    "signal_templates",
    "signal_tests",
    "working_folder",
]

RECAST_FORMAT = "massgap-recast/1"
_FEW = 10.0
"""Effective events of a signal below which a Gaussian parameter for their number is a poor one."""


@dataclass(frozen=True)
class Recast:
    """What came out for a signal.

    Attributes
    ----------
    results : dict
        ``massgap-recast/1``: ``bundle`` (path, digest), ``signal``, ``cross_section_fb``, ``cross_section_source``, ``lumi_fb``, ``level``,
        ``observed`` (whether data were), ``events`` (read and generated), ``channels`` (a row each with yields, efficiency, their
        errors), ``as_published`` and ``with_sample_statistics`` (each ``cls`` and ``upper_limit`` with ``observed`` and
        ``expected``, five numbers from -2 to +2 standard deviations, in units of the signal; ``limit_fb`` likewise in fb; ``toys``,
        CLs, limit and significance of toys as fits have them, or None),
        ``cutflow``, ``notes``.
    out : path or None
        Run folder that was kept.
    """

    results: dict[str, Any] = field(repr=False)
    out: Path | None = None

    @property
    def converged(self) -> bool:
        """Whether all fits converged."""
        return not any(self.results[key].get("error") for key in ("as_published", "with_sample_statistics"))


def recast(
    bundle: str | Path | Bundle,
    files: Sequence[str | Path],
    *,
    events: EventOptions | None = None,
    lumi_fb: float | None = None,
    toys: ToyOptions | None = None,
    out: str | Path | None = None,
    trust_code: bool = False,
    progress: Callable[[Any], None] | None = None,
    generated: Callable[[Any], None] | None = None,
) -> Recast:
    """Test a signal with a bundle: CLs, upper limit, efficiency per channel.

    Parameters
    ----------
    bundle
        Folder that ``massgap publish`` has written.
    files
        Events: NanoAOD, PHYSLITE or Delphes files, a fileset, or matrix-element events (showered and simulated first).
    events
        Cross section and more of them.
    lumi_fb
        Of several luminosities, which (fb-1); the first by default.
    toys
        Tests with toys beside the asymptotic ones, for small counts; none by default.
    out
        Folder for the events that were simulated and the run; nothing is kept by default.
    trust_code
        Run the source of an analysis that the bundle brings.
    progress, generated
        Callbacks of the run and of the generation.

    Returns
    -------
    Recast

    Raises
    ------
    BundleError
        If the bundle was changed, or the events do not fit it.
    massgap.errors.MassgapError
        If the events cannot be read.

    Examples
    --------
    >>> recast("bundle", ["my.root"], events=EventOptions(xsec_fb=12.5)).results["as_published"]["cls"]  # doctest: +SKIP
    """
    opened = open_bundle(bundle)
    options = events or EventOptions()
    likelihood = opened.likelihood(lumi_fb)
    if toys is not None:
        # Before events are simulated for long.
        from massgap.fits.inference.toys.limits import require_enough

        require_enough(toys, likelihood.level)
    with working_folder(out) as scratch:
        signal = signal_events(opened, files, options, scratch, generated)
        runs = run_signal(
            opened, signal, scratch, trust_code=trust_code, workers=options.workers, progress=progress
        )
        results = _results(opened, likelihood, signal, runs, options, toys)
    return Recast(results, None if out is None else Path(out))


@contextlib.contextmanager
def working_folder(out: str | Path | None) -> Iterator[Path]:
    """The folder that is kept, or one that goes at the end."""
    if out is not None:
        from massgap.contracts.writing import prepare_folder

        yield prepare_folder(out)
        return
    with tempfile.TemporaryDirectory(prefix="massgap-recast-") as place:
        yield Path(place)


def run_signal(
    bundle: Bundle,
    signal: SignalEvents,
    scratch: Path,
    *,
    trust_code: bool,
    workers: int = 1,
    progress: Callable[[Any], None] | None = None,
) -> dict[str, RunFolder]:
    """Run the analyses of a bundle over a signal: label of a run of the likelihood -> run folder."""
    from massgap.contracts.run_folder import open_run
    from massgap.stages.publishing.analysis import PublishedRun

    found = {}
    for entry in bundle.content["runs"]:
        published = PublishedRun.of(entry)
        out = scratch / "run" / published.label
        published.run(
            bundle.path,
            signal.fileset,
            out,
            trust=trust_code,
            executor="futures" if workers > 1 else "iterative",
            workers=workers,
            progress=progress,
        )
        found[published.label] = open_run(out)
    return found


def signal_templates(
    likelihood: PublishedLikelihood, runs: dict[str, RunFolder], process: str
) -> list[Template]:
    """Yields of the signal per channel; empty ones where no event of it was selected."""
    import numpy as np

    from massgap.fits.workspaces.templates import Template

    seen = {
        str(name)
        for part in likelihood.filled.parts
        if part.part.histogram in runs[part.run].histograms
        for name in runs[part.run].histogram(part.part.histogram).axes["process"]
    }
    if process in seen:
        return likelihood.templates_of(runs, process)
    sizes = [part.templates.edges.size - 1 for part in likelihood.filled.parts]
    return [Template(np.zeros(size), np.zeros(size)) for size in sizes]


def signal_tests(
    likelihood: PublishedLikelihood,
    templates: Sequence[Template],
    signal: SignalEvents,
    uncertainty: float | None = None,
    toys: ToyOptions | None = None,
) -> tuple[dict[str, Any], dict[str, Any], bool, FilledPlane]:
    """Test a signal: as the published ones, and with the statistics of its sample; whether the background is the published one."""
    from massgap.fits.planes.points import PlanePoint
    from massgap.fits.planes.published import with_sample_statistics

    plane = likelihood.with_signal(signal.process, templates)
    if not any(template.values.any() for template in templates):
        # No event: the signal cannot be told from none, at any strength.
        nothing = {
            "cls": {"observed": 1.0 if likelihood.observed else None, "expected": [1.0] * 5},
            "upper_limit": None,
            "limit_fb": None,
            "toys": None,
        }
        return nothing, dict(nothing), True, plane
    point = PlanePoint(signal.process, {}, signal.produced_fb)
    patch, same = likelihood.patch(plane, point, signal.scale, uncertainty)
    patches = [patch]
    if not _has_own_parameters(likelihood):
        patches.append(
            with_sample_statistics(patch, plane, signal.process, signal.scale * likelihood.lumi_fb)
        )
    found = [_told(each, signal.used_fb) for each in likelihood.test(patches, toys=toys)]
    return found[0], found[-1], same, plane


def _has_own_parameters(likelihood: PublishedLikelihood) -> bool:
    """Whether the likelihood knows the statistics of its signals already."""
    options = likelihood.options
    return options.mc_statistics == "full" or (options.mc_statistics == "lite" and options.signal_statistics)


def _told(found: dict[str, Any], fb: float) -> dict[str, Any]:
    """What is told of a test."""
    if "error" in found:
        return {"cls": None, "upper_limit": None, "limit_fb": None, "toys": None, "error": found["error"]}
    limit = found["upper_limit"]
    return {
        "cls": found["cls"],
        "upper_limit": limit,
        "limit_fb": {
            "observed": None if limit["observed"] is None else limit["observed"] * fb,
            "expected": [value * fb for value in limit["expected"]],
        },
        "toys": found.get("toys"),
        "small_counts": found.get("small_counts"),
        "certificate": found["certificate"],
    }


def _results(
    bundle: Bundle,
    likelihood: PublishedLikelihood,
    signal: SignalEvents,
    runs: dict[str, RunFolder],
    options: EventOptions,
    toys: ToyOptions | None,
) -> dict[str, Any]:
    from massgap.contracts.writing import versions

    read = _events(runs)
    if not read:
        msg = f"the files of {signal.process} hold no events, of which nothing can be said: give those that do (massgap recast {bundle.path} my.root --xsec 12.5)"
        raise BundleError(msg)
    templates = signal_templates(likelihood, runs, signal.process)
    published, own, same, plane = signal_tests(likelihood, templates, signal, options.xsec_uncertainty, toys)
    rows = _rows(plane, signal)
    notes = [*bundle.notes(), *signal.notes, *_run_notes(runs), *_statistics_notes(rows, read)]
    if not same:
        notes.append(
            "this version of massgap makes another background of the published yields: the published workspace was used, and the modifiers "
            "of the signal are those of this version"
        )
    if bundle.content["profiled_cross_section"] and options.xsec_uncertainty is None:
        notes.append(
            "the published signals have the uncertainty of their cross section as a parameter of the likelihood, this one has none: give it with "
            "--xsec-uncertainty 0.1"
        )
    if published.get("small_counts"):
        notes.append(published["small_counts"])
    for tested in (published, own):
        notes += (tested["toys"] or {}).get("warnings", ())
    return {
        "format": RECAST_FORMAT,
        "bundle": {"path": str(bundle.path), "digest": bundle.digest, "title": bundle.content["title"]},
        "signal": signal.process,
        "cross_section_fb": signal.used_fb,
        "cross_section_source": signal.source,
        "cross_section_uncertainty": options.xsec_uncertainty,
        "lumi_fb": likelihood.lumi_fb,
        "level": likelihood.level,
        "observed": likelihood.observed,
        "events": read,
        "channels": rows,
        "as_published": published,
        "with_sample_statistics": own,
        "cutflow": {label: run.cutflow for label, run in runs.items()},
        "notes": list(dict.fromkeys(notes)),
        "versions": versions(),
    }


def _rows(plane: FilledPlane, signal: SignalEvents) -> list[dict[str, Any]]:
    """A row per channel, events at the luminosity and cross section of the test."""
    from massgap.stages.publishing.tables import channel_yields

    factor = signal.scale * plane.lumi_fb
    rows = []
    for part in plane.filled.parts:
        found = channel_yields(part.templates.processes[signal.process], signal.produced_fb)
        background, error = part.templates.total(plane.filled.backgrounds)
        rows.append(
            {
                "channel": part.templates.channel,
                "region": part.part.region,
                "histogram": part.part.histogram,
                "efficiency": found["efficiency"],
                "efficiency_error": found["efficiency_error"],
                "effective_events": found["effective_events"],
                "signal": (found["fb"] or 0.0) * factor,
                "signal_error": (found["fb_error"] or 0.0) * factor,
                "background": float(background.sum()) * plane.lumi_fb,
                "background_error": float(error.sum() ** 0.5) * plane.lumi_fb,
                "observed": None if part.observed is None else sum(part.observed),
            }
        )
    return rows


def _events(runs: dict[str, RunFolder]) -> int:
    """Events that were read, of the first run: all runs read the same."""
    ledger = next(iter(runs.values())).ledger
    return sum(int(entry.get("events_processed") or 0) for entry in ledger["datasets"].values())


def _run_notes(runs: dict[str, RunFolder]) -> list[str]:
    return [str(note) for run in runs.values() for note in run.manifest.get("notes", ())]


def _statistics_notes(rows: Sequence[dict[str, Any]], read: int) -> list[str]:
    total = sum(row["effective_events"] for row in rows)
    if total == 0.0:
        return [
            (
                f"no event of the signal is in any channel: it cannot be excluded with this sample. Were its efficiency above {-math.log(0.05) / read:.2g}, one "
                f"of {read:,} events of equal weight would be there with a probability of 95 %; more events tell more"
            )
        ]
    if total < _FEW:
        return [f"only {total:.3g} effective events of the signal are in the channels: simulate more of them"]
    return []

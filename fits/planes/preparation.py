"""A plane at one luminosity, ready to be fitted: patches of all signals on their background, and the rows that come of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyhf

from massgap.errors import MassgapError
from massgap.fits.errors import InferenceError
from massgap.fits.inference.bootstrap.points import PointReplicas
from massgap.fits.inference.engines import likelihood_of
from massgap.fits.planes.point_fit import PointTests
from massgap.fits.planes.signals import SignalPatches, patch_set_of, with_signal
from massgap.fits.planes.tasks import Background
from massgap.fits.workspaces.workspace import dump_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.fits.inference.bootstrap.replicas import ReplicaSource
    from massgap.fits.plan import FitOptions
    from massgap.fits.planes.cross_sections import CrossSections
    from massgap.fits.planes.filling import FilledPlane
    from massgap.fits.planes.points import Axes, PlanePoint
    from massgap.fits.workspaces.patch_sets import Patch

__all__ = ["PreparedPlane", "prepare_plane"]

_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")
"""What pyhf's schema does not allow in names of patches and labels."""


@dataclass(frozen=True)
class PreparedPlane:
    """All signals at one luminosity.

    Attributes
    ----------
    filled : FilledPlane
    points : sequence of PlanePoint
    names : dict
        Process -> name of its patch.
    cross_sections : dict
        Process -> cross section used and its uncertainty (or None), in fb.
    patches : list of Patch
        Of those signals that make a workspace.
    errors : dict
        Process -> why it makes none.
    background : Background
    notes : list of str
        What is to be said of the likelihood.
    """

    filled: FilledPlane
    points: Sequence[PlanePoint]
    names: dict[str, str]
    cross_sections: dict[str, tuple[float, float | None]]
    patches: list[Patch] = field(repr=False)
    errors: dict[str, str]
    background: Background = field(repr=False)
    notes: list[str] = field(default_factory=list)

    def rows(self, axes: Axes, results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows of ``plane.json``.

        Parameters
        ----------
        axes : Axes
        results : mapping
            Name of a patch -> what was found.
        """
        return [
            self._row(point, axes.positions[i].tolist(), results.get(self.names[point.process]))
            for i, point in enumerate(self.points)
        ]

    def _row(
        self, point: PlanePoint, position: list[float], results: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        found = results or {"error": self.errors.get(point.process, "It was not fitted.")}
        fb, uncertainty = self.cross_sections[point.process]
        passed, error = self.filled.signal_yield(point.process)
        limit = found.get("upper_limit")
        return {
            "name": self.names[point.process],
            "process": point.process,
            "masses": point.masses,
            "x": position[0],
            "y": position[1] if len(position) == 2 else None,
            "lumi_fb": self.filled.lumi_fb,
            "cross_section_fb": fb,
            "cross_section_uncertainty": uncertainty,
            "efficiency": passed / point.own_fb,
            "efficiency_error": error / point.own_fb,
            "events": {
                "signal": passed * (fb / point.own_fb) * self.filled.lumi_fb,
                "background": self.filled.background,
                "observed": self.filled.observed,
            },
            "cls": found.get("cls"),
            "upper_limit": limit,
            "limit_fb": None if limit is None else _times(limit, fb),
            "significance": found.get("significance"),
            "uncertainty": found.get("simulation") or {},
            "toys": found.get("toys"),
            "small_counts": found.get("small_counts"),
            "converged": "error" not in found,
            "certificate": found.get("certificate"),
            "error": found.get("error"),
        }

    def files(self, labels: Sequence[str], suffix: str) -> tuple[dict[str, str], dict[str, Any]]:
        """Texts of workspace and patch set by name of their files, and their entry of ``workspaces``."""
        workspace, patches = f"background{suffix}.json", f"patchset{suffix}.json"
        document = patch_set_of(
            self.patches,
            self.background.workspace,
            {label: _NO_NAME.sub("_", label) for label in labels},
            f"{len(self.patches)} signals at {self.filled.lumi_fb:g} fb-1",
        )
        entry = {
            "lumi_fb": self.filled.lumi_fb,
            "workspace": workspace,
            "patch_set": patches,
            "digest": pyhf.utils.digest(self.background.workspace),
            "parts": self.filled.as_dict(),
        }
        return {
            workspace: dump_workspace(self.background.workspace),
            patches: dump_workspace(document),
        }, entry


def prepare_plane(
    filled: FilledPlane,
    points: Sequence[PlanePoint],
    cross_sections: CrossSections,
    options: FitOptions,
    *,
    profile_cross_section: bool = False,
    replicas: tuple[ReplicaSource, dict[str, Any]] | None = None,
) -> PreparedPlane:
    """Make the patches of all signals.

    Parameters
    ----------
    filled : FilledPlane
    points : sequence of PlanePoint
    cross_sections : CrossSections
    options : FitOptions
        Model, level, engine.
    profile_cross_section : bool
        As of :class:`massgap.fits.planes.options.PlaneOptions`.
    replicas : tuple, optional
        As of :func:`massgap.fits.inference.bootstrap.points.replica_source`.

    Raises
    ------
    massgap.errors.MassgapError
        If no signal makes a workspace: why the first one does not.
    """
    names = _patch_names(points)
    sections = {point.process: cross_sections.of(point) for point in points}
    maker = SignalPatches(filled, options.model)
    patches, errors = [], {}
    first: MassgapError | None = None
    for point in points:
        fb, uncertainty = sections[point.process]
        relative = uncertainty / fb if profile_cross_section and uncertainty else None
        try:
            patches.append(maker.patch(point, names[point.process], fb / point.own_fb, relative))
        except MassgapError as error:
            errors[point.process] = str(error)
            first = first or error
    if first is not None and not patches:
        raise first
    tests = PointTests(options.level, filled.observed is not None, options.toys)
    start = _start(patches, maker.background, options.engine) if tests.observed else None
    simulation = None
    if replicas is not None:
        scales = {
            names[point.process]: (point.process, sections[point.process][0] / point.own_fb)
            for point in points
        }
        simulation = PointReplicas(replicas[0], filled.filled, filled.lumi_fb, scales, replicas[1])
    background = Background(maker.background, tests, options.engine, start, simulation)
    return PreparedPlane(filled, points, names, sections, patches, errors, background, maker.notes)


def _start(patches: Sequence[Patch], workspace: Mapping[str, Any], engine: str) -> dict[str, float] | None:
    """Where the fit without signal to the data ends, tried from several starts: it is that of all signals."""
    likelihood = likelihood_of(with_signal(workspace, patches[0]), engine=engine)
    try:
        pars = likelihood.fit(likelihood.observed, mu=0.0).pars
    except InferenceError:
        return None  # each point says so itself
    return dict(zip(likelihood.names, pars.tolist(), strict=True))


def _patch_names(points: Sequence[PlanePoint]) -> dict[str, str]:
    """Names that pyhf's schema allows, all different."""
    names: dict[str, str] = {}
    for point in points:
        name = wanted = _NO_NAME.sub("_", point.process)
        number = 1
        while name in names.values():
            number += 1
            name = f"{wanted}_{number}"
        names[point.process] = name
    return names


def _times(limit: Mapping[str, Any], fb: float) -> dict[str, Any]:
    observed = limit["observed"]
    return {
        "observed": None if observed is None else observed * fb,
        "expected": [value * fb for value in limit["expected"]],
    }

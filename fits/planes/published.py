"""A likelihood without signal as it is handed to others, and tests of new signals on it.

What is handed on beside the workspace are the yields of the backgrounds in the bins of the fit, and how the likelihood is made
of yields: a new signal thus gets the modifiers that the signals of its makers have, and the background is made again and
compared with the one that was handed on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.errors import PlaneError
from massgap.fits.parts import FilledPart, FilledPlan, fill_plans
from massgap.fits.plan import FitOptions, FitPart, FitPlan, PlannedRun
from massgap.fits.planes.filling import FilledPlane
from massgap.fits.planes.point_fit import PointTests
from massgap.fits.planes.signals import SignalPatches, of_channels, patch_of_channels
from massgap.fits.planes.tasks import Background, fit_batch
from massgap.fits.workspaces.nuisances import NuisanceSet
from massgap.fits.workspaces.patch_sets import Patch
from massgap.fits.workspaces.templates import Template, Templates
from massgap.fits.workspaces.workspace import WorkspaceOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.inference.toys.options import ToyOptions
    from massgap.fits.planes.points import PlanePoint

__all__ = ["TEMPLATES_FORMAT", "PublishedLikelihood", "model_options", "with_sample_statistics"]

TEMPLATES_FORMAT = "massgap-templates/1"


@dataclass(frozen=True)
class PublishedLikelihood:
    """The likelihood of one luminosity without signal.

    Attributes
    ----------
    lumi_fb, level : float
        Luminosity (fb-1), and confidence level of limits.
    options : WorkspaceOptions
        How a workspace is made of yields.
    filled : FilledPlan
        Yields of the backgrounds in the bins of the fit (fb), and observations.
    workspace : mapping
        HistFactory JSON without signal.
    signals : tuple of str
        Signals that were tested with it: a nuisance that is of them by name is of a new one as well.
    """

    lumi_fb: float
    level: float
    options: WorkspaceOptions
    filled: FilledPlan = field(repr=False)
    workspace: Mapping[str, Any] = field(repr=False)
    signals: tuple[str, ...] = ()

    @property
    def observed(self) -> bool:
        """Whether the observations are data."""
        return self.filled.observations is not None

    def templates_of(self, runs: Mapping[str, RunFolder], process: str) -> list[Template]:
        """The yields of a process of runs in the bins of the fit, one template per channel (fb).

        Parameters
        ----------
        runs : mapping
            Label of a run of the likelihood ("" where there is one) -> run with the process.
        process : str
            As the runs name it.

        Raises
        ------
        massgap.errors.MassgapError
            If a histogram or region is not there, or no event of the process is in any.
        """
        planned = [
            PlannedRun(run, FitPlan([part.part for part in self.filled.parts if part.run == label]), label)
            for label, run in runs.items()
        ]
        options = FitOptions(use_data=False, model=self.options)
        filled = fill_plans(planned, [process], [], options, self.lumi_fb)
        return [part.templates.processes[process] for part in filled.parts]

    def with_signal(self, name: str, templates: Sequence[Template]) -> FilledPlane:
        """The yields with those of a signal, one template per channel, in the same bins (fb).

        Raises
        ------
        PlaneError
            If a background has the name of the signal.
        """
        if name in self.filled.backgrounds:
            message = f"The signal cannot be called '{name}': a background has this name (--name NAME gives it another one)."
            raise PlaneError(message)
        parts = tuple(
            replace(
                part,
                templates=replace(part.templates, processes={**part.templates.processes, name: template}),
            )
            for part, template in zip(self.filled.parts, templates, strict=True)
        )
        return FilledPlane(self.lumi_fb, replace(self.filled, parts=parts))

    def patch(
        self, plane: FilledPlane, point: PlanePoint, scale: float = 1.0, uncertainty: float | None = None
    ) -> tuple[Patch, bool]:
        """The patch of a signal, and whether the background that was made beside it is the one that was handed on.

        Parameters
        ----------
        plane : FilledPlane
            Of :meth:`with_signal`.
        point : PlanePoint
        scale : float
            Cross section used, over that of the sample.
        uncertainty : float, optional
            Of the cross section, relative, as a parameter of the likelihood.

        Raises
        ------
        massgap.errors.MassgapError
            If the signal makes no workspace.
        """
        maker = SignalPatches(plane, self._options_for(point.process))
        made = maker.patch(point, point.process, scale, uncertainty)
        return made, dict(maker.background) == dict(self.workspace)

    def _options_for(self, signal: str) -> WorkspaceOptions:
        """The options, with the name of a new signal where nuisances name or match published ones and no background."""
        nuisances = self.options.nuisances
        if nuisances is None or signal in self.signals:
            return self.options
        backgrounds = (*self.filled.backgrounds, *self.filled.left_out)

        def of_signals(pattern: str) -> bool:
            names = [name for name in self.signals if fnmatchcase(name, pattern.removeprefix("!"))]
            return bool(names) and not any(fnmatchcase(b, pattern.removeprefix("!")) for b in backgrounds)

        entries = tuple(
            replace(
                entry,
                processes=tuple(
                    dict.fromkeys(
                        ("!" if pattern.startswith("!") else "") + signal if of_signals(pattern) else pattern
                        for pattern in entry.processes
                    )
                ),
            )
            for entry in nuisances.nuisances
        )
        return replace(self.options, nuisances=replace(nuisances, nuisances=entries))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, in the order of the parts."""
        return tuple(part.templates.channel for part in self.filled.parts)

    @property
    def controls(self) -> tuple[str, ...]:
        """Channels that are control regions, as far as the makers said so."""
        return tuple(part.templates.channel for part in self.filled.parts if part.part.control)

    def test(
        self,
        patches: Sequence[Patch],
        engine: str = "massgap",
        toys: ToyOptions | None = None,
        channels: Collection[str] | None = None,
    ) -> list[dict[str, Any]]:
        """CLs, limit and significance of signals; of one that does not converge, ``error``.

        Parameters
        ----------
        patches : sequence of Patch
        engine : {"massgap", "pyhf"}
        toys : ToyOptions, optional
            Tests with toys as well.
        channels : collection of str, optional
            Of these channels alone, with what was observed there and the parameters that act there; default all.
        """
        tests = PointTests(self.level, self.observed, toys)
        if channels is not None:
            workspace = of_channels(self.workspace, channels)
            patches = [patch_of_channels(patch, self.workspace, channels) for patch in patches]
            return fit_batch(Background(workspace, tests, engine), patches)
        return fit_batch(Background(self.workspace, tests, engine), patches)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the workspace."""
        return {
            "format": TEMPLATES_FORMAT,
            "unit": "fb",
            "lumi_fb": self.lumi_fb,
            "level": self.level,
            "model": self.options.as_dict(),
            "backgrounds": list(self.filled.backgrounds),
            "left_out": list(self.filled.left_out),
            "signals": list(self.signals),
            "channels": [_channel(part, self.filled.backgrounds) for part in self.filled.parts],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], workspace: Mapping[str, Any]) -> PublishedLikelihood:
        """The inverse of :meth:`as_dict`."""
        parts = tuple(_part(entry) for entry in data["channels"])
        filled = FilledPlan(parts, list(data["backgrounds"]), tuple(data["left_out"]), ())
        model = model_options(data["model"])
        return cls(data["lumi_fb"], data["level"], model, filled, workspace, tuple(data["signals"]))


def with_sample_statistics(patch: Patch, plane: FilledPlane, name: str, factor: float) -> Patch:
    """The patch of a signal with a parameter per bin for the finite size of its sample.

    The parameters are the signal's alone (``staterror``, Gaussian): shared with the backgrounds they would take the relative error
    of the sum at a signal strength of 1 for any strength, which dilutes that of the backgrounds.

    Parameters
    ----------
    patch : Patch
    plane : FilledPlane
        With the signal.
    name : str
        Of the signal.
    factor : float
        From fb of the sample to events: luminosity times cross section used over that of the sample.
    """
    errors = {
        part.templates.channel: np.sqrt(part.templates.processes[name].variances) * factor
        for part in plane.filled.parts
    }
    channels = [part.templates.channel for part in plane.filled.parts]
    operations = []
    for operation in patch.operations:
        sample = operation.get("value", {})
        if operation["op"] != "add" or sample.get("name") != name:
            operations.append(operation)
            continue
        channel = channels[int(operation["path"].split("/")[2])]
        own = {"name": f"mcstat_signal_{channel}", "type": "staterror", "data": errors[channel].tolist()}
        added = [own] if errors[channel].any() else []
        operations.append({**operation, "value": {**sample, "modifiers": [*sample["modifiers"], *added]}})
    return Patch(f"{patch.name}_sample_statistics", patch.values, operations)


def model_options(data: Mapping[str, Any]) -> WorkspaceOptions:
    """Options of a workspace from what :meth:`WorkspaceOptions.as_dict` made of them."""
    nuisances = data.get("nuisances")
    return WorkspaceOptions(
        **{**data, "nuisances": None if nuisances is None else NuisanceSet.from_dict(nuisances)}
    )


def _channel(part: FilledPart, backgrounds: Sequence[str]) -> dict[str, Any]:
    templates = part.templates
    return {
        "channel": templates.channel,
        "region": part.part.region,
        "control": part.part.control,
        "histogram": part.part.histogram,
        "run": part.run,
        "observable": templates.observable,
        "edges": [float(x) for x in templates.edges],
        "observed": part.observed,
        "processes": {name: _plain(templates.processes[name]) for name in backgrounds},
    }


def _plain(template: Template) -> dict[str, Any]:
    return {
        "values": template.values.tolist(),
        "variances": template.variances.tolist(),
        "variations": {key: [up.tolist(), down.tolist()] for key, (up, down) in template.variations.items()},
        "one_sided": {key: [side, values.tolist()] for key, (side, values) in template.one_sided.items()},
    }


def _part(entry: Mapping[str, Any]) -> FilledPart:
    edges = np.array(entry["edges"], dtype=np.float64)
    templates = Templates(
        entry["channel"],
        entry["observable"],
        edges,
        {name: _template(content) for name, content in entry["processes"].items()},
        entry["region"],
        entry["run"],
    )
    control = bool(entry.get("control", False))
    part = FitPart(entry["region"], entry["histogram"], tuple(entry["edges"]), control=control)
    return FilledPart(part, templates, entry["observed"], entry["run"])


def _template(content: Mapping[str, Any]) -> Template:
    return Template(
        np.array(content["values"]),
        np.array(content["variances"]),
        {key: (np.array(up), np.array(down)) for key, (up, down) in content["variations"].items()},
        {key: (side, np.array(values)) for key, (side, values) in content["one_sided"].items()},
    )

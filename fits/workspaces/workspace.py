"""HistFactory workspaces straight from the histograms of a run.

A background may be negative (interference): what a likelihood needs is that all backgrounds together expect something
in every bin, and its modifiers scale a negative rate as they scale a positive one. The signal, whose strength is fitted,
must be positive.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from massgap.fits.errors import BinningError, WorkspaceError
from massgap.fits.workspaces.nuisance_entries import POI
from massgap.fits.workspaces.rates import apply_rates, check_patterns, statistics_in
from massgap.fits.workspaces.schema import validate_workspace
from massgap.fits.workspaces.shapes import variation_modifiers, with_shapes
from massgap.fits.workspaces.templates import Templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from massgap.fits.workspaces.nuisances import NuisanceSet

__all__ = ["POI", "WorkspaceOptions", "build_workspace", "dump_workspace"]

Floats = NDArray[np.float64]
Normalisation = float | Literal["free"]


@dataclass(frozen=True)
class WorkspaceOptions:
    """What the likelihood contains besides the yields.

    Attributes
    ----------
    lumi_fb : float
        Luminosity in fb-1 that simulated yields are scaled to; it must be given, by a fit for its own.
    lumi_uncertainty : float
        Relative, shared by all samples whose rate is predicted; 0 leaves it out.
    default_normalisation : float or "free"
        Relative uncertainty of each background's normalisation, log-normal; "free" lets the data
        decide; 0 leaves it out. The default, 20 %, is the size of missing orders in leading-order
        cross sections.
    normalisation : mapping
        The same for single backgrounds by name.
    mc_statistics : {"lite", "full", "off"}
        Finite number of simulated events. "lite": one Gaussian parameter per bin for the sum
        (Barlow and Beeston's light form, ``staterror``); "full": a Poisson one per bin and sample
        (``shapesys``).
    signal_statistics : bool
        Let the signal share the parameters of "lite". Off by default: pyhf would take the relative
        error of signal plus background at mu = 1 for every mu, which dilutes that of the background
        where the background-only hypothesis is tested.
    systematics : bool
        Use the variations of the histograms.
    mu_max : float
        Upper bound of the signal strength.
    nuisances : NuisanceSet, optional
        What is different from all this, see :mod:`massgap.fits.workspaces.nuisances`.
    """

    lumi_fb: float | None = None
    lumi_uncertainty: float = 0.025
    default_normalisation: Normalisation = 0.2
    normalisation: Mapping[str, Normalisation] = field(default_factory=dict)
    mc_statistics: Literal["lite", "full", "off"] = "lite"
    signal_statistics: bool = False
    systematics: bool = True
    mu_max: float = 10.0
    nuisances: NuisanceSet | None = None

    def without(self, processes: Iterable[str]) -> tuple[WorkspaceOptions, list[str]]:
        """The options of a likelihood that goes without some processes, and sentences on what is gone with them."""
        gone = set(processes)
        normalisation = {name: size for name, size in self.normalisation.items() if name not in gone}
        nuisances, notes = (None, []) if self.nuisances is None else self.nuisances.without(gone)
        return replace(self, normalisation=normalisation, nuisances=nuisances), notes

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for the results file."""
        return {
            **asdict(self),
            "normalisation": dict(self.normalisation),
            "nuisances": None if self.nuisances is None else self.nuisances.as_dict(),
        }


def build_workspace(
    channels: Templates | Sequence[Templates],
    signal: str,
    backgrounds: Iterable[str],
    *,
    options: WorkspaceOptions,
    observations: Mapping[str, Sequence[float]] | None = None,
    notes: list[str] | None = None,
    validate: bool = True,
) -> dict[str, Any]:
    """Build a HistFactory workspace and check it.

    Parameters
    ----------
    channels : Templates or sequence of Templates
        One or more channels that share no event, simulation in fb. Parameters of the same name are the same in all.
    signal : str
        Process scaled by the parameter of interest ``mu``.
    backgrounds : iterable of str
        The other processes of the model.
    options : WorkspaceOptions
        Luminosity, uncertainties, treatment of the simulation's statistics.
    observations : mapping, optional
        Observed events per channel name and bin; default the background expectation.
    notes : list of str, optional
        Gets a sentence on each treatment that a user should know of, as of a truncated bin.
    validate : bool
        Check it against pyhf's schema as well, which takes much longer than all the rest.

    Returns
    -------
    dict
        Workspace that validates against pyhf's schema.

    Raises
    ------
    WorkspaceError
        If a process is missing or an option makes no sense.
    BinningError
        If a bin expects no background, named with its range.
    """
    lumi_fb = _luminosity(options)
    channels = [channels] if isinstance(channels, Templates) else list(channels)
    backgrounds = sorted(set(backgrounds))
    _check_request(channels, signal, backgrounds, options, observations)
    _check_signal(channels, signal)
    nuisances, notes = options.nuisances, [] if notes is None else notes
    if nuisances is not None:
        check_patterns(channels, signal, backgrounds, nuisances)
        channels = with_shapes(channels, signal, backgrounds, nuisances, notes)
    built, observed = [], []
    for templates in channels:
        _check_bins(templates, backgrounds)
        own = options
        if nuisances is not None:
            own = replace(options, mc_statistics=statistics_in(templates, options.mc_statistics, nuisances))
        samples = [_sample(templates, signal, own, lumi_fb, is_signal=True)]
        samples += [_sample(templates, name, own, lumi_fb, is_signal=False) for name in backgrounds]
        built.append({"name": templates.channel, "samples": samples})
        if observations is None:
            expectation: Sequence[float] = (templates.total(backgrounds)[0] * lumi_fb).tolist()
        else:
            expectation = [float(x) for x in observations[templates.channel]]
        observed.append({"name": templates.channel, "data": list(expectation)})
    parameters = _parameters(backgrounds, options)
    if nuisances is not None:
        parameters = apply_rates(built, channels, signal, parameters, nuisances, notes)
    workspace = {
        "channels": built,
        "observations": observed,
        "measurements": [{"name": "massgap", "config": {"poi": POI, "parameters": parameters}}],
        "version": "1.0.0",
    }
    if validate:
        validate_workspace(workspace)
    return workspace


def dump_workspace(workspace: Mapping[str, Any]) -> str:
    """Workspace as JSON text, the same for the same workspace."""
    return json.dumps(workspace, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _check_request(
    channels: list[Templates],
    signal: str,
    backgrounds: list[str],
    options: WorkspaceOptions,
    observations: Mapping[str, Sequence[float]] | None,
) -> None:
    if not channels or not backgrounds:
        message = "A workspace needs at least one channel and one background."
        raise WorkspaceError(message)
    names = [t.channel for t in channels]
    if len(set(names)) != len(names):
        message = f"Channel names must differ: {', '.join(names)}."
        raise WorkspaceError(message)
    if signal in backgrounds:
        message = f"'{signal}' is both signal and background."
        raise WorkspaceError(message)
    for templates in channels:
        for name in (signal, *backgrounds):
            if name not in templates.processes:
                present = ", ".join(sorted(templates.processes))
                message = f"Channel '{templates.channel}' has no process '{name}'; it has: {present}."
                raise WorkspaceError(message)
        if observations is not None:
            seen = observations.get(templates.channel)
            if seen is None or len(seen) != templates.edges.size - 1:
                message = f"The observations of channel '{templates.channel}' must be {templates.edges.size - 1} numbers."
                raise WorkspaceError(message)
    if not 0.0 <= options.lumi_uncertainty < 1.0:
        message = (
            f"The relative luminosity uncertainty must be in [0, 1), not {options.lumi_uncertainty} (lumi_uncertainty=..., "
            "--lumi-uncertainty)."
        )
        raise WorkspaceError(message)
    if options.mc_statistics not in ("lite", "full", "off"):
        message = f"mc_statistics (--mc-statistics) must be lite, full or off, not {options.mc_statistics!r}."
        raise WorkspaceError(message)
    unknown = sorted(set(options.normalisation) - set(backgrounds))
    if unknown:
        message = (
            f"A normalisation is given for '{unknown[0]}' (normalisation=..., --background-uncertainty), which is no "
            f"background; these are: {', '.join(backgrounds)}."
        )
        raise WorkspaceError(message)
    for name in backgrounds:
        size = options.normalisation.get(name, options.default_normalisation)
        if size != "free" and not 0.0 <= _number(size) < np.inf:
            message = (
                f"The normalisation of '{name}' must be 'free' or a relative uncertainty, not {size!r} (normalisation=..., "
                "--background-uncertainty)."
            )
            raise WorkspaceError(message)


def _luminosity(options: WorkspaceOptions) -> float:
    lumi_fb = options.lumi_fb
    if lumi_fb is None:
        message = "A workspace needs a luminosity in fb-1: WorkspaceOptions(lumi_fb=...), --lumi."
        raise WorkspaceError(message)
    if not (np.isfinite(lumi_fb) and lumi_fb > 0.0):
        message = f"The luminosity must be positive, not {lumi_fb} fb-1 (lumi_fb=..., --lumi)."
        raise WorkspaceError(message)
    return lumi_fb


def _number(size: Any) -> float:
    """The number given, NaN for anything else."""
    return float(size) if isinstance(size, (int, float)) else float("nan")


def _check_bins(templates: Templates, backgrounds: list[str]) -> None:
    """Name a bin without background here, where pyhf would say 'inequality constraints incompatible'."""
    values, _ = templates.total(backgrounds)
    totals = [("background", values)]
    for name in backgrounds:
        for variation, (up, down) in templates.processes[name].variations.items():
            rest = values - templates.processes[name].values
            totals += [(f"background with {variation}_up of {name}", rest + up)]
            totals += [(f"background with {variation}_down of {name}", rest + down)]
    for what, total in totals:
        for i in np.flatnonzero(~(total > 0.0)):
            low, high = templates.edges[i], templates.edges[i + 1]
            message = (
                f"Bin {i} of channel '{templates.channel}' ({templates.observable} from {low:g} to {high:g}) expects "
                f"{total[i]:g} fb of {what}: a fit needs a positive expectation. Merge it with a neighbour "
                "(edges=..., --edges), or have bins chosen with more background (min_background=..., --min-background)."
            )
            raise BinningError(message)


def _check_signal(channels: list[Templates], signal: str) -> None:
    """A channel may be without signal, to constrain the backgrounds; not all of them."""
    sums = [float(templates.processes[signal].values.sum()) for templates in channels]
    if any(total > 0.0 for total in sums):
        return
    where = ", ".join(f"'{templates.channel}' ({templates.observable})" for templates in channels)
    if any(total < 0.0 for total in sums):
        message = (
            f"The signal '{signal}' adds up to {sum(sums):g} fb in channel {where}: the strength of a negative signal cannot "
            'be fitted. Give the dataset the same "process" in the fileset as the one that it takes away from, and run '
            "again, or choose another signal (signal=..., --signal)."
        )
        raise WorkspaceError(message)
    message = (
        f"The signal '{signal}' has no events in channel {where}. Choose another signal (signal=..., --signal) or "
        "region (region=..., --region)."
    )
    raise WorkspaceError(message)


def _sample(
    templates: Templates, name: str, options: WorkspaceOptions, lumi_fb: float, *, is_signal: bool
) -> dict[str, Any]:
    template = templates.processes[name]
    values = template.values * lumi_fb
    errors = np.sqrt(template.variances) * lumi_fb
    modifiers: list[dict[str, Any]] = []
    free = False
    if is_signal:
        modifiers.append({"name": POI, "type": "normfactor", "data": None})
    else:
        size = options.normalisation.get(name, options.default_normalisation)
        free = size == "free"
        if size == "free":
            modifiers.append({"name": f"norm_{name}", "type": "normfactor", "data": None})
        elif size > 0.0:
            interval = {"hi": 1.0 + size, "lo": 1.0 / (1.0 + size)}
            modifiers.append({"name": f"norm_{name}", "type": "normsys", "data": interval})
    if options.lumi_uncertainty > 0.0 and not free:
        # A free normalisation absorbs the luminosity: both together would be degenerate.
        modifiers.append({"name": "lumi", "type": "lumi", "data": None})
    if options.mc_statistics == "lite" and errors.any() and (options.signal_statistics or not is_signal):
        modifiers.append(
            {"name": f"mcstat_{templates.channel}", "type": "staterror", "data": errors.tolist()}
        )
    if options.mc_statistics == "full" and errors.any():
        # shapesys takes the error relative to the content: a bin without content has no parameter.
        _refuse_negative(templates, name)
        usable = np.where(values > 0.0, errors, 0.0)
        modifiers.append(
            {"name": f"mcstat_{templates.channel}_{name}", "type": "shapesys", "data": usable.tolist()}
        )
    if options.systematics:
        modifiers += variation_modifiers(template, name, lumi_fb)
    return {"name": name, "data": values.tolist(), "modifiers": modifiers}


def _refuse_negative(templates: Templates, name: str) -> None:
    """A Poisson parameter of each bin of a sample is one of a count, which cannot be negative."""
    values = templates.processes[name].values
    for i in np.flatnonzero(values < 0.0):
        low, high = templates.edges[i], templates.edges[i + 1]
        message = (
            f"'{name}' expects {values[i]:g} fb in bin {i} of channel '{templates.channel}' ({templates.observable} from "
            f"{low:g} to {high:g}), which cannot have a Poisson parameter of its own: take one parameter per bin for all "
            "samples (mc_statistics='lite', --mc-statistics lite)."
        )
        raise WorkspaceError(message)


def _parameters(backgrounds: list[str], options: WorkspaceOptions) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [{"name": POI, "inits": [1.0], "bounds": [[0.0, options.mu_max]]}]
    sizes = [options.normalisation.get(name, options.default_normalisation) for name in backgrounds]
    if options.lumi_uncertainty > 0.0:
        width = options.lumi_uncertainty
        bounds = [[max(1e-6, 1.0 - 10.0 * width), 1.0 + 10.0 * width]]
        parameters.append(
            {"name": "lumi", "auxdata": [1.0], "sigmas": [width], "bounds": bounds, "inits": [1.0]}
        )
    for name, size in zip(backgrounds, sizes, strict=True):
        if size == "free":
            parameters.append({"name": f"norm_{name}", "inits": [1.0], "bounds": [[0.0, 10.0]]})
    return parameters

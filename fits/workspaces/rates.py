"""Rates, free factors and what is dropped: the nuisances of a file in the modifiers of a workspace."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.errors import WorkspaceError
from massgap.fits.workspaces.nuisance_entries import AXES
from massgap.fits.workspaces.shapes import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.fits.workspaces.nuisance_entries import Nuisance, Place
    from massgap.fits.workspaces.nuisances import NuisanceSet
    from massgap.fits.workspaces.templates import Templates

__all__ = ["apply_rates", "check_patterns", "statistics_in"]

Sample = dict[str, Any]
_BOUND = 5.0
"""Standard deviations to which a constrained parameter goes, as in pyhf."""
_LEAST = 1e-3
"""What is left of a rate where a linear one is stopped."""


def check_patterns(
    channels: Sequence[Templates], signal: str, backgrounds: Sequence[str], nuisances: NuisanceSet
) -> None:
    """Check that each pattern of each entry is of something, and each entry of some sample.

    Raises
    ------
    WorkspaceError
        With the entry, the pattern, and what there is.
    """
    _check_dropped(channels, backgrounds, nuisances)
    places = [place_of(t, process, signal) for t in channels for process in (signal, *backgrounds)]
    for entry in nuisances.nuisances:
        for axis in AXES:
            for pattern in getattr(entry, axis):
                bare = pattern.removeprefix("!")
                if bare != "*" and not any(place.fits(axis, bare) for place in places):
                    names = ", ".join(dict.fromkeys(filter(None, (place.along(axis) for place in places))))
                    message = (
                        f"The nuisance '{entry.name}' (--nuisances) names '{pattern}' among its {axis}, which matches none; these "
                        f"are: {names or 'none'}."
                    )
                    raise WorkspaceError(message)
        if not any(entry.at(place) for place in places):
            message = (
                f"The nuisance '{entry.name}' (--nuisances) is of no sample: its processes, channels, regions and runs never come "
                "together. Mend its patterns."
            )
            raise WorkspaceError(message)


def statistics_in(templates: Templates, default: Any, nuisances: NuisanceSet) -> Any:
    """How the statistics of the simulation is treated in a channel."""
    chosen = [
        entry.treatment
        for entry in nuisances.of("mcstat")
        if any(entry.at(place_of(templates, process, "")) for process in templates.processes)
    ]
    if len(set(chosen)) > 1:
        message = (
            f"The channel '{templates.channel}' has two treatments of the statistics of its simulation (--nuisances): "
            f"{' and '.join(chosen)}. Say for which channels each is."
        )
        raise WorkspaceError(message)
    name = f"mcstat_{templates.channel}"
    if nuisances.drops(name):
        return "off"
    return chosen[0] if chosen else default


def apply_rates(
    built: Sequence[dict[str, Any]],
    channels: Sequence[Templates],
    signal: str,
    parameters: list[dict[str, Any]],
    nuisances: NuisanceSet,
    notes: list[str],
) -> list[dict[str, Any]]:
    """Put rates and free factors into the samples of a workspace, and take out what is dropped or replaced.

    Parameters
    ----------
    built : sequence of dict
        Channels of the workspace, changed in place.
    channels : sequence of Templates
        Of the same order.
    signal : str
    parameters : list of dict
        Of the measurement.
    nuisances : NuisanceSet
    notes : list of str
        Gets a sentence on each treatment that a user should know of.

    Returns
    -------
    list of dict
        Parameters of the measurement, with those of free and linear rates, without those that are gone.

    Raises
    ------
    WorkspaceError
        If a name has two meanings, or an entry or pattern changes nothing.
    """
    samples = [
        (place_of(templates, sample["name"], signal), sample)
        for templates, channel in zip(channels, built, strict=True)
        for sample in channel["samples"]
    ]
    _drop(samples, nuisances)
    configured: dict[str, dict[str, Any]] = {}
    for entry in nuisances.of("lnN", "gauss", "free"):
        reached = False
        for place, sample in samples:
            if entry.at(place) and any(sample["data"]):
                reached = True
                _add(entry, place, sample, configured)
        if not reached:
            message = f"The nuisance '{entry.name}' (--nuisances) is of samples without events alone: it changes nothing. Take it away."
            raise WorkspaceError(message)
    _say_truncated(configured, notes)
    _check_meanings(samples)
    # What the measurement says of the luminosity, or of a free factor, is nothing for a nuisance that has taken its name.
    used = {
        m["name"] for _, sample in samples for m in sample["modifiers"] if m["type"] in ("lumi", "normfactor")
    }
    kept = [entry for entry in parameters if entry["name"] in used and entry["name"] not in configured]
    return [*kept, *(entry for _, entry in sorted(configured.items()))]


def _is_default(modifier: Mapping[str, Any], process: str) -> bool:
    """Whether it is one that the likelihood has without a file, and no variation."""
    return modifier["name"] in ("lumi", f"norm_{process}")


def _drop(samples: Sequence[tuple[Place, Sample]], nuisances: NuisanceSet) -> None:
    """Take out the defaults that are dropped, or that an entry of the same name replaces."""
    replaced = {entry.name for entry in nuisances.of("lnN", "gauss", "free")}
    for place, sample in samples:
        sample["modifiers"] = [
            modifier
            for modifier in sample["modifiers"]
            if not _is_default(modifier, place.process)
            or not (modifier["name"] in replaced or nuisances.drops(modifier["name"]))
        ]


def _add(entry: Nuisance, place: Place, sample: Sample, configured: dict[str, dict[str, Any]]) -> None:
    name = entry.name_at(place)
    if entry.kind == "free":
        if place.is_signal:
            message = (
                f"The nuisance '{entry.name}' (--nuisances) is a free factor of the signal '{place.process}', whose strength is free "
                'already. Name other processes, for instance processes = ["backgrounds"].'
            )
            raise WorkspaceError(message)
        # Together with a factor that the data decide, these would be degenerate.
        sample["modifiers"] = [m for m in sample["modifiers"] if not _is_default(m, place.process)]
        _put(sample, place, {"name": name, "type": "normfactor", "data": None})
        configured[name] = {"name": name, "inits": [1.0], "bounds": [list(entry.bounds or (0.0, 10.0))]}
        return
    up, down = entry.changes()
    if entry.kind == "lnN":
        _put(sample, place, {"name": name, "type": "normsys", "data": {"hi": 1.0 + up, "lo": 1.0 + down}})
        return
    values = np.asarray(sample["data"], dtype=np.float64)
    data = {"hi_data": (values * (1.0 + up)).tolist(), "lo_data": (values * (1.0 + down)).tolist()}
    _put(sample, place, {"name": name, "type": "histosys", "data": data})
    # Beyond one standard deviation a linear rate goes on with the slope of its side.
    low = min(_BOUND, (1.0 - _LEAST) / -down) if down < 0.0 else _BOUND
    high = min(_BOUND, (1.0 - _LEAST) / -up) if up < 0.0 else _BOUND
    if min(low, high) < _BOUND:
        before = configured.get(name, {}).get("bounds", [[-_BOUND, _BOUND]])[0]
        bounds = [[max(before[0], -low), min(before[1], high)]]
        configured[name] = {"name": name, "inits": [0.0], "bounds": bounds}


def _put(sample: Sample, place: Place, modifier: dict[str, Any]) -> None:
    for other in sample["modifiers"]:
        if (other["name"], other["type"]) == (modifier["name"], modifier["type"]):
            message = (
                f"The nuisance '{modifier['name']}' (--nuisances) has two meanings for '{place.process}' in the channel "
                f"'{place.channel}': two entries, or an entry and a variation of the run, change it by this name. Give one of them "
                "another name, or say of which processes and channels each is."
            )
            raise WorkspaceError(message)
    sample["modifiers"].append(modifier)


def _say_truncated(configured: Mapping[str, Mapping[str, Any]], notes: list[str]) -> None:
    for name, entry in sorted(configured.items()):
        if entry["inits"] == [0.0]:
            low, high = entry["bounds"][0]
            notes.append(
                f"The Gaussian rate '{name}' is truncated: its parameter stays between {low:.3g} and {high:.3g} standard deviations, "
                "where the rate is positive."
            )


_FAMILIES = {"normsys": "constrained", "histosys": "constrained", "normfactor": "free"}


def _check_meanings(samples: Sequence[tuple[Place, Sample]]) -> None:
    """One name is one parameter: with a constraint, without one, of the luminosity, or of the simulation's statistics."""
    meanings: dict[str, tuple[str, Place]] = {}
    for place, sample in samples:
        for modifier in sample["modifiers"]:
            family = _FAMILIES.get(modifier["type"], modifier["type"])
            first, where = meanings.setdefault(modifier["name"], (family, place))
            if first != family:
                message = (
                    f"The name '{modifier['name']}' (--nuisances) has two meanings: {first} for '{where.process}' in the channel "
                    f"'{where.channel}', {family} for '{place.process}' in '{place.channel}'. Give one of them another name."
                )
                raise WorkspaceError(message)


def _check_dropped(channels: Sequence[Templates], backgrounds: Sequence[str], nuisances: NuisanceSet) -> None:
    variations = [
        nuisances.rename.get(name, name)
        for templates in channels
        for template in templates.processes.values()
        for name in (*template.variations, *template.one_sided)
    ]
    known = [
        *(f"norm_{name}" for name in backgrounds),
        "lumi",
        *(f"mcstat_{t.channel}" for t in channels),
        *variations,
    ]
    for pattern in nuisances.drop:
        if not any(fnmatchcase(name, pattern) for name in known):
            message = (
                f"Nothing is called '{pattern}' that could be dropped (drop in the file of --nuisances). There are: "
                f"{', '.join(dict.fromkeys(known))}."
            )
            raise WorkspaceError(message)

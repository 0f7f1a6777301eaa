"""Variations of a run, as modifiers, and as the nuisances of a file want them: chosen, renamed, symmetrised, smoothed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from massgap.fits.errors import WorkspaceError
from massgap.fits.workspaces.nuisance_entries import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.fits.workspaces.nuisance_entries import Nuisance
    from massgap.fits.workspaces.nuisances import NuisanceSet
    from massgap.fits.workspaces.templates import Template, Templates

__all__ = ["SMOOTHED_BINS", "place_of", "smoothed", "variation_modifiers", "with_shapes"]

Floats = NDArray[np.float64]
SMOOTHED_BINS = 5
"""A smoothing spline needs as many."""


def place_of(templates: Templates, process: str, signal: str) -> Place:
    """Where a sample stands."""
    return Place(templates.channel, templates.region, templates.run, process, process == signal)


def with_shapes(
    channels: Sequence[Templates],
    signal: str,
    backgrounds: Sequence[str],
    nuisances: NuisanceSet,
    notes: list[str],
) -> list[Templates]:
    """Templates whose variations are those of the likelihood, by the names that its parameters have.

    Parameters
    ----------
    channels : sequence of Templates
        As the run has them.
    signal, backgrounds : str, sequence of str
    nuisances : NuisanceSet
    notes : list of str
        Gets a sentence on each treatment that a user should know of.

    Returns
    -------
    list of Templates

    Raises
    ------
    WorkspaceError
        If an entry names a variation that no sample has, a side is missing and nothing says what to do, or two variations of a
        sample get one name.
    """
    made = []
    used: set[str | Nuisance] = set()
    for templates in channels:
        processes = dict(templates.processes)
        for process in (signal, *backgrounds):
            place = place_of(templates, process, signal)
            processes[process] = _shaped(processes[process], place, nuisances, notes, used)
        made.append(replace(templates, processes=processes))
    _check_used(channels, (signal, *backgrounds), nuisances, used)
    return made


def _shaped(
    template: Template, place: Place, nuisances: NuisanceSet, notes: list[str], used: set[str | Nuisance]
) -> Template:
    variations: dict[str, tuple[Floats, Floats]] = {}
    entries = nuisances.of("shape")
    for name, (up, down) in template.variations.items():
        called = nuisances.rename.get(name, name)
        if called != name:
            used.add(name)
        if nuisances.enters(name):
            _put(variations, called, (up, down), place)
    for entry in entries:
        if not entry.at(place):
            continue
        sides = _sides(template, entry, place, notes)
        if sides is not None:
            used.add(entry)
            _put(variations, entry.name_at(place), _treated(template, sides, entry, place, notes), place)
    return replace(template, variations=variations, one_sided={})


def _put(
    variations: dict[str, tuple[Floats, Floats]], name: str, sides: tuple[Floats, Floats], place: Place
) -> None:
    if name in variations:
        message = (
            f"The nuisance '{name}' (--nuisances) has two meanings: two variations of '{place.process}' in the channel "
            f"'{place.channel}' have this name. Give one of them another name, or say of which processes each is."
        )
        raise WorkspaceError(message)
    variations[name] = sides


def _sides(
    template: Template, entry: Nuisance, place: Place, notes: list[str]
) -> tuple[Floats, Floats] | None:
    """Both sides of the variation of an entry; None for a sample that it does not touch."""
    name = entry.variation or entry.name
    if name in template.variations:
        if entry.one_sided:
            message = (
                f"The nuisance '{entry.name}' (--nuisances) is said to be one-sided, but the variation '{name}' of '{place.process}' "
                "has both sides. Leave the key one_sided away."
            )
            raise WorkspaceError(message)
        return template.variations[name]
    if name not in template.one_sided:
        return None
    side, values = template.one_sided[name]
    if not entry.one_sided:
        message = (
            f"The nuisance '{entry.name}' (--nuisances) has one side only, '{side}', for '{place.process}' in the channel "
            f'\'{place.channel}\': say what the other one is, one_sided = "mirror" (2 nominal - {side}) or "zero" (nominal).'
        )
        raise WorkspaceError(message)
    nominal = template.values
    other = nominal.copy() if entry.one_sided == "zero" else 2.0 * nominal - values
    what = "as nominal" if entry.one_sided == "zero" else "mirrored"
    _note(notes, f"The nuisance '{entry.name}' has the side {side} only; the other one is taken {what}.")
    return (other, values) if side == "down" else (values, other)


def _treated(
    template: Template, sides: tuple[Floats, Floats], entry: Nuisance, place: Place, notes: list[str]
) -> tuple[Floats, Floats]:
    nominal = template.values
    up, down = (_one(template, side, entry, place, notes) for side in sides)
    for label, side in (("up", up), ("down", down)):
        below = (side < 0.0) & (nominal >= 0.0)
        if below.any():
            bins = ", ".join(map(str, np.flatnonzero(below)))
            notes.append(
                f"The nuisance '{entry.name}' would make '{place.process}' negative in the channel '{place.channel}' ({label}, bin "
                f"{bins}): truncated at 0 there."
            )
            side[below] = 0.0
    return up, down


def _one(template: Template, side: Floats, entry: Nuisance, place: Place, notes: list[str]) -> Floats:
    nominal = template.values
    out = np.array(side, dtype=np.float64)
    if entry.smooth:
        if nominal.size < SMOOTHED_BINS:
            _note(
                notes,
                f"The nuisance '{entry.name}' is not smoothed in the channel '{place.channel}', which has fewer than {SMOOTHED_BINS} "
                "bins.",
            )
        else:
            out = smoothed(nominal, template.variances, out)
    if entry.size is not None:
        out = nominal + entry.size * (out - nominal)
    rate, moved = float(nominal.sum()), float(out.sum())
    if entry.effect == "rate":
        return nominal * (moved / rate) if rate != 0.0 else nominal.copy()
    if entry.effect == "shape":
        if moved == 0.0 or moved / rate < 0.0 if rate != 0.0 else True:
            return nominal.copy()
        return out * (rate / moved)
    return out


def smoothed(nominal: Floats, variances: Floats, varied: Floats) -> Floats:
    """A variation whose ratio to the nominal yields is a smooth function of the bin; its rate stays what it was.

    A cubic smoothing spline through the ratios (``scipy.interpolate.make_smoothing_spline``), weighted with the inverse
    variances of the nominal yields; how smooth is found by generalised cross-validation (P. Craven, G. Wahba, Numer. Math. 31
    (1978) 377).

    Parameters
    ----------
    nominal, variances, varied : ndarray
        Yields and their variances per bin; bins without nominal content stay as they are.

    Returns
    -------
    ndarray
    """
    from scipy.interpolate import make_smoothing_spline

    filled = (nominal > 0.0) & (variances > 0.0)
    if np.count_nonzero(filled) < SMOOTHED_BINS:
        return varied.copy()
    at = np.flatnonzero(filled).astype(np.float64)
    ratio = varied[filled] / nominal[filled]
    weights = nominal[filled] ** 2 / variances[filled]
    spline = make_smoothing_spline(at, ratio, w=weights / weights.mean())
    out = varied.copy()
    out[filled] = nominal[filled] * np.maximum(spline(at), 0.0)
    total = float(out.sum())
    return out * (float(varied.sum()) / total) if total > 0.0 else varied.copy()


def _check_used(
    channels: Sequence[Templates], processes: Sequence[str], nuisances: NuisanceSet, used: set[str | Nuisance]
) -> None:
    samples = [templates.processes[name] for templates in channels for name in processes]
    present = sorted({name for sample in samples for name in (*sample.variations, *sample.one_sided)})
    for entry in nuisances.of("shape"):
        if entry not in used:
            message = (
                f"The nuisance '{entry.name}' (--nuisances) is of the variation '{entry.variation or entry.name}', which none of its "
                f"processes has in its channels; the variations of the run are: {', '.join(present) or 'none'}. Others come with massgap run "
                "--variations, or take the entry away."
            )
            raise WorkspaceError(message)
    for old in nuisances.rename:
        if old not in used:
            message = (
                f"The variation '{old}' that is to be renamed (--nuisances) is not there; the variations of the run are: "
                f"{', '.join(present) or 'none'}."
            )
            raise WorkspaceError(message)


def _note(notes: list[str], sentence: str) -> None:
    if sentence not in notes:
        notes.append(sentence)


def variation_modifiers(template: Template, name: str, lumi_fb: float) -> list[dict[str, Any]]:
    """Modifiers of the variations of a sample: rate in normsys, shape in histosys, both moved by the same parameter.

    Raises
    ------
    WorkspaceError
        If a variation leaves no events.
    """
    out: list[dict[str, Any]] = []
    rate = float(template.values.sum())
    if rate == 0.0:
        return out
    for variation, (up, down) in sorted(template.variations.items()):
        up_rate, down_rate = float(up.sum()), float(down.sum())
        if not (up_rate / rate > 0.0 and down_rate / rate > 0.0):
            message = (
                f"The variation '{variation}' leaves '{name}' no events ({up_rate:g} fb up, {down_rate:g} fb down): "
                "a rate uncertainty cannot be made of it. Simulate more events, run the analysis without this variation "
                "(massgap run --variations), or fit without any (systematics=False, --no-systematics)."
            )
            raise WorkspaceError(message)
        interval = {"hi": up_rate / rate, "lo": down_rate / rate}
        if any(abs(x - 1.0) > 1e-12 for x in interval.values()):
            out.append({"name": variation, "type": "normsys", "data": interval})
        shapes = {"hi_data": up * (rate / up_rate), "lo_data": down * (rate / down_rate)}
        scale = 1e-12 * float(np.abs(template.values).max())
        if any(np.any(np.abs(x - template.values) > scale) for x in shapes.values()):
            data = {key: (x * lumi_fb).tolist() for key, x in shapes.items()}
            out.append({"name": variation, "type": "histosys", "data": data})
    return out

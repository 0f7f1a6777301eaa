"""What is correlated with what in the likelihoods of a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.fits.workspaces.correlations import correlations
from massgap.fits.workspaces.patch_sets import patches_of
from massgap.reports.html.html import Section, join, paragraph
from massgap.reports.run.nuisances import parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["correlation_section", "unlike"]

MOST_NAMES = 8


def correlation_section(inputs: PlaneInputs) -> Section:
    """Return what each parameter moves: of the backgrounds, one signal, and how the other signals differ from it."""
    workspace, patch_set = inputs.likelihoods[0]
    patches = patches_of(patch_set)
    words = f"The backgrounds and the signal {patches[0].name} at {inputs.luminosities[0]:g} fb⁻¹."
    others = unlike({patch.name: patch.operations for patch in patches})
    if len(patches) > 1:
        words += " The same parameters move all other signals" + (", but for:" if others else ".")
    differences = [
        paragraph(
            f"{name}: {_few(without)} {'does' if len(without) == 1 else 'do'} not have it as {patches[0].name} does."
        )
        for name, without in others.items()
    ]
    body = parameters({"nuisances": correlations(patches[0].apply(workspace))})
    return Section("correlations", "Nuisance parameters", join(paragraph(words), *differences, body))


def unlike(patches: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, list[str]]:
    """Parameters that do not move all signals.

    Parameters
    ----------
    patches : mapping
        Name of a signal -> operations of its JSON patch.

    Returns
    -------
    dict
        Name of a parameter -> signals that have it where the first one has not, or lack it where that one has it.
    """
    moved = {name: set(_modifiers(operations)) for name, operations in patches.items()}
    first = next(iter(moved.values()))
    found: dict[str, list[str]] = {}
    for name, own in moved.items():
        for parameter in sorted(own ^ first):
            found.setdefault(parameter, []).append(name)
    return found


def _modifiers(operations: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Names of the modifiers of all samples that a patch adds: single ones, or those of a channel that it adds."""
    for operation in operations:
        value = operation.get("value")
        samples = value.get("samples", [value]) if isinstance(value, dict) else []
        for sample in samples:
            yield from (str(modifier["name"]) for modifier in sample.get("modifiers", ()))


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more

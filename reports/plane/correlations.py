"""What is correlated with what: each parameter of the likelihoods of a plane, and where it acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Parameter", "parameters_of"]


@dataclass
class Parameter:
    """One name of modifiers of a likelihood: what bears the same name is one parameter.

    Attributes
    ----------
    name
        Its name.
    kinds
        Types of its modifiers in HistFactory, as normsys.
    places
        Channel -> samples on which it acts.
    signals
        Names of patches on whose signal it acts.
    """

    name: str
    kinds: set[str] = field(default_factory=set)
    places: dict[str, list[str]] = field(default_factory=dict)
    signals: set[str] = field(default_factory=set)

    @property
    def samples(self) -> list[str]:
        """All samples of backgrounds on which it acts."""
        return list(dict.fromkeys(sample for samples in self.places.values() for sample in samples))


def parameters_of(
    workspace: Mapping[str, Any], patch_set: Mapping[str, Any] | None = None
) -> list[Parameter]:
    """Return the parameters of a workspace and of the signals that patches add, in the order of their appearance.

    Parameters
    ----------
    workspace : mapping
        HistFactory JSON.
    patch_set : mapping
        Of pyhf.
    """
    found: dict[str, Parameter] = {}
    for channel in workspace["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                parameter = found.setdefault(str(modifier["name"]), Parameter(str(modifier["name"])))
                parameter.kinds.add(str(modifier["type"]))
                samples = parameter.places.setdefault(str(channel["name"]), [])
                if sample["name"] not in samples:
                    samples.append(str(sample["name"]))
    for patch in (patch_set or {}).get("patches", ()):
        for modifier in _modifiers(patch["patch"]):
            parameter = found.setdefault(str(modifier["name"]), Parameter(str(modifier["name"])))
            parameter.kinds.add(str(modifier["type"]))
            parameter.signals.add(str(patch["metadata"]["name"]))
    return list(found.values())


def _modifiers(operations: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Modifiers of all samples that a patch adds: single ones, or those of a channel that it adds."""
    for operation in operations:
        value = operation.get("value")
        if not isinstance(value, dict):
            continue
        for sample in value.get("samples", [value]):
            yield from sample.get("modifiers", ()) if isinstance(sample, dict) else ()

"""Which systematics are done for which data set.

Names alone are for all data sets; what is said of one, by its name or a pattern of it, takes their place there::

    --variations isr,fsr --variations ttbar:mur,muf --variations 'dy_*:none'
    variations=["isr", "fsr"]
    variations={"*": ["isr", "fsr"], "ttbar": ["mur", "muf"], "dy_*": []}

A fileset says it in the metadata of a data set (``"variations": ["mur", "muf"]``): this comes before what is for all,
and after what the run says of the data set itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from shlex import quote
from typing import Any

from massgap.events.variations import known_variations
from massgap.processors.errors import ProcessorError

__all__ = ["ALL", "VariationChoice"]

ALL = "*"
"""Stands for all data sets."""


@dataclass(frozen=True)
class VariationChoice:
    """Systematics of all data sets, and of some.

    Parameters
    ----------
    general
        Those of all data sets, sorted.
    of
        Name or pattern of data sets -> those of these, sorted.

    Examples
    --------
    >>> choice = VariationChoice.of_option({"*": ["isr"], "ttbar": ["mur", "muf"], "dy_*": []})
    >>> choice.for_dataset("ttbar"), choice.for_dataset("dy_50"), choice.for_dataset("zz")
    (('muf', 'mur'), (), ('isr',))
    >>> choice.every
    ('isr', 'muf', 'mur')
    """

    general: tuple[str, ...] = ()
    of: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of_option(cls, given: str | Iterable[str] | Mapping[str, str | Iterable[str]]) -> VariationChoice:
        """From what a constructor is given.

        Raises
        ------
        ProcessorError
            If a systematic is unknown.
        """
        by_name = dict(given) if isinstance(given, Mapping) else {ALL: given}
        checked = {
            name: _checked(names, f"data set {name!r}: " if name != ALL else "")
            for name, names in by_name.items()
        }
        return cls(checked.pop(ALL, ()), checked)

    @property
    def every(self) -> tuple[str, ...]:
        """All systematics that some data set has, sorted."""
        return tuple(sorted({*self.general, *(name for names in self.of.values() for name in names)}))

    @property
    def plain(self) -> tuple[str, ...] | dict[str, list[str]]:
        """Plain data, which :meth:`of_option` reads."""
        if not self.of:
            return self.general
        return {ALL: list(self.general), **{name: list(names) for name, names in sorted(self.of.items())}}

    def for_dataset(self, dataset: str, metadata: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """The systematics of a data set, sorted.

        Its own name comes before patterns, the longest of these first, then its metadata, then what is for all.

        Raises
        ------
        ProcessorError
            If its metadata name an unknown systematic.
        """
        if dataset in self.of:
            return self.of[dataset]
        patterns = sorted((name for name in self.of if fnmatchcase(dataset, name)), key=len)
        if patterns:
            return self.of[patterns[-1]]
        own = (metadata or {}).get("variations")
        return self.general if own is None else _checked(own, f"metadata of the data set {dataset!r}: ")

    def unknown(self, datasets: Iterable[str]) -> list[str]:
        """Names and patterns that no data set has."""
        there = list(datasets)
        return [name for name in self.of if not any(name == d or fnmatchcase(d, name) for d in there)]

    def without(
        self, systematics: Iterable[str], dataset: str, metadata: Mapping[str, Any] | None = None
    ) -> str:
        """The words that take systematics away from a data set, to be added to the command of a run."""
        left = [name for name in self.for_dataset(dataset, metadata) if name not in set(systematics)]
        return f"--variations {quote(f'{dataset}:{chr(44).join(left) or NONE}')}"


NONE = "none"
"""Stands for no systematic."""


def _checked(given: Any, where: str) -> tuple[str, ...]:
    names = {given} if isinstance(given, str) else set(given)
    names.discard(NONE)
    unknown = sorted(map(str, names - set(known_variations())))
    if unknown:
        msg = f"{where}unknown variation {', '.join(map(repr, unknown))}; known are {', '.join(known_variations())}"
        raise ProcessorError(msg)
    return tuple(sorted(names))

"""Which installed distributions workers need: what their code imports, and what that requires.

Nothing is listed by hand.  A trainer that is installed here weighs more than all that a worker imports, as it brings the
libraries of graphics cards.
"""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.source_code import imported_libraries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Needed", "needed_distributions"]

_ALWAYS = ("massgap", "distributed", "dask", "cryptography")
"""What every worker imports that the files of an analysis do not: itself, and its way to the scheduler."""


@dataclass(frozen=True)
class Needed:
    """Installed distributions, in two parts.

    Attributes
    ----------
    kept, left_out
        Name -> megabytes, the largest first.
    excluded
        Files of those that are left out, absolute.
    """

    kept: dict[str, float]
    left_out: dict[str, float]
    excluded: frozenset[str]

    def in_words(self) -> str:
        """What is left out, in one sentence; empty if that is nothing."""
        if not self.left_out:
            return ""
        names = list(self.left_out)
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        return (
            f"the environment goes along without {', '.join(names[:6])}{more} ({sum(self.left_out.values()):,.0f} of "
            f"{sum(self.left_out.values()) + sum(self.kept.values()):,.0f} MB), which workers do not import "
            "(--environment ship-all sends all)"
        )


def needed_distributions(files: Iterable[str | Path], modules: Iterable[str] = ()) -> Needed:
    """What the code of workers imports, with all that this requires, and plugins of it.

    Parameters
    ----------
    files
        Files of Python, see :func:`massgap.source_code.imported_files`.
    modules
        Further modules that are imported, at top level.
    """
    installed = {
        _plain(str(d.metadata["Name"])): d for d in importlib.metadata.distributions() if d.metadata["Name"]
    }
    owners = importlib.metadata.packages_distributions()
    roots = {
        _plain(name) for module in (*imported_libraries(files), *modules) for name in owners.get(module, ())
    }
    hosts = (roots | set(_ALWAYS)) & installed.keys()
    kept = _with_requirements(hosts, installed)
    while plugins := _plugins(hosts, installed, owners) - kept:
        kept |= _with_requirements(plugins, installed)
        hosts |= plugins
    left_out = installed.keys() - kept
    kept_files = {path for name in kept for path in _files(installed[name])}
    excluded = {path for name in left_out for path in _files(installed[name])} - kept_files
    return Needed(_by_size(kept, installed), _by_size(left_out, installed), frozenset(map(str, excluded)))


def _with_requirements(roots: set[str], installed: dict[str, importlib.metadata.Distribution]) -> set[str]:
    from packaging.requirements import InvalidRequirement, Requirement

    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(name, frozenset[str]()) for name in roots]
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen or name not in installed:
            continue
        seen.add((name, extras))
        if name == "massgap":
            # Of its requirements only what is imported counts.
            continue
        for line in installed[name].requires or ():
            try:
                asked = Requirement(line)
            except InvalidRequirement:
                continue
            marker = asked.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                todo.append((_plain(asked.name), frozenset(asked.extras)))
    return {name for name, _ in seen}


def _plugins(
    hosts: set[str], installed: dict[str, importlib.metadata.Distribution], owners: Mapping[str, list[str]]
) -> set[str]:
    """Distributions that announce themselves to one of these, for instance a protocol to fsspec: nobody imports them by name.

    Plugins of what is there only because something else asks for it stay behind: colours of pygments, which ipython asks for,
    bring the whole of Sphinx.
    """
    modules = {module for module, names in owners.items() if hosts & set(map(_plain, names))}
    return {
        name
        for name, found in installed.items()
        if any(
            entry.group.partition(".")[0] in modules and "." in entry.group for entry in found.entry_points
        )
    }


def _files(distribution: importlib.metadata.Distribution) -> list[Path]:
    return [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]


def _by_size(names: Iterable[str], installed: dict[str, importlib.metadata.Distribution]) -> dict[str, float]:
    sizes = {
        name: sum(file.size or 0 for file in installed[name].files or ()) / 1e6 for name in sorted(names)
    }
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _plain(name: str) -> str:
    """A name as distributions are compared by (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()

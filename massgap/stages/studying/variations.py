"""Which of the systematics that a study wants its samples can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.contracts.filesets.fileset import load_fileset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["available_variations", "known_nuisances"]


def available_variations(wanted: Iterable[str], fileset: str | Path) -> tuple[str, ...]:
    """Those of some systematics that are known and, where they are event weights, that the simulated files hold.

    A study names all that belongs to its paper; samples made without weights of scales or PDFs do without these.

    Parameters
    ----------
    wanted
        Names of systematics.
    fileset
        The samples; the first file of each dataset is asked.

    Returns
    -------
    tuple of str
        In the order in which they were named.

    Raises
    ------
    massgap.errors.MassgapError
        If the fileset or a file of it cannot be read.
    """
    from massgap.events.reading.files import inspect_file
    from massgap.events.variations import WEIGHT_VARIATIONS, known_variations

    names = [name for name in wanted if name in known_variations()]
    weights = {name: WEIGHT_VARIATIONS[name][0] for name in names if name in WEIGHT_VARIATIONS}
    if not weights:
        return tuple(names)
    there: set[str] | None = None
    for entry in load_fileset(fileset).values():
        if entry["metadata"].get("is_data"):
            continue
        path, tree = next(iter(entry["files"].items()))
        found = inspect_file(path, tree)
        if found.entries:
            there = set(found.weights) if there is None else there & set(found.weights)
    return tuple(name for name in names if weights.get(name) in {None, *(there or ())})


def known_nuisances(nuisances: Mapping[str, Any], varied: Iterable[str]) -> dict[str, Any]:
    """A set of nuisances without the shapes whose variation a run was not made with.

    Parameters
    ----------
    nuisances
        As :class:`massgap.fits.workspaces.nuisances.NuisanceSet` reads them.
    varied
        Systematics of the run.

    Examples
    --------
    >>> wanted = {"nuisance": [{"name": "jes", "kind": "shape"}, {"name": "pdf", "kind": "shape"}]}
    >>> known_nuisances(wanted, ["jes", "jer"])
    {'nuisance': [{'name': 'jes', 'kind': 'shape'}]}
    """
    there = set(varied)
    entries = [
        entry
        for entry in nuisances.get("nuisance", ())
        if entry.get("kind") != "shape" or entry.get("variation", entry["name"]) in there
    ]
    return {**nuisances, "nuisance": entries}

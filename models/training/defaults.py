"""What a recipe leaves open, the run says: which score is trained, in which region, from which features and processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.contracts.description import Description, Score
from massgap.contracts.errors import TableError
from massgap.models.errors import RecipeError
from massgap.models.training.recipe import ALL_ROWS, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

__all__ = ["completed_recipe", "narrowest", "score_of"]


def completed_recipe(
    recipe: Recipe,
    table: pd.DataFrame,
    manifest: Mapping[str, Any],
    features: Iterable[str],
    name: str | None = None,
) -> tuple[Recipe, list[str]]:
    """Return the recipe with nothing left open, and notes on what a reader should know about the choices.

    Parameters
    ----------
    recipe
        What is not None in it stays.
    table
        The feature tables of the run, joined.
    manifest
        The run's ``manifest.json``: its description and its datasets are looked at.
    features
        The features that the tables themselves name.
    name
        Of the score, if the analysis describes several.

    Raises
    ------
    ModelError
        If the run has no signal or no background, or several scores and none of this name.
    """
    described = Description.from_dict(manifest.get("description"))
    score = score_of(described, name)
    region, region_notes = _region(recipe, score, described, table)
    signal, backgrounds, process_notes = _processes(recipe, table, manifest)
    if recipe.features is not None:
        inputs = list(recipe.features)
    else:
        wanted = score.features if score is not None and score.features else None
        inputs = list(wanted or _described(described, table) or features)
    changed = recipe.changed(features=inputs or None, region=region, signal=signal, backgrounds=backgrounds)
    return changed, [*process_notes, *region_notes]


def score_of(described: Description, name: str | None) -> Score | None:
    """Return the score of this name, or the only one; None if the analysis describes none.

    Raises
    ------
    RecipeError
        If it describes several and none of this name.
    """
    scores = {score.name: score for score in described.scores}
    if name is not None and name in scores:
        return scores[name]
    if len(scores) > 1:
        asked = "" if name is None else f" and not {name}"
        msg = f"The analysis has the scores {', '.join(scores)}{asked}: say with --name which one is trained."
        raise RecipeError(msg)
    return next(iter(scores.values()), None)


def narrowest(described: Description, names: Iterable[str]) -> list[str]:
    """Return those of the regions within which none of the others lies.

    Examples
    --------
    >>> from massgap.contracts.description import Region
    >>> narrowest(Description(regions=(Region("wide"), Region("sr", within="wide"))), ["wide", "sr"])
    ['sr']
    """
    names = list(names)
    wider: set[str] = set()
    for name in names:
        seen = {name}
        while (name := described.region(name).within) and name not in seen:
            seen.add(name)
            wider.add(name)
    return [name for name in names if name not in wider]


def _region(
    recipe: Recipe, score: Score | None, described: Description, table: pd.DataFrame
) -> tuple[str, list[str]]:
    if recipe.region is not None:
        return recipe.region, []
    has = [str(c).removeprefix("region_") for c in table.columns if str(c).startswith("region_")]
    of_score = [name for name in (score.regions if score is not None else ()) if name in has]
    if of_score:
        return "+".join(narrowest(described, of_score)), []
    known = [region.name for region in described.regions if region.name in has] or has
    leaves = narrowest(described, known)
    if len(leaves) == 1:
        return leaves[0], []
    notes = (
        [f"no region is the narrowest of {', '.join(leaves)}: all rows are trained on, --region names one"]
        if leaves
        else []
    )
    return ALL_ROWS, notes


def _described(described: Description, table: pd.DataFrame) -> list[str]:
    return [feature.name for feature in described.features if feature.name in table.columns]


def _within(masses: Mapping[str, float], ranges: Mapping[str, tuple[float, float]]) -> bool:
    """Whether a signal has all the masses, each in its range."""
    return all(name in masses and low <= masses[name] <= high for name, (low, high) in ranges.items())


def _processes(
    recipe: Recipe, table: pd.DataFrame, manifest: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    """Return signal, backgrounds and notes, from the manifest where the recipe leaves them open."""
    selected = {str(p) for p in table["process"].unique()}
    marked: dict[str, bool] = {}
    outside: set[str] = set()
    for dataset, meta in sorted(manifest["datasets"].items()):
        if meta.get("is_data", False):
            continue
        process = str(meta.get("process", dataset))
        marked[process] = marked.get(process, False) or bool(meta.get("is_signal", False))
        if meta.get("is_signal") and not _within(meta.get("masses") or {}, recipe.signal_masses):
            outside.add(process)
    notes: list[str] = []
    signal, backgrounds = recipe.signal, recipe.backgrounds
    if signal is None:
        signal = tuple(p for p in sorted(marked) if marked[p] and p in selected and p not in outside)
        if not signal and outside:
            ranges = ", ".join(f"{name} from {a:g} to {b:g}" for name, (a, b) in recipe.signal_masses.items())
            msg = (
                f"The recipe {recipe.name!r} trains on signals with {ranges} GeV, and no selected signal of the run is one: it "
                f"has {', '.join(sorted(outside))}. Name those that it is to be trained on (--signal), or run over others."
            )
            raise TableError(msg)
    if backgrounds is None:
        others = [p for p in sorted(marked) if not marked[p] and p not in set(signal)]
        backgrounds = tuple(p for p in others if p in selected)
        notes = [
            f"{p} has no selected events and is not trained against" for p in others if p not in selected
        ]
    for names, role in ((signal, "signal"), (backgrounds, "background")):
        if not names:
            remedy = (
                "Loosen the selection or run over more events."
                if any(marked[p] == (role == "signal") for p in marked)
                else 'Say which are signal with "is_signal": true in the metadata of the fileset, or name them: '
                "--signal and --backgrounds."
            )
            msg = (
                f"The run has no selected {role} events: its processes are {', '.join(sorted(marked))} "
                f"(signal: {', '.join(p for p in sorted(marked) if marked[p]) or 'none'}). {remedy}"
            )
            raise TableError(msg)
    return list(signal), list(backgrounds), notes

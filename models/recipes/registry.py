"""Recipes by name: those of this folder, and those in a user's own file."""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import json
import pkgutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.models.errors import RecipeError
from massgap.models.training.recipe import PROTOCOLS, Recipe
from massgap.source_code import imported_digest

if TYPE_CHECKING:
    import types

__all__ = [
    "CLASSIFIERS",
    "DEFAULT",
    "find_recipe",
    "find_variant",
    "known_recipes",
    "of_kind",
    "recipe_of_analysis",
    "require_kind",
]

DEFAULT = "trees"
"""The recipe for an analysis that has none of its own."""


@functools.cache
def known_recipes() -> dict[str, Recipe]:
    """Name -> recipe, for all modules beside this one that hold ``RECIPES``.

    Examples
    --------
    >>> [name for name in sorted(known_recipes()) if name.startswith("slepton")]
    ['slepton', 'slepton-any', 'slepton-paper', 'slepton-parameterised', 'slepton-ten-folds']
    """
    package = __name__.rpartition(".")[0]
    found: dict[str, Recipe] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if module.name != __name__:
            found.update(importlib.import_module(module.name).RECIPES)
    return found


def recipe_of_analysis(analysis: str, score: str | None = None) -> Recipe:
    """The recipe that bears the names of an analysis and of a score of it, of the analysis, else the one for any analysis.

    Examples
    --------
    >>> recipe_of_analysis("smuon", "low").name, recipe_of_analysis("slepton", "own").name
    ('smuon-low', 'slepton')
    """
    known = known_recipes()
    return known.get(f"{analysis}-{score}") or known.get(analysis) or known[DEFAULT]


CLASSIFIERS = {"bdt": "trees", "mlp": "mlp", "tabnet": "tabnet", "tabm": "tabm"}
"""What a command calls the kinds of classifiers -> kind, which is also the name of the recipe for any analysis."""


def of_kind(recipe: Recipe, classifier: str) -> Recipe:
    """A recipe with another kind of classifier: it keeps the events and features, the rest is usual for that kind.

    Parameters
    ----------
    recipe
        That of an analysis.
    classifier
        One of `CLASSIFIERS`.

    Raises
    ------
    RecipeError
        If there is no such classifier.

    Examples
    --------
    >>> of_kind(find_recipe("slepton"), "mlp").region
    'precuts'
    """
    kind = _kind(classifier)
    if recipe.kind == kind:
        return recipe
    usual = known_recipes()[kind]
    own = recipe.name != DEFAULT
    return usual.changed(
        name=f"{recipe.name}-{classifier}" if own else usual.name,
        features=recipe.features,
        region=recipe.region,
        signal=recipe.signal,
        backgrounds=recipe.backgrounds,
        signal_masses=recipe.signal_masses,
        process_weights=recipe.process_weights,
        weighting=recipe.weighting,
        negative_weights=recipe.negative_weights,
        n_folds=recipe.n_folds,
    )


def require_kind(recipe: Recipe, classifier: str | None) -> None:
    """Raise a RecipeError if a classifier is named that is not the one of the recipe."""
    if classifier is not None and _kind(classifier) != recipe.kind:
        of_recipe = next(name for name, kind in CLASSIFIERS.items() if kind == recipe.kind)
        msg = (
            f"The recipe {recipe.name!r} is for --classifier {of_recipe}, not {classifier}: leave out --classifier, or give "
            "another --recipe."
        )
        raise RecipeError(msg)


def _kind(classifier: str) -> str:
    if classifier not in CLASSIFIERS:
        msg = f"There is no classifier {classifier!r}: choose one of {', '.join(CLASSIFIERS)} (--classifier)."
        raise RecipeError(msg)
    return CLASSIFIERS[classifier]


def find_recipe(name_or_file: str | Path) -> Recipe:
    """A shipped recipe or one in a user's own file.

    Parameters
    ----------
    name_or_file
        A name of `known_recipes`; ``my_recipe.py:NAME``, where NAME is a `Recipe` of the file or a key of its ``RECIPES``
        (it may be left out if the file has one recipe); or a ``.json`` or ``.toml`` file of the fields of a `Recipe`.

    Returns
    -------
    Recipe
        Read anew at each call; its ``code`` is the digest of the file and of what that imports.

    Raises
    ------
    RecipeError
        If there is no such recipe or file, or the file cannot be read.

    Examples
    --------
    >>> find_recipe("slepton-paper").protocol
    'held_out'
    """
    text = str(name_or_file)
    if text in known_recipes():
        return known_recipes()[text]
    place, colon, name = text.rpartition(":")
    if colon and place.endswith(".py"):
        return _from_module(Path(place), name)
    path = Path(text)
    if path.suffix == ".py":
        return _from_module(path, "")
    if path.suffix in {".json", ".toml"}:
        return _from_fields(path)
    msg = (
        f"There is no recipe {text!r}; known are {', '.join(sorted(known_recipes()))}. For one of your own give "
        "my_recipe.py:RECIPE, or a .json or .toml file of its fields."
    )
    raise RecipeError(msg)


def find_variant(recipe: Recipe, protocol: str) -> Recipe:
    """The recipe with another protocol: one of those that every recipe can have, or a shipped variant.

    Parameters
    ----------
    recipe
        A recipe.
    protocol
        ``"nested"``, ``"held_out"``, or X if there is a recipe called like this one with ``-X`` at the end.

    Raises
    ------
    RecipeError
        If there is no such protocol.

    Examples
    --------
    >>> find_variant(find_recipe("slepton"), "paper").name
    'slepton-paper'
    """
    if protocol in PROTOCOLS:
        return recipe.changed(protocol=protocol)
    shipped = known_recipes()
    stem = f"{recipe.name}-"
    variants = {name.removeprefix(stem): other for name, other in shipped.items() if name.startswith(stem)}
    if shipped.get(recipe.name) != recipe:
        variants = {}  # somebody's own recipe is not replaced by one that happens to be called alike
    if protocol not in variants:
        msg = (
            f"Unknown protocol {protocol!r} for the recipe {recipe.name!r}: "
            f"choose one of {', '.join([*PROTOCOLS, *sorted(variants)])}."
        )
        raise RecipeError(msg)
    return variants[protocol]


# ---- a user's own file


def _from_module(path: Path, name: str) -> Recipe:
    module = _load(path)
    table = getattr(module, "RECIPES", {})
    found = {key: value for key, value in vars(module).items() if isinstance(value, Recipe)}
    found |= {str(key): value for key, value in table.items()} if isinstance(table, dict) else {}
    if not name and len({id(recipe) for recipe in found.values()}) == 1:
        name = next(iter(found))
    recipe = found.get(name)
    if not isinstance(recipe, Recipe):
        has = ", ".join(found) or "none"
        msg = (
            f"{path} has no recipe {name!r}; it has {has}."
            if name
            else f"{path} has the recipes {has}: name one of them, {path}:NAME."
        )
        raise RecipeError(msg)
    return recipe.changed(code=imported_digest(path))


class _Loader(importlib.machinery.SourceFileLoader):
    """Reads the source itself: compiled files on disk are told apart by their second and size, which can be the same."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _load(path: Path) -> types.ModuleType:
    if not path.is_file():
        msg = f"{path}: no such file. A recipe of your own is given as my_recipe.py:RECIPE."
        raise RecipeError(msg)
    name = f"massgap_recipe_{path.stem}"
    spec = importlib.util.spec_from_loader(name, _Loader(name, str(path)))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    try:
        _Loader(name, str(path)).exec_module(module)
    except Exception as error:
        msg = f"{path} cannot be imported ({type(error).__name__}: {error})"
        raise RecipeError(msg) from error
    return module


def _from_fields(path: Path) -> Recipe:
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"The recipe {path} cannot be read: {error.strerror or error}."
        raise RecipeError(msg) from error
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = content.decode()
        data: Any = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except ValueError as error:
        msg = f"{path} is damaged: it is not {kind} ({error})."
        raise RecipeError(msg) from error
    if isinstance(data, dict):
        data = {"name": path.stem, **data}
    return Recipe.from_dict(data, code=imported_digest(path))

"""The classifiers of the mass-unspecific paper are what its table says."""

from __future__ import annotations

import pytest

from massgap.models.recipes.registry import find_recipe, known_recipes, recipe_of_analysis
from massgap.models.recipes.vlq import MASS, RECIPES
from massgap.selections.vlq.features import FEATURE_NAMES

ALL = {"low": 900.0, "high": 6500.0}
TABLE = {
    # recipe: kind, background, balanced from and to, mass label is an input, true label
    "vlq": ("trees", "signal_counts", ALL, True, False),
    "vlq-munn": ("mlp", "signal_counts", ALL, True, False),
    "vlq-wbdt": ("trees", "drawn", ALL, True, False),
    "vlq-wnn": ("mlp", "drawn", ALL, True, False),
    "vlq-pnn": ("mlp", "drawn", None, False, True),
    "vlq-pnn-b": ("mlp", "signal_counts", ALL, False, True),
    "vlq-pnn-x": ("mlp", "drawn", None, True, True),
    "vlq-mubdt-1000": ("trees", "signal_counts", {"low": 900.0, "high": 1100.0}, True, False),
    "vlq-mubdt-6000": ("trees", "signal_counts", {"low": 5900.0, "high": 6100.0}, True, False),
    "vlq-tabm": ("tabm", "signal_counts", ALL, True, False),
}


@pytest.mark.parametrize("name", TABLE)
def test_recipe(name):
    kind, weighting, balance, with_mass, true = TABLE[name]
    recipe = find_recipe(name)
    assert (recipe.kind, recipe.weighting) == (kind, weighting)
    features = recipe.features or FEATURE_NAMES
    assert set(features) == {*FEATURE_NAMES} - (set() if with_mass else {MASS})
    assert recipe.label == ("true:random" if true else None)
    if balance is None:
        assert recipe.balance is None
    else:
        assert recipe.balance["column"] == MASS
        assert recipe.balance["width"] == 200.0
        assert {key: recipe.balance[key] for key in balance} == balance
    if kind == "mlp":
        assert recipe.seeds == 5
        assert tuple(recipe.hyperparameters["hidden"]) == (64, 64)
    elif kind == "trees":
        assert [recipe.hyperparameters[key] for key in ("n_trees", "max_depth", "eta")] == [500, 5, 0.15]


def test_there_are_nine_with_one_beside_and_one_is_that_of_the_analysis():
    assert set(RECIPES) == set(TABLE) <= set(known_recipes())
    assert recipe_of_analysis("vlq").name == "vlq"
    assert recipe_of_analysis("vlq").flatten == MASS

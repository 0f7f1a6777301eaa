from __future__ import annotations

import json

import pytest

from massgap.models.errors import RecipeError
from massgap.models.training.recipe import Recipe

FULL = {
    "name": "low",
    "kind": "trees",
    "description": "low masses",
    "source": "a paper",
    "features": ["met", "m_ll"],
    "region": "sr_low",
    "signal": ["stop"],
    "backgrounds": ["tt", "WW"],
    "subsets": {"hard": ["tt", "WW"]},
    "process_weights": {"tt": 2.0},
    "weighting": "counts",
    "negative_weights": "absolute",
    "n_folds": 4,
    "protocol": "held_out",
    "early_stopping": 3,
    "hyperparameters": {"n_trees": 7},
    "seed": 5,
}


def test_there_and_back_through_json():
    recipe = Recipe.from_dict(FULL)
    plain = recipe.as_dict()
    assert plain == {**FULL, "hyperparameters": {**plain["hyperparameters"], "n_trees": 7}}
    again = Recipe.from_dict(json.loads(json.dumps(plain)))
    assert again == recipe
    assert again.digest == recipe.digest


OTHER = {
    "name": "high",
    "description": "",
    "source": "another",
    "features": ["m_ll", "met"],
    "region": "sr_high",
    "signal": ["sbottom"],
    "backgrounds": ["WW", "tt"],
    "subsets": {"hard": ["tt"]},
    "process_weights": {"tt": 2.5},
    "weighting": "weights",
    "negative_weights": "error",
    "n_folds": 3,
    "protocol": "nested",
    "early_stopping": 4,
    "hyperparameters": {"n_trees": 7, "eta": 0.2},
    "seed": 6,
}


def test_the_digest_sees_every_field_but_the_kind_of_which_there_is_one():
    assert set(OTHER) == set(FULL) - {"kind"}


@pytest.mark.parametrize("field", OTHER)
def test_the_digest_sees(field):
    assert Recipe.from_dict({**FULL, field: OTHER[field]}).digest != Recipe.from_dict(FULL).digest


def test_the_order_of_keys_is_nothing():
    turned = dict(reversed(list(FULL.items())))
    assert Recipe.from_dict(turned).digest == Recipe.from_dict(FULL).digest


def test_the_file_is_no_part_of_the_content():
    recipe = Recipe.from_dict(FULL, code="abc")
    assert (recipe.code, recipe.digest) == ("abc", Recipe.from_dict(FULL).digest)
    assert recipe.changed(seed=9).code == "abc"


def test_changes():
    recipe = Recipe.from_dict(FULL)
    changed = recipe.changed(region=None, seed=7, hyperparameters={"eta": 0.3})
    assert (changed.region, changed.seed) == ("sr_low", 7)
    assert (changed.hyperparameters["eta"], changed.hyperparameters["n_trees"]) == (0.3, 7)
    assert (recipe.seed, recipe.hyperparameters["eta"]) == (5, 0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "name is empty"),
        ({"name": 3}, "The recipe 3: name is 3: it must be a text"),
        ({"fraction": 0.0}, "fraction is 0.0: it must be above 0, and 1 at most"),
        ({"fraction": 1.5}, "fraction is 1.5: it must be above 0"),
        ({"fraction": True}, "fraction is True: it must be above 0"),
        ({"kind": "forest"}, "The recipe 'low': Unknown kind 'forest': choose one of trees"),
        ({"description": None}, "description is None: it must be a text"),
        ({"features": "met"}, "features is 'met': it must be a list of names"),
        ({"features": []}, r"features is \[\]: it must be a list of at least one name"),
        ({"features": ["met", 3]}, r"features is \['met', 3\]"),
        ({"features": ["met", "met"]}, "features lists 'met' twice"),
        ({"region": ""}, "region is '': it must be the name of a region, or 'all' for all rows"),
        ({"region": ["sr"]}, "region is"),
        ({"signal": {"stop": 1}}, "signal is"),
        ({"backgrounds": 3}, "backgrounds is 3: it must be a list"),
        ({"subsets": ["tt"]}, "subsets is .* it must be a table with names as keys"),
        ({"subsets": {"hard": "tt"}}, r"subsets\['hard'\] is 'tt': it must be a list of names"),
        ({"process_weights": {"tt": 0}}, r"process_weights\['tt'\] is 0: it must be a positive number"),
        ({"process_weights": {"tt": float("inf")}}, r"process_weights\['tt'\] is inf"),
        ({"process_weights": {"tt": True}}, r"process_weights\['tt'\] is True"),
        ({"weighting": "none"}, "Unknown weighting 'none': choose one of weights, counts"),
        (
            {"negative_weights": "flip"},
            "Unknown negative_weights 'flip': choose one of error, absolute, drop",
        ),
        ({"n_folds": 1}, "The recipe 'low': n_folds is 1: it must be an integer of at least 2"),
        ({"n_folds": True}, "n_folds is True"),
        ({"protocol": "both"}, "Unknown protocol 'both': choose one of nested, held_out"),
        ({"early_stopping": 0}, "early_stopping is 0: it must be an integer of at least 1"),
        ({"early_stopping": 2.5}, "early_stopping is 2.5"),
        ({"seed": -1}, "seed is -1: it must be an integer of at least 0"),
        ({"hyperparameters": {"depth": 3}}, "The recipe 'low': Unknown hyperparameter 'depth': known are"),
        ({"hyperparameters": 3}, "hyperparameters is 3: it must be a table"),
        ({"regoin": "sr"}, "The recipe 'low' has the unknown field 'regoin'; known are name, kind"),
    ],
)
def test_what_cannot_be(changes, words):
    with pytest.raises(RecipeError, match=words):
        Recipe.from_dict({**FULL, **changes})


@pytest.mark.parametrize("data", [{}, {"kind": "trees"}, ["low"], "low"])
def test_no_recipe_at_all(data):
    with pytest.raises(RecipeError, match="a table of fields with at least a name"):
        Recipe.from_dict(data)

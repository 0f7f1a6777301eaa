from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from massgap.contracts.description import Description, Feature, Region, Score
from massgap.models.errors import RecipeError
from massgap.models.training.defaults import completed_recipe
from massgap.models.training.recipe import Recipe

NESTED = (Region("wide"), Region("sr", within="wide"), Region("sr_tight", within="sr"))
SIDE = (*NESTED, Region("cr", within="wide"))
BOTH = (Score("low", regions=("sr_low",), features=("m_ll",)), Score("high", regions=("wide", "sr")))


@pytest.fixture
def complete():
    def complete(recipe=None, *, name=None, has=("wide", "sr", "sr_tight", "sr_low", "cr"), **described):
        table = pd.DataFrame({"process": ["s", "b"], "met": 1.0, "m_ll": 2.0, "extra": 3.0})
        for region in has:
            table[f"region_{region}"] = np.array([True, False])
        datasets = {
            "s0": {"process": "s", "is_signal": True},
            "b0": {"process": "b"},
            "empty": {"process": "none"},
            "d": {"is_data": True},
        }
        manifest = {"datasets": datasets, "description": Description("a", **described).as_dict()}
        return completed_recipe(recipe or Recipe("r"), table, manifest, ["met", "m_ll", "extra"], name)

    return complete


@pytest.mark.parametrize(
    ("described", "has", "region"),
    [
        ({"regions": NESTED}, ("wide", "sr", "sr_tight"), "sr_tight"),
        ({"regions": NESTED}, ("wide", "sr"), "sr"),
        ({"regions": NESTED, "scores": (Score("score", regions=("sr",)),)}, ("wide", "sr", "sr_tight"), "sr"),
        ({"regions": NESTED, "scores": (Score("score", regions=("wide", "sr")),)}, ("wide", "sr"), "sr"),
        ({"regions": SIDE, "scores": (Score("score", regions=("sr", "cr")),)}, ("wide", "sr", "cr"), "sr+cr"),
        ({"regions": NESTED, "scores": (Score("score", regions=("nonesuch",)),)}, ("wide", "sr"), "sr"),
        ({}, ("mine",), "mine"),
        ({}, (), "all"),
    ],
)
def test_the_region(complete, described, has, region):
    recipe, notes = complete(has=has, **described)
    assert recipe.region == region
    assert notes == ["none has no selected events and is not trained against"]


def test_several_narrow_regions_and_no_score_that_chooses(complete):
    recipe, notes = complete(has=("wide", "sr", "cr"), regions=SIDE)
    assert recipe.region == "all"
    assert notes[-1] == "no region is the narrowest of sr, cr: all rows are trained on, --region names one"


def test_what_the_recipe_says_stays(complete):
    mine = Recipe("r", region="cr", features=("extra",), signal=("b",), backgrounds=("s",))
    assert complete(mine, regions=NESTED)[0] == mine


def test_regions_within_each_other_end(complete):
    recipe, _ = complete(has=("a", "b"), regions=(Region("a", within="b"), Region("b", within="a")))
    assert recipe.region == "all"


def test_features(complete):
    described = (Feature("m_ll"), Feature("not_in_the_table"), Feature("met"))
    assert complete()[0].features == ("met", "m_ll", "extra")
    assert complete(features=described)[0].features == ("m_ll", "met")
    assert complete(features=described, scores=(Score("score", features=("extra",)),))[0].features == (
        "extra",
    )


def test_signal_and_backgrounds_as_the_samples_say(complete):
    recipe, _ = complete()
    assert (recipe.signal, recipe.backgrounds) == (("s",), ("b",))


def test_several_scores_are_told_apart_by_name(complete):
    low, _ = complete(name="low", scores=BOTH, regions=(*NESTED, Region("sr_low")))
    high, _ = complete(name="high", scores=BOTH, regions=NESTED, features=(Feature("met"),))
    assert (low.region, low.features) == ("sr_low", ("m_ll",))
    assert (high.region, high.features) == ("sr", ("met",))
    for name, words in (
        (None, "has the scores low, high: say with --name"),
        ("mid", "and not mid: say with"),
    ):
        with pytest.raises(RecipeError, match=words):
            complete(name=name, scores=BOTH)


def test_the_only_score_has_any_name(complete):
    assert complete(name="mine", scores=(Score("score", regions=("cr",)),))[0].region == "cr"

from __future__ import annotations

import json

import pytest

from massgap.models.errors import RecipeError
from massgap.models.recipes.registry import find_recipe, find_variant, known_recipes, recipe_of_analysis
from massgap.models.training.recipe import Recipe

MINE = """
from massgap.models.training.recipe import Recipe

LOW = Recipe("low", hyperparameters={"n_trees": 20})
RECIPES = {"deep": Recipe("high", seed=2)}
"""


def test_shipped_recipes_bear_their_names():
    assert {"slepton", "slepton-paper", "trees"} <= set(known_recipes())
    for name, recipe in known_recipes().items():
        assert recipe.name == name
        assert find_recipe(name) is recipe


def test_an_analysis_without_a_recipe_gets_the_one_for_any():
    assert recipe_of_analysis("slepton").name == "slepton"
    assert recipe_of_analysis("z_jets").name == "trees"
    assert recipe_of_analysis("").name == "trees"


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    assert find_recipe(f"{file}:LOW").hyperparameters["n_trees"] == 20
    assert find_recipe(f"{file}:deep").name == "high"
    assert len(find_recipe(f"{file}:LOW").code) == 64
    with pytest.raises(RecipeError, match=r"mine.py has no recipe 'MID'; it has LOW, deep"):
        find_recipe(f"{file}:MID")
    with pytest.raises(RecipeError, match=r"mine.py has the recipes LOW, deep: name one of them"):
        find_recipe(file)
    file.write_text(MINE.replace("RECIPES", "UNUSED"))
    assert find_recipe(file).name == "low"


def test_a_changed_file_is_read_anew(tmp_path):
    """Within one second and with the same size, which is all that compiled files on disk are told apart by."""
    file = tmp_path / "mine.py"
    for n in (20, 30, 40):
        file.write_text(MINE.replace("20", str(n)))
        assert find_recipe(f"{file}:LOW").hyperparameters["n_trees"] == n
    assert not (tmp_path / "__pycache__").exists()


def test_fields_in_json_and_toml(tmp_path):
    fields = {"region": "sr", "early_stopping": 4, "hyperparameters": {"eta": 0.2}}
    (tmp_path / "low.json").write_text(json.dumps(fields))
    (tmp_path / "low.toml").write_text(
        'region = "sr"\nearly_stopping = 4\n[hyperparameters]\neta = 0.2\n', encoding="utf-8"
    )
    wanted = Recipe("low", region="sr", early_stopping=4, hyperparameters={"eta": 0.2})
    assert find_recipe(tmp_path / "low.json") == find_recipe(str(tmp_path / "low.toml")) == wanted


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("no.py", None, r"no.py: no such file"),
        ("no.json", None, r"no.json cannot be read: No such file"),
        ("bad.py", "import nonesuch_module", r"bad.py cannot be imported \(ModuleNotFoundError"),
        ("bad.py", "x = 1", r"bad.py has the recipes none"),
        ("bad.json", "{", r"bad.json is damaged: it is not JSON"),
        ("bad.toml", "a = ", r"bad.toml is damaged: it is not TOML"),
        ("bad.json", "[]", "a table of fields"),
        ("bad.json", '{"flods": 3}', "The recipe 'bad' has the unknown field 'flods'"),
        ("nonesuch", None, r"no recipe '.*nonesuch'; known are .*mlp, slepton, .*my_recipe.py:RECIPE"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(RecipeError, match=words):
        find_recipe(tmp_path / name)


def test_variants():
    slepton = find_recipe("slepton")
    assert find_variant(slepton, "held_out") == slepton.changed(protocol="held_out")
    assert find_variant(slepton, "paper") is find_recipe("slepton-paper")
    with pytest.raises(
        RecipeError,
        match=r"Unknown protocol 'both' for .*'slepton': choose one of nested, held_out, next_fold, any, paper",
    ):
        find_variant(slepton, "both")


def test_a_variant_does_not_replace_ones_own_recipe():
    mine = Recipe("slepton", seed=3)
    assert find_variant(mine, "held_out").seed == 3
    with pytest.raises(RecipeError, match=r"choose one of nested, held_out, next_fold\."):
        find_variant(mine, "paper")

"""The smuon paper's networks as recipes, balanced components, and signals chosen by mass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from massgap.contracts.errors import TableError
from massgap.models.errors import RecipeError
from massgap.models.recipes.registry import find_recipe, of_kind, recipe_of_analysis
from massgap.models.training.defaults import completed_recipe
from massgap.models.training.table import training_table

FEATURES = ("met", "m_t2")


def test_the_papers_numbers():
    recipe = find_recipe("smuon-paper")
    values = recipe.hyperparameters
    assert values["hidden"] == [50, 50]
    assert (values["activation"], values["optimizer"]) == ("relu", "sgd")
    assert (values["learning_rate"], values["momentum"], values["weight_decay"]) == (0.1, 0.1, 1e-4)
    assert (values["batch_size"], values["epochs"]) == (32, 500)
    assert values["choose_epoch"] == "f_beta+auc+precision+auprc"
    assert values["missing"] == "mean"  # no inputs beyond the 37
    # 8:1:1, and never stopped before the last epoch
    assert (recipe.n_folds, recipe.protocol, recipe.early_stopping) == (10, "next_fold", 500)
    assert recipe.weighting == "components"
    for name, low, high in (("low", 0, 450), ("high", 450, 1e5)):
        own = recipe_of_analysis("smuon", name)
        assert own.signal_masses == {"m_slepton": (low, high)}
        assert own.hyperparameters == values
    assert recipe_of_analysis("smuon", "derived").name == "smuon"
    assert recipe_of_analysis("smuon", "bdt").kind == "trees"


@pytest.mark.parametrize("classifier", ["bdt", "tabnet"])
def test_another_kind_of_classifier_is_trained_on_the_same_signals(classifier):
    own = recipe_of_analysis("smuon", "low")
    other = of_kind(own, classifier)
    assert other.kind != own.kind
    table = made_table(COUNTS)
    masses = {"light": 200.0, "heavy": 600.0}
    datasets = {
        name: {"process": name, "is_signal": name in masses, "masses": {"m_slepton": masses.get(name, 0.0)}}
        for name in COUNTS
    }
    for recipe in (own, other):
        complete, _ = completed_recipe(recipe, table, {"datasets": datasets}, FEATURES)
        assert complete.signal == ("light",)


def made_table(counts: dict[str, int]) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = sum(counts.values())
    return pd.DataFrame(
        {
            **{name: rng.normal(size=n) for name in FEATURES},
            "process": np.repeat(list(counts), list(counts.values())),
            "weight": rng.uniform(0.1, 3.0, n),
            "fold_key": rng.integers(0, 2**63, n, dtype=np.uint64),
            "region_preselection": True,
        }
    )


COUNTS = {"light": 40, "heavy": 90, "tt": 300, "mumununu": 50, "mumulnu": 20}


def test_all_components_of_a_class_weigh_the_same():
    data = training_table(
        made_table(COUNTS),
        ["light", "heavy"],
        ["tt", "mumununu", "mumulnu"],
        FEATURES,
        weighting="components",
    )
    sums = {name: data.train_weight[data.process == name].sum() for name in COUNTS}
    assert sums == pytest.approx(dict.fromkeys(COUNTS, 1.0))
    # Within a component events keep their relative weights.
    for name in COUNTS:
        of = data.process == name
        ratio = data.train_weight[of] / data.weight[of]
        assert ratio.max() == pytest.approx(ratio.min())


def manifest(**masses: float) -> dict:
    signals = {
        name: {"process": name, "is_signal": True, "masses": {"m_slepton": m}} for name, m in masses.items()
    }
    return {"datasets": {**signals, **{name: {"process": name} for name in ("tt", "mumununu", "mumulnu")}}}


def test_signals_are_chosen_by_their_mass():
    table = made_table(COUNTS)
    for name, expected in (
        ("smuon-low", ("light",)),
        ("smuon-high", ("heavy",)),
        ("smuon", ("heavy", "light")),
    ):
        recipe, _ = completed_recipe(find_recipe(name), table, manifest(light=200, heavy=500), FEATURES)
        assert recipe.signal == expected, name
        assert recipe.backgrounds == ("mumulnu", "mumununu", "tt")


def test_no_signal_of_the_mass_is_said():
    with pytest.raises(TableError, match=r"m_slepton from 450 to 100000 GeV.*heavy, light.*--signal"):
        completed_recipe(
            find_recipe("smuon-high"), made_table(COUNTS), manifest(light=200, heavy=300), FEATURES
        )


@pytest.mark.parametrize("ranges", [{"m": 3}, {"m": (5, 1)}, {"m": ("a", "b")}, [1, 2]])
def test_what_is_no_range_of_masses_is_refused(ranges):
    with pytest.raises(RecipeError, match="signal_masses"):
        find_recipe("smuon").changed(signal_masses=ranges)

"""The slepton paper's classifier, against the library called by hand with the paper's numbers."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.models.folds import held_out_fold, set_aside_for_stopping
from massgap.models.recipes.registry import find_recipe
from massgap.models.training.trained_folds import train


def test_the_papers_numbers():
    recipe = find_recipe("slepton")
    assert recipe.hyperparameters["n_trees"] == 50
    assert recipe.hyperparameters["max_depth"] == 5
    assert recipe.hyperparameters["eta"] == 0.5
    assert recipe.hyperparameters["lambda"] == 0.01
    assert recipe.hyperparameters["gamma"] == 0
    assert recipe.hyperparameters["min_child_weight"] == 0
    assert recipe.early_stopping == 5
    assert recipe.n_folds == 3
    assert recipe.region == "precuts"
    assert recipe.protocol == "nested"
    assert dict(recipe.subsets) == {"tt+WW": ("tt", "WW")}
    assert find_recipe("slepton-paper") == recipe.changed(name="slepton-paper", protocol="held_out")


@pytest.mark.parametrize("name", ["slepton", "slepton-paper"])
def test_the_trees_are_those_of_the_library_called_by_hand(name, full_table, recipe):
    import xgboost as xgb

    mine = recipe if name == "slepton" else recipe.changed(name=name, protocol="held_out")
    folds = train(full_table, mine, importances=False, compare_protocols=False)
    rows = full_table[
        full_table["region_precuts"] & full_table["process"].isin(recipe.signal + recipe.backgrounds)
    ]
    rows = rows.sort_values(["process", "fold_key"])
    key = rows["fold_key"].to_numpy()
    fold, aside = held_out_fold(key, 3), set_aside_for_stopping(key)
    y = rows["process"].isin(recipe.signal).to_numpy().astype(np.float32)
    x, w = rows[list(recipe.features)].to_numpy(np.float32), rows["weight"].to_numpy()
    options = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "nthread": 1,
        "seed": 1,
    }
    options |= {
        "max_depth": 5,
        "eta": 0.5,
        "lambda": 0.01,
        "gamma": 0,
        "min_child_weight": 0,
        "base_score": 0.5,
    }
    for i, booster in enumerate(folds.classifiers):
        fit, stop = fold != i, fold == i
        if name == "slepton":
            fit, stop = fit & ~aside, fit & aside
        data = []
        for part in (fit, stop):
            sums = np.where(y[part] > 0, w[part & (y > 0)].sum(), w[part & (y == 0)].sum())
            matrix = {"label": y[part], "weight": w[part] / sums, "ref": data[0] if data else None}
            data.append(xgb.QuantileDMatrix(x[part], nthread=1, **matrix))
        reference = xgb.train(
            options, data[0], 50, evals=[(data[1], "stop")], early_stopping_rounds=5, verbose_eval=False
        )
        used = reference.best_iteration + 1 if name == "slepton" else reference.num_boosted_rounds()
        np.testing.assert_array_equal(
            booster.inplace_predict(x), reference.inplace_predict(x, iteration_range=(0, used))
        )


def test_ten_folds_are_the_papers_signal_in_smaller_steps() -> None:
    recipe, own = find_recipe("slepton"), find_recipe("slepton-ten-folds")
    steps = {**recipe.hyperparameters, **{k: own.hyperparameters[k] for k in ("n_trees", "max_depth", "eta")}}
    changed = recipe.changed(
        name=own.name, n_folds=10, early_stopping=15, hyperparameters=steps, description=own.description
    )
    assert own == changed
    assert own.hyperparameters["eta"] < recipe.hyperparameters["eta"]


def test_both_classifiers_of_all_spectra_leave_out_the_same() -> None:
    plain, told = find_recipe("slepton-any"), find_recipe("slepton-parameterised")
    assert told.label == "true:random"
    assert plain.label is None
    assert (told.signal, told.process_weights) == (plain.signal, plain.process_weights)
    assert not {"slepton_110_70", "slepton_160_110"} & set(told.signal)

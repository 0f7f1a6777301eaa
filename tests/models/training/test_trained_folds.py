from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from massgap.contracts.errors import TableError
from massgap.models.errors import ModelError
from massgap.models.folds import held_out_fold
from massgap.models.training.recipe import Recipe
from massgap.models.training.trained_folds import train


def quick(table, recipe, progress=None, compare_protocols=False, **changes):
    return train(
        table,
        recipe.changed(**changes),
        importances=False,
        compare_protocols=compare_protocols,
        progress=progress,
    )


def raw(folds):
    return [bytes(b.save_raw("ubj")) for b in folds.classifiers]


def test_folds_are_rotated_and_complete(trained, full_table):
    chosen = full_table[full_table["region_precuts"]]
    fold = held_out_fold(chosen["fold_key"].to_numpy())
    is_signal = (chosen["process"] == "slepton_110_80").to_numpy()
    for result in trained.folds:
        held_out = fold == result.fold
        assert result.n_eval_signal == (held_out & is_signal).sum()
        assert result.n_eval_background == (held_out & ~is_signal).sum()
        assert result.n_train_signal == (~held_out & is_signal).sum()
        assert result.n_train_background == (~held_out & ~is_signal).sum()
        assert 0 < result.n_stop_signal < 0.3 * result.n_train_signal


def test_it_learns_and_the_expected_features_lead(trained):
    for result in trained.folds:
        assert 0.75 < result.auc_eval < result.auc_train < 1
        assert result.n_trees == result.best_iteration + 1 <= 50
        curve = result.loss_curve["valid"]
        assert int(np.argmin(curve)) == result.best_iteration
        assert len(curve) == len(result.loss_curve["train"]) == min(result.best_iteration + 6, 50)
        assert len(result.roc["fpr"]) == len(result.roc["tpr"]) <= 200
    leading = {name: max(shares, key=shares.get) for name, shares in trained.importance.items()}
    assert leading["tt+WW"] == "mt2_100"
    assert leading["tautau"] == "m_tautau"
    assert set(leading) == {"all", "mumu", "tautau", "tt", "WW", "ZZ", "WZ", "tt+WW"}
    for shares in trained.importance.values():
        assert list(shares) == trained.features
        assert sum(shares.values()) == pytest.approx(1)


def test_a_part_of_the_events_is_what_was_trained_on(table, recipe):
    """A learning curve: what is not used is not counted, and not part of the area of the training."""
    whole = quick(table, recipe, fraction=1.0).folds
    part = quick(table, recipe, fraction=0.25).folds
    for all_of_it, quarter in zip(whole, part, strict=True):
        for of in ("signal", "background"):
            stopped = getattr(quarter, f"n_stop_{of}")
            assert stopped == getattr(all_of_it, f"n_stop_{of}")
            fitted = getattr(quarter, f"n_train_{of}") - stopped
            every = getattr(all_of_it, f"n_train_{of}") - stopped
            assert 0.15 * every < fitted < 0.35 * every
            assert getattr(quarter, f"n_eval_{of}") == getattr(all_of_it, f"n_eval_{of}")


@pytest.mark.parametrize(
    "changes",
    [
        {"class_weights": {"signal": 4.0}},
        {"balance": {"column": "m", "low": 0.0, "high": 4.0, "width": 1.0}},
    ],
    ids=["classes", "balance"],
)
def test_a_probability_is_compared_with_the_shares_that_it_was_trained_for(changes):
    """The share of signal among events of a score, with the weights of the training, lies on the diagonal."""
    rng = np.random.default_rng(5)
    n = 30_000
    process = rng.choice(["s", "b1", "b2"], n, p=[0.4, 0.4, 0.2])
    centre = np.select([process == "s", process == "b1"], [1.0, -0.5], 1.5)
    mass = np.where(process == "s", 4 * rng.beta(2, 1, n), 4 * rng.beta(1, 2, n))
    toy = pd.DataFrame({"x": rng.normal(centre, 1.0), "m": mass, "process": process, "weight": 1.0})
    toy["fold_key"] = rng.integers(0, 2**63, n, dtype=np.uint64)
    recipe = Recipe(
        "toy",
        features=("x", "m"),
        region="all",
        signal=("s",),
        backgrounds=("b1", "b2"),
        n_folds=2,
        hyperparameters={"max_depth": 2},
    )
    off = []
    for result in quick(toy, recipe, **changes).folds:
        found = {name: np.array(values) for name, values in result.calibration.items()}
        inner = abs(found["score"] - 0.5) < 0.3  # the outermost hold few events
        off += list((found["signal"] - found["score"])[inner])
    assert len(off) > 8
    assert np.mean(np.abs(off)) < 0.06


def test_a_held_out_event_has_no_influence_on_its_classifier(table, recipe):
    """Nested protocol: spoiling every feature of fold 1 leaves the classifier of fold 1 as it was."""
    before = raw(quick(table, recipe))
    in_fold = held_out_fold(table["fold_key"].to_numpy()) == 1
    table.loc[in_fold, list(recipe.features)] = np.random.default_rng(0).normal(
        size=(in_fold.sum(), len(recipe.features))
    )
    table.loc[in_fold, "weight"] *= np.random.default_rng(1).uniform(0.5, 2, in_fold.sum())
    after = raw(quick(table, recipe))
    assert [a == b for a, b in zip(after, before, strict=True)] == [False, True, False]


def test_held_out_protocol_uses_all_trees(table, recipe):
    folds = quick(table, recipe, protocol="held_out")
    for result in folds.folds:
        assert result.n_trees == min(result.best_iteration + 6, 50)
        assert result.n_stop_signal == 0
        # it watched the very fold on which it is evaluated
        assert result.loss_curve["valid"][-1] == pytest.approx(result.logloss_eval, abs=1e-5)


def test_protocols_are_compared(trained):
    comparison = trained.protocol_comparison
    assert comparison["nested"]["auc_eval"] == [f.auc_eval for f in trained.folds]
    assert comparison["auc_eval_held_out_minus_nested"] == pytest.approx(
        np.mean(comparison["held_out"]["auc_eval"]) - np.mean(comparison["nested"]["auc_eval"])
    )


def test_class_weights_are_normalised(table, recipe):
    """Scaling signal and background weights by powers of two changes no tree."""
    before = quick(table, recipe)
    is_signal = table["process"].isin(recipe.signal)
    table["weight"] *= np.where(is_signal, 2.0**-10, 2.0**15)
    assert raw(quick(table, recipe)) == raw(before)


def test_same_input_same_trees(table, recipe):
    first = quick(table, recipe)
    again = quick(table.sample(frac=1, random_state=1), recipe)
    assert raw(first) == raw(again)
    assert first.training_hash == again.training_hash
    assert first.training_hash != quick(table, recipe, seed=2).training_hash


def test_default_min_child_weight_would_forbid_every_split(table, recipe):
    folds = quick(table, recipe, hyperparameters={"min_child_weight": 1})
    assert [f.auc_eval for f in folds.folds] == [0.5] * 3


def test_evaluation_agrees_with_the_boosters(trained, full_table):
    chosen = full_table[full_table["region_precuts"]]
    fold = held_out_fold(chosen["fold_key"].to_numpy())
    label = (chosen["process"] == "slepton_110_80").to_numpy()
    x = chosen[trained.features].to_numpy(dtype=np.float32)
    weight = chosen["weight"].to_numpy()
    score = trained.cross_fitted(x, fold)
    for result in trained.folds:
        part = fold == result.fold
        s, y = score[part].astype(float), label[part]
        w = np.where(y, weight[part] / weight[part & label].sum(), weight[part] / weight[part & ~label].sum())
        above = np.sign(s[y][:, None] - s[~y]) / 2 + 0.5  # every pair of signal and background
        assert result.auc_eval == pytest.approx(w[y] @ above @ w[~y], abs=1e-9)
        expected = -(w[y] @ np.log(s[y]) + w[~y] @ np.log(1 - s[~y])) / 2
        assert result.logloss_eval == pytest.approx(expected, rel=1e-6)


def test_importance_is_the_total_gain_of_the_trees(trained):
    """Total gain summed from the listing of all splits."""
    expected = np.zeros(len(trained.features))
    for booster in trained.classifiers:
        splits = booster.trees_to_dataframe().query("Feature != 'Leaf'")
        gain = splits.groupby("Feature")["Gain"].sum()
        expected += np.array([gain.get(name, 0.0) for name in trained.features]) / gain.sum()
    assert list(trained.importance["all"].values()) == pytest.approx(expected / 3, abs=1e-5)


def test_rare_background_is_left_out_of_the_importances_by_name(table, recipe):
    rows = table.index[(table["process"] == "ZZ")]
    folds = train(table.drop(rows[3:]), recipe, compare_protocols=False)
    assert list(folds.importance_left_out) == ["ZZ"]
    assert "(ZZ) for" in folds.importance_left_out["ZZ"]
    assert "ZZ" not in folds.importance


def test_a_feature_that_tells_nothing_is_named(table, recipe):
    flat = table.assign(**{recipe.features[0]: 7.0, recipe.features[1]: np.nan})
    few = recipe.changed(hyperparameters={**recipe.hyperparameters, "n_trees": 2})
    notes = train(flat, few, importances=False, compare_protocols=False).notes
    assert (
        f"feature {recipe.features[0]!r} has the value 7 in all events: no classifier learns anything from it"
        in notes
    )
    assert any(f"feature {recipe.features[1]!r} is missing in all events" in note for note in notes)
    assert not any(
        "no classifier learns" in note
        for note in train(table, few, importances=False, compare_protocols=False).notes
    )


def test_progress_counts_every_training(table, recipe):
    seen = []
    quick(table, recipe, compare_protocols=True, progress=lambda *step: seen.append(step))
    assert [(done, total) for _, done, total in seen] == [(i, 6) for i in range(1, 7)]
    assert seen[0][0] == "all backgrounds (nested), fold 1 of 3"


def test_negative_weights_on_request(table, recipe):
    negative = np.random.default_rng(1).random(len(table)) < 0.1
    table["weight"] = np.where(negative, -0.2, 1.0) * table["weight"]
    with pytest.raises(TableError, match="negative weights"):
        quick(table, recipe)
    folds = quick(table, recipe, negative_weights="absolute")
    assert all(f.auc_eval > 0.7 for f in folds.folds)


def test_too_few_events_in_a_fold(table, recipe):
    few = table[table["process"] != "slepton_110_80"]
    some = table[(table["process"] == "slepton_110_80") & table["region_precuts"]].head(20)
    import pandas as pd

    with pytest.raises(TableError, match=r"Fold \d has \d signal events \(slepton_110_80\) for"):
        quick(pd.concat([few, some]), recipe)


def test_a_fold_without_background(table, recipe):
    background = table["process"] != "slepton_110_80"
    in_fold = held_out_fold(table["fold_key"].to_numpy()) == 2
    with pytest.raises(
        TableError,
        match=r"Fold 2 has 0 background events \(.*\) for evaluation, at least 5 are needed: generate",
    ):
        quick(table[~(background & in_fold)], recipe)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protocol": "both"}, "Unknown protocol 'both': choose one of nested, held_out"),
        ({"n_folds": 1}, "n_folds is 1"),
        (
            {"hyperparameters": {"learning_rate": 0.1}},
            "Unknown hyperparameter 'learning_rate': known are n_trees",
        ),
        ({"hyperparameters": {"n_trees": 0}}, "n_trees is 0: it must be an integer of at least 1"),
        ({"hyperparameters": {"max_depth": 2.5}}, "max_depth is 2.5"),
        ({"hyperparameters": {"eta": float("nan")}}, "eta is nan"),
        ({"hyperparameters": {"base_score": 1.0}}, "base_score"),
    ],
)
def test_bad_options(table, recipe, options, words):
    with pytest.raises(ModelError, match=words):
        quick(table, recipe, **options)


def test_all_rows_unless_a_region_bears_the_name(table, recipe):
    everything = quick(table, recipe, region="all")
    assert sum(f.n_eval_signal for f in everything.folds) == (table["process"] == "slepton_110_80").sum()
    assert everything.recipe.region == "all"
    table["region_all"] = table["region_precuts"]
    same = quick(table, recipe, region="all")
    assert raw(same) == raw(quick(table, recipe)) != raw(everything)


def test_nothing_is_left_open(full_table, recipe, features):
    from dataclasses import replace

    plain = full_table.drop(columns="region_precuts")
    folds = quick(plain, replace(recipe, features=None, region=None))
    assert (folds.features, folds.recipe.region) == (features, "all")


def test_weights_and_counts_of_the_recipe_reach_the_trees(table, recipe):
    plain = quick(table, recipe)
    heavy = quick(table, recipe, process_weights={"tautau": 50.0})
    counted = quick(table, recipe, weighting="counts")
    assert raw(plain) != raw(heavy) != raw(counted) != raw(plain)
    # performance is measured with the weights in fb, whatever was trained with
    assert [f.n_eval_signal for f in heavy.folds] == [f.n_eval_signal for f in plain.folds]
    assert plain.processes == heavy.processes == counted.processes
    table["weight"] = np.where(table["process"] == "tautau", 50.0, 1.0) * table["weight"]
    assert raw(quick(table, recipe)) == raw(heavy)


def test_a_subset_without_all_its_backgrounds_is_left_out_by_name(table, recipe):
    few = recipe.changed(
        backgrounds=("tt", "tautau"), subsets={"all of it": ("tt", "tautau"), "hard": ("tt", "WW")}
    )
    folds = train(table, few, compare_protocols=False)
    assert set(folds.importance) == {"all", "tt", "tautau"}
    assert folds.importance_left_out == {"hard": "WW is not among the backgrounds"}


def test_a_fraction_thins_what_is_fitted_to_and_nothing_else(table, recipe):
    from massgap.models.training.split import split
    from massgap.models.training.table import training_table

    data = training_table(table, recipe.signal, recipe.backgrounds, recipe.features, region="precuts")
    whole, half, quarter = (split(data, recipe.changed(fraction=part)) for part in (1.0, 0.5, 0.25))
    for one, two, four in zip(whole, half, quarter, strict=True):
        assert (one.stop == two.stop).all()
        assert (one.held_out == four.held_out).all()
        # A smaller part is of a larger one: a learning curve adds events.
        assert not (four.fit & ~two.fit).any()
        assert not (two.fit & ~one.fit).any()
        n = one.fit.sum()
        for part, found in ((0.5, two), (0.25, four)):
            assert abs(found.fit.sum() - part * n) < 4 * np.sqrt(n * part * (1 - part))


def test_the_part_of_a_sample_is_named_in_its_hash(table, recipe):
    assert quick(table, recipe).training_hash != quick(table, recipe, fraction=0.5).training_hash


def test_weights_are_spread_and_cut_along_the_flat_column_alone(recipe):
    from dataclasses import replace
    from types import SimpleNamespace

    from massgap.models.training.trained_folds import _bins_along

    data = SimpleNamespace(bins=np.array([0, 1, 1]))
    balance = {"column": "met", "low": 0.0, "high": 100.0, "width": 50.0}
    assert _bins_along(data, replace(recipe, balance=balance, flatten="met")) is data.bins
    assert _bins_along(data, replace(recipe, balance=balance, flatten="m_ll")) is None
    assert _bins_along(data, replace(recipe, balance=None, flatten="m_ll")) is None

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.contracts.errors import TableError
from massgap.models.conditioning.balance import OUTSIDE, balanced, bins_of, checked_balance
from massgap.models.conditioning.labels import with_true_masses
from massgap.models.errors import FeatureError, ModelError
from massgap.models.folds import fold_key
from massgap.models.scoring.hypothesis import hypothesis_of_text
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training.export import verified_bytes
from massgap.models.training.recipe import Recipe
from massgap.models.training.split import fit_weights, split
from massgap.models.training.table import region_of, training_table, weights_of_rows
from massgap.models.training.trained_folds import train

MASSES = (1000.0, 2000.0, 4000.0)


def resonance(n=4000, seed=0, width=0.08):
    """Peaks at three masses over a falling background; ``other`` tells signal from background only weakly."""
    random = np.random.default_rng(seed)
    mass = random.choice(MASSES, n)
    parts = [
        ("signal", mass * random.normal(1, width, n), random.normal(0.5, 1, n), mass),
        ("background", 500 + random.exponential(1200, n), random.normal(-0.5, 1, n), np.full(n, np.nan)),
    ]
    frames = []
    for number, (process, m, other, true) in enumerate(parts):
        frame = pd.DataFrame(
            {"m": m, "other": other, "weight": random.uniform(0.5, 1.5, n), "process": process}
        )
        names = [process if np.isnan(one) else f"signal_{one:g}" for one in true]
        frames.append(frame.assign(dataset=names, fold_key=fold_key(1, number + 1, np.arange(n))))
    return pd.concat(frames, ignore_index=True)


BALANCE = {"column": "m", "low": 500.0, "high": 4500.0, "width": 500.0}


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans(), st.integers(OUTSIDE, 3)), min_size=1, max_size=60))
def test_in_every_bin_classes_weigh_the_same(events):
    weight, label, bins = (np.array(column) for column in zip(*events, strict=True))
    weight = np.where(weight < 1e-6, 0.0, weight)
    out = balanced(weight, label.astype(np.float32), bins)
    assert (out[bins == OUTSIDE] == 0).all()
    for number in range(4):
        sums = [weight[(bins == number) & (label == one)].sum() for one in (True, False)]
        found = [out[(bins == number) & (label == one)].sum() for one in (True, False)]
        expected = [1.0, 1.0] if min(sums) > 0 else [0.0, 0.0]
        assert found == pytest.approx(expected, abs=1e-12)


def test_balance_reaches_what_is_fitted_to():
    table = resonance(6000, width=0.35)
    recipe = Recipe("b", kind="trees", signal=["signal"], backgrounds=["background"], balance=BALANCE)
    data = training_table(table, ["signal"], ["background"], ["m", "other"], balance=recipe.balance)
    for parts in split(data, recipe):
        weight, label, m = fit_weights(data, parts.fit, recipe), data.label[parts.fit], data.x[parts.fit, 0]
        for low in np.arange(500, 4500, 500):
            inside = (m >= low) & (m < low + 500)
            assert weight[inside & (label > 0.5)].sum() == pytest.approx(1 / 8)
            assert weight[inside & (label < 0.5)].sum() == pytest.approx(1 / 8)
        assert (weight[(m < 500) | (m >= 4500)] == 0).all()
    assert any("events have no m from 500 to 4500" in note for note in data.notes)


@pytest.mark.parametrize("kind", ["trees", "mlp"])
def test_a_balanced_training_does_not_use_the_mass(kind):
    """The mass alone tells signal from background; balanced in it, only the other feature does."""
    table = resonance(6000, width=0.35)
    quick = (
        {"n_trees": 30, "max_depth": 2}
        if kind == "trees"
        else {"epochs": 6, "batch_size": 256, "learning_rate": 0.01}
    )
    recipe = Recipe(
        "b", kind=kind, signal=["signal"], backgrounds=["background"], features=["m", "other"], n_folds=2,
        hyperparameters=quick,
    )  # fmt: skip
    spread = []
    for balance in (None, BALANCE):
        folds = train(table, recipe.changed(balance=balance), importances=False, compare_protocols=False)
        m = np.linspace(800, 4200, 60, dtype=np.float32)
        at_fixed = np.stack([m, np.zeros_like(m)], axis=1)
        spread.append(np.ptp(folds.predict(at_fixed).mean(axis=1)))
    assert spread[1] < 0.6 * spread[0]


def test_thin_bins_are_named_and_refused_unless_told():
    table = resonance()
    is_signal = (table["process"] == "signal").to_numpy()
    wide = {**BALANCE, "high": 6500.0}
    with pytest.raises(
        TableError,
        match=r"of 12 bins of m have .* 5500 to 6000 \(\d+ signal, \d+ background\).*--thin-bins drop",
    ):
        bins_of(table, is_signal, checked_balance(wide))
    bins, notes = bins_of(table, is_signal, checked_balance({**wide, "thin": "drop"}))
    assert set(bins) >= {OUTSIDE, 0, 1}
    assert 10 not in bins
    assert "are not trained on: " in notes[-1]
    with pytest.raises(TableError, match="has no column 'mass' to balance in"):
        bins_of(table, is_signal, checked_balance({**wide, "column": "mass"}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 300.0}, "13.3333 bins"),
        ({"low": 9e9}, "LOW < HIGH"),
        ({"thin": "keep"}, "thin error or drop"),
        ({"bins": 3}, "it needs column, low, high and width"),
    ],
)
def test_a_balance_that_cannot_be(changes, words):
    with pytest.raises(ModelError, match=words):
        checked_balance({**BALANCE, **changes})


def datasets(masses=MASSES):
    found = {
        f"signal_{m:g}": {"process": "signal", "is_signal": True, "masses": {"T": m, "chi": 1.0}}
        for m in masses
    }
    return {**found, "background": {"process": "background"}}


def test_masses_of_background_are_drawn_from_those_of_signal():
    table = resonance(20_000)
    out, names = with_true_masses(table, datasets(), ["signal"], weight=table["weight"].to_numpy(), seed=1)
    assert names == ["true_T"]  # chi is the same everywhere
    signal = out[out["process"] == "signal"]
    assert (signal["true_T"].astype(str) == signal["dataset"].str.removeprefix("signal_") + ".0").all()
    background = out[out["process"] == "background"]
    for mass in MASSES:
        share = signal.loc[signal["true_T"] == mass, "weight"].sum() / signal["weight"].sum()
        assert (background["true_T"] == mass).mean() == pytest.approx(share, abs=0.015)
    again, _ = with_true_masses(
        table.iloc[::-1], datasets(), ["signal"], weight=table["weight"].to_numpy()[::-1], seed=1
    )
    assert (again.sort_index()["true_T"] == out["true_T"]).all()
    other, _ = with_true_masses(table, datasets(), ["signal"], weight=table["weight"].to_numpy(), seed=2)
    assert (other["true_T"] != out["true_T"]).any()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weighting": "counts"},
        {"weighting": "signal_counts"},
        {"weighting": "drawn"},
        {"region": "low"},
        {"weighting": "counts", "balance": {"column": "m", "low": 500.0, "high": 4500.0, "width": 1000.0}},
        {"negative_weights": "absolute"},
    ],
    ids=str,
)
def test_a_mass_alone_tells_nothing_whatever_is_trained_on(changes):
    """Shares of the masses among background are those of the signal as it is trained with, by its own sums of weights."""
    table = resonance(20_000)
    random = np.random.default_rng(4)
    heavy = table["dataset"] == "signal_4000"
    table.loc[heavy, "weight"] *= 20
    table["region_low"] = random.random(len(table)) < np.where(heavy, 0.1, 0.6)
    if "negative_weights" in changes:
        table.loc[(table["dataset"] == "signal_1000") & (random.random(len(table)) < 0.3), "weight"] *= -1
    balance = checked_balance(changes["balance"]) if "balance" in changes else None
    recipe = Recipe(
        "p", kind="mlp", signal=["signal"], backgrounds=["background"], **{"region": "all", **changes, "balance": balance}
    )  # fmt: skip
    out, (name,) = with_true_masses(
        table, datasets(), ["signal"], weight=weights_of_rows(table, recipe), seed=1
    )
    data = training_table(
        out, ["signal"], ["background"], ["m", name], region=region_of(recipe, out), weighting=recipe.weighting,
        negative_weights=recipe.negative_weights, balance=balance,
    )  # fmt: skip
    weight = fit_weights(data, np.ones(len(data.x), bool), recipe)
    shares = [
        [weight[(data.label == label) & (data.x[:, 1] == mass)].sum() for mass in MASSES] for label in (1, 0)
    ]
    assert np.sum(shares, axis=1) == pytest.approx(1)
    assert shares[1] == pytest.approx(shares[0], abs=0.03)


def test_a_bin_is_thin_if_what_is_trained_with_there_is_little():
    """Events of weight 0 do not fill it."""
    table = resonance()
    is_signal = (table["process"] == "signal").to_numpy()
    counted = np.ones(len(table), bool)
    counted[np.flatnonzero(~is_signal & table["m"].between(500, 1000))[20:]] = False
    balance = checked_balance({**BALANCE, "high": 1500.0})
    assert (bins_of(table, is_signal, balance)[0] == 0).any()
    with pytest.raises(TableError, match=r"500 to 1000 \(\d+ signal, 20 background\)"):
        bins_of(table, is_signal, balance, counted)


def test_a_label_that_is_missing_in_an_event_is_refused():
    table = resonance(400)
    table["label"] = 1.0
    table.loc[7, "label"] = np.nan
    recipe = Recipe(
        "n", kind="trees", signal=["signal"], backgrounds=["background"], features=["m", "other", "label"],
        label="label", n_folds=2,
    )  # fmt: skip
    with pytest.raises(TableError, match=r"label 'label' is NaN in 1 of 800 rows: .*--label"):
        train(table, recipe, importances=False, compare_protocols=False)


def test_masses_that_are_not_there_are_named():
    table = resonance(100)
    lacking = datasets()
    del lacking["signal_2000"]["masses"]["T"]
    with pytest.raises(TableError, match=r"dataset 'signal_2000' has none called T"):
        with_true_masses(table, lacking, ["signal"], weight=np.ones(len(table)), seed=1)
    one = {name: {"masses": {"T": 5.0}} for name in datasets()}
    with pytest.raises(TableError, match="needs signals of several masses; all have T 5"):
        with_true_masses(table, one, ["signal"], weight=np.ones(len(table)), seed=1)


@pytest.fixture(scope="module")
def parameterised():
    table = resonance()
    table, names = with_true_masses(table, datasets(), ["signal"], weight=np.ones(len(table)), seed=1)
    recipe = Recipe(
        "p", kind="mlp", signal=["signal"], backgrounds=["background"], features=["m", "other", *names],
        label="true:random", n_folds=2, weighting="counts",
        hyperparameters={"epochs": 25, "batch_size": 128, "learning_rate": 0.01, "hidden": [24, 24]},
    )  # fmt: skip
    folds = train(table, recipe, importances=False)
    content, difference = verified_bytes(folds, table[folds.features].to_numpy(np.float32))
    assert difference <= 1e-6
    return table, content


def test_a_parameterised_model_peaks_at_its_hypothesis(parameterised):
    _, content = parameterised
    m = np.linspace(600, 5000, 200)
    fold = np.zeros(200, int)
    for mass in MASSES:
        scorer = OnnxScorer.from_bytes(content, "p", ["m", "other"], hypothesis={"T": mass})
        assert scorer.features == ["m", "other"]
        assert scorer.notes == []
        score = scorer.score({"m": m, "other": np.zeros(200)}, fold)
        assert m[score.argmax()] == pytest.approx(mass, rel=0.25)
        far = np.abs(m / mass - 1) > 0.6
        assert score[far].max() < score.max() / 2


def test_a_hypothesis_is_the_column_that_it_stands_for(parameterised):
    table, content = parameterised
    x = table[["m", "other", "true_T"]].to_numpy(np.float32)[:500]
    columns = OnnxScorer.from_bytes(content, "p", hypothesis="columns")
    scorer = OnnxScorer.from_bytes(content, "p", hypothesis={"T": 2000.0})
    x[:, 2] = 2000
    assert (columns.score_all_folds(x) == scorer.score_all_folds(np.ascontiguousarray(x[:, :2]))).all()


def test_a_parameterised_model_without_its_hypothesis(parameterised):
    _, content = parameterised
    with pytest.raises(ModelError, match=r"parameterised in T: .*--hypothesis T=GEV"):
        OnnxScorer.from_bytes(content, "p", ["m", "other"])
    with pytest.raises(ModelError, match=r"parameterised in T; given are stop"):
        OnnxScorer.from_bytes(content, "p", ["m", "other"], hypothesis={"stop": 500.0})
    (note,) = OnnxScorer.from_bytes(content, "p", ["m", "other"], hypothesis={"T": 9000.0}).notes
    assert "T=9000 lies outside of the trained range 1000 to 4000" in note
    with pytest.raises(FeatureError, match="missing: other"):
        OnnxScorer.from_bytes(content, "p", ["m"], hypothesis={"T": 2000.0})


def test_other_models_take_no_hypothesis(model_file):
    with pytest.raises(ModelError, match="is not parameterised in masses: leave out the hypothesis"):
        OnnxScorer(model_file, hypothesis={"T": 1.0})


@pytest.mark.parametrize("text", ["T", "T=", "T=nan", "=5", "T=1,T=2", ""])
def test_text_that_is_no_hypothesis(text):
    with pytest.raises(ModelError, match="is not a list of masses NAME=GEV"):
        hypothesis_of_text(text)


def test_a_physical_label_may_be_a_column_beside_the_features():
    table = resonance(1500)
    recipe = Recipe(
        "l", kind="mlp", signal=["signal"], backgrounds=["background"], features=["other", "m"], label="m", n_folds=2,
        hyperparameters={"epochs": 2, "batch_size": 256},
    )  # fmt: skip
    folds = train(table, recipe, importances=False)
    content, _ = verified_bytes(folds, table[folds.features].to_numpy(np.float32))
    scorer = OnnxScorer.from_bytes(content, "l", ["other"], beside=["m", "x"])
    assert scorer.features == ["other", "m"]
    low, high = json.loads(scorer.metadata["massgap.ranges"])["m"]
    assert (low, high) == pytest.approx((table["m"].min(), table["m"].max()), rel=1e-6)
    with pytest.raises(FeatureError, match="not in the model: x"):
        OnnxScorer.from_bytes(content, "l", ["other", "x"], beside=["m", "x"])
    with pytest.raises(FeatureError, match="missing: m"):
        OnnxScorer.from_bytes(content, "l", ["other"])
    table.loc[5, "m"] = np.nan
    with pytest.raises(TableError, match="The label 'm' is NaN in 1 of 3000 rows"):
        train(table, recipe)

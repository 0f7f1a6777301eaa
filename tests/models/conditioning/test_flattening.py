from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from massgap.contracts.errors import TableError
from massgap.models.conditioning.quantile_table import _levels, _quantiles, flattening_of
from massgap.models.errors import FeatureError, RecipeError
from massgap.models.folds import fold_key, held_out_fold
from massgap.models.measures.flatness import flatness, not_flat
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training import export
from massgap.models.training.recipe import Recipe
from massgap.models.training.trained_folds import train


def scores_of_known_quantile(n, seed=0):
    """The quantile of the score given the column is known: score = sigmoid(column + z), z normal."""
    random = np.random.default_rng(seed)
    column = random.uniform(-2, 2, n)
    z = random.normal(size=n)
    return 1 / (1 + np.exp(-(column + z))), column, stats.norm.cdf(z)


def test_the_quantile_is_the_one_that_is_known():
    score, column, _ = scores_of_known_quantile(200_000)
    table = flattening_of(score, column, np.ones(len(score)), name="c", fold=0)
    assert (table.centres[0], table.centres[-1]) == (column.min(), column.max())
    fresh, at, truth = scores_of_known_quantile(20_000, 1)
    difference = table(fresh, at) - truth
    stated = table.uncertainty()["0.5"]
    assert np.abs(difference).mean() < 1.5 * stated
    assert difference.mean() == pytest.approx(0, abs=stated)
    # a uniform distribution, whatever the column
    for low in np.arange(-2, 1.9, 0.4):
        part = table(fresh, at)[(at >= low) & (at < low + 0.4)]
        for level in (0.5, 0.9, 0.99):
            spread = np.sqrt(level * (1 - level) * (1 / len(part) + 10 / 200_000))
            assert (part > level).mean() == pytest.approx(1 - level, abs=4 * spread)


def exponential(random, n):
    column = random.exponential(100, n) + 50
    z = random.normal(size=n)
    return column, z, column / 100 - 3 + z


def power_law(random, n):
    column = 50 * (1 - random.random(n)) ** (-1 / 3)
    z = random.normal(size=n)
    return column, z, np.minimum(column / 50, 10) - 3 + z


def widening(random, n):
    column = random.exponential(100, n)
    z = random.normal(size=n)
    return column, z, (0.5 + column / 250) * z - 2


def below_a_resonance(random, n):
    """The best classifier of a signal at 300 +- 60 on an exponential: far from it scores are below 1e-20."""
    column = random.exponential(100, n) + 50
    z = random.normal(size=n)
    return column, z, -(((column - 300) / 60) ** 2) / 2 + column / 100 - 3 + z


DENSITIES = (exponential, power_law, widening, below_a_resonance)


def weights_of(kind, random, n):
    if kind == "one":
        return np.ones(n)
    return random.exponential(1, n) if kind == "positive" else random.choice([1.0, -1.0], n, p=[0.9, 0.1])


@pytest.mark.parametrize("weighting", ["one", "positive", "negative"])
@pytest.mark.parametrize("density", DENSITIES)
def test_flat_also_where_the_column_falls_steeply(density, weighting):
    random = np.random.default_rng(1)
    n_made, n_fresh = 100_000, 30_000
    column, _, logit = density(random, n_made + n_fresh)
    score = (1 / (1 + np.exp(-logit))).astype(np.float32)
    weight = weights_of(weighting, random, n_made + n_fresh)
    made = np.arange(n_made + n_fresh) < n_made
    table = flattening_of(score[made], column[made], weight[made], name="c", fold=0)
    flat = table(score, column)
    # Bins of equal weight, and those of the last percents, with the uncertainty of events and of those of the table.
    fresh = ~made
    for bins, part in ((40, fresh | made), (4, column > np.quantile(column, 0.95))):
        found = flatness(
            flat[part & fresh],
            column[part & fresh],
            weight[part & fresh],
            fold=np.zeros((part & fresh).sum(), np.int64),
            made_of=np.zeros((1, (part & fresh).sum()), bool),
            n_bins=bins,
        )
        ratio = effective(weight[part & fresh]) / effective(weight[part & made])
        chi2 = [found[level]["chi2"] / (1 + ratio) for level in ("0.95", "0.99")]
        assert stats.chi2.sf(max(chi2), bins) > 0.005
        if bins == 40:
            assert np.mean(chi2) / bins < 1.5
    # Unweighted events above a threshold have the column's own distribution, in most of five samples.
    if weighting != "negative":
        taken = np.flatnonzero(fresh & (random.random(len(weight)) < weight / weight.max()))
        for level in (0.95, 0.99):
            samples = [column[one[flat[one] > level]] for one in np.array_split(taken, 5)]
            assert np.median([stats.ks_2samp(one, column).pvalue for one in samples]) > 0.05
            assert stats.ks_2samp(np.concatenate(samples), column).pvalue > 0.005


def test_a_score_that_is_not_flat_is_said_to_be_so():
    random = np.random.default_rng(4)
    n = 8000
    column = random.uniform(0.0, 1.0, n)
    told = {"fold": np.zeros(n, np.int64), "made_of": np.zeros((1, n), bool)}
    flat = flatness(random.uniform(0.0, 1.0, n), column, np.ones(n), **told)
    assert not_flat("m", flat) == []
    tilted = flatness(random.uniform(0.0, 1.0, n) ** (1.0 + 0.3 * column), column, np.ones(n), **told)
    (sentence,) = not_flat("m", tilted)
    assert sentence.startswith("the score is not flat in m: the share of the background above 0.5 differs")
    assert not_flat("m", {}) == []


def effective(weight):
    return weight.sum() ** 2 / (weight**2).sum()


def test_the_uncertainty_of_a_row_is_the_spread_of_tables():
    at = {"middle": 50 + 100 * np.log(2), "end": 50 + 100 * np.log(500)}
    shares, stated = {name: [] for name in at}, {name: [] for name in at}
    line = np.linspace(-10, 10, 4001)
    for seed in range(40):
        column, _, logit = exponential(np.random.default_rng(seed), 3000)
        table = flattening_of(1 / (1 + np.exp(-logit)), column, np.ones(3000), name="c", fold=0)
        for name, value in at.items():
            quantile = table(1 / (1 + np.exp(-line)), np.full(len(line), value))
            threshold = np.interp(0.9, quantile, line)
            shares[name].append(stats.norm.sf(threshold - (value / 100 - 3)))
            n = np.interp(value, table.centres, table.effective)
            stated[name].append(np.sqrt(0.09 / n))
    for name in at:
        assert 0.6 < np.std(shares[name]) / np.mean(stated[name]) < 1.5, name
        assert np.mean(shares[name]) == pytest.approx(
            0.1, abs=2.5 * np.mean(stated[name]) / np.sqrt(40) + 0.01
        )


def test_a_column_of_few_values_has_a_row_for_each():
    random = np.random.default_rng(3)
    column = random.poisson(2.0, 30_000).clip(max=5).astype(float)
    logit = column + random.normal(size=30_000)
    table = flattening_of(1 / (1 + np.exp(-logit)), column, np.ones(30_000), name="n_jets", fold=0)
    assert table.centres.tolist() == [0, 1, 2, 3, 4, 5]
    fresh = np.random.default_rng(5).normal(size=5000)
    for value in range(6):
        flat = table(1 / (1 + np.exp(-(fresh + value))), np.full(5000, float(value)))
        n = (column == value).sum()
        assert (flat > 0.9).mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 * (1 / 5000 + 1 / n)))


def test_monotone_from_zero_to_one_also_with_negative_weights_and_ties():
    score, column, _ = scores_of_known_quantile(20_000)
    score = score.round(1)
    random = np.random.default_rng(0)
    table = flattening_of(score, column, random.choice([1.0, -0.2], 20_000, p=[0.8, 0.2]), name="c", fold=0)
    line = np.linspace(0, 1, 2001)
    for c in (-9.0, -1.0, 0.3, np.nan, 9.0):
        quantile = table(line, np.full(2001, c))
        assert (np.diff(quantile) >= 0).all()
        assert (quantile[0], quantile[-1]) == pytest.approx((0, 1), abs=1e-9)


def test_few_events_or_one_value_are_refused():
    score, column, _ = scores_of_known_quantile(250)
    with pytest.raises(
        TableError, match=r"flat in 'c': fold 2 has 250 effective background events .*--flatten"
    ):
        flattening_of(score, column, np.ones(250), name="c", fold=2)
    with pytest.raises(TableError, match="has one value alone"):
        flattening_of(np.tile(score, 4), np.ones(1000), np.ones(1000), name="c", fold=2)
    with pytest.raises(RecipeError, match=r"flatten is 'm'.*--protocol nested"):
        Recipe("f", flatten="m", protocol="held_out")


def correlated(n=40_000, seed=0):
    """The only feature that tells signal grows with the mass: a plain threshold would shape the background."""
    random = np.random.default_rng(seed)
    frames = []
    for number, process in enumerate(("signal", "background")):
        m = random.normal(300, 30, n) if number == 0 else random.uniform(100, 500, n)
        x = m / 150 + random.normal(1.5 if number == 0 else 0, 1, n)
        frame = pd.DataFrame({"x": x, "y": random.normal(size=n), "m": m, "weight": 1.0, "process": process})
        frames.append(frame.assign(dataset=process, fold_key=fold_key(1, number + 1, np.arange(n))))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(("kind", "features"), [("mlp", ("x", "y", "m")), ("trees", ("x", "y"))])
def test_a_threshold_keeps_the_shape_of_the_background(kind, features):
    table = correlated()
    quick = {"epochs": 3, "batch_size": 1024, "learning_rate": 0.01} if kind == "mlp" else {"n_trees": 60}
    recipe = Recipe("f", kind=kind, signal=["signal"], backgrounds=["background"], features=features, n_folds=2,
                    flatten="m", hyperparameters=quick)  # fmt: skip
    folds = train(table, recipe, importances=False, compare_protocols=False)
    assert folds.inputs[-1] == "m"
    x = table[folds.inputs].to_numpy(np.float32).copy()
    content, difference = export.verified_bytes(folds, x)
    scorer = OnnxScorer.from_bytes(content, "flat", list(features), beside=["m"])
    assert scorer.engine == "onnxruntime"
    assert scorer.features == folds.inputs
    # Rows that are harder than these are looked at as well; there the table may be steep.
    here = np.abs(scorer.score_all_folds(x) - folds.predict(x)).max()
    assert here <= difference <= 2e-3
    assert kind == "trees" or here <= 1e-6
    fold = held_out_fold(table["fold_key"].to_numpy(), 2)
    score = scorer.score({name: table[name].to_numpy() for name in folds.inputs}, fold)
    background = (table["process"] == "background").to_numpy()
    plain = folds.recipe.trainer.predict(folds.classifiers[0], x[:, : len(features)])
    ks = {}
    for name, values in (("flat", score), ("plain", plain)):
        passed = background & (values >= np.quantile(values[background], 0.8))
        ks[name] = stats.ks_2samp(table["m"][passed], table["m"][background]).statistic
    # the share in a bin of the table is known to 13 % (300 effective events, threshold 0.8), less over several bins
    assert ks["plain"] > 0.15
    if kind == "trees":  # a score of few values is a step, of which a table keeps the average
        assert ks["flat"] < ks["plain"] / 3
        return
    assert ks["flat"] < 0.04
    for level, found in folds.flatness["background"].items():
        assert stats.chi2.sf(found["chi2"], found["bins"]) > 1e-4, level
    assert np.mean(folds.flatness["background"]["0.99"]["shares"]) == pytest.approx(0.01, abs=0.006)
    # it still tells signal from background
    assert score[~background].mean() > 0.75
    stated = json.loads(scorer.metadata["massgap.flatten_uncertainty"])
    assert [set(one) for one in stated] == [{"0.5", "0.9", "0.95", "0.99"}] * 2
    at_ends = json.loads(scorer.metadata["massgap.flatten_uncertainty_at_ends"])
    assert all(one["0.95"] < end["0.95"] for one, end in zip(stated, at_ends, strict=True))
    # what is missing or infinite in the column counts as its middle, and a column that nobody has is named
    x[:3, -1] = np.nan, np.inf, -np.inf
    assert np.isfinite(scorer.score_all_folds(x[:3])).all()
    if "m" not in features:
        with pytest.raises(FeatureError, match="missing: m"):
            OnnxScorer.from_bytes(content, "flat", list(features))


def test_a_falling_spectrum_is_flat_to_its_end_where_the_training_is_balanced():
    """Physical weights fall by 13 e-folds: by them no bin of the table would lie in the upper half of the column."""
    table = correlated(24_000)
    background = table["process"] == "background"
    table.loc[background, "weight"] = np.exp(-(table.loc[background, "m"] - 100) / 30)
    recipe = Recipe(
        "b",
        features=("x", "y"),
        signal=("signal",),
        backgrounds=("background",),
        n_folds=2,
        weighting="signal_counts",
        balance={"column": "m", "low": 200.0, "high": 400.0, "width": 50.0, "least": 10},
        flatten="m",
        hyperparameters={"n_trees": 20, "max_depth": 2},
    )
    made = train(table, recipe, importances=False, compare_protocols=False)
    assert all(flattening.centres[-1] > 390 for flattening in made.flattening)
    rows = table[background & table["m"].between(200, 400)]
    x = rows[made.inputs].to_numpy(np.float32)
    score = made.cross_fitted(x, held_out_fold(rows["fold_key"].to_numpy(), 2))
    for low in (200, 250, 300, 350):
        inside = rows["m"].between(low, low + 50).to_numpy()
        share, n = (score[inside] > 0.9).mean(), inside.sum()
        known = min(flattening.effective.min() for flattening in made.flattening)
        assert share == pytest.approx(0.1, abs=4 * np.sqrt(0.09 * (1 / n + 1 / known)))


@pytest.mark.parametrize("heavy", [1.0, 60.0, 75.0, 80.0, 90.0, 120.0, 1000.0])
def test_a_window_with_one_heavy_event_has_a_row(heavy):
    """Slices leave events of a large weight far from where they are made for: the quantiles beside them are numbers."""
    random = np.random.default_rng(3)
    logit, weight = random.normal(size=300), np.ones(300)
    weight[7] = heavy
    for levels in (_levels(3000.0), _levels(effective(weight)), _levels(40.0)):
        row = _quantiles(logit, weight, levels)
        assert np.isfinite(row).all()
        assert (np.diff(row) >= 0).all()

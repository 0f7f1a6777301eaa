from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from massgap.contracts.errors import TableError
from massgap.models.errors import FeatureError, ModelError
from massgap.models.training.table import training_table


@pytest.fixture
def make(table, signal, backgrounds, features):
    def make(**changes):
        arguments = {
            "table": table,
            "signal": signal,
            "backgrounds": backgrounds,
            "features": features,
            "region": "precuts",
        }
        return training_table(**{**arguments, **changes})

    return make


def test_rows_are_those_of_the_region_and_keep_their_weights(make, table):
    data = make()
    passed = table[table["region_precuts"]]
    assert len(data.x) == len(passed)
    assert data.weight.sum() == pytest.approx(passed["weight"].sum())
    assert data.label.sum() == (passed["process"] == "slepton_110_80").sum()
    assert np.isnan(data.x).sum() == passed[list(data.features)].isna().sum().sum()
    assert len(make(region=None).x) == len(table)


def test_copies_of_an_event_are_known_by_dataset_and_key(make, table):
    assert make().group is None
    one = table[table["region_precuts"]].assign(dataset="a")
    # copies of the events of a dataset, and other events with the same numbers in another one
    both = pd.concat([one.assign(met=one["met"] + 1.0), one, one.assign(dataset="b")], ignore_index=True)
    data = make(table=both)
    reference = {
        (dataset, key): rows
        for (dataset, key), rows in both.groupby(["dataset", "fold_key"])["weight"].count().items()
    }
    assert sorted(np.bincount(data.group)) == sorted(reference.values())
    assert len({(g, k) for g, k in zip(data.group, data.fold_key, strict=True)}) == len(reference)
    kept = data.of_classes(["tt"])
    assert len(kept.group) == len(kept.fold_key)


def test_every_row_stays_together(make, table):
    data = make()
    reference = table.set_index(["process", "fold_key"])
    for i in np.random.default_rng(0).integers(0, len(data.x), 50):
        row = reference.loc[(data.process[i], data.fold_key[i])]
        assert row["weight"] == data.weight[i]
        np.testing.assert_array_equal(row[list(data.features)].to_numpy(dtype=np.float32), data.x[i])


def test_order_of_rows_does_not_matter(make, table):
    shuffled = table.sample(frac=1, random_state=3)
    assert make().digest() == make(table=shuffled).digest()


@pytest.mark.parametrize("column", ["weight", "mt2_100", "fold_key"])
def test_digest_sees_every_column(make, table, column):
    before = make().digest()
    row = table.index[table["region_precuts"]][17]
    table.loc[row, column] = table.loc[row, column] + (1 if column == "fold_key" else 1e-3)
    assert make(table=table).digest() != before


def test_default_features_are_all_but_the_bookkeeping(make, features):
    assert list(make(features=None).features) == features


def test_counts(make, table):
    counts = make().counts()
    w = table.loc[table["region_precuts"] & (table["process"] == "tt"), "weight"]
    assert counts["tt"]["raw"] == len(w)
    assert counts["tt"]["weight_fb"] == pytest.approx(w.sum())
    assert counts["tt"]["effective"] == pytest.approx(w.sum() ** 2 / (w**2).sum())


def test_absolute_weights_keep_the_signed_total(make, table):
    rng = np.random.default_rng(1)
    table["weight"] = np.where(rng.random(len(table)) < 0.1, -0.3, 1.0) * table["weight"]
    data = make(negative_weights="absolute")
    assert (data.train_weight >= 0).all()
    for process in set(data.process):
        rows = data.process == process
        assert data.train_weight[rows].sum() == pytest.approx(data.weight[rows].sum())
    assert (data.weight < 0).any()


def test_without_events_of_negative_weight_the_rest_has_the_signed_total(make, table):
    rng = np.random.default_rng(1)
    table["weight"] = np.where(rng.random(len(table)) < 0.34, -0.3, 1.0) * table["weight"]
    data = make(negative_weights="drop")
    np.testing.assert_array_equal(data.train_weight == 0, data.weight < 0)
    for process in set(data.process):
        rows = data.process == process
        assert data.train_weight[rows].sum() == pytest.approx(data.weight[rows].sum())
        kept = rows & (data.weight > 0)
        # all events that are kept have one factor: their shares among each other stay
        factors = data.train_weight[kept] / data.weight[kept]
        assert factors == pytest.approx(factors[0])


def test_process_without_events_in_the_region_is_noted(make, table):
    table.loc[table["process"] == "ZZ", "region_precuts"] = False
    assert make(table=table).notes == ("ZZ has no events in the region precuts",)


def spoiled(table: pd.DataFrame, what: str) -> pd.DataFrame:
    row = table.index[table["region_precuts"]][5]
    if what == "nan weight":
        table.loc[row, "weight"] = np.nan
    elif what == "infinite weight":
        table.loc[row, "weight"] = np.inf
    elif what == "negative weight":
        table.loc[row, "weight"] *= -1e-6
    elif what == "negative total":
        table["weight"] = np.where(table["process"] == "tt", -1.0, 1.0) * table["weight"]
    elif what == "infinite feature":
        table.loc[row, "mt2_100"] = -np.inf
    elif what == "beyond float32":
        table.loc[row, "mt2_100"] = 1e300
    elif what == "text feature":
        table["mt2_100"] = "x"
    elif what == "no precuts":
        table = table.drop(columns="region_precuts")
    elif what == "float precuts":
        table["region_precuts"] = np.nan
    elif what == "float key":
        table["fold_key"] = table["fold_key"].astype(float)
    elif what == "no weight":
        table = table.drop(columns="weight")
    elif what == "no signal left":
        table.loc[table["process"] == "slepton_110_80", "region_precuts"] = False
    elif what == "no background left":
        table.loc[table["process"] != "slepton_110_80", "region_precuts"] = False
    elif what == "twice":
        table = pd.concat([table, table["met"]], axis=1)
    return table


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nan weight", "'weight' is NaN or infinite in 1 of"),
        ("infinite weight", "'weight' is NaN or infinite in 1 of"),
        ("negative weight", "1 negative weights of .*negative_weights='absolute'"),
        ("negative total", "weights of process 'tt' sum to -"),
        ("infinite feature", "'mt2_100' is infinite in 1 of .*must be NaN"),
        ("beyond float32", "'mt2_100' is infinite in 1 of"),
        ("text feature", "'mt2_100' has type .*must be numbers"),
        ("no precuts", "has no region 'precuts' .*it has none.*--region, or 'all'"),
        ("float precuts", "'region_precuts' has type float64"),
        ("float key", "'fold_key' has type float64"),
        ("no weight", "lacks the column 'weight'"),
        ("no signal left", r"No signal rows \(slepton_110_80\) in the region precuts"),
        ("no background left", r"No background rows \(mumu, .*\) in the region precuts"),
        ("twice", "column 'met' twice"),
    ],
)
def test_bad_tables(make, table, what, words):
    with pytest.raises(TableError, match=words):
        make(table=spoiled(table, what))


def test_missing_feature_names_both_sides(make, table, features):
    with pytest.raises(FeatureError) as caught:
        make(table=table.drop(columns="mt2_100"))
    message = str(caught.value)
    assert message.startswith("The feature table lacks mt2_100.")
    wants, has = message.split("the table has")
    assert "mt2_100" in wants.split("Training wants")[1]
    assert "mt2_0" in has
    assert "mt2_100" not in has


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"signal": ["nonesuch"]}, "no rows of process 'nonesuch'; its processes are WW, WZ"),
        ({"signal": "slepton_110_80"}, "must be a list"),
        ({"backgrounds": []}, "backgrounds must be a list of at least one"),
        ({"signal": ["tt"]}, "'tt' is listed as signal and as background"),
        ({"features": ["met", "met"]}, "'met' is listed twice"),
        ({"features": []}, "No features"),
        ({"negative_weights": "flip"}, "choose one of error, absolute, drop"),
    ],
)
def test_bad_arguments(make, changes, words):
    with pytest.raises((ModelError, TableError), match=words):
        make(**changes)


def test_regions_joined_and_all_rows(make, table):
    table["region_low"], table["region_high"] = table["met"] < 130, table["met"] > 200
    assert len(make(table=table, region="low+high").x) == ((table["met"] < 130) | (table["met"] > 200)).sum()
    table["region_low+high"] = table["met"] > 1000  # a region of this very name goes before
    table.loc[table.index[::5], "region_low+high"] = True
    assert len(make(table=table, region="low+high").x) == table["region_low+high"].sum()
    with pytest.raises(TableError, match=r"no region 'mid' .*it has precuts, low, high"):
        make(table=table, region="low+mid")


def test_counted_training(make, table):
    table.loc[table.index[::7], "weight"] *= -0.001
    data = make(table=table, weighting="counts")
    assert (data.train_weight == 1).all()
    assert data.weight.sum() == pytest.approx(table.loc[table["region_precuts"], "weight"].sum())


def test_weights_of_processes(make):
    plain, heavy = make(), make(process_weights={"tt": 3.0, "nonesuch": 2.0})
    np.testing.assert_array_equal(heavy.weight, plain.weight)
    np.testing.assert_allclose(
        heavy.train_weight / plain.train_weight, np.where(plain.process == "tt", 3.0, 1.0)
    )
    assert heavy.notes == ("nonesuch has a weight in the recipe but no events",)


def test_rows_without_any_region_can_be_trained_on(make, table):
    assert len(make(table=table.drop(columns="region_precuts"), region=None).x) == len(table)


def test_signal_counts_one_and_background_its_weight(make):
    data, plain = make(weighting="signal_counts"), make()
    is_signal = data.label > 0.5
    assert (data.train_weight[is_signal] == 1).all()
    np.testing.assert_array_equal(data.train_weight[~is_signal], plain.train_weight[~is_signal])
    np.testing.assert_array_equal(data.weight, plain.weight)


def test_background_drawn_by_its_weight(make, table):
    """Events count one or nothing, and the drawn ones have the spectrum that the weights tell."""
    data = make(weighting="drawn", region=None)
    background = data.label < 0.5
    assert (data.train_weight[~background] == 1).all()
    assert set(np.unique(data.train_weight)) == {0.0, 1.0}
    share = data.weight[background] / data.weight[background].max()
    drawn = data.train_weight[background]
    assert drawn[share == 1].all()
    error = np.sqrt((share * (1 - share)).sum())
    assert drawn.sum() == pytest.approx(share.sum(), abs=4 * error)
    for name in sorted(set(data.process[background])):
        of = data.process[background] == name
        error = np.sqrt((share[of] * (1 - share[of])).sum())
        assert drawn[of].sum() == pytest.approx(share[of].sum(), abs=4 * error + 1e-9)
    again = make(weighting="drawn", region=None, table=table.sample(frac=1, random_state=3))
    np.testing.assert_array_equal(again.train_weight, data.train_weight)


def test_a_class_of_which_one_event_decides_is_told(make, table):
    """The weights of either class are scaled to a sum of one: beside a huge one the others vanish."""
    assert not [note for note in make().notes if "little is learned" in note]
    rows = table.index[table["region_precuts"] & (table["process"] == "tt")]
    table.loc[rows[0], "weight"] = 1e9
    (note,) = make(table=table).notes
    n = int((table["region_precuts"] & (table["process"] != "slepton_110_80")).sum())
    assert note.startswith(f"the {n:,} background events are worth 1.0 events of equal weight")
    assert "--weighting counts" in note
    assert not make(table=table, weighting="counts").notes

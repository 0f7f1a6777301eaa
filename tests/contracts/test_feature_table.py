from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from massgap.contracts.errors import TableError
from massgap.contracts.feature_table import LazyTables, read_feature_tables, write_feature_tables


def table(name: str, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "met": np.arange(n, dtype=float),
            "weight": np.full(n, 0.5),
            "process": name,
            "dataset": name,
            "fold_key": np.arange(n, dtype=np.uint64),
            "region_tight": np.arange(n) % 2 == 0,
            "score_low": np.linspace(0, 1, n),
        }
    )


def manifest(files, **kinds):
    return {
        "features": files,
        "datasets": {name: {"process": name, "is_data": d} for name, d in kinds.items()},
    }


def test_regions_and_scores_are_columns_and_no_features(tmp_path):
    tables = LazyTables(["a/b", "data"], lambda name: table(name, 4))
    files = write_feature_tables(tmp_path / "features", tables, {"met": "GeV"})
    assert set(files) == {"a/b", "data"}
    assert all((tmp_path / file).is_file() for file in files.values())
    found = read_feature_tables(tmp_path, manifest(files, **{"a/b": False, "data": True}))
    assert (found.features, found.units) == (["met"], {"met": "GeV"})
    assert found.table["region_tight"].tolist() == [True, False, True, False]
    assert set(found.table["dataset"]) == {"a/b"}
    assert found.table["fold_key"].dtype == np.uint64


def test_a_folder_is_read_at_once_also_where_a_data_set_has_no_event(tmp_path):
    """As docs/guide/files.md does; text without a row had no type."""
    tables = {name: table(name, n) for name, n in (("a", 0), ("b", 3), ("c", 0))}
    for name, each in tables.items():
        each["channel"] = pd.Series(["1l"] * len(each), dtype=object)
        tables[name] = each
    write_feature_tables(tmp_path / "features", tables, {})
    found = pd.read_parquet(tmp_path / "features")
    assert found["channel"].tolist() == ["1l"] * 3
    assert found["met"].tolist() == [0.0, 1.0, 2.0]


def test_a_second_run_leaves_nothing_of_the_first(tmp_path):
    write_feature_tables(tmp_path / "features", {"a": table("a", 2)}, {})
    files = write_feature_tables(tmp_path / "features", {"b": table("b", 2)}, {})
    assert [p.name for p in (tmp_path / "features").iterdir()] == ["b.parquet"]
    assert files == {"b": "features/b.parquet"}


def test_tables_that_disagree_are_named(tmp_path):
    tables = {"a": table("a", 2), "b": table("b", 2).rename(columns={"met": "ht"})}
    files = write_feature_tables(tmp_path / "features", tables, {})
    with pytest.raises(TableError, match=r"a\.parquet and b\.parquet differ"):
        read_feature_tables(tmp_path, manifest(files, a=False, b=False))
    (tmp_path / files["b"]).write_bytes(b"PAR1")
    with pytest.raises(TableError, match=r"b\.parquet cannot be read"):
        read_feature_tables(tmp_path, manifest(files, a=False, b=False))

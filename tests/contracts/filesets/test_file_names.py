"""Names of files: no reader of folders skips one, no two data sets share one, none is too long."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.contracts.feature_table import read_feature_tables, write_feature_tables
from massgap.contracts.filesets.file_names import file_names

CMS = "/SMuMu_TuneCP5/RunIISummer20UL18NanoAODv9-v1/NANOAODSIM"
ODD = [
    CMS,
    CMS.replace("/", "_"),
    "ttbar",
    "TTbar",
    "_hidden",
    ".hidden",
    "../escape",
    "a/b",
    "a_b",
    "a b",
    "a\nb",
    "Ψ",
    "-rf",
    "...",
    " ",
    "x" * 240,
    "é" * 240,
    "y" * 5000,
    "con.parquet",
    "a-0123456789ab",
]


@given(st.lists(st.text(min_size=1), unique=True, max_size=8), st.sampled_from(["", ".parquet"]))
def test_any_names(names, extension) -> None:
    files = file_names(names, extension)
    assert list(files) == names
    found = list(files.values())
    # On a case-insensitive file system as well.
    assert len({name.casefold() for name in found}) == len(names)
    for name in found:
        assert name.isascii()
        assert name.endswith(extension)
        assert name[0].isalnum()
        assert not set(name) & set("/\\:*?\"<>| \n\0=,;%#&'`$")
        # A temporary name beside it: a dot before, a process and eight digits behind.
        assert len(name) + len(f"..{2**22}-01234567.part") <= 255


def test_a_name_that_is_a_file_name_stays_and_is_nobody_elses() -> None:
    taken = file_names([CMS], ".parquet")[CMS].removesuffix(".parquet")
    files = file_names(["ttbar", "WW_2l-v1.2", CMS, taken], ".parquet")
    assert files["ttbar"] == "ttbar.parquet"
    assert files["WW_2l-v1.2"] == "WW_2l-v1.2.parquet"
    assert len(set(files.values())) == 4
    # The same one with other data sets beside it, so that a run that is repeated finds its file.
    assert files[CMS] == file_names([CMS, "other"], ".parquet")[CMS]


def table(name: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"met": np.arange(3.0), "weight": 1.0, "process": "s", "dataset": name, "fold_key": np.uint64(1)}
    )


def test_readers_of_a_folder_find_every_data_set(tmp_path) -> None:
    names = [name for name in ODD if name.isprintable() or "\n" in name]
    written = write_feature_tables(
        tmp_path / "features", {name: table(name) for name in names}, {"met": "GeV"}
    )
    assert set(written) == set(names)
    found = pd.read_parquet(tmp_path / "features")
    assert len(found) == 3 * len(names)
    assert set(found["dataset"]) == set(names)
    assert sorted(os.listdir(tmp_path / "features")) == sorted(  # noqa: PTH208 (names as they are)
        path.removeprefix("features/") for path in written.values()
    )
    manifest = {"features": written, "datasets": {name: {"process": "s"} for name in names}}
    assert len(read_feature_tables(tmp_path, manifest).table) == 3 * len(names)


def test_dask_finds_every_data_set(tmp_path) -> None:
    dask = pytest.importorskip("dask", exc_type=ImportError)
    frame = pytest.importorskip("dask.dataframe", exc_type=ImportError)
    write_feature_tables(tmp_path / "features", {name: table(name) for name in (CMS, "_a", "TT", "tt")}, {})
    # Not the scheduler of a client that another test may have left behind.
    with dask.config.set(scheduler="synchronous"):
        assert len(frame.read_parquet(tmp_path / "features")) == 12

"""Feature tables: one parquet file per dataset, a row per selected event.

Columns are the features, ``weight`` (fb), ``process``, ``dataset``, ``fold_key`` and what the analysis says beside
(:func:`is_feature`).  The metadata entry ``massgap`` of a file lists the features and their units.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import TableError
from massgap.contracts.filesets.file_names import file_names
from massgap.contracts.writing import replacing

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = [
    "LazyTables",
    "RunFeatures",
    "SelectedEvents",
    "is_feature",
    "read_feature_tables",
    "selected_events",
    "write_feature_tables",
]

FORMAT = "massgap-features/1"
_BESIDE = frozenset({"weight", "process", "dataset", "channel", "fold_key", "score"})
_BESIDE_PREFIXES = ("region_", "score_")


def is_feature(column: str) -> bool:
    """Whether a column is an observable, and not weight, key, region, score or origin of the event.

    Examples
    --------
    >>> is_feature("met"), is_feature("region_precuts"), is_feature("weight")
    (True, False, False)
    """
    return column not in _BESIDE and not column.startswith(_BESIDE_PREFIXES)


class LazyTables(Mapping[str, Any]):
    """Tables by dataset, each made when it is asked for: a long run keeps none in memory.

    Parameters
    ----------
    names
        The datasets.
    make
        Gives the table of one.
    """

    def __init__(self, names: list[str], make: Callable[[str], Any]) -> None:
        self._names = names
        self._make = make

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class RunFeatures:
    """The feature tables of a run folder, joined."""

    table: pd.DataFrame = field(repr=False)
    features: list[str]
    units: dict[str, str]
    manifest: dict[str, Any] = field(repr=False)


def write_feature_tables(
    folder: Path,
    tables: Mapping[str, Any],
    units: Mapping[str, str],
    see: Callable[[str, Any], None] | None = None,
) -> dict[str, str]:
    """Write one parquet file per dataset; files of an earlier run go.

    Parameters
    ----------
    folder
        ``RUN/features``; made if there is a table.
    tables
        Dataset -> table; each is asked for once, so that one at a time is in memory.
    units
        Feature -> unit.
    see
        Called with each dataset and its table.

    Returns
    -------
    dict
        Dataset -> file, relative to the run folder, see :func:`massgap.contracts.filesets.file_names.file_names`.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    if folder.exists():
        for old in folder.glob("*.parquet"):
            old.unlink()
    written: dict[str, str] = {}
    if not tables:
        return written
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(exist_ok=True)
    files = file_names(tables, ".parquet")
    for dataset in sorted(tables):
        table = tables[dataset]
        if not len(table.columns):
            continue
        if see is not None:
            see(dataset, table)
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        # text without a row has no type of its own, and with that a folder could not be read at once
        arrow = arrow.cast(
            pa.schema(
                field.with_type(pa.large_string()) if pa.types.is_null(field.type) else field
                for field in arrow.schema
            )
        )
        names = [name for name in table.columns if is_feature(name)]
        about = {"format": FORMAT, "features": names, "units": {n: units.get(n, "") for n in names}}
        arrow = arrow.replace_schema_metadata(
            {**(arrow.schema.metadata or {}), b"massgap": json.dumps(about).encode()}
        )
        written[dataset] = f"{folder.name}/{files[dataset]}"
        with replacing(folder.parent / written[dataset]) as part:
            pq.write_table(arrow, part, compression="zstd")
    return written


def read_feature_tables(folder: Path, manifest: dict[str, Any]) -> RunFeatures:
    """The joined feature tables of the simulated datasets of a run.

    Parameters
    ----------
    folder
        The run folder.
    manifest
        Its manifest.

    Raises
    ------
    TableError
        If the run has no simulated dataset or no selected event, or its tables are missing, damaged or disagree in
        their features.
    """
    import pandas as pd

    datasets = manifest.get("datasets") or {}
    simulated = [name for name, meta in sorted(datasets.items()) if not meta.get("is_data", False)]
    if not simulated:
        msg = f"The run {folder} has no simulated dataset to train on (manifest.json lists {len(datasets)} datasets)."
        raise TableError(msg)
    tables, first = [], None
    for dataset in simulated:
        path = folder / (manifest.get("features") or {}).get(dataset, f"features/{dataset}.parquet")
        arrow = _read_table(path, folder, dataset)
        described = _description(arrow.schema.metadata, path)
        if first is None:
            first = (path, described)
        elif described != first[1]:
            msg = (
                f"The feature tables {first[0].name} and {path.name} differ: {first[1]['features']} with units "
                f"{first[1]['units']} against {described['features']} with {described['units']}."
            )
            raise TableError(msg)
        if arrow.num_rows:
            tables.append(arrow.to_pandas())
    if not tables or first is None:
        msg = f"No simulated event of the run {folder} passed the selection: there is nothing to train on."
        raise TableError(msg)
    return RunFeatures(
        pd.concat(tables, ignore_index=True), first[1]["features"], first[1]["units"], manifest
    )


@dataclass(frozen=True)
class SelectedEvents:
    """Some columns of the feature table of one dataset.

    Attributes
    ----------
    dataset, process : str
    is_data : bool
        Whether they are recorded.
    table : DataFrame
        A row per selected event, those of the columns that the table has.
    """

    dataset: str
    process: str
    is_data: bool
    table: pd.DataFrame = field(repr=False)


def selected_events(
    folder: Path, manifest: Mapping[str, Any], columns: Collection[str] | Callable[[str], bool]
) -> Iterator[SelectedEvents]:
    """The selected events of a run, one dataset at a time, simulated and recorded.

    Parameters
    ----------
    folder
        The run folder.
    manifest
        Its manifest.
    columns
        The columns that are wanted, by name, or a function that says whether a column is.

    Yields
    ------
    SelectedEvents
        Of each dataset that has a table; a dataset without one had nothing to write.

    Raises
    ------
    TableError
        If a table that the manifest names is missing or damaged.
    """
    wanted = columns if callable(columns) else columns.__contains__
    written = manifest.get("features") or {}
    for dataset, metadata in sorted((manifest.get("datasets") or {}).items()):
        if dataset in written:
            arrow = _read_table(folder / written[dataset], folder, dataset, wanted)
            yield SelectedEvents(
                dataset,
                str(metadata.get("process", dataset)),
                bool(metadata.get("is_data", False)),
                arrow.to_pandas(),
            )


def _read_table(path: Path, folder: Path, dataset: str, wanted: Callable[[str], bool] | None = None) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = None if wanted is None else [name for name in pq.read_schema(path).names if wanted(name)]
        return pq.read_table(path, columns=names)
    except FileNotFoundError as error:
        msg = f"The run {folder} has no feature table for the dataset {dataset!r} ({path} is missing): run it again."
        raise TableError(msg) from error
    except (OSError, pa.ArrowException) as error:
        msg = f"The feature table {path} cannot be read ({str(error).splitlines()[0]}): run it again."
        raise TableError(msg) from error


def _description(metadata: dict[bytes, bytes] | None, path: Path) -> dict[str, Any]:
    raw = (metadata or {}).get(b"massgap")
    try:
        described = json.loads(raw) if raw is not None else None
    except ValueError:
        described = None
    if not isinstance(described, dict) or described.get("format") != FORMAT or "features" not in described:
        msg = f"{path} is not a feature table: its metadata lacks the format {FORMAT!r}."
        raise TableError(msg)
    return {"features": list(described["features"]), "units": dict(described.get("units", {}))}

"""Validation events: some events of a run with all their branches, and what the analysis makes of them.

They are taken from NanoAOD files, as ROOT trees.  Of other formats, and where the event files are gone, only the features and
scores of selected events are handed on: then the scores can be checked, and not the features.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import BundleError
from massgap.contracts.feature_table import is_feature, selected_events

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from massgap.contracts.run_folder import RunFolder
    from massgap.stages.publishing.analysis import PublishedRun

__all__ = ["COMPARED", "EVENTS", "computed_rows", "write_validation"]

EVENTS = 1000
"""Validation events of a bundle, about."""
MOST_DATASETS = 12
"""Files of validation events, at most: signals and backgrounds are spread over them."""
REJECTED = 10
"""One event that is not selected goes with so many that are."""
WIDEST = 50_000
"""Entries of a file among which the events of a dataset are looked for, where selected ones are rare."""
COMPARED = "expected.parquet"


def write_validation(
    folder: Path, source: RunFolder, published: PublishedRun, base: Path, events: int = EVENTS
) -> dict[str, Any]:
    """Write the validation events of a run.

    Parameters
    ----------
    folder
        Where: gets event files and ``expected.parquet``.
    source
        The run.
    published
        The same run as it is in the bundle.
    base
        The bundle.
    events
        How many, about.

    Returns
    -------
    dict
        Entry ``validation`` of the run in ``bundle.json``: ``kind`` (``events``, ``scores`` or ``none``), ``why`` where it is not
        events, ``files``, ``expected``, ``events``, ``selected``.

    Raises
    ------
    BundleError
        If the events do not give the rows that the run has of them.
    """
    tables = _tables(source)
    if not tables:
        return {"kind": "none", "why": "no event of the run was selected, or it keeps no rows of features"}
    folder.mkdir(parents=True, exist_ok=True)
    share = max(1, events // len(tables))
    written: dict[str, Path] = {}
    selected: dict[str, int] = {}
    why = ""
    for number, (dataset, table) in enumerate(tables.items()):
        target = folder / f"events_{number:02d}.root"
        try:
            selected[dataset] = _write_events(target, source, dataset, table, share)
        except _NotCopiedError as error:
            why = why or f"{dataset}: {error}"
            target.unlink(missing_ok=True)
            continue
        written[dataset] = target
    if not written:
        rows = _joined({name: table.head(share) for name, table in tables.items()})
        _write_table(folder / COMPARED, rows)
        return _entry("scores", base, folder, rows, {}, why)
    fileset = _fileset(source)
    kept = {name: _metadata(fileset[name]["metadata"]) for name in written}
    found = computed_rows(published, base, written, kept)
    for name, number in selected.items():
        if len(found.get(name, ())) != number:
            _refuse(source, name, "other events are selected")
    _require_rows(found, {name: tables[name] for name in written}, source)
    rows = _joined(found)
    _write_table(folder / COMPARED, rows)
    return {**_entry("events", base, folder, rows, written, why), "metadata": kept}


def computed_rows(
    published: PublishedRun,
    base: Path,
    files: Mapping[str, Path],
    metadata: Mapping[str, Mapping[str, Any]] | None = None,
    trust: bool = True,
) -> dict[str, pd.DataFrame]:
    """Run the analysis of a bundle over event files: dataset -> a row per selected event, without what needs a cross section.

    ``metadata`` is what the analysis may ask of the datasets.
    """
    from massgap.contracts.run_folder import open_run

    fileset = {
        name: {
            "files": {str(path.absolute()): "Events"},
            # A skim has no cross section of its own, and rows are compared without their weights.
            "metadata": {
                **(metadata or {}).get(name, {}),
                "process": name,
                "xsec_fb": 1.0,
                "is_data": False,
                "sum_weights": 1.0,
                "skimmed": True,
            },
        }
        for name, path in files.items()
    }
    with tempfile.TemporaryDirectory(prefix="massgap-validation-") as scratch:
        published.run(base, fileset, Path(scratch) / "run", variations=(), trust=trust, executor="iterative")
        run = open_run(Path(scratch) / "run")
        found = {
            each.dataset: each.table for each in selected_events(run.path, run.manifest, _compared_column)
        }
    return {name: found[name] for name in files if name in found}


def _fileset(run: RunFolder) -> dict[str, Any]:
    from massgap.contracts.writing import read_json

    return read_json(run.path / "fileset.json", remedy="Run the analysis again into this folder.")


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What may decide what an analysis does with the events of a dataset, and nothing of how many they are."""
    counts = ("n_events", "n_generated", "n_copies", "tranche", "hard_xsec_fb", "hard_xsec_error_fb")
    return {key: value for key, value in metadata.items() if key not in counts}


def _compared_column(name: str) -> bool:
    return name not in ("weight", "process", "dataset")


def _tables(run: RunFolder) -> dict[str, pd.DataFrame]:
    """Rows of some simulated datasets, signals and backgrounds; each event once."""
    if not run.manifest.get("features"):
        return {}
    found: dict[bool, dict[str, pd.DataFrame]] = {True: {}, False: {}}
    for each in selected_events(run.path, run.manifest, _compared_column):
        if each.is_data or not len(each.table):
            continue
        # Copies of one event have one key: which is which could not be told.
        alone = each.table[~each.table["fold_key"].duplicated(keep=False)]
        if len(alone):
            found[each.process in run.signals][each.dataset] = alone
    half = MOST_DATASETS // 2
    signals = _spread(found[True], max(half, MOST_DATASETS - len(found[False])))
    return {**signals, **_spread(found[False], MOST_DATASETS - len(signals))}


def _spread(tables: dict[str, pd.DataFrame], most: int) -> dict[str, pd.DataFrame]:
    names = list(tables)
    chosen = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    return {names[i]: tables[names[i]] for i in chosen} if names else {}


class _NotCopiedError(Exception):
    """Why events of a dataset are not handed on."""


def _write_events(target: Path, run: RunFolder, dataset: str, table: pd.DataFrame, wanted: int) -> int:
    """Copy selected events of a dataset, and some that are not selected, with all their branches; how many are selected."""
    import uproot

    fileset = _fileset(run)
    keys = table["fold_key"].to_numpy(np.uint64)
    for path, tree in fileset[dataset]["files"].items():
        try:
            with uproot.open({path: None}) as file:
                events = file[tree]
                names = set(events.keys(recursive=False))
                if not {"run", "luminosityBlock", "event"} <= names:
                    msg = "its files are not NanoAOD"
                    raise _NotCopiedError(msg)
                entries, number = _chosen(events, keys, wanted)
                if number:
                    _copy(events, entries, target)
                    return number
        except (OSError, ImportError, KeyError, ValueError, TypeError, NotImplementedError) as error:
            msg = f"{path} cannot be copied ({type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''})"
            raise _NotCopiedError(msg) from error
    msg = "its files have none of the selected events"
    raise _NotCopiedError(msg)


def _chosen(events: Any, keys: NDArray[np.uint64], wanted: int) -> tuple[NDArray[np.int64], int]:
    """Entries of selected events, and of some others among them; and how many are selected."""
    from massgap.models.folds import fold_key

    numbers = events.arrays(["run", "luminosityBlock", "event"], library="np")
    own = fold_key(*(numbers[name].astype(np.uint64) for name in ("run", "luminosityBlock", "event")))
    selected = np.isin(own, keys)
    # An event that is there twice could not be told from itself.
    _, first, count = np.unique(own, return_index=True, return_counts=True)
    alone = np.zeros(len(own), dtype=bool)
    alone[first[count == 1]] = True
    taken = np.flatnonzero(selected & alone)[:wanted]
    if not len(taken):
        return taken, 0
    # All branches are read over the whole range.
    taken = taken[taken - taken[0] < WIDEST]
    around = ~selected & alone
    around[: taken[0]] = around[taken[-1] + 1 :] = False
    others = np.flatnonzero(around)[: -(-len(taken) // REJECTED)]
    return np.sort(np.concatenate([taken, others])), len(taken)


def _copy(events: Any, entries: NDArray[np.int64], target: Path) -> None:
    """Write entries of a tree into a file of their own; collections keep their counters."""
    import awkward as ak
    import uproot

    start, stop = int(entries[0]), int(entries[-1]) + 1
    columns: dict[str, Any] = {}
    for name in events.keys(recursive=False):
        try:
            values = events[name].array(entry_start=start, entry_stop=stop, library="ak")[entries - start]
        except Exception:  # noqa: BLE001 (what uproot cannot read is left out: the rows must come out all the same)
            values = None
        if values is not None and _writable(values):
            columns[name] = values
    counters = {f"n{name.partition('_')[0]}" for name, array in columns.items() if array.ndim == 2}
    branches: dict[str, Any] = {}
    collections: dict[str, dict[str, Any]] = {}
    for name, array in columns.items():
        if name in counters:
            continue
        collection, _, field = name.partition("_")
        if array.ndim == 1:
            branches[name] = ak.to_numpy(array)
        elif field and f"n{collection}" in columns:
            collections.setdefault(collection, {})[field] = array
        else:
            branches[name] = array
    for collection, fields in collections.items():
        branches[collection] = ak.zip(fields)
    types = {n: a.type.content if isinstance(a, ak.Array) else a.dtype for n, a in branches.items()}
    with uproot.recreate(target, compression=uproot.ZSTD(9)) as file:
        made = file.mktree("Events", types, counter_name=lambda name: f"n{name}")
        made.extend(branches)


def _writable(values: Any) -> bool:
    """Whether it is a number, or a list of numbers, per event."""
    import awkward as ak

    if values.ndim not in (1, 2) or ak.fields(values):
        return False
    content = ak.flatten(values, axis=None) if values.ndim == 2 else values
    return isinstance(content.type.content, ak.types.NumpyType)


def _require_rows(
    found: Mapping[str, pd.DataFrame], wanted: Mapping[str, pd.DataFrame], run: RunFolder
) -> None:
    """What comes out of the copied events must be what the run has of them, to the last bit."""
    for dataset, table in found.items():
        own = wanted[dataset].set_index("fold_key")
        if not table["fold_key"].isin(own.index).all():
            _refuse(run, dataset, "other events are selected")
        rows = own.loc[table["fold_key"]]
        for name in table.columns:
            if name == "fold_key":
                continue
            if name not in rows or not _equal(table[name].to_numpy(), rows[name].to_numpy()):
                _refuse(run, dataset, f"{name} differs")


def _equal(one: NDArray[Any], two: NDArray[Any]) -> bool:
    if one.dtype.kind == "f" and two.dtype.kind == "f":
        return bool(np.array_equal(one, two, equal_nan=True))
    return bool(np.array_equal(one.astype(str), two.astype(str)))


def _refuse(run: RunFolder, dataset: str, what: str) -> None:
    msg = (
        f"{run.path}: the events of {dataset} do not give the rows that the run has of them any more ({what}); massgap verify "
        f"{run.path} says what has changed"
    )
    raise BundleError(msg)


def _joined(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([table.assign(dataset=name) for name, table in tables.items()], ignore_index=True)


def _write_table(path: Path, rows: pd.DataFrame) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), path, compression="zstd")


def _entry(
    kind: str, base: Path, folder: Path, rows: pd.DataFrame, files: Mapping[str, Path], why: str
) -> dict[str, Any]:
    return {
        "kind": kind,
        **({"why": why} if why else {}),
        "files": {name: path.relative_to(base).as_posix() for name, path in files.items()},
        "expected": (folder / COMPARED).relative_to(base).as_posix(),
        "selected": len(rows),
        "features": [n for n in rows.columns if is_feature(n)],
    }

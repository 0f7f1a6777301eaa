"""From a feature table to checked arrays: which rows, which columns, which weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import TableError
from massgap.contracts.feature_table import is_feature
from massgap.models.conditioning.balance import balanced
from massgap.models.errors import FeatureError
from massgap.models.training.recipe import ALL_ROWS
from massgap.models.training.weights import trained_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from massgap.models.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingTable:
    """Arrays of the events to train on, sorted by process and stable key.

    ``weight`` (fb) is the signed weight, ``train_weight`` the one that is trained with; ``bins`` are those in which the
    training is balanced, see `massgap.models.conditioning.balance`, and ``flat`` the column in which the score is made flat.
    ``group`` has equal numbers for copies of one event (``massgap generate --repeat`` and ``--responses``); None where there are none.
    """

    x: NDArray[np.float32] = field(repr=False)
    label: NDArray[np.float32] = field(repr=False)
    weight: NDArray[np.float64] = field(repr=False)
    train_weight: NDArray[np.float64] = field(repr=False)
    fold_key: NDArray[np.uint64] = field(repr=False)
    process: NDArray[np.object_] = field(repr=False)
    features: tuple[str, ...]
    notes: tuple[str, ...] = ()
    bins: NDArray[np.int64] | None = field(default=None, repr=False)
    flat: NDArray[np.float32] | None = field(default=None, repr=False)
    group: NDArray[np.int64] | None = field(default=None, repr=False)

    def of_classes(self, backgrounds: Sequence[str]) -> TrainingTable:
        """Return the signal and these backgrounds only."""
        keep = (self.label > 0.5) | np.isin(self.process.astype(str), list(backgrounds))
        return TrainingTable(
            self.x[keep],
            self.label[keep],
            self.weight[keep],
            self.train_weight[keep],
            self.fold_key[keep],
            self.process[keep],
            self.features,
            bins=None if self.bins is None else self.bins[keep],
            flat=None if self.flat is None else self.flat[keep],
            group=None if self.group is None else self.group[keep],
        )

    def counts(self) -> dict[str, dict[str, float]]:
        """Return raw events, weight sum in fb and effective events (sum w)^2 / sum w^2 per process."""
        table: dict[str, dict[str, float]] = {}
        for name in sorted(set(self.process)):
            w = self.weight[self.process == name]
            square = float((w**2).sum())
            table[name] = {
                "raw": len(w),
                "weight_fb": float(w.sum()),
                "effective": float(w.sum()) ** 2 / square if square > 0 else 0.0,
            }
        return table

    def digest(self) -> bytes:
        """Return the SHA-256 of the data, independent of the order of the rows in the table."""
        digest = hashlib.sha256(repr(self.features).encode())
        missing = np.isnan(self.x)
        digest.update(np.packbits(missing).tobytes())
        for array in (
            np.where(missing, 0.0, self.x).astype("<f4"),
            self.label,
            self.weight,
            self.train_weight,
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(self.fold_key.astype("<u8").tobytes())
        digest.update("\n".join(self.process).encode())
        if self.bins is not None:
            digest.update(self.bins.astype("<i8").tobytes())
        if self.flat is not None:
            digest.update(self.flat.astype("<f4").tobytes())
        return digest.digest()


def training_table(
    table: pd.DataFrame,
    signal: Sequence[str],
    backgrounds: Sequence[str],
    features: Sequence[str] | None = None,
    *,
    region: str | None = None,
    negative_weights: str = "error",
    weighting: str = "weights",
    process_weights: Mapping[str, float] | None = None,
    balance: Mapping[str, Any] | None = None,
    flatten: str | None = None,
) -> TrainingTable:
    """Return the checked arrays that classifiers are trained on.

    Parameters
    ----------
    table
        One row per event: the features (float, NaN = missing), ``weight`` (fb), ``process``, ``fold_key`` (uint64)
        and, for a `region`, the boolean column ``region_<name>``.
    signal, backgrounds
        Process names; rows of other processes are not used.
    features
        Names in the order of the model's input; by default every column that is not bookkeeping.
    region
        Only events of this region, or of any of those joined by ``+``; all rows by default.
    negative_weights, weighting, process_weights, balance, flatten
        As in `massgap.models.training.recipe.Recipe`.

    Raises
    ------
    TableError
        If a class is empty, a process or region unknown, a weight NaN, infinite or (unless allowed)
        negative, a feature infinite or not a number.
    FeatureError
        If the table lacks a feature; the message names what is wanted and what there is.
    """
    _check_columns(table)
    names = _feature_names(table, features)
    used, process, is_signal = _used(table, signal, backgrounds, region)
    chosen = table.loc[used]
    where = _where(region)
    present = set(process)
    notes = [f"{p} has no events {where}" for p in (*signal, *backgrounds) if p not in present]
    notes += [
        f"{p} has a weight in the recipe but no events" for p in process_weights or {} if p not in present
    ]

    weight = chosen["weight"].to_numpy(dtype=np.float64)
    key = _keys(chosen)
    x = _matrix(chosen, names)
    trained = trained_weights(
        chosen,
        process,
        is_signal,
        key,
        weighting=weighting,
        negative_weights=negative_weights,
        process_weights=process_weights,
        balance=balance,
    )
    bins, group = trained.bins, _copies(chosen, key)
    notes += trained.notes

    # The classifier must not depend on the order in which chunks arrived: sort by process and key, then by
    # content for the rare equal keys (datasets of one process that number their events alike).
    _, code = np.unique(process.astype(str), return_inverse=True)
    order = np.lexsort((*(np.nan_to_num(x[:, j], nan=-np.inf) for j in range(len(names))), weight, key, code))
    return TrainingTable(
        np.ascontiguousarray(x[order]),
        is_signal[order].astype(np.float32),
        weight[order],
        trained.weight[order],
        key[order],
        process[order],
        tuple(names),
        tuple(notes),
        None if bins is None else bins[order],
        None if flatten is None else _matrix(chosen, _feature_names(table, [flatten]))[order, 0],
        None if group is None else group[order],
    )


def _copies(chosen: pd.DataFrame, key: NDArray[np.uint64]) -> NDArray[np.int64] | None:
    """A number of each event that copies of it share: those of one dataset with one key. None where no two events have one."""
    dataset = chosen["dataset" if "dataset" in chosen else "process"].factorize()[0]
    order = np.lexsort((key, dataset))
    new = np.append(True, (np.diff(key[order]) != 0) | (np.diff(dataset[order]) != 0))
    if new.all():
        return None
    group = np.empty(len(key), np.int64)
    group[order] = np.cumsum(new) - 1
    return group


def _used(
    table: pd.DataFrame, signal: Sequence[str], backgrounds: Sequence[str], region: str | None
) -> tuple[NDArray[np.bool_], NDArray[np.object_], NDArray[np.bool_]]:
    """Which rows are trained on, and of these the process, and whether it is signal."""
    inside = rows_of_region(table, region)
    _check_processes(table, signal, backgrounds)
    process = table["process"].astype(str).to_numpy(dtype=object)
    is_signal = np.isin(process.astype(str), list(signal))
    used = (is_signal | np.isin(process.astype(str), list(backgrounds))) & inside
    _require_rows(is_signal[used], signal, backgrounds, _where(region))
    return used, process[used], is_signal[used]


def _where(region: str | None) -> str:
    return f"in the region {region}" if region is not None else "in the feature table"


def weights_of_rows(table: pd.DataFrame, recipe: Recipe) -> NDArray[np.float64]:
    """How much each row of a table counts in a training, shape (N,); 0 for those that are not trained on.

    Parameters
    ----------
    table
        As in `training_table`.
    recipe
        With signal and backgrounds.

    Raises
    ------
    TableError
        As in `training_table`.
    """
    _check_columns(table)
    used, process, is_signal = _used(
        table, recipe.signal or (), recipe.backgrounds or (), region_of(recipe, table)
    )
    chosen = table.loc[used]
    trained = trained_weights(
        chosen,
        process,
        is_signal,
        _keys(chosen),
        weighting=recipe.weighting,
        negative_weights=recipe.negative_weights,
        process_weights=recipe.process_weights,
        balance=recipe.balance,
    )
    out = np.zeros(len(table))
    out[used] = trained.weight
    if trained.bins is not None:
        out[used] = balanced(trained.weight, is_signal.astype(np.float32), trained.bins)
    return out


def region_of(recipe: Recipe, table: pd.DataFrame) -> str | None:
    """The region of a recipe, None for all rows."""
    everything = recipe.region == ALL_ROWS and f"region_{ALL_ROWS}" not in table.columns
    return None if everything else recipe.region


def rows_of_region(table: pd.DataFrame, region: str | None) -> NDArray[np.bool_]:
    """Return which rows are in a region, or in any of several joined by ``+``; all rows for None.

    Raises
    ------
    TableError
        If the table has no such region, or its column does not hold True and False.
    """
    inside = np.full(len(table), fill_value=region is None)
    if region is None:
        return inside
    for name in [region] if f"region_{region}" in table.columns else region.split("+"):
        column = f"region_{name}"
        if column not in table.columns:
            known = [str(c).removeprefix("region_") for c in table.columns if str(c).startswith("region_")]
            msg = (
                f"The feature table has no region {name!r} (column {column!r}); it has {_listed(known) or 'none'}. "
                "Name one of them with --region, or 'all' for all rows."
            )
            raise TableError(msg)
        if table[column].dtype.kind != "b":
            msg = f"Column {column!r} has type {table[column].dtype}: it must hold True or False."
            raise TableError(msg)
        inside |= table[column].to_numpy(dtype=bool)
    return inside


def _check_columns(table: pd.DataFrame) -> None:
    missing = [name for name in ("weight", "process", "fold_key") if name not in table.columns]
    if missing:
        msg = f"The feature table lacks the column {missing[0]!r}; it has {_listed(table.columns)}."
        raise TableError(msg)
    repeated = [str(name) for name in table.columns[table.columns.duplicated()]]
    if repeated:
        msg = f"The feature table has the column {repeated[0]!r} twice."
        raise TableError(msg)


def _require_rows(
    is_signal: NDArray[np.bool_], signal: Sequence[str], backgrounds: Sequence[str], where: str
) -> None:
    for name, count, of in (
        ("signal", is_signal.sum(), signal),
        ("background", (~is_signal).sum(), backgrounds),
    ):
        if count == 0:
            msg = f"No {name} rows ({', '.join(of)}) {where}: generate more events, or name another region (--region)."
            raise TableError(msg)


def _keys(chosen: pd.DataFrame) -> NDArray[np.uint64]:
    key = chosen["fold_key"].to_numpy()
    if key.dtype.kind not in "iu" or key.min() < 0:
        msg = f"Column 'fold_key' has type {key.dtype}: it must hold the integers of massgap.models.folds.fold_key."
        raise TableError(msg)
    return key.astype(np.uint64)


def _feature_names(table: pd.DataFrame, features: Sequence[str] | None) -> list[str]:
    names = [str(c) for c in table.columns if is_feature(str(c))] if features is None else list(features)
    if not names:
        msg = "No features to train on: name at least one column."
        raise FeatureError(msg)
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        msg = f"Feature {repeated!r} is listed twice."
        raise FeatureError(msg)
    missing = [name for name in names if name not in table.columns]
    if missing:
        has = [str(c) for c in table.columns if is_feature(str(c))]
        msg = (
            f"The feature table lacks {_listed(missing)}. "
            f"Training wants {_listed(names)}; the table has {_listed(has)}."
        )
        raise FeatureError(msg)
    return names


def _check_processes(table: pd.DataFrame, signal: Sequence[str], backgrounds: Sequence[str]) -> None:
    for given, role in ((signal, "signal"), (backgrounds, "backgrounds")):
        if isinstance(given, str) or not len(given):
            msg = f"{role} must be a list of at least one process name, not {given!r}."
            raise TableError(msg)
    both = sorted(set(signal) & set(backgrounds))
    if both:
        msg = f"Process {both[0]!r} is listed as signal and as background."
        raise TableError(msg)
    known = sorted({str(p) for p in table["process"].unique()})
    unknown = [p for p in (*signal, *backgrounds) if p not in known]
    if unknown:
        msg = (
            f"The feature table has no rows of process {unknown[0]!r}; its processes are {_listed(known)}. Name one of these "
            "(--signal, --backgrounds), or generate more events of it."
        )
        raise TableError(msg)


def _matrix(chosen: pd.DataFrame, names: list[str]) -> NDArray[np.float32]:
    x = np.empty((len(chosen), len(names)), dtype=np.float32)
    for j, name in enumerate(names):
        column = chosen[name]
        if column.dtype.kind not in "fiu":
            msg = f"Feature {name!r} has type {column.dtype}: features must be numbers."
            raise TableError(msg)
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which is reported below
            x[:, j] = values
        infinite = np.isinf(x[:, j])
        if infinite.any():
            row = int(np.flatnonzero(infinite)[0])
            others = [other for other in names if other != name]
            remedy = (
                f"train without it, --features {','.join(others)}"
                if others
                else "train with others (--features)"
            )
            msg = (
                f"Feature {name!r} is infinite in {int(infinite.sum())} of {len(x)} rows "
                f"(first: process {chosen['process'].iloc[row]}): undefined values must be NaN. Let the analysis write NaN and run "
                f"again, or {remedy}."
            )
            raise TableError(msg)
    return x


def _listed(names: object, limit: int = 40) -> str:
    listed = [str(n) for n in names]  # type: ignore[attr-defined]
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")

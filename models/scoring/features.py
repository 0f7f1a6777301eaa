"""Features of a model: whether somebody can provide them, by name and order, and the matrix of them that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from massgap.models.errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from massgap.models.scoring.onnx_file import Description

__all__ = ["agreed_features", "columns_beside", "difference_of_features", "feature_matrix"]


def columns_beside(properties: Mapping[str, str]) -> list[str]:
    """Inputs of a model that are no features of the analysis' score: a physical label, the column in which it is flat."""
    names = [properties.get("massgap.label"), properties.get("massgap.flatten")]
    return [name for name in dict.fromkeys(names) if name]


def agreed_features(
    model: Description, wanted: Sequence[str] | None, path: str, more: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the feature names that the model's metadata and the caller agree on.

    Parameters
    ----------
    model
        What the file says about itself.
    wanted
        Names, in order, that the caller can provide; None takes those of the metadata.
    path
        What messages call the model.
    more
        Names that can be provided as well, and need not be inputs.

    Raises
    ------
    FeatureError
        If neither gives names, the two differ, a name comes twice, or the input has another width.
    """
    if isinstance(wanted, str):
        msg = f"features must be a list of names, not the text {wanted!r}."
        raise FeatureError(msg)
    names = model.features if model.features is not None else wanted
    if names is None:
        msg = (
            f"The model {path} has no feature names in its metadata (massgap.features, or feature_names of other programs): "
            f"give features=[...], the {model.width} names in the order of its input."
        )
        raise FeatureError(msg)
    if wanted is not None and model.properties.get("massgap.columns") == "by name":
        # Columns are picked by their names: any order, and more of them, will do.
        if absent := [n for n in names if n not in wanted and n not in more]:
            msg = f"The model {path} needs {', '.join(absent)}, which are not among {', '.join(wanted)}. Name them in [observables]."
            raise FeatureError(msg)
    elif wanted is not None and list(wanted) != [n for n in names if n in wanted or n not in more]:
        raise FeatureError(difference_of_features(path, names, wanted))
    if len(set(names)) != len(names):
        msg = f"The features of the model {path} are not unique: {', '.join(names)}."
        raise FeatureError(msg)
    if model.width is not None and model.width != len(names):
        source = "its metadata names" if model.features is not None else "features names"
        msg = f"The input of the model {path} is {model.width} wide, but {source} {len(names)}: {', '.join(names)}."
        raise FeatureError(msg)
    return tuple(names)


def difference_of_features(path: str, model: Sequence[str], given: Sequence[str]) -> str:
    """Say in which way two lists of features differ, and show both."""
    missing = [name for name in model if name not in given]
    extra = [name for name in given if name not in model]
    what = []
    if missing:
        what.append(f"missing: {', '.join(missing)}")
    if extra:
        what.append(f"not in the model: {', '.join(extra)}")
    if not what and len(model) != len(given):
        what.append(f"{len(given)} names instead of {len(model)}")
    if not what:
        i = next(i for i, (a, b) in enumerate(zip(model, given, strict=True)) if a != b)
        what.append(f"another order, first at position {i}: {model[i]} in the model, {given[i]} given")
    return (
        f"The features given differ from those of the model {path} ({'; '.join(what)}). "
        f"The model takes {', '.join(model)}; given are {', '.join(given)}."
    )


def feature_matrix(
    columns: Mapping[str, ArrayLike] | NDArray[np.float32], features: Sequence[str], path: str
) -> NDArray[np.float32]:
    """Return a float32 matrix, shape (N, n_features).

    Parameters
    ----------
    columns
        Feature name -> array of shape (N,), float32 or float64, or a float32 matrix in the order of the features.
    features
        Names, in order.
    path
        What messages call the model.

    Raises
    ------
    FeatureError
        If a feature is missing or unexpected, or has another type or length.
    """
    n = len(features)
    if isinstance(columns, Mapping):
        return _by_name(columns, features, path)
    x = np.asarray(columns)
    if x.ndim != 2 or x.shape[1] != n:
        msg = f"The features have shape {x.shape}, but the model {path} takes (events, {n})."
        raise FeatureError(msg)
    if x.dtype != np.float32:
        msg = (
            f"The feature matrix has type {x.dtype}, but the model {path} takes float32: "
            "convert it with .astype('float32'), or give a mapping of names to arrays."
        )
        raise FeatureError(msg)
    return x if x.flags.c_contiguous or x.flags.f_contiguous else np.ascontiguousarray(x)


def _by_name(columns: Mapping[str, ArrayLike], features: Sequence[str], path: str) -> NDArray[np.float32]:
    if columns.keys() != set(features):
        raise FeatureError(difference_of_features(path, features, list(columns)))
    arrays = [np.asarray(columns[name]) for name in features]
    n = arrays[0].size
    shape = (n,)
    x = np.empty((len(arrays), n), dtype=np.float32)  # a column after the other, as they come
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which the model takes as missing
        for name, array, row in zip(features, arrays, x, strict=True):
            if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
                msg = f"Feature {name!r} has type {array.dtype}, but the model {path} takes float32 or float64 columns."
                raise FeatureError(msg)
            if array.shape != shape:
                msg = f"Feature {name!r} has shape {array.shape}, but {features[0]!r} has {arrays[0].shape}."
                raise FeatureError(msg)
            row[:] = array
    return x.T

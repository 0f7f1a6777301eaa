"""The matrix that a model takes: columns by name in its order, or a matrix as it is, refused where it does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from massgap.models.errors import FeatureError
from massgap.models.scoring.feature_names import difference_of_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["feature_matrix"]


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
    missing = [name for name in features if name not in columns]
    extra = [name for name in columns if name not in set(features)]
    if missing or extra:
        raise FeatureError(difference_of_features(path, features, list(columns)))
    arrays = [np.asarray(columns[name]) for name in features]
    n = arrays[0].size
    x = np.empty((len(arrays), n), dtype=np.float32).T  # a column after the other, as they come
    for j, (name, array) in enumerate(zip(features, arrays, strict=True)):
        if array.dtype not in (np.float32, np.float64):
            msg = f"Feature {name!r} has type {array.dtype}, but the model {path} takes float32 or float64 columns."
            raise FeatureError(msg)
        if array.shape != (n,):
            msg = f"Feature {name!r} has shape {array.shape}, but {features[0]!r} has {arrays[0].shape}."
            raise FeatureError(msg)
        with np.errstate(over="ignore"):  # beyond float32 is infinite, which the model takes as missing
            x[:, j] = array
    return x

"""From generator weights to fb: the one place where a cross section meets a sum of weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FilesetError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_sum_weights", "normalisation"]


def check_sum_weights(dataset: str, metadata: Mapping[str, Any], total: float) -> None:
    """Refuse a sum of weights that events cannot be normalised with.

    Parameters
    ----------
    dataset
        Its name.
    metadata
        Its metadata; data, and simulation without a cross section, are not normalised.
    total
        Sum of generator weights.

    Raises
    ------
    FilesetError
        If it is not a positive, finite number.
    """
    if not _normalised(metadata) or 0.0 < total < math.inf:
        return
    msg = (
        f"dataset {dataset!r}: the sum of generator weights is {total:g}; it must be positive to normalise to "
        f"{metadata['xsec_fb']} fb"
    )
    raise FilesetError(msg)


def normalisation(metadata: Mapping[str, Any], processed: float) -> float:
    """Factor from generator weight to fb: cross section over the sum of weights (1 for data).

    Parameters
    ----------
    metadata
        Metadata of the dataset: ``xsec_fb``, ``sum_weights`` (optional), ``is_data``.
    processed
        Sum of generator weights read, used where the metadata has no ``sum_weights``.

    Returns
    -------
    float
        The factor; 1 for data and for datasets without a cross section, 0 where no event was read and nothing says
        how many there were.

    Raises
    ------
    FilesetError
        If the sum of weights is not a positive, finite number.
    """
    if not _normalised(metadata):
        return 1.0
    declared = metadata.get("sum_weights")
    if declared is None and processed == 0.0:
        return 0.0
    total = processed if declared is None else float(declared)
    check_sum_weights(str(metadata.get("dataset", "?")), metadata, total)
    return float(metadata["xsec_fb"]) / total


def _normalised(metadata: Mapping[str, Any]) -> bool:
    return not metadata.get("is_data") and metadata.get("xsec_fb") is not None

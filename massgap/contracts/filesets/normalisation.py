"""From generator weights to fb: the one place where a cross section meets a sum of weights.

Events of a dataset weigh cross section over sum of weights, so that all of them together make up the cross section. A
sample that takes away from another (interference) has a negative cross section: its events take away in every bin. Its
generator weights mostly add up to a negative number as well, and the factor is positive; where they do not (some
generators write unit weights and the sign into the cross section only), the factor is negative. A positive cross section
beside a negative sum of weights has no reading: every event would change its sign.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FilesetError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_sum_weights", "normalisation", "normalisation_notes"]


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
        If it is zero or not finite, or negative while the cross section is positive.
    """
    if not _normalised(metadata):
        return
    xsec = float(metadata["xsec_fb"])
    if math.isfinite(total) and (total > 0.0 or (total < 0.0 and xsec < 0.0)):
        return
    what = f"dataset {dataset!r}: the sum of generator weights is {total:g}"
    if math.isfinite(total) and total < 0.0:
        msg = (
            f"{what}, but the cross section is positive ({xsec:g} fb): every event would change its sign. For a sample that "
            f'takes away from another (interference) give the cross section with its sign: "xsec_fb": {-xsec:g} in the '
            f"fileset, or --xsec={-xsec:g}. Otherwise the sample is too small: take it out, or use more of its files"
        )
    else:
        msg = (
            f"{what}: its events cannot be normalised to {xsec:g} fb. Use more of its files, give "
            '"sum_weights" in the fileset, or take it out'
        )
    raise FilesetError(msg)


def normalisation_notes(fileset: Mapping[str, Any]) -> list[str]:
    """What a reader should know of datasets that take events away.

    Parameters
    ----------
    fileset
        Datasets with their metadata, sums of weights filled in where they are known.
    """
    notes = []
    for dataset, entry in sorted(fileset.items()):
        metadata = entry["metadata"]
        if not _normalised(metadata) or metadata["xsec_fb"] >= 0:
            continue
        note = f"dataset {dataset!r} has a negative cross section ({metadata['xsec_fb']:g} fb): it takes away from the others"
        if (metadata.get("sum_weights") or -1.0) > 0:
            note += "; its generator weights add up to a positive number, so each of its events counts with the other sign"
        notes.append(note)
    return notes


def normalisation(metadata: Mapping[str, Any], processed: float, events: int = 0) -> float:
    """Factor from generator weight to fb: cross section over the sum of weights (1 for data).

    Parameters
    ----------
    metadata
        Metadata of the dataset: ``xsec_fb``, ``sum_weights`` (optional), ``is_data``.
    processed
        Sum of generator weights read, used where the metadata has no ``sum_weights``.
    events
        How many events were read: where there are some, their weights must not sum to zero.

    Returns
    -------
    float
        The factor; 1 for data and for datasets without a cross section, 0 where no event was read and nothing says
        how many there were. Negative for a negative cross section of events whose weights add up to a positive number.

    Raises
    ------
    FilesetError
        As :func:`check_sum_weights`.
    """
    if not _normalised(metadata):
        return 1.0
    declared = metadata.get("sum_weights")
    if declared is None and processed == 0.0 and not events:
        return 0.0
    total = processed if declared is None else float(declared)
    check_sum_weights(str(metadata.get("dataset", "?")), metadata, total)
    return float(metadata["xsec_fb"]) / total


def _normalised(metadata: Mapping[str, Any]) -> bool:
    return not metadata.get("is_data") and metadata.get("xsec_fb") is not None

"""Do the slices of a process add up to the whole?"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from massgap.reports.samples.checks import Check, Part, judged

if TYPE_CHECKING:
    from massgap.reports.samples.inputs import Dataset

#: Events that each slice, and each side of an edge between slices, needs for a verdict.
ENOUGH = 30


def sum_of_slices(group: str, slices: list[Dataset], part: Part) -> list[Check]:
    """Check that slices add up: shares of one process to 1, or cross sections to the inclusive one."""
    words = (
        "All slices together, over the cross section of the whole process: 1 if nothing is lost or doubled."
    )
    name = f"{group}: sum of slices over the whole"
    hard = [d.metadata.get("hard_xsec_fb") for d in slices]
    inclusive = next((d.metadata[k] for d in slices for k in ("inclusive_xsec_fb",) if k in d.metadata), None)
    if inclusive:
        total = sum(float(value) for value in hard if value)
        errors = [float(d.metadata.get("hard_xsec_error_fb") or 0.0) for d in slices]
        error = math.hypot(*errors, float(slices[0].metadata.get("inclusive_xsec_error_fb") or 0.0))
        # Without stated errors: those of the catalogue's cross sections, 0.3 %, for the sum and for the whole.
        error = error or 0.0042 * inclusive
        return [judged("slices", name, total / inclusive, error / inclusive, 1.0, words)]
    if not _same_process(slices):
        part.absent.append(
            f"{group}: sum of slices against the inclusive cross section: the fileset does not state the latter."
        )
        return []
    shares, variance, fewest = 0.0, 0.0, ENOUGH
    dropped: list[tuple[int, int]] = []
    for dataset in slices:
        tried, accepted, lost = (dataset.count(key) for key in ("tried", "accepted", "dropped"))
        if not tried or accepted is None or lost is None:
            part.absent.append(
                f"{group}: sum of slices: the files of {dataset.name} do not tell how many events were tried."
            )
            return []
        share = accepted / tried
        fewest = min(fewest, accepted)
        shares, variance = shares + share, variance + share * (1 - share) / tried
        dropped.append((lost, tried))
    unwanted = sum(d for d, _ in dropped) / sum(t for _, t in dropped)
    variance += unwanted * (1 - unwanted) / sum(t for _, t in dropped)
    words += " From the shares of all tried events that each slice kept, and the share that no slice wants."
    # Generation stops at a number of accepted events: with few of them, shares come out too large.
    enough = fewest >= ENOUGH
    return [judged("slices", name, shares + unwanted, math.sqrt(variance), 1.0, words, enough=enough)]


def _same_process(slices: list[Dataset]) -> bool:
    """Tell whether every slice was cut out of the whole process, rather than generated within its limits.

    Their hard cross sections are then all that of the whole, up to the errors of each one's own measurement
    (and never differ by a factor 2, as those of neighbours in a falling spectrum do).
    """
    hard = [float(d.metadata.get("hard_xsec_fb") or math.nan) for d in slices]
    errors = [
        float(d.metadata.get("hard_xsec_error_fb") or 1e-9 * x) for d, x in zip(slices, hard, strict=True)
    ]
    return max(hard) < 2 * min(hard) and all(
        abs(a - b) <= 4 * math.hypot(da, db) for (a, da), (b, db) in pairwise(zip(hard, errors, strict=True))
    )

"""Whether the trees ``Runs`` of a dataset's files can tell the sum of generator weights, also of events that a skim removed.

What cannot be told is refused before the run: events of a skim that were normalised to their own sum of weights, or to the sum
of another file, would be wrong by a factor that nothing shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.runner.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.events.reading.files import FileInfo

__all__ = ["holds_all_events", "is_skim", "require_known_sum"]


def is_skim(info: FileInfo) -> bool:
    """Whether the tree ``Runs`` of a file counts other events than those that are there, or does not say."""
    return info.runs_sum_weights is not None and info.runs_events != info.entries


def holds_all_events(infos: Sequence[FileInfo]) -> bool:
    """Whether the trees ``Runs`` of files count just the events that are there: their weights must then sum to the same."""
    return all(info.runs_events == info.entries for info in infos)


def require_known_sum(dataset: str, metadata: Mapping[str, Any], infos: Sequence[FileInfo]) -> None:
    """Refuse files whose sum of generator weights nothing tells, where it is needed.

    Parameters
    ----------
    dataset
        Its name.
    metadata
        Its metadata.  Data, simulation without a cross section, and a dataset that says ``sum_weights`` need nothing.
    infos
        Its files, as far as they could be opened.

    Raises
    ------
    RunnerError
        If a tree ``Runs`` counts fewer events than there are, or one file is a skim by it and another one has none.
    """
    needed = metadata.get("xsec_fb") is not None and metadata.get("sum_weights") is None
    if not needed or metadata.get("is_data"):
        return
    remedy = f'give "sum_weights" in the metadata of dataset {dataset!r} (--fileset), or take the file out'
    for info in infos:
        if info.runs_events is not None and info.runs_events < info.entries:
            msg = (
                f"{info.path}: its tree Runs counts {info.runs_events} events, and {info.tree} has {info.entries}: it is not of all of "
                "them, as where only the events of several files were merged, so its sum of generator weights is not theirs. "
                f"Merge the files anew with both trees (hadd, haddnano.py), {remedy}"
            )
            raise RunnerError(msg)
    skim = next((info for info in infos if info.runs_events is not None and is_skim(info)), None)
    without = next((info for info in infos if info.entries and info.runs_sum_weights is None), None)
    if skim is not None and without is not None:
        msg = (
            f"{skim.path}: holds {skim.entries} of the {skim.runs_events} events that its tree Runs counts, and {without.path} has no "
            f"sum of weights in a tree Runs: together nothing says what their events are to be normalised to. Make the latter anew with its tree Runs, {remedy}"
        )
        raise RunnerError(msg)

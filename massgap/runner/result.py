"""What a run gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.contracts.histograms import find_histograms
from massgap.runner.errors import IncompleteRunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from hist import Hist

    from massgap.runner.ledger import Ledger

__all__ = ["RunResult", "mark_loss"]


@dataclass
class RunResult:
    """What a run gives.

    Attributes
    ----------
    output
        What the processor's ``postprocess`` returned: for an analysis of massgap a dict with
        ``histograms``, ``cutflow``, ``datasets``, ``undefined`` and ``features``.  None if nothing was processed.
    ledger
        What became of every file and chunk.
    identity
        Class, code, options and model of the processor.
    fileset
        The fileset, with ``sum_weights`` filled in where the files gave it.
    notes
        What a user should know but need not act on.
    warnings
        What a user should look at, although the run is complete.
    interrupted
        Whether Ctrl-C ended it.
    chunksize
        Number of events in a chunk, about.
    """

    output: Any
    ledger: Ledger
    identity: dict[str, Any]
    fileset: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    chunksize: int | None = None
    warnings: list[str] = field(default_factory=list)

    def _part(self, name: str) -> dict[str, Any]:
        found = self.output.get(name) if isinstance(self.output, dict) else None
        return {} if found is None else found

    @property
    def histograms(self) -> dict[str, Hist[Any]]:
        """Histograms by name, contents in fb (data in events); of an analysis of massgap."""
        return self._part("histograms")

    @property
    def cutflow(self) -> dict[str, Any]:
        """Contents of ``cutflow.json``."""
        return self._part("cutflow")

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """Dataset -> metadata, with number of events, sums of weights read and the factor to fb."""
        return self._part("datasets")

    @property
    def features(self) -> Mapping[str, pd.DataFrame]:
        """Dataset -> feature table; made when it is asked for where its rows are on disk."""
        return self._part("features")

    @property
    def undefined(self) -> dict[str, int]:
        """Observable -> number of undefined values that were left out of its histograms."""
        return self._part("undefined")

    def require_complete(self) -> None:
        """Raise if anything is missing that the user has not accepted.

        Raises
        ------
        IncompleteRunError
            Naming what is lost.
        """
        if self.interrupted or not (self.ledger.complete or self.ledger.accepted_loss):
            raise IncompleteRunError("; ".join(self.ledger.problems()) or "the run was interrupted")


def mark_loss(result: RunResult) -> None:
    """Write what is missing into the metadata of each histogram, under ``massgap_loss``."""
    loss = result.ledger.loss()
    if result.interrupted or loss is not None:
        loss = {**(loss or {}), "interrupted": result.interrupted}
        for histogram in find_histograms(result.output).values():
            histogram.metadata = {"massgap_loss": loss}

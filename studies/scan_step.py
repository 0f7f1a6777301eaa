"""The step of a study that trains networks of sets of variables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from massgap.studies.study import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ScanStep"]


@dataclass(frozen=True)
class ScanStep(Step):
    """What the study's own ``scan`` makes of a run.

    Parameters
    ----------
    run
        The step that made it.
    small
        Options of the small form, in place of ``options``.
    """

    kind: ClassVar[str] = "scan"
    usual_cost: ClassVar[float] = 600.0

    run: str = ""
    small: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def needs(self) -> tuple[str, ...]:
        """The run."""
        return (self.run,)

"""Decide while Pythia makes an event whether it is kept: plain classes that decide, and the hook that asks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from massgap.samples.errors import LheError

__all__ = ["COMPLETE", "FIRST", "Counters", "EventFilter", "add_hooks", "user_hook"]

#: Row of Pythia's event record with the first particle that the hard process made.
FIRST = 5
#: Name of Pythia's status of an event that came out.
COMPLETE = "COMPLETE"


@dataclass
class Counters:
    """How many events each decision saw: the ingredients of a cross section.

    Attributes
    ----------
    tried : int
        Hard processes.
    dropped : int
        Of these refused at once.
    accepted : int
        Events that passed the last decision.
    """

    tried: int = 0
    dropped: int = 0
    accepted: int = 0


class EventFilter:
    """Decisions on an event at five moments; ``True`` drops it. This one keeps all events and counts nothing.

    ``event`` is Pythia's record. A later moment is asked for only if the attribute of its name is set before Pythia starts.
    """

    #: Steps of the shower after each of which :meth:`drops_step` is asked; 0 for none.
    steps: int = 0
    #: Transverse momentum (GeV) down to which the shower has come when :meth:`drops_at_scale` is asked; 0 for never.
    scale: float = 0.0
    #: Whether :meth:`drops_partons_early` is asked.
    early: bool = False
    #: Whether :meth:`drops_partons` is asked.
    late: bool = False

    def drops_process(self, event: Any) -> bool:  # noqa: ARG002
        """After the hard process."""
        return False

    def drops_step(self, position: int, n_isr: int, n_fsr: int, event: Any) -> bool:  # noqa: ARG002
        """After an emission of the shower: where it happened (4 and above in decays), and the numbers of emissions."""
        return False

    def drops_at_scale(self, position: int, event: Any) -> bool:  # noqa: ARG002
        """When all emissions above a scale are done, of the hard process alone: where the last one happened."""
        return False

    def drops_partons_early(self, event: Any) -> bool:  # noqa: ARG002
        """When the showers are done, before beam remnants and decays."""
        return False

    def drops_partons(self, event: Any) -> bool:  # noqa: ARG002
        """When all partons are there, before hadrons are made."""
        return False

    def end(self, status: str) -> None:
        """Once for each event that was begun: the name of what became of it."""


def user_hook(decides: EventFilter) -> Any:
    """Hook for Pythia (``setUserHooksPtr``) that asks a filter; keep it alive as long as Pythia.

    The class must stand in here: its base comes with the generator extra, which is imported where it is used.
    """
    import pythia8mc

    class Hook(pythia8mc.UserHooks):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self._open = False

        def onBeginEvent(self) -> None:
            self._open = True

        def onEndEvent(self, status: Any) -> None:
            # with several hooks Pythia calls this more than once per event
            if self._open:
                decides.end(status.name)
            self._open = False

        def canVetoProcessLevel(self) -> bool:
            return True

        def doVetoProcessLevel(self, event: Any) -> bool:
            return decides.drops_process(event)

        def canVetoStep(self) -> bool:
            return decides.steps > 0

        def numberVetoStep(self) -> int:
            return max(decides.steps, 1)

        def doVetoStep(self, i_pos: int, n_isr: int, n_fsr: int, event: Any) -> bool:
            return decides.drops_step(i_pos, n_isr, n_fsr, event)

        def canVetoPT(self) -> bool:
            return decides.scale > 0.0

        def scaleVetoPT(self) -> float:
            return decides.scale

        def doVetoPT(self, i_pos: int, event: Any) -> bool:
            return decides.drops_at_scale(i_pos, event)

        def canVetoPartonLevelEarly(self) -> bool:
            return decides.early

        def doVetoPartonLevelEarly(self, event: Any) -> bool:
            return decides.drops_partons_early(event)

        def canVetoPartonLevel(self) -> bool:
            return decides.late

        def doVetoPartonLevel(self, event: Any) -> bool:
            return decides.drops_partons(event)

    return Hook()


def add_hooks(pythia: Any, hooks: list[Any]) -> None:
    """Give Pythia several hooks; the first one that refuses an event ends it.

    Raises
    ------
    LheError
        If Pythia refuses one.
    """
    for k, hook in enumerate(hooks):
        if not (pythia.addUserHooksPtr(hook) if k else pythia.setUserHooksPtr(hook)):
            msg = f"Pythia refuses the hook {type(hook).__name__}"
            raise LheError(msg)

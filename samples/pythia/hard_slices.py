"""Keep the events of one slice in an observable of the hard process, before anything else is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.errors import GenerationError
from massgap.samples.pythia.hooks import COMPLETE, EventFilter
from massgap.samples.pythia.kinematics import momentum, pt_eta
from massgap.samples.pythia.muon_pairs import made_by
from massgap.samples.record import INVISIBLE

if TYPE_CHECKING:
    from massgap.samples.processes.process import Process, Tranche

__all__ = ["HardSlice", "hard_slice"]

#: Without one event in so many tries, a slice is taken for empty.
HOPELESS = 300_000
_CHARGED = frozenset({11, 13, 15})
_LOST = frozenset(INVISIBLE)


class HardSlice(EventFilter):
    """Decides after the hard process, before other filters see the event.

    Parameters
    ----------
    process, tranche : Process, Tranche
        Observable and slice.

    Attributes
    ----------
    tried, passed : int
        Hard processes, and those in the slice.
    values : list of float
        Of the events that came out, in their order.
    """

    def __init__(self, process: Process, tranche: Tranche) -> None:
        assert process.observable is not None
        self._observable, self._min, self._max = process.observable, tranche.min, tranche.max
        self.tried = self.passed = 0
        self.values: list[float] = []
        self._value = 0.0
        self._name = tranche.name

    def drops_process(self, event: Any) -> bool:
        """Drop what lies outside of the slice. Taus count as charged leptons, all that they carry as seen."""
        self.tried += 1
        if self.tried > HOPELESS and not self.passed:
            msg = f"none of {HOPELESS:,} hard processes lies in {self._name}: lower the edge of --hard, or leave it out"
            raise GenerationError(msg)
        leptons, x, y = [], 0.0, 0.0
        for one in made_by(event):
            kind = abs(one.pdg)
            if one.particle.status() < 0:
                continue
            if kind in _CHARGED:
                leptons.append(momentum(one.particle))
            elif kind in _LOST:
                x, y = x + one.particle.px(), y + one.particle.py()
        leptons.sort(key=lambda p: -pt_eta(p)[0])
        self._value = self._observable(leptons, (x, y))
        if not (self._value >= self._min and (self._max is None or self._value < self._max)):
            return True
        self.passed += 1
        return False

    def end(self, status: str) -> None:
        """Keep the value of an event that came out."""
        if status == COMPLETE:
            self.values.append(self._value)

    def take(self) -> np.ndarray:
        """Values of the events that came out since the last call."""
        values, self.values = self.values, []
        return np.array(values)


def hard_slice(process: Process, tranche: Tranche) -> HardSlice | None:
    """The filter of a slice, if it is one in an observable."""
    return None if process.observable is None else HardSlice(process, tranche)

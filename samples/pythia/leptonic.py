"""Let W, Z, top and new particles decay to chosen leptons only, and keep the account of the branching fraction.

Bosons are told before Pythia starts, so that the cross section of its own processes holds the fraction already, with
the interference of photon and Z. New particles are told afterwards: their tables come with a spectrum that Pythia reads
when it starts. What events of a file decay to is not in their cross section: each event then has the product of the
fractions of what the file left undecayed as a weight.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.errors import GenerationError
from massgap.samples.pythia.hooks import COMPLETE, FIRST, EventFilter
from massgap.samples.record import nearest_ancestor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from massgap.samples.processes.process import Process
    from massgap.samples.record import Record

__all__ = [
    "LEPTONS",
    "BranchingWeights",
    "OffShell",
    "check_leptons",
    "check_open",
    "force_new",
    "leptonic_lines",
    "product_of",
]

#: PDG number by name.
LEPTONS = {"e": 11, "mu": 13, "tau": 15}
_QUARKS = "1 2 3 4 5 6 7 8"
_NEUTRINOS = "12 14 16"
#: Bosons and top by PDG number: their fractions are Pythia's own.
_BOSONS = (23, 24)
_KNOWN = (6, *_BOSONS)
#: Heavier quarks, and where the PDG numbers of other new particles begin and end.
_NEW_QUARKS = (7, 8)
_NEW_FIRST, _NEW_LAST = 1_000_001, 9_000_000


def check_leptons(leptons: Iterable[str]) -> tuple[str, ...]:
    """The leptons in a fixed order, each once.

    Raises
    ------
    GenerationError
        If one is unknown, or none is given.
    """
    given = set(leptons)
    if not given or not given <= set(LEPTONS):
        wrong = ", ".join(repr(name) for name in sorted(given - set(LEPTONS))) or "nothing"
        msg = f"leptonic (--leptonic) takes some of {', '.join(LEPTONS)} with commas between them, as in --leptonic e,mu, not {wrong}"
        raise GenerationError(msg)
    return tuple(name for name in LEPTONS if name in given)


def leptonic_lines(leptons: tuple[str, ...]) -> list[str]:
    """Settings that close all other decays of W and Z, and open none; top quarks decay through W.

    Examples
    --------
    >>> leptonic_lines(("e", "mu"))
    ['24:offIfAny = 1 2 3 4 5 6 7 8 15', '23:offIfAny = 1 2 3 4 5 6 7 8 12 14 16 15']
    """
    if not leptons:
        return []
    unwanted = "".join(f" {number}" for name, number in LEPTONS.items() if name not in leptons)
    return [f"24:offIfAny = {_QUARKS}{unwanted}", f"23:offIfAny = {_QUARKS} {_NEUTRINOS}{unwanted}"]


def check_open(process: Process, settings: Iterable[str]) -> None:
    """Refuse settings that leave W or Z without any decay.

    Raises
    ------
    GenerationError
        Naming the boson.
    """
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in settings:
        if line.startswith(("23:", "24:")):
            pythia.readString(line, False)
    for kind, name in ((23, "Z"), (24, "W")):
        entry = pythia.particleData.particleDataEntryPtr(kind)
        if not any(entry.channel(k).onMode() for k in range(entry.sizeChannels())):
            msg = f"{process.name}: its {name} decays to none of these leptons: name others (--leptonic e,mu,tau), or generate it without"
            raise GenerationError(msg)


def force_new(pythia: Any, leptons: tuple[str, ...]) -> dict[int, float]:
    """Close decays of new particles that give no wanted lepton, and return what is left of each particle's decays.

    Parameters
    ----------
    pythia : Pythia
        Ready to generate, started with :func:`leptonic_lines`.
    leptons : tuple of str
        Keys of :data:`LEPTONS`.

    Returns
    -------
    dict
        Absolute PDG number -> fraction of decays, also of what the products decay to, that is left: of W, Z, top and all
        new particles that can give a lepton. A particle that cannot is left as it is and not in here.
    """
    return _Tables(pythia, leptons).fractions()


def _is_new(kind: int) -> bool:
    return kind in _NEW_QUARKS or _NEW_FIRST <= kind < _NEW_LAST


class _Tables:
    """Decay tables of new particles, from the bottom up."""

    def __init__(self, pythia: Any, leptons: tuple[str, ...]) -> None:
        self._data = pythia.particleData
        self._wanted = {LEPTONS[name] for name in leptons}
        self._open: dict[int, list[tuple[Any, tuple[int, ...]]]] = {}

    def fractions(self) -> dict[int, float]:
        found = {kind: float(self._data.resOpenFrac(kind)) for kind in _KNOWN}
        kind = 1  # nextId(0) finds nothing
        while 0 < (kind := self._data.nextId(kind)) < _NEW_LAST:
            self._fraction(kind, found, ())
        return found

    def _fraction(self, kind: int, done: dict[int, float], above: tuple[int, ...]) -> float:
        """Fraction of a particle's decays, closing the others; 1 without leptonic decays."""
        kind = abs(kind)
        if kind in done or not _is_new(kind) or kind in above:
            return done.get(kind, 1.0)
        good = {id(channel) for channel, _ in self._leptonic(kind, above)}
        if not good:
            return 1.0
        total = left = 0.0
        for channel, products in self._channels(kind):
            total += channel.bRatio()
            if id(channel) not in good:
                channel.onMode(0)
                continue
            below = math.prod(self._fraction(product, done, (*above, kind)) for product in products)
            left += channel.bRatio() * below
            # Pythia chooses by branching ratio times what was open of the products when it started
            channel.bRatio(channel.bRatio() * below / channel.openSec(kind))
        done[kind] = left / total
        return done[kind]

    def _channels(self, kind: int) -> list[tuple[Any, tuple[int, ...]]]:
        """Open channels of a particle with their products; the same objects each time."""
        if kind not in self._open:
            entry = self._data.particleDataEntryPtr(kind)
            channels = [entry.channel(k) for k in range(entry.sizeChannels())]
            self._open[kind] = [
                (channel, tuple(channel.product(k) for k in range(channel.multiplicity())))
                for channel in channels
                if channel.onMode() and channel.bRatio() > 0 and channel.openSec(kind) > 0
            ]
        return self._open[kind]

    def _leptonic(self, kind: int, above: tuple[int, ...]) -> list[tuple[Any, tuple[int, ...]]]:
        """Channels without an unwanted lepton, with a wanted one or something that gives one."""
        found = []
        for channel, products in self._channels(kind):
            charged = {abs(product) for product in products} & set(LEPTONS.values())
            if charged - self._wanted:
                continue
            if charged or any(self._gives(product, (*above, kind)) for product in products):
                found.append((channel, products))
        return found

    def _gives(self, kind: int, above: tuple[int, ...]) -> bool:
        kind = abs(kind)
        if kind in _KNOWN:
            return True
        return _is_new(kind) and kind not in above and bool(self._leptonic(kind, above))


class OffShell:
    """Corrections for W and Z of reduced mass in decays of new particles, which decay to other shares than those on shell.

    Below 10 GeV bottom and charm quarks are heavy, and a larger share of the decays is leptonic. To be made after
    :func:`force_new`, with the same Pythia object.
    """

    def __init__(self, pythia: Any) -> None:
        data = pythia.particleData
        self._masses = np.geomspace(0.5, 200.0, 150)
        self._ratios = {}
        for kind in _BOSONS:
            shares = [data.resWidthOpen(kind, m) / (data.resWidth(kind, m) or np.inf) for m in self._masses]
            self._ratios[kind] = np.array(shares) / data.resOpenFrac(kind)

    def weights(self, record: Record) -> np.ndarray:
        """Weights, shape (n_events,), of events of a batch; 1 where no new particle decays to a boson."""
        found = np.ones(record.n_events)
        kind = np.abs(record.pdg)
        rows = np.flatnonzero(np.isin(kind, _BOSONS) & ~record.final & ~record.repeated)
        rows = rows[nearest_ancestor(record, rows, np.isin(kind, _NEW_QUARKS) | (kind >= _NEW_FIRST)) >= 0]
        for boson in _BOSONS:
            some = rows[kind[rows] == boson]
            factor = np.interp(record.mass[some], self._masses, self._ratios[boson])
            np.multiply.at(found, record.event[some], factor)
        return found


def product_of(fractions: Mapping[int, float], kinds: Iterable[int]) -> float:
    """Product of the fractions of some particles; 1 for those that are not forced."""
    return math.prod(fractions.get(abs(kind), 1.0) for kind in kinds)


class BranchingWeights(EventFilter):
    """Weights of events whose new particles are forced: ``values`` of those that came out, since it was last emptied.

    ``fractions`` is to be filled after Pythia has started. W, Z and top are not counted: the cross section of Pythia's
    own processes has their fractions.
    """

    def __init__(self) -> None:
        self.fractions: dict[int, float] = {}
        self.values: list[float] = []
        self.tried, self.sum_tried = 0, 0.0
        self._now = 1.0

    def drops_process(self, event: Any) -> bool:
        """Note the fraction of what the hard process made."""
        made = (event[i] for i in range(FIRST, event.size()))
        kinds = [particle.id() for particle in made if particle.mother1() in (3, 4)]
        self._now = product_of(self.fractions, (kind for kind in kinds if abs(kind) not in _KNOWN))
        self.tried += 1
        self.sum_tried += self._now
        return False

    def end(self, status: str) -> None:
        """Keep it if the event came out."""
        if status == COMPLETE:
            self.values.append(self._now)

    def take(self, n: int) -> list[float]:
        """The weights of the ``n`` events that came out since the last call.

        Raises
        ------
        GenerationError
            If there are not as many.
        """
        values, self.values = self.values, []
        if len(values) != n:
            msg = f"the filter has seen {len(values)} events come out where there are {n}"
            raise GenerationError(msg)
        return values

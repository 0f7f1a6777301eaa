"""Decide early, inside Pythia, which generated events are wanted.

Two decisions are taken long before the costly parts of an event (the full shower, hadrons, the detector):

* after the hard process: does the event hold two muons or taus of opposite charge that a detector could see?
  When exactly two such leptons exist, every tau among them must become a muon: the decay is forced, and the event is
  kept with the probability of the branching ratio, so that weights stay equal;
* after the hardest emission of the shower (and again when all partons are there): which missing momentum is the
  event heading for? ``met_hard`` is the vector sum of what will escape, carried along with the recoil against that
  emission. It is set to 0 where the event cannot reach a dilepton search with one hard jet anyway: leptons outside
  the acceptance, far apart in pseudorapidity (|cos theta*| = tanh(|delta eta| / 2) > 0.66), a dimuon at the Z mass,
  no hard jet, or several. For a search that asks for no jet only the acceptance and the Z mass count.

Slices in met_hard (tranches) do not overlap and add up to the process, whatever the variable does: an event belongs
to exactly one slice. Its margins are wide against the cuts of an analysis, so that few selected events come from a
slice with large weights.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.samples.processes.process import DimuonFilter

from massgap.samples.extra import without_banner

Momentum = tuple[float, float, float, float]  # px, py, pz, E
_INVISIBLE = frozenset({12, 14, 16, 1000022, 1000023, 1000039})
_Z_MASS = 91.19
#: Half width (GeV) of what counts as the Z peak.
_PEAK = 8.0
#: Parton-level jets above this pt (GeV) count as hard ones.
_SECOND_JET = 40.0


@dataclass(frozen=True)
class HardLepton:
    """A charged lepton (mu or tau) or an invisible particle of the hard process."""

    pdg: int
    momentum: Momentum


@dataclass
class Counters:
    """How many events each decision saw: the ingredients of a tranche's cross section."""

    tried: int = 0
    dropped: int = 0
    accepted: int = 0


def boost_along(p: Momentum, old: Momentum, new: Momentum) -> Momentum:
    """Carry a decay product from its ancestor's old momentum to the new one (both GeV, same mass)."""
    return _boost(_boost(p, old, -1.0), new, 1.0)


def _boost(p: Momentum, frame: Momentum, sign: float) -> Momentum:
    e = frame[3]
    m = math.sqrt(max(e * e - frame[0] ** 2 - frame[1] ** 2 - frame[2] ** 2, 1e-12))
    bx, by, bz, gamma = sign * frame[0] / e, sign * frame[1] / e, sign * frame[2] / e, e / m
    bp = bx * p[0] + by * p[1] + bz * p[2]
    k = gamma * (gamma * bp / (1.0 + gamma) + p[3])
    return (p[0] + k * bx, p[1] + k * by, p[2] + k * bz, gamma * (p[3] + bp))


def _pt_eta(p: Momentum) -> tuple[float, float]:
    pt = math.hypot(p[0], p[1])
    return pt, math.asinh(p[2] / max(pt, 1e-9))


def met_hard(
    leptons: list[HardLepton],
    invisible: list[Momentum],
    jets: list[float],
    *,
    one_jet: bool = True,
    hard_jet: float = 20.0,
    second: float = 1e9,
    z_window: float = 6.0,
) -> float:
    """Missing pt that the event is heading for, in GeV; 0 where a dilepton search cannot see it.

    Parameters
    ----------
    leptons : list
        Muons and taus. A pair of opposite charge is searched for among them; what is left over may get lost.
    invisible : list
        Momenta of neutrinos and other invisible particles.
    jets : list
        pt of the partons that may become hard jets.
    one_jet : bool
        The search asks for one hard jet, and for leptons that are close in pseudorapidity.
    hard_jet, second : float
        The hardest parton must exceed the one, the second hardest must not exceed the other (GeV).
    z_window : float
        Dimuons closer than this to the Z mass (GeV) count as unseen.
    """
    ordered = sorted(jets, reverse=True)
    if one_jet and (not ordered or ordered[0] < hard_jet or (len(ordered) > 1 and ordered[1] > second)):
        return 0.0
    sx, sy = sum(p[0] for p in invisible), sum(p[1] for p in invisible)
    best = 0.0
    for i, j in itertools.combinations(range(len(leptons)), 2):
        a, b = leptons[i], leptons[j]
        if a.pdg * b.pdg > 0:
            continue
        (pt_a, eta_a), (pt_b, eta_b) = _pt_eta(a.momentum), _pt_eta(b.momentum)
        if min(pt_a, pt_b) < (7.0 if one_jet else 5.0) or max(abs(eta_a), abs(eta_b)) > 2.6:
            continue
        if one_jet and abs(eta_a - eta_b) > 1.6:
            continue
        taus = (abs(a.pdg) == 15, abs(b.pdg) == 15)
        if not any(taus) and abs(_mass(a.momentum, b.momentum) - _Z_MASS) < z_window:
            continue
        others = [leptons[k] for k in range(len(leptons)) if k not in (i, j)]
        if one_jet and any(abs(lepton.pdg) == 13 and _is_third(lepton.momentum) for lepton in others):
            continue
        # leptons beside the pair may be lost or, as taus, seen: take what gives more missing momentum
        rest = [lepton.momentum for lepton in others]
        lost: list[tuple[float, float]] = [(0.0, 0.0)]
        if rest:
            lost.append((sum(p[0] for p in rest), sum(p[1] for p in rest)))
        # a tau's muon carries an unknown share of it
        shares = [(0.7, 0.3, 0.0) if tau else (0.0,) for tau in taus]
        for (lx, ly), fa, fb in itertools.product(lost, shares[0], shares[1]):
            x = sx + lx + fa * a.momentum[0] + fb * b.momentum[0]
            y = sy + ly + fa * a.momentum[1] + fb * b.momentum[1]
            best = max(best, math.hypot(x, y))
    return best


def make_hook(
    dimuon: DimuonFilter,
    wanted: int | None,
    *,
    tau_to_mu: float,
    force_taus: Callable[[bool], None],
    uniform: Callable[[], float],
) -> tuple[Any, Counters]:
    """Pythia user hook that keeps the events of one slice.

    Parameters
    ----------
    dimuon : DimuonFilter
        Which events are wanted, and the edges of the slices in met_hard.
    wanted : int or None
        The slice to keep.
    tau_to_mu : float
        Branching ratio.
    force_taus : callable
        Called with True or False before an event whose taus must, or need not, decay to muons.
    uniform : callable
        Random numbers in [0, 1).

    Returns
    -------
    hook, counters
        Keep a reference to the hook as long as Pythia uses it.
    """
    import pythia8mc

    counters = Counters()
    edges, top, on_peak = dimuon.edges, dimuon.top, dimuon.on_peak
    # tops radiate before they decay, so that the mass of the two muons is not final yet
    z_window = 0.0 if top else dimuon.z_window
    # 2: visible particles only; hadron-level jets end up softer than parton-level ones, rarely harder
    slow_jet = pythia8mc.SlowJet(-1, 0.4, _SECOND_JET, 4.4, 2, 1)

    class Hook(pythia8mc.UserHooks):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.pending = False
            self.forced = False
            #: met_hard of the events that came out, in their order.
            self.values: list[float] = []
            self.value = 0.0
            self.open = False

        def canVetoProcessLevel(self) -> bool:
            return True

        def canVetoStep(self) -> bool:
            return edges is not None

        def numberVetoStep(self) -> int:
            return 3

        def canVetoPartonLevelEarly(self) -> bool:
            return edges is not None

        def canVetoPartonLevel(self) -> bool:
            return edges is not None

        def onBeginEvent(self) -> None:
            self.open = True

        def onEndEvent(self, status: Any) -> None:
            # an event may fail after its last decision
            if self.open and status == pythia8mc.UserHooks.COMPLETE:
                self.values.append(self.value)
            self.open = False

        def doVetoProcessLevel(self, event: Any) -> bool:
            counters.tried += 1
            self.pending, self.sliceable, self.value = False, False, 0.0
            particles = [event[i] for i in range(5, event.size())]
            kinds = [particle.id() for particle in particles]
            charged = [
                k for k, kind in enumerate(kinds) if abs(kind) in (13, 15) and particles[k].status() > 0
            ]
            if dimuon.drop_leptonic and not any(abs(kind) < 12 for kind in kinds):
                counters.dropped += 1
                return True
            wanted_, decided = self._two_leptons([(kinds[k], particles[k]) for k in charged])
            if not wanted_:
                counters.dropped += 1
                return True
            self.index = 0
            if edges is None:
                counters.accepted += 1
                return False
            if decided and wanted != 0:
                return True
            self.leptons = [(kinds[k], _momentum(particles[k]), _ancestor(event, k + 5)) for k in charged]
            self.invisible = [
                (kind, _momentum(particles[k]), _ancestor(event, k + 5))
                for k, kind in enumerate(kinds)
                if abs(kind) in _INVISIBLE
            ]
            self.jets = [
                (kind, _momentum(particles[k]), _ancestor(event, k + 5))
                for k, kind in enumerate(kinds)
                if top and abs(kind) == 5
            ]
            ancestors = {found[2] for found in (*self.leptons, *self.invisible, *self.jets)}
            self.old: dict[int, Momentum] = {i: _momentum(event[i]) for i in ancestors}
            self.sliceable = self.pending = not decided
            self.steps, self.closed = 0, False
            return False

        def _two_leptons(self, leptons: list[tuple[int, Any]]) -> tuple[bool, bool]:
            """Whether the event is wanted at all, and whether it is in the lowest slice whatever the shower does."""
            plus = [particle for pdg, particle in leptons if pdg < 0]
            minus = [particle for pdg, particle in leptons if pdg > 0]
            if not plus or not minus:
                return False, False
            taus = sum(abs(pdg) == 15 for pdg, _ in leptons)
            forced = len(leptons) == 2 and taus > 0
            if forced and uniform() >= tau_to_mu**taus:
                return False, False
            if edges is None:
                plus, minus = (
                    [p for p in side if p.pT() > 4.0 and abs(p.eta()) < 3.0] for side in (plus, minus)
                )
                if not plus or not minus:
                    return False, False
            if on_peak is not None:
                near_z = abs(_mass(_momentum(plus[0]), _momentum(minus[0])) - _Z_MASS) < _PEAK
                if near_z != on_peak:
                    return False, False
            if forced != self.forced:
                force_taus(forced)
                self.forced = forced
            muons = [particle for pdg, particle in leptons if abs(pdg) == 13]
            near = edges is not None and any(
                _may_be_seen(p, q, z_window, dimuon.one_jet)
                and not (
                    dimuon.one_jet
                    and any(_is_third(_momentum(r), 6.0) for r in muons if r is not p and r is not q)
                )
                for p in plus
                for q in minus
            )
            return True, edges is not None and not near

        def doVetoStep(self, i_pos: int, n_isr: int, n_fsr: int, event: Any) -> bool:
            if i_pos < 4:  # not in the showers of decays, which come later
                self._note_attempt(n_isr + n_fsr)
            # a photon off a lepton may come first: wait for the first emission off the beams
            return n_isr > 0 and self._classify(event)

        def _note_attempt(self, steps: int) -> None:
            """Classify anew when Pythia, after a failure, showers the same hard process again."""
            if self.closed or steps <= self.steps:
                self.pending, self.index = self.sliceable, 0
            self.steps, self.closed = steps, False

        def doVetoPartonLevelEarly(self, event: Any) -> bool:
            if self.closed:
                self._note_attempt(0)
            self.closed = True
            return self._classify(event)

        def _classify(self, event: Any) -> bool:
            if not self.pending:
                return False
            self.pending = False
            new: dict[int, Momentum] = {}
            emitted = 0.0
            for i in range(5, event.size()):
                particle = event[i]
                if i in self.old:
                    new[i] = _momentum(event[particle.iBotCopyId()])
                elif particle.status() > 0 and (abs(particle.id()) < 6 or particle.id() in (21, 22)):
                    emitted = max(emitted, particle.pT())

            def now(found: tuple[int, Momentum, int]) -> Momentum:
                _, p, ancestor = found
                if ancestor not in new:
                    return p
                if p == self.old[ancestor]:
                    return new[ancestor]
                return boost_along(p, self.old[ancestor], new[ancestor])

            jets = [_pt_eta(now(found))[0] for found in self.jets] + [emitted]
            leptons = [HardLepton(found[0], now(found)) for found in self.leptons]
            self.value = met_hard(
                leptons,
                [now(found) for found in self.invisible],
                jets,
                one_jet=dimuon.one_jet,
                second=65.0 if top else 1e9,
                z_window=z_window,
            )
            assert edges is not None
            self.index = max(k for k, edge in enumerate(edges) if self.value >= edge)
            # an event above the lowest slice falls into it yet if it turns out to hold several jets
            return wanted not in (0, self.index)

        def doVetoPartonLevel(self, event: Any) -> bool:
            # in every slice alike: below the lowest edge this changes no decision, but the recorded value, which
            # would have a step at the edge
            if dimuon.one_jet and self.value > 0.0 and self._several_jets(event):
                self.index, self.value = 0, 0.0
            if self.index == wanted:
                counters.accepted += 1
                return False
            return True

        def _several_jets(self, event: Any) -> bool:
            """Whether the partons make two jets that no dilepton + one jet search would let pass."""
            with without_banner("SlowJet"):
                if not slow_jet.analyze(event):
                    return False
            # the leptons as they are now: where the first emission put them may be far away
            leptons = [
                (particle.eta(), particle.phi())
                for particle in (event[i] for i in range(5, event.size()))
                if abs(particle.id()) in (11, 13, 15) and particle.status() > 0
            ]
            found = 0
            for i in range(slow_jet.sizeJet()):
                eta, phi = slow_jet.p(i).eta(), slow_jet.phi(i)
                found += all(
                    math.hypot(eta - other, math.remainder(phi - angle, 2 * math.pi)) > 0.4
                    for other, angle in leptons
                )
            return found > 1

    return Hook(), counters


def _may_be_seen(p: Any, q: Any, z_window: float, close: bool) -> bool:
    """Whether a pair of the hard process may still satisfy met_hard's conditions after the recoil."""
    eta_p, eta_q = p.eta(), q.eta()
    if (close and abs(eta_p - eta_q) > 5.0) or abs(eta_p + eta_q) > 8.0:
        return False
    # The recoil carries each resonance's products along with it: only those of one resonance keep their mass.
    if abs(p.id()) != 13 or abs(q.id()) != 13 or p.mother1() != q.mother1():
        return True
    return abs(_mass(_momentum(p), _momentum(q)) - _Z_MASS) >= z_window


def _mass(a: Momentum, b: Momentum) -> float:
    e, x, y, z = (a[k] + b[k] for k in (3, 0, 1, 2))
    return math.sqrt(max(e * e - x * x - y * y - z * z, 0.0))


def _is_third(p: Momentum, margin: float = 0.0) -> bool:
    """Whether a third muon would certainly be seen (margin in GeV)."""
    pt, eta = _pt_eta(p)
    return pt > 14.0 + margin and abs(eta) < 2.2 - margin / 20.0


def _momentum(particle: Any) -> Momentum:
    return (particle.px(), particle.py(), particle.pz(), particle.e())


def _ancestor(event: Any, i: int) -> int:
    """Row of the hard process' own outgoing particle that row i descends from."""
    while event[i].mother1() > 4:
        i = event[i].mother1()
    return i

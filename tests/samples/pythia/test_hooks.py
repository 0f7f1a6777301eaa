"""Filters and the hook that asks them: Pythia's moments reach the right decision."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("pythia8mc")

from massgap.samples.pythia.driver import COMMON, new, start
from massgap.samples.pythia.hooks import COMPLETE, EventFilter, user_hook

SETTINGS = (*COMMON, "WeakSingleBoson:ffbar2gmZ = on", "PartonLevel:MPI = off", "HadronLevel:all = off")


class Listens(EventFilter):
    """Counts the moments; refuses every second hard process."""

    def __init__(self, steps=0, *, early=False, late=False):
        self.steps, self.early, self.late = steps, early, late
        self.asked = Counter()

    def drops_process(self, event):
        self.asked["process"] += 1
        return self.asked["process"] % 2 == 0

    def drops_step(self, position, n_isr, n_fsr, event):
        self.asked["step"] += 1
        return False

    def drops_partons_early(self, event):
        self.asked["early"] += 1
        return False

    def drops_partons(self, event):
        self.asked["late"] += 1
        return False

    def end(self, status):
        self.asked[status] += 1


def run(decides, n=20):
    hook = user_hook(decides)
    pythia = start([*SETTINGS], 3, None, hook, new())
    assert len(pythia.nextBatch(n, errorMode="skip")) == n
    return decides.asked


def test_moments_that_are_not_wanted_are_not_asked_for():
    assert set(run(Listens())) == {"process", COMPLETE}


def test_all_moments():
    asked = run(Listens(3, early=True, late=True))
    # an event whose hard process is refused begins with another one, and ends once
    assert asked[COMPLETE] == asked["early"] == asked["late"] == 20
    assert asked["process"] in (39, 40)
    # of each shower the first steps are asked for, also of those in decays
    assert 20 <= run(Listens(1))["step"] < asked["step"]


def test_a_filter_without_decisions_keeps_all():
    decides = EventFilter()
    hook = user_hook(decides)
    assert not hook.doVetoProcessLevel(None)
    assert not hook.canVetoStep()
    assert not decides.drops_step(0, 1, 0, None)
    assert not decides.drops_partons_early(None)
    assert not decides.drops_partons(None)

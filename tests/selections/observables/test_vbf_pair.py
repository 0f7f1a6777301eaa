from __future__ import annotations

import itertools
import math

import awkward as ak
import numpy as np
import pytest
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.selections.observables.vbf_pair import JetPairCuts, largest_mass_pair, vbf_pair


def jet(pt, eta, phi, mass=10.0):
    return {"pt": pt, "eta": eta, "phi": phi, "mass": mass}


jets = st.builds(jet, st.floats(15, 300), st.floats(-5.2, 5.2), st.floats(-3.1, 3.1), st.floats(0, 30))
events = st.lists(st.lists(jets, max_size=6), min_size=1, max_size=6)


def brute_force(event, vbf):
    """(mass, i, j, pair) of all candidates by the vector package."""
    found = []
    for i, j in itertools.combinations(range(len(event)), 2):
        a, b = vector.obj(**event[i]), vector.obj(**event[j])
        if not all(x.pt > (30 if vbf else 20) and abs(x.eta) < 5 for x in (a, b)):
            continue
        total = a + b
        if vbf and not (
            a.eta * b.eta < 0 and abs(a.eta - b.eta) > 2.5 and a.deltaR(b) > 0.3 and total.mass > 200
        ):
            continue
        found.append((total.mass, *((i, j) if a.pt >= b.pt else (j, i)), total))
    return found


@settings(deadline=None, max_examples=150)
@given(events, st.booleans())
def test_against_brute_force(batch, vbf):
    got = vbf_pair(batch) if vbf else largest_mass_pair(batch)
    for k, event in enumerate(batch):
        candidates = brute_force(event, vbf)
        edge = any(abs(mass - 200) < 1e-6 for mass, *_ in brute_force(event, False))
        if edge:
            continue
        assert got.n_candidates[k] == len(candidates)
        if not candidates:
            assert (got.i[k], got.j[k]) == (-1, -1)
            assert np.isnan([got.m_jj[k], got.abs_deta_jj[k], got.pt_jj[k]]).all()
            continue
        mass, i, j, total = max(candidates, key=lambda candidate: candidate[0])
        # Nearly parallel massless jets: the difference of squares in vector loses half the digits.
        assert got.m_jj[k] == pytest.approx(mass, rel=1e-8, abs=1e-2)
        if sum(other > mass * (1 - 1e-6) - 3e-2 for other, *_ in candidates) == 1:
            assert (got.i[k], got.j[k]) == (i, j)
            assert got.pt_jj[k] == pytest.approx(total.pt, rel=1e-8, abs=1e-8)
            assert got.abs_deta_jj[k] == pytest.approx(abs(event[i]["eta"] - event[j]["eta"]), rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.lists(jets, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_order_of_the_jets_does_not_matter(event, random):
    order = list(range(len(event)))
    random.shuffle(order)
    for pairs in (vbf_pair, largest_mass_pair):
        before, after = pairs([event]), pairs([[event[n] for n in order]])
        assert after.n_candidates[0] == before.n_candidates[0]
        np.testing.assert_allclose(after.m_jj, before.m_jj, rtol=1e-11)


@settings(deadline=None, max_examples=60)
@given(st.lists(jets, min_size=2, max_size=5), st.floats(-1, 1))
def test_boost_along_the_beam_keeps_the_mass(event, shift):
    wide = {"abs_eta_max": 50.0}
    massless = [{**item, "mass": 0.0} for item in event]
    moved = [{**item, "eta": item["eta"] + shift} for item in massless]
    before, after = largest_mass_pair([massless], **wide), largest_mass_pair([moved], **wide)
    np.testing.assert_allclose(after.m_jj, before.m_jj, rtol=1e-7, atol=1e-5)
    np.testing.assert_allclose(after.n_candidates, before.n_candidates)


@pytest.mark.parametrize(
    ("a", "b", "passes"),
    [
        (jet(80, 3.0, 0.0), jet(70, -3.0, 3.0), True),
        (jet(30.0, 3.0, 0.0), jet(70, -3.0, 3.0), False),
        (jet(math.nextafter(30.0, 31), 3.0, 0.0), jet(70, -3.0, 3.0), True),
        (jet(80, 5.0, 0.0), jet(70, -3.0, 3.0), False),
        (jet(80, math.nextafter(5.0, 0), 0.0), jet(70, -3.0, 3.0), True),
        (jet(500, 1.25, 0.0), jet(600, -1.25, 3.0), False),
        (jet(500, math.nextafter(1.25, 2) + 1e-15, 0.0), jet(600, -1.25, 3.0), True),
        (jet(80, 0.0, 0.0), jet(70, -3.0, 3.0), False),
        (jet(80, 1e-200, 0.0), jet(70, -3.0, 3.0), True),
        (jet(80, 1.0, 0.0), jet(70, 4.5, 3.0), False),
        (jet(80, math.nan, 0.0), jet(70, 4.5, 3.0), False),
        (jet(math.nan, -1.0, 0.0), jet(70, 4.5, 3.0), False),
    ],
)
def test_strict_limits(a, b, passes):
    for event in ([a, b], [b, a]):
        assert vbf_pair([event]).n_candidates[0] == int(passes)


def test_mass_limit_is_strict():
    event = [[jet(80, 3.0, 0.0), jet(70, -3.0, 3.0)]]
    mass = float(vbf_pair(event).m_jj[0])
    below, above = JetPairCuts(mass=math.nextafter(mass, 0) - 1e-9), JetPairCuts(mass=mass + 1e-9)
    assert vbf_pair(event, below).n_candidates[0] == 1
    assert vbf_pair(event, above).n_candidates[0] == 0


def test_the_two_pairs_differ():
    # The heaviest pair lies in one hemisphere.
    event = [jet(900, 0.5, 0.0), jet(800, 4.5, 3.0), jet(40, -2.5, 1.0)]
    assert (vbf_pair([event]).i[0], vbf_pair([event]).j[0]) == (1, 2)
    assert (largest_mass_pair([event]).i[0], largest_mass_pair([event]).j[0]) == (0, 1)


def test_exact_ties_give_the_first_pair():
    a, b = jet(80, 3.0, 0.0), jet(80, -3.0, 3.0)
    pair = vbf_pair([[a, b, b], [a, a, b], [b, a, a, b]])
    assert list(zip(pair.i.tolist(), pair.j.tolist(), strict=True)) == [(0, 1), (0, 2), (0, 1)]
    assert pair.n_candidates.tolist() == [2, 2, 4]


def test_empty_single_and_jagged_awkward():
    records = ak.Array([[], [jet(80, 3.0, 0.0)], [jet(80, 3.0, 0.0), jet(70, -3.0, 3.0)], []])
    pair = vbf_pair(records)
    assert pair.n_candidates.tolist() == [0, 0, 1, 0]
    assert pair.m_jj[2] == pytest.approx(1506.8858038789012, rel=1e-12)
    assert len(vbf_pair([]).i) == 0


def test_distance_in_eta_and_phi():
    cuts = JetPairCuts(delta_r=1.0, abs_deta=0.5, mass=-1.0, opposite=False)
    near, far = jet(70, 0.8, 0.1), jet(70, 0.8, 0.9)
    assert vbf_pair([[jet(80, 0.0, 0.0), near]], cuts).n_candidates[0] == 0
    assert vbf_pair([[jet(80, 0.0, 0.0), far]], cuts).n_candidates[0] == 1

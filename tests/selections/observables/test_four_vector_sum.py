from __future__ import annotations

import math

import awkward as ak
import numpy as np
import pytest
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.selections.observables.four_vector_sum import FourVector, four_vector_sum

momenta = st.floats(0.01, 1000.0)
objects = st.tuples(momenta, st.floats(-5, 5), st.floats(-3.14, 3.14), st.floats(0, 200))


@settings(deadline=None)
@given(objects, objects)
def test_agrees_with_vector(a, b):
    names = ("pt", "eta", "phi", "mass")
    total = vector.obj(**dict(zip(names, a, strict=True))) + vector.obj(**dict(zip(names, b, strict=True)))
    got = four_vector_sum(*a, *b)
    size = a[0] * math.cosh(a[1]) + b[0] * math.cosh(b[1]) + a[3] + b[3]
    for name in ("px", "py", "pz", "pt", "energy"):
        assert getattr(got, name) == pytest.approx(getattr(total, name), abs=1e-13 * size), name
    assert got.pt * math.sinh(got.eta) == pytest.approx(got.pz, abs=1e-12 * size)
    assert got.pt * math.cos(got.phi) == pytest.approx(got.px, abs=1e-12 * size)
    assert got.energy**2 == pytest.approx(got.px**2 + got.py**2 + got.pz**2 + got.mass**2, rel=1e-12)
    assert -math.pi < got.phi <= math.pi


def test_no_transverse_momentum_no_direction():
    got = four_vector_sum(0.0, 1.0, 1.0, 5.0, 0.0, 0.0, 2.0, 3.0)
    assert (got.pt, got.px, got.py, got.pz, got.energy, got.mass) == (0, 0, 0, 0, 8, 8)
    assert math.isnan(got.eta)
    assert math.isnan(got.phi)


def test_the_seam_belongs_to_plus_pi():
    assert four_vector_sum(1.0, 0.0, math.pi, 0.0, 1.0, 0.0, -math.pi, 0.0).phi == math.pi


def test_jagged():
    pt = ak.Array([[3.0], [], [4.0, 5.0]])
    got = four_vector_sum(pt, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    assert isinstance(got, FourVector)
    np.testing.assert_allclose(ak.flatten(got.pt), [4.0, 5.0, 6.0])
    assert ak.num(got.pt).to_list() == [1, 0, 2]

from __future__ import annotations

import awkward as ak
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.selections.observables.cascades.endpoints import endpoints

SPECTRA = {
    1: (1000.0, 100.0, 60.0, 40.0),
    2: (400.0, 300.0, 50.0, 40.0),
    3: (400.0, 300.0, 250.0, 20.0),
    4: (390.0, 360.0, 330.0, 300.0),
}


def test_formulas_in_50_digits():
    rng = np.random.default_rng(1)
    regions = set()
    with mpmath.workdps(50):
        for _ in range(300):
            masses = np.sort(
                rng.choice([1e-3, 1.0, 1e5]) * (rng.exponential(size=4) + rng.choice([0, 0, 50]))
            )[::-1]
            x, y, z, c = (mpmath.mpf(m) for m in masses)
            got = endpoints(*masses)
            ratio = x / y, y / z, z / c
            if ratio[0] > ratio[1] * ratio[2]:
                region, total = 1, (x**2 - y**2) * (y**2 - c**2) / y**2
            elif ratio[1] > ratio[2] * ratio[0]:
                region, total = 2, (x**2 * z**2 - y**2 * c**2) * (y**2 - z**2) / (y * z) ** 2
            elif ratio[2] > ratio[0] * ratio[1]:
                region, total = 3, (x**2 - z**2) * (z**2 - c**2) / z**2
            else:
                region, total = 4, (x - c) ** 2
            expected = (
                (x**2 - y**2) * (y**2 - z**2) / y**2,
                (y**2 - z**2) * (z**2 - c**2) / z**2,
                (x**2 - y**2) * (z**2 - c**2) / z**2,
                total,
            )
            assert got.region == region
            regions.add(region)
            for value, square in zip(got[:4], expected, strict=True):
                assert value == pytest.approx(float(mpmath.sqrt(square)), rel=2e-15)
    assert regions == {1, 2, 3, 4}


@pytest.mark.parametrize("region", [*SPECTRA, 0])
def test_decays_reach_and_never_pass_them(cascade_decays, region):
    spectrum = SPECTRA.get(region, (500.0, 300.0, 200.0, 0.0))
    n = 60_000
    v = cascade_decays(n, spectrum, 3 + region).reshape(3, 4, n)
    p = [
        np.array([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
        for pt, eta, phi, _ in v
    ]

    def mass(*legs):
        energy, x, y, z = sum(p[k] for k in legs)
        return np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0.0))

    edges = endpoints(*spectrum)
    for edge, legs in (
        (edges.m12, (0, 1)),
        (edges.m23, (1, 2)),
        (edges.m13, (0, 2)),
        (edges.m123, (0, 1, 2)),
    ):
        largest = mass(*legs).max()
        assert largest <= edge * (1 + 1e-9)
        assert largest > (0.97 if len(legs) == 2 else 0.9) * edge
    assert edges.region == (region or 3)


def test_total_is_continuous_across_the_regions():
    # each line crosses one boundary: 1|4 at X C = Y^2, 2|4 at Y^2 C = Z^2 X, 3|4 at Z^2 = X C
    for spectrum, index, boundary, regions in (
        ((0.0, 200.0, 150.0, 100.0), 0, 400.0, (4, 1)),
        ((180.0, 0.0, 100.0, 90.0), 1, np.sqrt(100.0**2 * 180.0 / 90.0), (4, 2)),
        ((200.0, 150.0, 0.0, 50.0), 2, 100.0, (4, 3)),
    ):
        below, above = list(spectrum), list(spectrum)
        below[index], above[index] = boundary * (1 - 1e-12), boundary * (1 + 1e-12)
        low, high = endpoints(*below), endpoints(*above)
        assert (low.region, high.region) == regions
        assert low.m123 == pytest.approx(high.m123, rel=1e-11)


def test_equal_masses_are_the_limit_and_undefined():
    """The edges go to zero as two masses meet; where they are equal the chain is closed."""
    near = endpoints(400.0, 400.0 * (1 - 1e-12), 300.0, 100.0)
    assert near.m12 < 1e-3
    assert near.m13 < 1e-3
    assert near.m123 == pytest.approx(near.m23, rel=1e-5)
    for closed in ((400.0, 400.0, 300.0, 100.0), (400.0, 350.0, 350.0, 100.0), (400.0, 350.0, 300.0, 300.0)):
        assert np.isnan(endpoints(*closed)).all()


@pytest.mark.parametrize(
    "spectrum",
    [
        (300.0, 330.0, 360.0, 390.0),
        (4.0, 3.0, 2.0, -1.0),
        (np.nan, 3.0, 2.0, 1.0),
        (np.inf, 3.0, 2.0, 1.0),
        (3.0, 2.0, 0.0, 0.0),
    ],
)
def test_undefined(spectrum):
    assert np.isnan(endpoints(*spectrum)).all()


@given(
    gaps=st.tuples(*[st.floats(1e-3, 1e3)] * 3),
    chi=st.one_of(st.just(0.0), st.floats(1e-3, 1e3)),
    scale=st.integers(-20, 20),
)
def test_scaling_and_order(gaps, chi, scale):
    z = chi + gaps[0]
    y = z + gaps[1]
    x = y + gaps[2]
    edges = endpoints(x, y, z, chi)
    scaled = endpoints(*(m * 2.0**scale for m in (x, y, z, chi)))
    np.testing.assert_allclose(scaled[:4], np.array(edges[:4]) * 2.0**scale, rtol=1e-13)
    assert scaled.region == edges.region
    assert max(edges.m12, edges.m23, edges.m13) <= edges.m123 * (1 + 1e-12)
    assert edges.m123 <= (x - chi) * (1 + 1e-12)


def test_jagged_and_single_precision():
    chi = ak.Array([[300.0, 200.0], [], [340.0]])
    edges = endpoints(390.0, 360.0, 330.0, chi)
    assert ak.num(edges.m123).tolist() == [2, 0, 1]
    assert edges.m123[0, 0] == 90.0
    assert np.isnan(edges.region[2, 0])
    assert endpoints(*np.array([390, 360, 330, 300], dtype=np.float32)).m12.dtype == np.float64

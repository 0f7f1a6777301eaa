from __future__ import annotations

import mpmath
import numpy as np
import pytest

from massgap.arrays import double_double as dd


@pytest.fixture(autouse=True)
def _digits():
    with mpmath.workdps(80):
        yield


def value(number):
    return mpmath.mpf(number[0]) + mpmath.mpf(number[1])


def numbers(n, seed):
    rng = np.random.default_rng(seed)
    high = rng.normal(size=n) * 10.0 ** rng.integers(-10, 10, n)
    return [dd.two_sum(x, x * 1e-17 * r) for x, r in zip(high, rng.normal(size=n), strict=True)]


def assert_near(number, exact, relative=2e-31):
    assert abs(value(number) - exact) <= relative * abs(exact)


def test_arithmetic_against_80_digits():
    for a, b in zip(numbers(200, 1), numbers(200, 2), strict=True):
        x, y = value(a), value(b)
        assert_near(dd.add(a, b), x + y)
        assert_near(dd.subtract(a, b), x - y)
        assert_near(dd.multiply(a, b), x * y)
        assert_near(dd.square(a), x * x)
        assert_near(dd.divide(a, b), x / y)
        positive = a if a[0] > 0 else dd.negative(a)
        assert_near(dd.square_root(positive), mpmath.sqrt(abs(x)))


def test_cancelling_sums_keep_their_digits():
    a = dd.two_sum(1.0, 1e-20)
    assert value(dd.subtract(a, (1.0, 0.0))) == mpmath.mpf(1e-20)


def test_products_of_two_floats_are_exact():
    for (a, _), (b, _) in zip(numbers(200, 3), numbers(200, 4), strict=True):
        assert value(dd.two_product(a, b)) == mpmath.mpf(a) * mpmath.mpf(b)


def test_squared_sinh_and_half_sine():
    rng = np.random.default_rng(5)
    for x in rng.normal(size=200) * 10.0 ** rng.integers(-9, 2, 200):
        if abs(x) < 12:
            assert_near(dd.squared_sinh((x, 0.0)), mpmath.sinh(mpmath.mpf(x)) ** 2, 1e-30)
        assert_near(dd.squared_half_sine((x, 0.0)), mpmath.sin(mpmath.mpf(x) / 2) ** 2, 1e-28)
    assert dd.squared_sinh((0.0, 0.0)) == (0.0, 0.0)


def test_half_sine_across_the_seam():
    """Two azimuths either side of pi differ by nearly 2 pi, but the angle between them is small."""
    for gap in (1e-3, 1e-9, 1e-15):
        difference = dd.two_sum(np.pi - gap, np.pi - gap)
        assert_near(dd.squared_half_sine(difference), mpmath.sin(value(difference) / 2) ** 2, 1e-14)


def test_square_root_of_zero():
    assert dd.square_root((0.0, 0.0)) == (0.0, 0.0)

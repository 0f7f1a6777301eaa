"""The comparison with worked examples itself: it must neither pass what is wrong nor fail what is right."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

_path = Path(__file__).with_name("comparison.py")
_spec = importlib.util.spec_from_file_location("massgap_reference_comparison_under_test", _path)
comparison = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = comparison  # dataclasses look their module up while it is made
_spec.loader.exec_module(comparison)
Tolerance, differences = comparison.Tolerance, comparison.differences
EXACT = Tolerance(relative=1e-10, noise=1e3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|x-ref| <= 1e-10*|ref| + 1e3*noise; booleans/ints exact", Tolerance(1e-10, 1e3)),
        (
            "|x-ref| <= 1e-10*|ref| + 1e3*noise; x; + 2e-7*scale when ref ~ 0",
            Tolerance(1e-10, 1e3, 0.0, 2e-7, 1e-9),
        ),
        (
            "|x-ref| <= 1e-9*ref + 1e4*noise + 2e-7*scale when ref = 0 (scale = largest)",
            Tolerance(1e-9, 1e4, 0.0, 2e-7),
        ),
        ("1e-8 relative (gauss, lnN are quadratures good to ~1e-15 here)", Tolerance(1e-8)),
        ("|x-ref| <= 1e3*noise + 1e-10|ref|; D4 has strong cancellations", Tolerance(1e-10, 1e3)),
        ("exact rational; |x-ref| < 1e-12; with tied values use Theta(0)=1/2", Tolerance(0.0, 0.0, 1e-12)),
    ],
)
def test_rules_of_the_files(text, expected):
    assert Tolerance.parse(text) == expected


def test_a_rule_without_numbers_is_refused():
    with pytest.raises(ValueError, match="no tolerance"):
        Tolerance.parse("as good as possible")


@pytest.mark.parametrize(
    ("got", "ref", "case"),
    [
        (1.0 + 1e-11, 1.0, {}),
        (1.0 + 1e-5, 1.0, {"noise": {"x": 1e-7}}),
        (1e-6, 0.0, {"noise": {"x": 1e-8}}),
        (None, "undefined", {}),
        (np.float64("nan"), "undefined", {}),
        (math.nan, None, {}),
        ({"a": None, "b": math.nan}, "undefined", {}),
        (3, 3, {}),
        (3.0, 3, {}),
        (np.int64(3), 3, {}),
        (np.True_, True, {}),
        ("e", "e", {}),
        ([1.0, None, {"b": 2}], [1.0, "undefined", {"b": 2}], {}),
        (np.array([1.0, 2.0]), [1.0, 2.0], {}),
        ((1.0, 2.0), [1.0, 2.0], {}),
        ({"a": 1.0, "more": 5}, {"a": 1.0}, {}),
        (False, True, {"unstable": ["x"]}),
        ({"y": 1}, {"y": 2, "z": 3}, {"unstable": ["x"]}),
        ({}, {"y": 2}, {"unstable": ["x.y"]}),
        (math.inf, math.inf, {}),
    ],
)
def test_right_results_pass(got, ref, case):
    assert differences({"x": got}, {"x": ref}, EXACT, case) == []


@pytest.mark.parametrize(
    ("got", "ref", "case"),
    [
        (1.0 + 1e-9, 1.0, {}),
        (1.0 + 1e-3, 1.0, {"noise": {"x": 1e-7}}),
        (1e-6, 0.0, {"in": {"pt": 1e6}}),
        (0.0, "undefined", {}),
        (math.nan, 1.0, {}),
        (None, 1.0, {}),
        (math.inf, 1.0, {}),
        ("undefined", 1.0, {}),
        (3.5, 3, {}),
        (4, 3, {}),
        (1, True, {}),
        (True, 1, {}),
        (True, 1.0, {}),
        ("mu", "e", {}),
        ([1.0], [1.0, 2.0], {}),
        ([1.0, 3.0], [1.0, 2.0], {}),
        (1.0, [1.0], {}),
        ({}, {"y": 2}, {"unstable": ["x.z"]}),
        (1.0, {"y": 2}, {}),
        ({"a": 1.0}, "undefined", {}),
        (math.nan, True, {}),
    ],
)
def test_wrong_results_fail(got, ref, case):
    assert len(differences({"x": got}, {"x": ref}, EXACT, case)) == 1


def test_azimuths_are_compared_on_the_circle():
    assert not differences({"phi": math.pi}, {"phi": -math.pi}, EXACT, {})
    assert differences({"eta": math.pi}, {"eta": -math.pi}, EXACT, {})


def test_zero_reference_allows_a_fraction_of_the_scale():
    rule = Tolerance(1e-9, 1e4, zero=2e-7)
    case = {"in": {"a": [1.0, {"b": -100.0}], "flag": True, "name": "x"}}
    assert not differences({"m": 1e-5}, {"m": 0.0}, rule, case)
    assert differences({"m": 3e-5}, {"m": 0.0}, rule, case)
    assert differences({"m": 2e-5}, {"m": 1e-5}, rule, case)


def test_own_rule_of_a_key():
    rules = {"": EXACT, "MT2": Tolerance(1e-3)}
    assert not differences({"f": {"MT2": 1.0005}}, {"f": {"MT2": 1.0}}, rules, {})
    assert differences({"f": {"m": 1.0005}}, {"f": {"m": 1.0}}, rules, {})


def test_noise_under_dotted_keys():
    case = {"noise": {"f.m": 1e-6}}
    assert not differences({"f": {"m": 1.0005}}, {"f": {"m": 1.0}}, EXACT, case)

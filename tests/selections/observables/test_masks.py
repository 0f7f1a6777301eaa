"""Every observable of numbers: what is masked in an input is masked in every result."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest

from massgap.selections import observables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# These take collections, or lists of objects per event, or make no number of events; the blocks of M_T2 fill what
# they are given, for code that has taken the masks off.
OTHER_INPUTS = {
    "ht",
    "largest_mass_pair",
    "mt2_block",
    "mt2_pair_block",
    "refuse_negative_masses",
    "scalar_sum",
    "st",
    "vbf_pair",
    "z_candidate",
}
MASK = [False, True, False, False]


def public_functions() -> Iterator[Callable[..., Any]]:
    for found in pkgutil.walk_packages(observables.__path__, observables.__name__ + "."):
        module = importlib.import_module(found.name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            own = getattr(value, "__module__", "") == found.name
            if inspect.isfunction(value) and own and not name.endswith("kernel") and name not in OTHER_INPUTS:
                yield value


FUNCTIONS = sorted(public_functions(), key=lambda function: function.__qualname__)


def inputs_of(function: Callable[..., Any]) -> list[np.ndarray]:
    """Positive numbers for each argument that must be given: masses that fall, angles that differ."""
    needed = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    return [np.array([1.0, 1.1, 1.3, 0.7]) / (1 + 0.37 * k) for k in range(len(needed))]


def results_of(value: Any) -> list[Any]:
    return [one for part in value for one in results_of(part)] if isinstance(value, tuple) else [value]


def test_the_observables_are_found() -> None:
    assert {"delta_phi", "mt2", "ditau_from_met", "invariant_mass", "delta4"} <= {
        f.__name__ for f in FUNCTIONS
    }


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_masks_reach_the_results(function: Callable[..., Any]) -> None:
    plain = inputs_of(function)
    right = [np.asarray(result) for result in results_of(function(*plain))]
    for place in (0, len(plain) - 1):
        given: list[Any] = list(plain)
        hidden = np.where(MASK, -1e9, given[place])  # nobody may look at this number
        for form in (np.ma.masked_array(hidden, MASK), ak.from_numpy(np.ma.masked_array(hidden, MASK))):
            given[place] = form
            for result, expected in zip(results_of(function(*given)), right, strict=True):
                got = result if isinstance(form, np.ma.MaskedArray) else ak.to_numpy(result)
                assert np.ma.getmaskarray(got).tolist() == MASK
                np.testing.assert_array_equal(got.compressed(), expected[~np.array(MASK)])

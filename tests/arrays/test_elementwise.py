from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

import massgap
from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import broadcast, elementwise
from massgap.arrays.errors import SelectionError
from massgap.selections.observables.angles import delta_phi
from massgap.selections.observables.invariant_mass import invariant_mass
from massgap.selections.observables.mt2.mt2 import mt2
from massgap.selections.observables.ratios import over_met


def halve_loop(x, out):
    out[:] = 0.5 * x


def sum_and_difference_loop(x, y, total, difference):
    total[:] = x + y
    difference[:] = x - y


def test_scalars_give_a_float():
    result = over_met(1, 4)
    assert isinstance(result, float)
    assert result == 0.25


def test_lists_and_higher_dimensions_broadcast():
    result = over_met([[1.0, 2.0, 3.0]], [[2.0], [4.0]])
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, [[0.5, 1.0, 1.5], [0.25, 0.5, 0.75]])


def test_strided_and_reversed_input():
    values = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(over_met(values.T[::-1], 2.0), values.T[::-1] / 2.0)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, bool])
def test_every_number_type_gives_double_precision(dtype):
    result = broadcast(halve_loop, np.array([0, 1], dtype=dtype))
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, [0.0, 0.5])


def test_single_precision_is_widened_before_the_calculation():
    # cosh - cos of nearly collinear leptons loses everything in single precision.
    args = np.array([[50.0, 1.0, 1.0, 0.0], [50.0, 1.0001, 1.0001, 0.0]], dtype=np.float32)
    expected = invariant_mass(*args[0].astype(np.float64), *args[1].astype(np.float64))
    np.testing.assert_allclose(invariant_mass(*args[0], *args[1]), expected, rtol=1e-14)


def test_empty_arrays():
    assert over_met(np.array([]), 1.0).shape == (0,)
    assert over_met(ak.Array([[], []])[:0], 1.0).to_list() == []
    assert over_met(ak.Array([[], [1.0]])[:1], 1.0).to_list() == [[]]


def test_jagged_arrays_broadcast_with_one_value_per_event():
    pt = ak.Array([[10.0, 20.0], [], [30.0]])
    met = np.array([5.0, 1.0, 0.0])
    result = over_met(pt, met)
    assert result[:2].to_list() == [[2.0, 4.0], []]
    assert np.isnan(result[2, 0])


def test_missing_values_stay_missing():
    assert over_met(ak.Array([1.0, None, 3.0]), 2.0).to_list() == [0.5, None, 1.5]


def test_single_precision_jagged_arrays():
    result = over_met(ak.values_astype(ak.Array([[1.0], [2.0, 3.0]]), np.float32), 2)
    assert str(result.type) == "2 * var * float64"


def test_sliced_and_indexed_awkward_arrays():
    pt = ak.Array([[1.0, 2.0, 3.0], [4.0], [5.0, 6.0]])
    assert over_met(pt[[2, 0]][:, ::-1], 1.0).to_list() == [[6.0, 5.0], [3.0, 2.0, 1.0]]


def test_several_outputs():
    total, difference = broadcast(sum_and_difference_loop, 3.0, np.array([1.0, 2.0]), outputs=2)
    np.testing.assert_array_equal(total, [4.0, 5.0])
    np.testing.assert_array_equal(difference, [2.0, 1.0])
    total, difference = broadcast(sum_and_difference_loop, 3.0, ak.Array([[1.0], []]), outputs=2)
    assert total.to_list() == [[4.0], []]
    assert difference.to_list() == [[2.0], []]


def test_inputs_are_not_changed():
    values = np.array([1.0, 2.0])
    values.flags.writeable = False
    over_met(values, values)
    np.testing.assert_array_equal(values, [1.0, 2.0])


@pytest.mark.parametrize("wrong", ["text", None, [1.0, "x"], [[1.0], [1.0, 2.0]], 1j, np.array(["a"])])
def test_input_that_is_not_a_number(wrong):
    with pytest.raises(SelectionError, match="real numbers"):
        over_met(wrong, 1.0)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(SelectionError, match=r"\(2,\), \(3,\)"):
        over_met([1.0, 2.0], [1.0, 2.0, 3.0])


def test_jagged_arrays_that_do_not_fit():
    with pytest.raises(SelectionError, match="same numbers of objects"):
        over_met(ak.Array([[1.0, 2.0], [3.0]]), ak.Array([[1.0], [3.0]]))


@pytest.mark.parametrize("function", [mt2, delta_phi, invariant_mass])
def test_functions_pickle(function):
    assert pickle.loads(pickle.dumps(function)) is function


def test_kernels_work_in_a_spawned_worker():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(over_met, 1.0, 4.0).result() == 0.25


@compiled
def weighted_kernel(pair, weight):
    return weight * (pair[0] - pair[1]), weight


def test_kernels_of_tuples_and_several_results():
    result, weight = elementwise(weighted_kernel, [3.0, 4.0], 1.0, [2.0, 5.0], outputs=2, groups=(2, 1))
    np.testing.assert_array_equal(result, [4.0, 15.0])
    np.testing.assert_array_equal(weight, [2.0, 5.0])


def test_loops_over_kernels_are_kept_on_disk_and_follow_their_kernel(tmp_path):
    """Of a kernel in another file, too; and two loops over kernels of one file are not mixed up."""
    code = (
        "from massgap.arrays.compiled import compiled\n"
        "from massgap.arrays.elementwise import elementwise, loop_over\n"
        "from some_kernels import more, less\n"
        "print(elementwise(more, 1.0), elementwise(less, 1.0), loop_over(more, 1).stats.cache_hits)\n"
    )
    kernels = (
        "from massgap.arrays.compiled import compiled\n@compiled\ndef more(x):\n    return x + {0}\n"
        "@compiled\ndef less(x):\n    return x - {0}\n"
    )
    (tmp_path / "user.py").write_text(code)
    root = str(Path(massgap.__file__).resolve().parent.parent)
    for value, expected in (("1.0", "2.0 0.0"), ("1.0", "2.0 0.0"), ("2.5", "3.5 -1.5")):
        (tmp_path / "some_kernels.py").write_text(kernels.format(value))
        done = subprocess.run(
            [sys.executable, "user.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split()[:2] == expected.split()
    assert sorted(path.name.split("-")[0] for path in tmp_path.rglob("*.nbi")) == [
        "some_kernels.less.inside",
        "some_kernels.less_loop_1_1",
        "some_kernels.more.inside",
        "some_kernels.more_loop_1_1",
    ]


def test_what_is_masked_stays_masked():
    """Against a plain loop over what is there; what lies below the masks must not matter."""
    pt = np.ma.masked_array([60.0, -9.0, 30.0, 50.0], [False, True, False, False])
    met = np.ma.masked_array([120.0, 120.0, 0.0, 200.0], [False, False, True, False])
    right = [0.5, None, None, 0.25]
    assert over_met(pt, met).tolist() == right
    assert over_met(ak.from_numpy(pt), met).to_list() == right
    assert over_met(pt, ak.from_numpy(met)).to_list() == right
    assert over_met(pt, [120.0, 1.0, 1.0, 200.0]).tolist() == [0.5, None, 30.0, 0.25]
    assert over_met(pt.reshape(2, 2), met.reshape(2, 2)).tolist() == [[0.5, None], [None, 0.25]]


def test_masks_of_single_numbers():
    assert over_met(np.ma.masked, 4.0) is np.ma.masked
    assert over_met([1.0, 2.0], np.ma.masked).tolist() == [None, None]
    assert over_met(ak.Array([1.0, 2.0]), np.ma.masked).to_list() == [None, None]
    assert float(over_met(np.ma.masked_array(1.0, mask=False), 4.0)) == 0.25


def test_none_at_any_depth_stays_none():
    jets = ak.Array([[30.0, None], None, [], [60.0]])
    assert over_met(jets, ak.Array([60.0, 60.0, 60.0, None])).to_list() == [[0.5, None], None, [], None]


def test_several_results_do_not_share_a_mask():
    x = np.ma.masked_array([1.0, 2.0], [False, True])
    total, difference = broadcast(sum_and_difference_loop, x, 1.0, outputs=2)
    assert total.tolist() == [2.0, None]
    total.mask[0] = True
    assert difference.tolist() == [0.0, None]


def test_a_masked_array_of_text_is_refused():
    with pytest.raises(SelectionError, match="real numbers"):
        over_met(np.ma.masked_array(["a"], [False]), ak.Array([1.0]))

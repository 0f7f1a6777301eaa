"""Members of sets of parton densities in the sums of a run: one up and one down in each bin, whatever files have them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from massgap.contracts.description import Region
from massgap.processors.base.axes import Regular
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.results.members import sides_of_members
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import DatasetTally, Tally
from massgap.processors.errors import ProcessorError

NOMINAL = np.array([100.0, 10.0])


def by_hand(kind, members, i):
    """Up and down shift of a bin, with plain loops."""
    d = [m[i] - NOMINAL[i] for m in members]
    if kind == "hessian":
        both = math.sqrt(sum(x * x for x in d))
    elif kind == "replicas":
        mean = sum(d) / len(d)
        both = math.sqrt(sum((x - mean) ** 2 for x in d) / (len(d) - 1))
    elif kind == "alphas":
        both = abs(d[1] - d[0]) / 2
    elif kind == "envelope":
        return max(0.0, *d), max(0.0, *(-x for x in d))
    else:
        pairs = list(zip(d[::2], d[1::2], strict=True))
        return tuple(math.sqrt(sum(max(s * a, s * b, 0) ** 2 for a, b in pairs)) for s in (1, -1))
    return both, both


@pytest.mark.parametrize("kind", ["hessian", "replicas", "alphas", "envelope", "asymmetric"])
def test_against_loops(kind) -> None:
    rng = np.random.default_rng(5)
    members = NOMINAL * rng.normal(1.02, 0.1, (2 if kind == "alphas" else 8, 2))
    up, down = sides_of_members(NOMINAL, {f"pdf/{kind}/{k:04d}": m for k, m in enumerate(members)})
    for i in range(2):
        above, below = by_hand(kind, members, i)
        assert up[i] - NOMINAL[i] == pytest.approx(above)
        assert NOMINAL[i] - down[i] == pytest.approx(below)


def test_kinds_add_in_quadrature_and_nothing_is_nothing() -> None:
    members = {"pdf/hessian/1": NOMINAL + 3, "pdf/alphas/1": NOMINAL - 4, "pdf/alphas/2": NOMINAL + 4}
    up, down = sides_of_members(NOMINAL, members)
    assert (up - NOMINAL).tolist() == (NOMINAL - down).tolist() == [5.0, 5.0]
    assert [x.tolist() for x in sides_of_members(NOMINAL, {})] == [NOMINAL.tolist()] * 2


LAYOUT = Layout((HistogramSpec("x", Regular(1, 0.0, 1.0, name="x")),), ("all",))


def chunk(values, members, dataset="d", systematics=("pdf",), **metadata):
    """One chunk whose events are in the one bin."""
    names = ("nominal", *members)
    sums = HistogramSums(names, LAYOUT.size)
    metadata = {"dataset": dataset, "process": "p", **metadata}
    part = DatasetTally(metadata, (), histograms=sums, systematics=systematics)
    values = np.asarray(values, dtype=float)
    part.total.fill(values)
    inside = [(np.ones(len(values), dtype=np.int32), None)]
    for name in names:
        sums.fill(name, inside, values * members.get(name, 1.0))
    sums.finish()
    tally = Tally(LAYOUT, (Region("all").channel or "all",))
    tally.datasets[dataset] = part
    return tally


def result_of(chunks):
    total = chunks[0]
    for one in chunks[1:]:
        total = total + one
    return total.result()["histograms"]["x"]


def contents(histogram):
    return {v: float(histogram[{"variation": v}].values().sum()) for v in histogram.axes["variation"]}


def test_files_without_members_count_as_nominal_in_any_order() -> None:
    chunks = [
        chunk([1.0, 2.0], {"pdf/hessian/0001": 1.1, "pdf/hessian/0002": 0.8}),
        chunk([4.0], {}),
        chunk([0.1, 0.7], {"pdf/hessian/0001": 1.5, "pdf/hessian/0002": 1.0}),
    ]
    found = [contents(result_of(list(order))) for order in itertools.permutations(chunks)]
    assert all(one == found[0] for one in found)
    shift = math.hypot(0.1 * 3 + 0.5 * 0.8, 0.2 * 3)
    assert set(found[0]) == {"nominal", "pdf_up", "pdf_down"}
    assert found[0]["pdf_up"] == pytest.approx(7.8 + shift)
    assert found[0]["pdf_down"] == pytest.approx(7.8 - shift)


def test_datasets_of_a_process_and_those_without() -> None:
    """Members of one set move all of a process together; a data set of another process and data stay as they are."""
    first = chunk([1.0], {"pdf/replicas/0001": 1.2, "pdf/replicas/0002": 0.8}, "a")
    second = chunk([3.0], {"pdf/replicas/0001": 1.1, "pdf/replicas/0002": 0.9}, "b")
    plain = chunk([5.0], {}, "c", systematics=(), process="q")
    data = chunk([2.0], {}, "e", systematics=(), process="data", is_data=True)
    histogram = result_of([first, plain, data, second])
    p, q, recorded = (contents(histogram[{"process": name}]) for name in ("p", "q", "data"))
    assert p["pdf_up"] - 4.0 == pytest.approx(math.sqrt(2) * (0.2 + 0.3))
    assert (q["pdf_up"], q["pdf_down"], q["nominal"]) == (5.0, 5.0, 5.0)
    assert (recorded["pdf_up"], recorded["nominal"]) == (0.0, 2.0)


def test_other_variations_must_be_the_same() -> None:
    with pytest.raises(ProcessorError, match="different metadata or options"):
        result_of([chunk([1.0], {}), chunk([1.0], {"jes_up": 1.0})])

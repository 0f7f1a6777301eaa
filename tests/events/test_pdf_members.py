"""Members of sets of parton densities: which entry is what, and the weights of events under each."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from massgap.arrays.errors import SelectionError
from massgap.contracts.filesets.pdf_sets import COMBINATIONS, combination_of
from massgap.events.event import Event
from massgap.events.pdf_members import members_of, pdf_weights
from massgap.events.variations import ABSENT, EMPTY, varied_weights


def event_of(lists, weights=None):
    n = len(lists)
    return Event(
        ak.zip(
            {
                "Jet_pt": ak.Array([[1.0]])[np.zeros(n, dtype=int)],
                "genWeight": np.arange(1.0, n + 1) if weights is None else weights,
                "LHEPdfWeight": ak.Array(lists),
            },
            depth_limit=1,
        )
    )


def kinds(places):
    return {
        kind: sum(name.split("/")[1] == kind for name in places) for kind in {n.split("/")[1] for n in places}
    }


@pytest.mark.parametrize(
    ("title", "length", "found", "first"),
    [
        ("LHE pdf variation weights (w_var / w_nominal) for LHA IDs 306000 - 306102", 103, {"hessian": 100, "alphas": 2}, 1),
        ("LHE pdf variation weights (w_var / w_nominal) for LHA IDs 306000 - 306100", 101, {"hessian": 100}, 1),
        ("LHE pdf variation weights (w_var / w_nominal) for LHA IDs 260001 - 260100", 100, {"replicas": 100}, 0),
        ("LHE pdf variation weights (w_var / w_nominal) for LHA IDs 292200 - 292302", 103, {"replicas": 100, "alphas": 2}, 1),
        ("LHE pdf variation weights (w_var / w_nominal) for LHA IDs 91400 - 91432", 33, {"hessian": 30, "alphas": 2}, 1),
    ],
)  # fmt: skip
def test_titles_of_nanoaod(title, length, found, first) -> None:
    places = members_of(length, title)
    assert kinds(places) == found
    assert sorted(places.values()) == list(range(first, length))
    assert len(set(places.values())) == len(places)


def test_what_nobody_tells_is_not_guessed() -> None:
    assert members_of(101) is None
    assert members_of(101, "LHE pdf variation weights for LHA IDs 999000 - 999100") is None
    assert members_of(50, "LHE pdf variation weights for LHA IDs 306000 - 306049") is None
    # seven with a title are those of that set, not of massgap
    assert members_of(7, "LHE pdf variation weights for LHA IDs 306000 - 306006") is None
    assert kinds(members_of(101, stated="replicas")) == {"replicas": 100}
    with pytest.raises(
        SelectionError, match=r'"pdf_members" of the data set is \'hesse\': write one of hessian'
    ):
        members_of(101, stated="hesse")
    with pytest.raises(SelectionError, match="an odd number of entries; LHEPdfWeight has 58"):
        members_of(58, stated="asymmetric")
    with pytest.raises(SelectionError, match="takes more entries"):
        members_of(3, stated="hessian+alphas")
    assert combination_of(306000, 103)[0] in COMBINATIONS


def test_weights_are_relative_to_the_first_member() -> None:
    lists = [[1.0, 1.5, 0.5], [2.0, 1.0, 4.0], [0.0, 3.0, 3.0]]
    found = varied_weights(event_of(lists), "pdf", pdf_members="hessian")
    assert found.nominal == {}
    assert {name: w.tolist() for name, w in found.weights.items()} == {
        "pdf/hessian/0001": [1.5, 1.0, 3.0],
        "pdf/hessian/0002": [0.5, 4.0, 3.0],
    }


def test_events_without_members_are_nominal_and_counted() -> None:
    lists = [[1.0, 2.0, 3.0], [], [1.0]]
    found = varied_weights(event_of(lists), "pdf", pdf_members="replicas")
    assert found.nominal == {EMPTY: 2}
    assert found.weights["pdf/replicas/0001"].tolist() == [2.0, 2.0, 3.0]
    bare = Event(ak.zip({"Jet_pt": ak.Array([[1.0]]), "genWeight": [1.0]}, depth_limit=1))
    assert varied_weights(bare, "pdf").nominal == {ABSENT: 1}
    assert varied_weights(bare, "pdf").weights == {}
    assert pdf_weights(bare) is None
    nothing = event_of(ak.Array([[1.0]])[:0], np.zeros(0))
    assert varied_weights(nothing, "pdf").weights == {}


def test_refusal_says_what_to_write() -> None:
    with pytest.raises(
        SelectionError, match=r'has 3 entries.*Write "pdf_members" into the metadata.*Leave it out'
    ):
        varied_weights(event_of([[1.0, 2.0, 3.0]]), "pdf", "Leave it out")

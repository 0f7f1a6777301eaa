"""Weights of the b tag: rates of tag counts under them are those of the changed efficiency."""

from __future__ import annotations

import itertools

import awkward as ak
import numpy as np
import pytest

from massgap.arrays.errors import SelectionError
from massgap.events.btag_weights import btag_weights, relative_uncertainty
from massgap.events.event import Event, TaggerOptions
from massgap.events.variations import ABSENT, varied_weights

POINT = 0.2783


def event_of(jets, weights=None, **options):
    n = len(jets)
    return Event(
        ak.zip(
            {
                "Jet": jets,
                "MET_pt": np.ones(n),
                "MET_phi": np.zeros(n),
                "genWeight": np.ones(n) if weights is None else weights,
            },
            depth_limit=1,
        ),
        **options,
    )


def jets_of(counts, **fields):
    return ak.unflatten(ak.zip(fields), counts)


def rates(probabilities):
    """Probability of each number of tags of independent jets, by going through all of their combinations."""
    out = np.zeros(len(probabilities) + 1)
    for tags in itertools.product((0, 1), repeat=len(probabilities)):
        out[sum(tags)] += np.prod([p if t else 1 - p for p, t in zip(probabilities, tags, strict=True)])
    return out


@pytest.mark.parametrize("name", ["btag", "mistag"])
def test_rates_of_tag_counts_are_those_of_the_changed_efficiency(name) -> None:
    n = 60_000
    rng = np.random.default_rng(3)
    kinds = [(5, 80.0, 0.7), (5, 600.0, 0.6), (4, 40.0, 0.2), (0, 50.0, 0.1)]
    flavour, pt, efficiency = (np.tile(np.array(x), n) for x in zip(*kinds, strict=True))
    score = np.where(rng.random(4 * n) < efficiency, 0.9, 0.1)
    columns = {"pt": pt, "eta": rng.uniform(-2.4, 2.4, 4 * n), "phi": 0.0 * pt, "mass": 0.0 * pt}
    columns |= {"btagDeepFlavB": score, "btagEff": efficiency, "hadronFlavour": flavour.astype(np.uint8)}
    found = btag_weights(event_of(jets_of(np.full(n, 4), **columns)), name)
    tags = (score.reshape(n, 4) > POINT).sum(axis=1)
    size = relative_uncertainty(flavour[:4], pt[:4])
    mine = np.isin(flavour[:4], (5, 4) if name == "btag" else (0,))
    for side, sign in (("up", 1), ("down", -1)):
        w = found[f"{name}_{side}"]
        expected = rates(np.where(mine, efficiency[:4] * (1 + sign * size), efficiency[:4]))
        for k, rate in enumerate(expected):
            here = np.where(tags == k, w, 0.0)
            assert abs(here.mean() - rate) < 4.5 * here.std() / np.sqrt(n)
        # the same events: what the variation changes is known far better than the rates themselves
        nominal = rates(efficiency[:4])
        change = np.where(tags == 0, w - 1, 0.0)
        assert abs(change.mean() - (expected[0] - nominal[0])) < 4.5 * change.std() / np.sqrt(n)
        assert abs(expected[0] - nominal[0]) > 4.5 * change.std() / np.sqrt(n)
        assert abs(w.mean() - 1) < 4.5 * w.std() / np.sqrt(n)


def test_one_event_by_hand() -> None:
    columns = {
        "pt": [100.0, 100.0, 15.0, 100.0, 100.0],
        "eta": [0.0, -1.0, 0.0, 2.6, 0.0],
        "btagDeepFlavB": [0.9, 0.1, 0.9, 0.9, 0.9],
        "btagEff": [0.5, 0.8, 0.5, 0.5, 0.01],
        "hadronFlavour": np.array([5, 4, 5, 5, 0], dtype=np.uint8),
    }
    columns |= {"phi": np.zeros(5), "mass": np.zeros(5)}
    found = btag_weights(event_of(jets_of([0, 5], **columns), np.array([3.0, 2.0])), "btag")
    # too soft and too far forward jets have no scale factor; the light one is not of this systematic
    assert found["btag_up"].tolist() == pytest.approx([3.0, 2.0 * 1.03 * (1 - 0.8 * 1.06) / 0.2])
    assert found["btag_down"].tolist() == pytest.approx([3.0, 2.0 * 0.97 * (1 - 0.8 * 0.94) / 0.2])
    mistag = btag_weights(event_of(jets_of([0, 5], **columns), np.array([3.0, 2.0])), "mistag")
    assert mistag["mistag_up"].tolist() == pytest.approx([3.0, 2.2])


def test_extreme_efficiencies_stay_finite() -> None:
    columns = {
        "pt": np.full(4, 100.0),
        "btagDeepFlavB": [0.9, 0.1, 0.9, 0.1],
        "btagEff": [1.0, 0.0, 0.0, 1.0],
        "hadronFlavour": np.full(4, 5, dtype=np.uint8),
    }
    columns |= {key: np.zeros(4) for key in ("eta", "phi", "mass")}
    found = btag_weights(event_of(jets_of([1, 1, 1, 1], **columns)), "btag")
    assert found["btag_up"].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert found["btag_down"].tolist() == pytest.approx([0.97, 1.0, 1.0, 1.0])


def test_jets_without_efficiency_are_nominal_and_another_working_point_is_refused() -> None:
    columns = {key: np.ones(1) for key in ("pt", "eta", "phi", "mass", "btagDeepFlavB")}
    bare = event_of(jets_of([1], **columns))
    found = varied_weights(bare, "btag")
    assert found.nominal == {ABSENT: 1}
    assert found.weights["btag_up"].tolist() == [1.0]
    columns |= {"btagEff": np.ones(1), "hadronFlavour": np.array([5], dtype=np.uint8)}
    for taggers in (TaggerOptions(b_threshold=0.5), TaggerOptions(b_tagger="btagPNetB")):
        event = event_of(jets_of([1], **columns), taggers=taggers)
        with pytest.raises(SelectionError, match=r"efficiency of btagDeepFlavB above 0\.2783.*Leave it out"):
            varied_weights(event, "mistag", "Leave it out")

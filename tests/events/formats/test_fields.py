"""Columns as skims of others store them: identifications as floats or as yes and no, numbers of events in lists."""

from __future__ import annotations

import awkward as ak
import eventfiles
import numpy as np
import pytest

from massgap.arrays.errors import SelectionError
from massgap.events.errors import NonFiniteError
from massgap.events.event import Event, TaggerOptions
from massgap.events.reading.files import inspect_file
from massgap.events.reading.open import Chunk, open_events
from massgap.events.variations import varied_weights

EVENTS = eventfiles.make_events(400, seed=7)


def event_of(path, *, bare: bool = True, **options) -> Event:
    info = inspect_file(str(path))
    chunk = Chunk("d", str(path), 0, info.entries, info.tree, info.format, info.uuid)
    return Event(open_events(chunk, {}, columns=bare), **options)


def nano(tmp_path, version="v12", **how) -> Event:
    return event_of(
        eventfiles.write_nano(tmp_path / f"{len(list(tmp_path.iterdir()))}.root", EVENTS, version, **how)
    )


def added(tmp_path, name, column, **options) -> Event:
    columns = {**eventfiles.columns(EVENTS), name: column}
    return event_of(eventfiles.write_columns(tmp_path / "added.root", columns), **options)


def as_type(kind):
    return lambda values: np.asarray(values).astype(kind)


IDENTIFICATIONS = [
    ("v12", "jets", "Jet_jetId", lambda x: (x & 2) != 0),
    ("v9", "jets", "Jet_jetId", lambda x: (x & 2) != 0),
    ("v9", "jets", "Jet_puId", lambda x: (x & 4) != 0),
    ("v12", "electrons", "Electron_cutBased", lambda x: x >= 2),
    ("v12", "muons", "Muon_mediumId", lambda x: x != 0),
    ("v9", "taus", "Tau_idDeepTau2017v2p1VSjet", lambda x: (x & 16) != 0),
]


@pytest.mark.parametrize(("version", "collection", "branch", "passes"), IDENTIFICATIONS)
@pytest.mark.parametrize("stored", ["float", "double", "yes or no"])
def test_an_identification_is_the_same_however_a_skim_stores_it(
    tmp_path, version, collection, branch, passes, stored
) -> None:
    # Enough of both kinds, also of those of which there are few.
    codes = {"Electron_cutBased": lambda x: (np.arange(len(x)) % 5).astype("u1")}.get(branch, np.asarray)
    right = getattr(nano(tmp_path, version, change={branch: codes}), collection).identified
    assert 0 < ak.sum(right) < ak.count(right)
    change = {"float": as_type("f4"), "double": as_type("f8"), "yes or no": passes}[stored]
    found = getattr(
        nano(tmp_path, version, change={branch: lambda x: change(codes(x))}), collection
    ).identified
    assert found.tolist() == right.tolist()


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_tags_of_delphes_as_floats(tmp_path, kind) -> None:
    columns = eventfiles.delphes_columns(EVENTS)
    right = event_of(eventfiles.write_columns(tmp_path / "a.root", columns, tree="Delphes"))
    columns |= {name: ak.values_astype(columns[name], kind) for name in ("Jet.BTag", "Jet.TauTag")}
    found = event_of(eventfiles.write_columns(tmp_path / "b.root", columns, tree="Delphes"))
    assert found.jets.b_tagged.tolist() == right.jets.b_tagged.tolist()
    assert found.taus.pt.tolist() == right.taus.pt.tolist()


def test_nan_is_no_yes(tmp_path) -> None:
    spoilt = lambda x: np.where(np.arange(len(x)) == 3, np.nan, np.asarray(x, "f4")).astype("f4")
    with pytest.raises(NonFiniteError, match=r"Muon_mediumId has 1 NaN"):
        nano(tmp_path, change={"Muon_mediumId": spoilt}).muons.identified  # noqa: B018


def test_a_discriminant_is_no_identification(tmp_path) -> None:
    path = eventfiles.write_nano(tmp_path / "a.root", EVENTS)
    event = event_of(path, taggers=TaggerOptions(muon_id="pfRelIso04_all"))
    with pytest.raises(SelectionError, match=r"Muon_pfRelIso04_all holds 0\.\d+ where .*--taggers"):
        event.muons.identified  # noqa: B018


@pytest.mark.parametrize("bare", [True, False], ids=["columns", "NanoEvents"])
@pytest.mark.parametrize("branch", ["MET_pt", "genWeight", "event"])
def test_entries_that_are_not_one_per_event_are_not_moved_to_their_neighbours(tmp_path, branch, bare) -> None:
    values = np.asarray(eventfiles.columns(EVENTS)[branch])
    read = {
        "MET_pt": lambda event: event.met.pt,
        "genWeight": lambda event: event.weights,
        "event": lambda event: event.identifiers[:, 2],
    }[branch]
    ones = ak.unflatten(values, np.ones(len(values), dtype=int))
    assert np.array_equal(read(added(tmp_path, branch, ones, bare=bare)), values)
    counts = np.ones(len(values), dtype=int)
    counts[3:5] = 2, 0  # as many in all
    with pytest.raises(SelectionError, match=rf"{branch} has not exactly one entry in every event"):
        read(added(tmp_path, branch, ak.unflatten(values, counts), bare=bare))


def test_numbers_of_events_are_whole(tmp_path) -> None:
    numbers = np.asarray(eventfiles.columns(EVENTS)["event"])
    assert np.array_equal(added(tmp_path, "event", numbers.astype("f8")).identifiers[:, 2], numbers)
    spoilt = np.where(np.arange(len(numbers)) == 3, np.nan, numbers.astype("f8"))
    with pytest.raises(NonFiniteError, match=r"branch event has 1 NaN"):
        added(tmp_path, "event", spoilt).identifiers  # noqa: B018


@pytest.mark.parametrize(
    ("branch", "systematic"), [("PSWeight", "isr"), ("LHEScaleWeight", "mur"), ("LHEPdfWeight", "pdf")]
)
def test_a_plain_number_is_no_list_of_weights(tmp_path, branch, systematic) -> None:
    event = added(tmp_path, branch, np.ones(len(EVENTS), dtype="f4"))
    with pytest.raises(
        SelectionError, match=rf"branch {branch} has one number for each event where a list.*--variations"
    ):
        varied_weights(event, systematic)
